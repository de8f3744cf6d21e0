"""What local resolution reaches: the DeepRes paper's tests, simulated experiments, real maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cryodl.evaluation.tables import rank_correlation, read_table, write_tables
from cryodl.files.folder import whole_folder
from cryodl.maps.mrc import read_map
from cryodl.maps.volume import Volume
from cryodl.methods.deepres.config import choose_range
from cryodl.methods.deepres.run import run_local_resolution
from cryodl.methods.options import Option, declared
from cryodl.methods.training_options import MAPS, TABLES
from cryodl.simulation.model_map import simulate_map
from cryodl.simulation.simulated_experiment import simulate_experiment
from cryodl.training.run import print_line

OPTIONS = (
    Option("structures", help="folder of unseen PDB or mmCIF files, or a packed set: runs the "
        "simulated tests", metavar="DIR"),
    MAPS,
    Option("low", "deepres-low", "for 2.5-13 Å", metavar="BUNDLE"),
    Option("high", "deepres-high", "for 1.5-6 Å", metavar="BUNDLE"),
    Option("count", 4, "structures per test", int, least=1, metavar="N"),
    *TABLES,
)  # fmt: skip

KNOWN = 2.5, 8.0  # Å, between which claims are compared with
ASKED = (3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0)  # Å, FSC 0.143 of the half maps


@declared(OPTIONS)
def evaluate_local_resolution(
    output: str | Path,
    *,
    structures: str | Path | None = None,
    maps: str | Path | None = None,
    low: str | Path = "deepres-low",
    high: str | Path = "deepres-high",
    count: int = 4,
    overwrite: bool = False,
    log: Callable[[str], object] | None = print_line,
) -> dict[str, list[dict]]:
    """Run the tests of the DeepRes paper, and tables of real maps.

    What `cryodl evaluate local-resolution` does.

    Parameters
    ----------
    output : folder for tables
    structures : folder of unseen PDB or mmCIF files, or a packed set: runs the simulated tests
    maps : tab-separated table with file and resolution_A: runs these maps
    low, high : bundles for 2.5-13 Å and for 1.5-6 Å
    count : structures per test
    overwrite : replace tables that exist
    log : called with each line of progress and each table; None is silent

    Returns the tables by name, lists of rows; they are also written, as Markdown and as JSON.

    Raises
    ------
    CryodlError : one line with what was received and what to do
    """
    from cryodl.compute.device import prepare_device
    from cryodl.errors import SettingError

    if not structures and not maps:
        raise SettingError("nothing to evaluate on: give structures=, maps=, or both")
    say = log or (lambda line: None)
    tables: dict[str, list[dict]] = {}
    with whole_folder(output, overwrite=overwrite, clear=False) as folder:
        prepare_device("auto")
        if structures:
            tables.update(_simulated(structures, low, high, count))
        if maps:
            tables.update(_real(maps, low, high, folder, say))
        return write_tables(folder, tables.items(), say)


def _simulated(place, low, high, count: int) -> dict[str, list[dict]]:
    from cryodl.networks.bundle import load_bundle
    from cryodl.training.structures import load_structures

    structures, _ = load_structures(place)
    low, high = load_bundle(low), load_bundle(high)
    pick = {
        kind: choose_structures(structures, kind, count) for kind in ("tetramer", "rna", "protein")
    }
    rows = tetramers(pick["tetramer"], low)
    rows += uniform_maps(pick["protein"], low)
    rows += uniform_maps(pick["rna"], high, cutoffs=(2.0, 4.0), voxel_size=0.5, name="RNA")
    rows += phase_randomised(pick["rna"], high)
    tables = {"simulated": rows, "simulated_summary": summarise(rows)}
    tables["b_factors"] = b_factors(pick["protein"][:2], low)
    if pick["protein"]:
        tables["invariances"] = invariances(pick["protein"][0], low)
    many = choose_structures(structures, "protein", 4 * count)
    if many:
        tables["experiments"] = experiments(many, low)
        tables["experiments_summary"] = summarise_experiments(tables["experiments"])
    tables["intervals"] = [
        {"bundle": b.spec["name"], **{k: v for k, v in b.spec["metrics"].items() if k != "bands"}}
        for b in (low, high)
    ]
    return tables


def _real(table, low, high, folder: Path, say) -> dict[str, list[dict]]:
    from cryodl.report.curves import draw_scatter
    from cryodl.report.figure import drawing

    rows = real_maps(table, {"low": low, "high": high})
    with drawing("real_maps.png", say):
        draw_scatter(
            [r["claimed"] for r in rows],
            [r["flattened"] for r in rows],
            folder / "real_maps.png",
            "Claimed resolution (Å)",
            "Median local resolution, flattened (Å)",
        )
    return {"real_maps": rows, "real_maps_summary": summarise_real(rows)}


def experiments(structures, bundle):
    """Judge the deposited map of an experiment on each structure, at each resolution in turn.

    structures : list of Structure, unseen in training
    bundle : Bundle, or its name or folder

    Returns rows: medians inside the molecule of the truth (signal to noise) and of the network, on
    the map as deposited and flattened up to the resolution asked; the rank correlation of the
    latter with the local truth, where that varies.
    """
    rows = []
    for number, structure in enumerate(structures):
        resolution = ASKED[number % len(ASKED)]
        made = simulate_experiment(
            structure, {"resolution": resolution, "voxel_size": [0.8, 2.0]}, number
        )
        volume = made.volume("map")
        mask = volume.with_data(made.mask.astype(np.float32))
        entry = {
            "structure": structure.name,
            "asked": resolution,
            "voxel_size": round(made.voxel_size, 2),
            "truth": round(float(np.median(made.snr[made.mask])), 2),
        }
        for name, options in (
            ("deposited", {}),
            ("automatic", {"sharpen": "auto"}),
            ("flattened", {"sharpen": "auto", "claimed": resolution}),  # up to where its FSC says
        ):
            result = run_local_resolution(volume, bundle, mask=mask, **options)
            values = result.volumes["resolution"].data[made.mask]
            entry[name] = round(float(np.median(values)), 2)
        known = values > 0
        entry["local_rank"] = rank_correlation(made.snr[made.mask][known], values[known])
        rows.append(entry)
    return rows


def summarise_experiments(rows):
    """Mean |median - truth|, bias (Å) and rank correlation of the medians, by treatment."""
    truth = np.array([r["truth"] for r in rows])
    summary = []
    for name in ("deposited", "automatic", "flattened"):
        values = np.array([r[name] for r in rows])
        summary.append(
            {
                "experiments": len(rows),
                "treatment": name,
                "mean_error": round(float(np.mean(np.abs(values - truth))), 3),
                "median_error": round(float(np.median(np.abs(values - truth))), 3),
                "bias": round(float(np.mean(values - truth)), 3),
                "rank_correlation": rank_correlation(truth, values),
            }
        )
    return summary


NOISE = 0.08
CUTOFFS = (3.0, 5.0, 7.0, 9.0)
NEAR = 3.0  # Å from an atom: the voxels that are judged


def choose_structures(structures, kind, count):
    """Pick test structures: "tetramer" (four or more sizeable chains), "rna", or "protein"."""
    chosen = []
    for structure in sorted(structures, key=lambda s: s.name):
        sizes = np.bincount(structure.chains)
        nucleic = float((structure.elements == 15).mean()) > 0.025
        extent = float(np.ptp(structure.positions, axis=0).max())
        fits = {
            "tetramer": not nucleic and (sizes >= 700).sum() >= 4 and extent < 150,
            "rna": nucleic and 500 <= len(structure) <= 5000 and extent < 110,
            "protein": not nucleic and 1500 <= len(structure) <= 8000,
        }
        if fits[kind]:
            chosen.append(structure)
    step = max(1, len(chosen) // max(count, 1))
    return chosen[::step][:count]


def judge(made, bundle, **options):
    """Run the network on a simulated map inside the true mask; the resolution array (z, y, x)."""
    mask = (made.distance <= NEAR).astype(np.float32)
    result = run_local_resolution(made.volume, bundle, mask=made.volume.with_data(mask), **options)
    return result.volumes["resolution"].data, mask > 0


def row(test, structure, truth, values):
    """One line of a table; figures in Å."""
    values = values[values > 0]
    return {
        "test": test,
        "structure": structure.name,
        "truth": float(truth),
        "median": round(float(np.median(values)), 3),
        "sd": round(float(np.std(values)), 3),
        "error": round(float(np.median(values)) - float(truth), 3),
        "voxels": int(values.size),
    }


def uniform_maps(
    structures, bundle, *, noise=NOISE, cutoffs=CUTOFFS, voxel_size=1.0, name="uniform"
):
    """Whole maps at one resolution each."""
    rows: list[dict] = []
    for structure in structures:
        for cutoff in cutoffs:
            made = simulate_map(structure, cutoff, voxel_size, noise=noise, seed=len(rows))
            values, mask = judge(made, bundle)
            rows.append(row(name, structure, cutoff, values[mask]))
    return rows


def tetramers(structures, bundle):
    """One resolution per chain: figure 1a of the paper."""
    rows = []
    for structure in structures:
        made = simulate_map(structure, CUTOFFS, 1.0, noise=NOISE)
        values, mask = judge(made, bundle)
        for cutoff in CUTOFFS:
            own = mask & (made.truth == np.float32(cutoff))
            rows.append(row("chains", structure, cutoff, values[own]))
    return rows


def phase_randomised(structures, bundle):
    """A 2 Å map whose phases are random beyond 4 Å shows 4 Å: supporting figure S2."""
    rows = []
    for structure in structures:
        made = simulate_map(structure, 2.0, 0.5, noise=0.0, random_phases=4.0)
        values, mask = judge(made, bundle)
        rows.append(row("phases random beyond 4 Å", structure, 4.0, values[mask]))
    return rows


def b_factors(structures, bundle, *, resolution=3.5, factors=(-60, -30, 0, 50, 100, 150, 200)):
    """Medians against the B-factor applied; they must rise."""
    rows = []
    for structure in structures:
        for factor in factors:
            made = simulate_map(structure, resolution, 1.0, noise=0.02, blur=factor)
            values, mask = judge(made, bundle)
            entry = row("B-factor", structure, resolution, values[mask])
            rows.append({**entry, "b_factor": factor})
    return rows


def invariances(structure, bundle):
    """Largest and mean changes (Å) under scale and offset, tiles, and a turn by 90 degrees."""
    made = simulate_map(structure, 5.0, 1.0, noise=0.02)
    reference, mask = judge(made, bundle)
    scaled = made.volume.with_data(made.volume.data * 1e-6 + 0.5e-6)
    moved, _ = judge(type(made)(scaled, made.truth, made.distance), bundle)

    def turn(array):
        return np.ascontiguousarray(np.rot90(array, axes=(1, 2)))

    turned = type(made)(Volume(turn(made.volume.data), 1.0), turn(made.truth), turn(made.distance))
    rotated, _ = judge(turned, bundle)
    back = np.rot90(rotated, -1, axes=(1, 2))
    return [
        {"test": "density x 1e-6 + offset", "change": float(np.abs(moved - reference)[mask].max())},
        {"test": "turned by 90 degrees", "change": float(np.abs(back - reference)[mask].mean())},
    ]


def summarise(rows):
    """Worst |median - truth| and worst SD (Å) of every test at every truth."""
    summary = []
    for test, truth in dict.fromkeys((r["test"], r["truth"]) for r in rows):
        own = [r for r in rows if (r["test"], r["truth"]) == (test, truth)]
        summary.append(
            {
                "test": test,
                "truth": truth,
                "structures": len(own),
                "median": round(float(np.mean([r["median"] for r in own])), 3),
                "worst_error": round(max(abs(r["error"]) for r in own), 3),
                "mean_sd": round(float(np.mean([r["sd"] for r in own])), 3),
                "worst_sd": round(max(r["sd"] for r in own), 3),
            }
        )
    return summary


def real_maps(table, bundles):
    """Run every map of a table with the bundle of its range, {"low": ..., "high": ...}.

    Returns rows with claimed resolution, Guinier B-factor, medians as deposited and flattened.
    """
    rows = []
    for path, claimed, voxel in read_table(table):
        volume = read_map(path, voxel)
        bundle = bundles[choose_range(volume.voxel_size)]
        entry = {"map": path.name, "claimed": claimed, "voxel_size": round(volume.voxel_size, 3)}
        for name, options in (
            ("deposited", {}),
            ("flattened", {"sharpen": "auto", "claimed": claimed}),
            ("automatic", {"sharpen": "auto"}),
        ):
            stats = run_local_resolution(volume, bundle, **options).stats
            entry[name] = stats["median"]
            entry[f"{name}_sd"] = stats["sd"]
            if name == "deposited":
                entry["guinier_bfactor"] = stats["guinier_bfactor"]
        rows.append(entry)
    return rows


def summarise_real(rows):
    """Mean |median - claimed| (Å) and rank correlation, over claims between the ends of KNOWN.

    Returns a row per treatment; none where no claim lies between the limits.
    """
    kept = [r for r in rows if KNOWN[0] <= r["claimed"] <= KNOWN[1]]
    if not kept:
        return []
    claimed = np.array([r["claimed"] for r in kept])
    summary = []
    for name in ("deposited", "flattened", "automatic"):
        values = np.array([r[name] for r in kept])
        summary.append(
            {
                "maps": len(kept),
                "treatment": name,
                "mean_error": round(float(np.mean(np.abs(values - claimed))), 3),
                "bias": round(float(np.mean(values - claimed)), 3),
                "rank_correlation": rank_correlation(claimed, values),
            }
        )
    return summary
