"""Single-map resolution on simulated experiments and real maps, next to methods of half maps."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cryodl.evaluation.tables import rank_correlation, read_table, write_tables
from cryodl.features.context import prepare_context
from cryodl.files.folder import whole_folder
from cryodl.filters.sharpen import apply_bfactor
from cryodl.half_maps.local_fsc import local_fsc
from cryodl.half_maps.monogenic import monogenic_resolution
from cryodl.maps.mask import automatic_mask, coarse_mask
from cryodl.maps.mrc import read_map
from cryodl.maps.volume import Volume
from cryodl.methods.cryores.options import DEFAULT
from cryodl.methods.cryores.predict import overlap, predict
from cryodl.methods.cryores.run import run_single_map_resolution
from cryodl.methods.options import Option, declared
from cryodl.methods.training_options import MAPS, TABLES
from cryodl.networks.architectures import is_backbone
from cryodl.simulation.experiment_set import VOXEL_SIZE
from cryodl.training.run import print_line

OPTIONS = (
    Option("experiments", help="folder that 'cryodl experiments' wrote, on structures that were "
        "not trained on", metavar="SET"),
    Option("first", 0, "number of the first experiment taken", int, least=0, metavar="N"),
    Option("every", 1, "take one in so many", int, least=1, metavar="N"),
    Option("count", None, "experiments to take at most", int, least=1, metavar="N"),
    Option("halves", 30, "of them also judged by the methods of half maps, which take longer", int,
        least=0, metavar="N"),
    MAPS,
    Option("bundle", DEFAULT, "the network", metavar="BUNDLE"),
    *TABLES,
)  # fmt: skip

BANDS = 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0  # Å, of the true resolution
KNOWN = 2.5, 12.0  # Å, between which claims are compared with
SHARPENED = -100.0  # Å², of a copy that is compared with the raw map


@declared(OPTIONS)
def evaluate_single_map_resolution(
    output: str | Path,
    *,
    experiments: str | Path | None = None,
    first: int = 0,
    every: int = 1,
    count: int | None = None,
    halves: int = 30,
    maps: str | Path | None = None,
    bundle: str | Path = DEFAULT,
    overwrite: bool = False,
    log: Callable[[str], object] | None = print_line,
) -> dict[str, list[dict]]:
    """Measure masks and resolutions of single maps on experiments and real maps.

    What `cryodl evaluate single-map-resolution` does.

    Parameters
    ----------
    output : folder for tables
    experiments : folder that 'cryodl experiments' wrote, on structures that were not trained on
    first, every, count : which of them: from this number on, one in so many, so many at most
    halves : of them also judged by the methods of half maps, which take longer
    maps : tab-separated table with file and resolution_A: runs these maps
    bundle : the network, name or folder
    overwrite : replace tables that exist
    log : called with each line of progress and each table; None is silent

    Returns the tables by name, lists of rows; they are also written, as Markdown and as JSON.

    Raises
    ------
    CryodlError : one line with what was received and what to do
    """
    from cryodl.compute.device import prepare_device
    from cryodl.errors import SettingError
    from cryodl.networks.bundle import load_bundle
    from cryodl.simulation.experiment_set import open_experiment_set

    if not experiments and not maps:
        raise SettingError("nothing to evaluate on: give experiments=, maps=, or both")
    say = log or (lambda line: None)
    tables: dict[str, list[dict]] = {}
    with whole_folder(output, overwrite=overwrite, clear=False) as folder:
        prepare_device("auto")
        network = load_bundle(bundle)
        if experiments:
            chosen = open_experiment_set(experiments)[first::every][:count]
            tables.update(_simulated(chosen, network, halves, say))
        if maps:
            tables.update(_real(maps, network, folder, say))
        return write_tables(folder, tables.items(), say)


def _simulated(experiments, bundle, halves: int, say) -> dict[str, list[dict]]:
    from cryodl.training.augment import molecular_target

    rows = []
    for number, experiment in enumerate(experiments):
        target = molecular_target(experiment)
        rows += judge_experiment(experiment, bundle, target, halves=number < halves)
        say(f"{number + 1} of {len(experiments)} experiments")
    compared = {r["experiment"] for r in rows if r["method"] != "cryores"}
    same = [r for r in rows if r["experiment"] in compared]
    tables = {"single_map": compare([r for r in rows if r["method"] == "cryores"])}
    if same:
        tables["single_map_methods"] = compare(same)
        tables["single_map_bands"] = by_band(same)
    tables["single_map_copies"] = copies(rows)
    return tables


def _real(table, bundle, folder: Path, say) -> dict[str, list[dict]]:
    from cryodl.report.curves import draw_scatter
    from cryodl.report.figure import drawing
    from cryodl.report.slices import draw_slices

    rows = real_maps(table, bundle)
    for row in rows:
        result = row.pop("result")
        mask = result.volumes["mask"].data > 0
        name = f"{row['map'].split('.')[0]}.png"
        with drawing(name, say):
            draw_slices(
                result.density.data, result.volumes["resolution"].data, mask, folder / name,
                voxel_size=result.density.voxel_size, origin=result.density.origin,
                title=row["map"],
            )  # fmt: skip
    with drawing("real_maps.png", say):
        draw_scatter(
            [r["claimed"] for r in rows],
            [r["median"] for r in rows],
            folder / "real_maps.png",
            "Claimed resolution (Å)",
            "Median local resolution (Å)",
        )
    return {"single_map_real": rows, "single_map_real_summary": summarise_real(rows)}


def judge_experiment(experiment, bundle, target, *, halves=True) -> list[dict]:
    """All methods on one experiment.

    experiment : StoredExperiment;  bundle : Bundle
    target : ndarray (z, y, x), bool, the mask to predict
    halves : also run the methods of half maps (inside the true mask)

    Returns one dict for each method and input: method, input, seconds, and of local resolution
    inside the true mask: values and truth (ndarrays, Å); for the network also whole (global
    resolution, Å), iou and, of the rule that other commands have their mask from, rule_iou.
    """
    inside, snr = experiment.load("mask") > 0, experiment.load("snr")
    half1, half2 = (Volume(experiment.load(name), VOXEL_SIZE) for name in ("half1", "half2"))
    raw = half1.with_data((half1.data + half2.data) / 2)
    inputs = {
        "deposited": Volume(experiment.load("map"), VOXEL_SIZE),
        "raw": raw,
        "sharpened": apply_bfactor(raw, SHARPENED),
        "mirrored": raw.with_data(np.ascontiguousarray(raw.data[..., ::-1])),
    }
    shared = {"experiment": experiment.folder.name, "claimed": experiment.resolution,
              "truth": snr[inside]}  # fmt: skip
    rows, spec = [], bundle.spec
    for name, volume in inputs.items():
        back = np.s_[..., ::-1] if name == "mirrored" else np.s_[...]
        start = time.perf_counter()
        molecule = coarse_mask(volume)
        prepared = prepare_context(
            volume, spec["voxel_size"], molecule, spectrum=is_backbone(spec["network"])
        )
        prediction, _ = predict(prepared, spec, bundle.model)
        values = prepared.paste(prediction.resolution, volume)
        inside_map = prepared.paste(prediction.probability, volume)
        seconds = time.perf_counter() - start
        values, probability, rule = values[back], inside_map[back], automatic_mask(volume)[back]
        rows.append({
            **shared, "method": "cryores", "input": name, "values": values[inside],
            "seconds": seconds, "whole": prediction.whole,
            "iou": overlap(probability > 0.5, target), "rule_iou": overlap(rule, target),
        })  # fmt: skip
    if not halves:
        return rows
    for name, estimate in (
        ("monogenic, half maps", lambda: monogenic_resolution(
            raw, inside, raw.with_data((half1.data - half2.data) / 2))),
        ("monogenic, one map", lambda: monogenic_resolution(raw, inside)),
        ("localfsc, half maps", lambda: local_fsc(
            half1, half2, inside, global_resolution=experiment.resolution)),
    ):  # fmt: skip
        start = time.perf_counter()
        found, _ = estimate()
        rows.append({**shared, "method": name, "input": "half maps" if "half" in name else "raw",
                     "values": found[inside], "seconds": time.perf_counter() - start})  # fmt: skip
    return rows


def compare(rows, best=2.0, worst=10.0) -> list[dict]:
    """One row for each method and input, over voxels whose truth lies between two resolutions (Å).

    RMSE is that of all voxels, each experiment weighing the same.
    """
    table = []
    for method, given in dict.fromkeys((r["method"], r["input"]) for r in rows):
        own = [r for r in rows if (r["method"], r["input"]) == (method, given)]
        errors = [_errors(r, best, worst) for r in own]
        errors = [e for e in errors if len(e)]
        entry = {
            "method": method,
            "input": given,
            "experiments": len(own),
            "rmse": _root_mean(errors),
            "mean_error": float(np.mean([np.abs(e).mean() for e in errors])),
            "bias": float(np.mean([e.mean() for e in errors])),
            "local_rank": float(np.mean([_rank(r) for r in own])),
            "seconds": float(np.median([r["seconds"] for r in own])),
        }
        if "whole" in own[0]:
            off = [abs(r["whole"] - r["claimed"]) for r in own]
            entry |= {
                "global_error_median": float(np.median(off)),
                "global_error_mean": float(np.mean(off)),
                "mask_iou": float(np.mean([r["iou"] for r in own])),
                "rule_iou": float(np.mean([r["rule_iou"] for r in own])),
            }
        table.append(entry)
    return table


def by_band(rows) -> list[dict]:
    """RMSE (Å) of every method in bands of the true resolution."""
    table = []
    for low, high in zip(BANDS[:-1], BANDS[1:]):
        entry: dict = {"from": low, "to": high}
        for method, given in dict.fromkeys((r["method"], r["input"]) for r in rows):
            own = [r for r in rows if (r["method"], r["input"]) == (method, given)]
            errors = [e for e in (_errors(r, low, high) for r in own) if len(e)]
            entry[f"{method} ({given})"] = _root_mean(errors) if errors else None
        table.append(entry)
    return table


def copies(rows) -> list[dict]:
    """How far copies of one map lie apart: raw and with a B-factor, deposited, or
    of the other hand."""
    found = {(r["experiment"], r["input"]): r for r in rows if r["method"] == "cryores"}
    table = []
    for other in ("sharpened", "deposited", "mirrored"):
        pairs = [(found[e, "raw"], found[e, other]) for e, given in found if given == "raw"]
        medians = [abs(np.median(a["values"]) - np.median(b["values"])) for a, b in pairs]
        table.append({
            "copies": f"raw and {other}",
            "experiments": len(pairs),
            "medians_apart_median": float(np.median(medians)),
            "medians_apart_90%": float(np.quantile(medians, 0.9)),
            "within_0.3": float(np.mean(np.array(medians) <= 0.3)),
            "voxels_apart": float(np.mean([np.abs(a["values"] - b["values"]).mean()
                                           for a, b in pairs])),
            "global_apart_median": float(np.median([abs(a["whole"] - b["whole"])
                                                    for a, b in pairs])),
        })  # fmt: skip
    return table


def real_maps(table, bundle) -> list[dict]:
    """Run every map of a table with file and resolution_A; the masks are for looking at.

    Returns rows: map, claimed, median, global, sd, share of the box in the mask, warnings; and
    the Result under "result".
    """
    rows = []
    for path, claimed, voxel in read_table(table):
        result = run_single_map_resolution(read_map(path, voxel), bundle)
        stats = result.stats
        rows.append({
            "map": path.name, "claimed": claimed, "median": stats["median"], "sd": stats["sd"],
            "global": stats["global_resolution"], "looks": stats["looks"],
            "in_mask": round(float((result.volumes["mask"].data > 0).mean()), 3),
            "seconds": round(sum(stats["seconds"].values()), 1),
            "warnings": "; ".join(stats["warnings"]), "result": result,
        })  # fmt: skip
    return rows


def summarise_real(rows) -> list[dict]:
    """Mean |median - claimed| (Å) and the like, over claims between the ends of KNOWN."""
    kept = [r for r in rows if KNOWN[0] <= r["claimed"] <= KNOWN[1]]
    claimed = np.array([r["claimed"] for r in kept])
    return [
        {
            "figure": name,
            "maps": len(kept),
            "mean_error": float(np.mean(np.abs(reported - claimed))),
            "bias": float(np.mean(reported - claimed)),
            "rank_correlation": rank_correlation(claimed, reported),
        }
        for name, reported in ((n, np.array([r[n] for r in kept])) for n in ("median", "global"))
        if kept
    ]


def _errors(row, best, worst):
    held = (row["truth"] >= best) & (row["truth"] <= worst)
    return row["values"][held] - row["truth"][held]


def _root_mean(errors) -> float:
    return float(np.sqrt(np.mean([np.mean(e**2) for e in errors])))


def _rank(row) -> float:
    return rank_correlation(row["truth"][::7], row["values"][::7]) or 0.0
