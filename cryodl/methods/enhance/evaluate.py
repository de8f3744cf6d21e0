"""The figures of the DeepEMhancer paper, on simulated experiments and on real maps with models.

Sanchez-Garcia et al. 2021, Evaluation: correlation with the target (the map scaled by LocScale's
operation, tightly masked); resolution at which the FSC with the model's density falls to 0.5, with
and without a tight mask of the model; DeepRes's median. Beside each, what one B-factor reaches: the
one that correlates best with the target, which no one could know, and the one that Guinier's plot
within the model's mask suggests; both after the map was weighted by the FSC of its half maps within
that mask (Rosenthal & Henderson 2003), as RELION does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cryodl.errors import CryodlError, InputError
from cryodl.evaluation.tables import write_tables
from cryodl.files.folder import whole_folder
from cryodl.filters.amplitude_scaling import mask_weights, scaled_by_model
from cryodl.filters.sharpen import apply_bfactor, estimate_bfactor
from cryodl.filters.shells import shell_frequencies, shell_sums, transform
from cryodl.filters.threshold import signal_end
from cryodl.half_maps import fsc
from cryodl.half_maps.fsc import THRESHOLDS, correlate, estimate_fsc, resolution_at
from cryodl.half_maps.pair import half_sum
from cryodl.maps.resample import density_at, resample
from cryodl.maps.volume import Volume
from cryodl.methods.enhance.estimate import Enhancer
from cryodl.methods.options import BUNDLE, Option, declared
from cryodl.methods.training_options import MAPS, TABLES
from cryodl.simulation.model_map import model_map
from cryodl.simulation.structure import read_structure
from cryodl.training.run import print_line

OPTIONS = (
    Option("experiments", help="folder that 'cryodl experiments' wrote, on structures that were "
        "not trained on", metavar="SET"),
    Option("first", 0, "number of the first experiment taken", int, least=0, metavar="N"),
    Option("count", None, "experiments to take at most", int, least=1, metavar="N"),
    Option("best", 2.2, "resolution of the best taken", float, above=0, unit="Å"),
    Option("worst", 7.0, "resolution of the worst taken", float, above=0, unit="Å"),
    Option("deepres", 0, "experiments, of which the local resolution is also estimated, before and "
        "after", int, least=0, metavar="N"),
    MAPS._replace(help="tab-separated table with file, resolution_A and model_file (fitted): "
        "compares these maps with their models"),
    Option("model", "tight", "network to measure", choices=("tight", "wide", "highres")),
    BUNDLE._replace(help="network to measure instead", metavar="BUNDLE"),
    *TABLES,
)  # fmt: skip

BFACTORS = np.arange(-800.0, 805.0, 10.0)  # Å², searched


@declared(OPTIONS)
def evaluate_enhance(
    output: str | Path,
    *,
    experiments: str | Path | None = None,
    first: int = 0,
    count: int | None = None,
    best: float = 2.2,
    worst: float = 7.0,
    deepres: int = 0,
    maps: str | Path | None = None,
    model: str = "tight",
    bundle: str | None = None,
    overwrite: bool = False,
    log: Callable[[str], object] | None = print_line,
) -> dict[str, list[dict]]:
    """Compare enhanced maps with targets and models, simulated and real.

    What `cryodl evaluate postprocess` does.

    Parameters
    ----------
    output : folder for tables
    experiments : folder that 'cryodl experiments' wrote, on structures that were not trained on
    first, count : which of them: from this number on, so many at most
    best, worst : Å, resolutions of those taken
    deepres : experiments, of which the local resolution is also estimated, before and after
    maps : tab-separated table with file, resolution_A and model_file (fitted)
    model : "tight", "wide" or "highres", to measure;  bundle : network to measure instead
    overwrite : replace tables that exist
    log : called with each line of progress and each table; None is silent

    Returns the tables by name, lists of rows; they are also written, as Markdown and as JSON.

    Raises
    ------
    CryodlError : one line with what was received and what to do
    """
    from cryodl.compute.device import prepare_device
    from cryodl.errors import SettingError
    from cryodl.simulation.experiment_set import open_experiment_set

    if not experiments and not maps:
        raise SettingError("nothing to evaluate on: give experiments=, maps=, or both")
    say = log or (lambda line: None)
    tables: dict[str, list[dict]] = {}
    with whole_folder(output, overwrite=overwrite, clear=False) as folder:
        prepare_device("auto")
        enhancer = Enhancer(model, bundle)
        if experiments:
            found = open_experiment_set(experiments)[first:]
            chosen = [e for e in found if best <= e.resolution <= worst][:count]
            tables.update(_simulated(chosen, enhancer, deepres, say))
        if maps:
            tables["postprocess_real"] = _real(Path(maps), enhancer)
        return write_tables(folder, tables.items(), say)


def _simulated(experiments, enhancer: Enhancer, deepres: int, say) -> dict[str, list[dict]]:
    rows, aspect = [], []
    for number, experiment in enumerate(experiments):
        rows.append(experiment_row(experiment, enhancer))
        if number < deepres:
            aspect.append(deepres_row(experiment, enhancer))
        say(f"{number + 1} of {len(experiments)} experiments")
    tables = {"postprocess": rows, "postprocess_summary": summarise(rows)}
    if aspect:
        tables["postprocess_deepres"] = aspect
    return tables


def _real(table: Path, enhancer: Enhancer) -> list[dict]:
    from cryodl.evaluation.tables import read_table
    from cryodl.files.reading import read_rows
    from cryodl.maps.inputs import input_map

    models = {Path(row["file"]).name: row.get("model_file") for row in read_rows(table, "file")}
    rows = []
    for path, claimed, voxel in read_table(table):
        if models.get(path.name) in (None, "", "-"):
            continue
        try:
            model = path.parent / models[path.name]
            row = real_row(path, model, claimed, input_map(path, voxel), enhancer)
        except InputError as error:
            row = {"map": path.name, "claimed": claimed, "left_out": str(error)}
        rows.append(row)
    if not rows:
        raise InputError(f"'{table}' names no model, in a column model_file, for any of its maps")
    return rows


def experiment_row(experiment, enhancer: Enhancer) -> dict:
    """One simulated experiment: its mean map enhanced and compared."""
    voxel = float(experiment.info.get("voxel_size", 1.0))
    halves = [Volume(experiment.load(name), voxel) for name in ("half1", "half2")]
    row = {
        "experiment": experiment.folder.name,
        "structure": experiment.info["structure"],
        "resolution": round(experiment.resolution, 2),
    }
    model, mask = experiment.load("model"), experiment.load("mask") > 0
    return row | compare(halves, model, mask, experiment.resolution, enhancer)


def compare(halves, model, mask, resolution: float, enhancer: Enhancer) -> dict:
    """Correlations and FSC-0.5 resolutions (Å) of a map before and after.

    halves : two half maps, Volume, on a grid of about 1 Å; their mean is enhanced
    model, mask : ndarrays, shape (z, y, x): density of the model; bool, within 3 Å of its atoms
    resolution : Å, up to which Guinier's plot is fitted
    """
    volume = half_sum(*halves)
    scaled, distance = scaled_by_model(volume.data, model, mask, volume.voxel_size)
    weights = mask_weights(distance, "tight")
    target = scaled * weights
    enhanced = enhancer.enhance(volume).density.data
    weighted, seen = weight_by_fsc(volume, halves, weights)
    unmasked, with_best = best_bfactor_for(weighted, target)
    best, with_best_masked = best_masked_bfactor(weighted, target, weights, unmasked)
    guinier = estimate_bfactor(weighted, max(resolution, seen), mask=mask).bfactor or 0.0
    sharpened = {
        "bfactor": apply_bfactor(weighted, best).data * weights,
        "guinier": apply_bfactor(weighted, guinier).data * weights,
    }
    row = {
        "correlation_input": correlation(volume.data, target),
        "correlation_bfactor": with_best,
        "correlation_bfactor_masked": with_best_masked,
        "correlation_guinier_masked": correlation(sharpened["guinier"], target),
        "correlation_enhanced": correlation(enhanced, target),
        "bfactor": best,
        "guinier_bfactor": guinier,
        "fsc_input": fsc_half(volume.data, model, volume.voxel_size),
        "fsc_enhanced": fsc_half(enhanced, model, volume.voxel_size),
        "fsc_masked_input": fsc_half(volume.data * weights, model, volume.voxel_size),
        "fsc_masked_bfactor": fsc_half(sharpened["bfactor"], model, volume.voxel_size),
        "fsc_masked_guinier": fsc_half(sharpened["guinier"], model, volume.voxel_size),
        "fsc_masked_enhanced": fsc_half(enhanced * weights, model, volume.voxel_size),
        "fsc_target": fsc_half(target, model, volume.voxel_size),
    }
    return {name: round(float(value), 3) for name, value in row.items()}


def weight_by_fsc(volume: Volume, halves, weights) -> tuple[Volume, float]:
    """A map weighted by sqrt(2 FSC / (1 + FSC)) of its half maps within a mask; and how far (Å)
    that leaves anything of it."""
    curve = estimate_fsc(halves[0], halves[1], weights).corrected
    begins = signal_end(np.arange(len(curve)), curve, THRESHOLDS[0])
    gone = curve[begins.first if begins else 1 :] < 0
    first = len(curve) - len(gone) + int(np.argmax(gone)) if gone.any() else len(curve)
    kept = fsc.weight_by_fsc(volume, np.where(np.arange(len(curve)) < first, curve, 0))
    last = shell_frequencies(volume.shape, volume.voxel_size)[max(1, first - 1)]
    return kept, float(1 / last)


def best_bfactor_for(volume: Volume, target) -> tuple[float, float]:
    """The B-factor (Å²) with which a map correlates best with a target, and that correlation."""
    a, b = transform(volume.data), transform(target)
    shape = volume.shape
    _, cross, power, wanted = shell_sums(
        shape,
        lambda k: a[k].real * b[k].real + a[k].imag * b[k].imag,
        lambda k: a[k].real ** 2 + a[k].imag ** 2,
        lambda k: b[k].real ** 2 + b[k].imag ** 2,
    )
    s = shell_frequencies(shape, volume.voxel_size)
    gains = np.exp(-BFACTORS[:, None] * s[None, :] ** 2 / 4)
    found = (gains @ (cross * (s > 0))) / np.sqrt(
        (gains**2 @ (power * (s > 0))) * (wanted * (s > 0)).sum()
    )
    best = int(np.argmax(found))
    return float(BFACTORS[best]), float(found[best])


def best_masked_bfactor(volume: Volume, target, weights, start: float) -> tuple[float, float]:
    """The same for a map that is masked after its B-factor, searched uphill from `start` (Å²)."""

    def score(bfactor: float) -> float:
        return correlation(apply_bfactor(volume, bfactor).data * weights, target)

    return uphill(score, start, (80.0, 20.0), float(BFACTORS[-1]))


def uphill(
    score: Callable[[float], float], start: float, steps: Sequence[float], largest: float
) -> tuple[float, float]:
    """Where a score is highest, and that score, searched from `start` in steps, large ones first.

    largest : absolute value that is tried at most
    """
    found: dict[float, float] = {}
    for step in steps:
        tries = [start, start - step, start + step]
        while tries:
            for value in tries:
                found[value] = score(float(value))
            start = max(found, key=lambda value: found[value])
            nearby = (start - step, start + step)
            tries = [v for v in nearby if v not in found and abs(v) <= largest]
    return start, found[start]


def correlation(a, b) -> float:
    """Correlation of two maps over the whole box."""
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def fsc_half(data, model, voxel_size: float) -> float:
    """Resolution (Å) at which the FSC of a map with its model falls to 0.5; Nyquist at best."""
    _, curve = correlate([transform(data), transform(model)], data.shape)
    frequencies = shell_frequencies(data.shape, voxel_size)
    found = resolution_at(frequencies, curve, 0.5)
    return float(found) if found else float(1 / frequencies[1])


def summarise(rows: list[dict], bands=((2.2, 3.0), (3.0, 5.0), (5.0, 7.0))) -> list[dict]:
    """Medians by resolution, and how often the enhanced map is better than the input."""
    table = []
    for low, high in bands:
        own = [r for r in rows if low <= r["resolution"] < high]
        if not own:
            continue
        column = {name: np.array([r[name] for r in own]) for name in own[0] if name in _MEDIANS}
        gain = column["fsc_input"] - column["fsc_enhanced"]
        masked = column["fsc_masked_input"] - column["fsc_masked_enhanced"]
        table.append(
            {
                "resolution": f"{low:g}-{high:g} Å",
                "experiments": len(own),
                **{name: round(float(np.median(values)), 3) for name, values in column.items()},
                "fsc_better": round(float((gain > 0).mean()), 3),
                "fsc_gain": round(float(np.median(gain)), 3),
                "fsc_masked_better": round(float((masked > 0).mean()), 3),
                "fsc_masked_gain": round(float(np.median(masked)), 3),
                "bfactor_wins_correlation": _wins(
                    -column["correlation_enhanced"],
                    -column["correlation_bfactor_masked"],
                    -column["correlation_guinier_masked"],
                ),
                "bfactor_wins_fsc": _wins(
                    column["fsc_masked_enhanced"],
                    column["fsc_masked_bfactor"],
                    column["fsc_masked_guinier"],
                ),
            }
        )
    return table


def _wins(ours, *theirs) -> int:
    """How often any of theirs is less than ours."""
    return int((np.minimum.reduce(theirs) < ours).sum())


_MEDIANS = (
    "correlation_input", "correlation_bfactor", "correlation_bfactor_masked",
    "correlation_guinier_masked", "correlation_enhanced", "fsc_input", "fsc_enhanced",
    "fsc_masked_input", "fsc_masked_bfactor", "fsc_masked_guinier", "fsc_masked_enhanced",
)  # fmt: skip


def deepres_row(experiment, enhancer: Enhancer) -> dict:
    """Median local resolution (Å, DeepRes) of a map as it is, flattened, enhanced (figure 2)."""
    from cryodl.methods.deepres.run import run_local_resolution

    full = (experiment.load("half1") + experiment.load("half2")) / 2
    volume = Volume(full, float(experiment.info.get("voxel_size", 1.0)))
    mask = experiment.load("mask") > 0
    enhanced = enhancer.paste(enhancer.enhance(volume).density, volume)
    claimed = experiment.resolution
    treated = {
        "deepres_input": (volume, {}),
        "deepres_flattened": (volume, {"sharpen": "auto", "claimed": claimed}),
        "deepres_enhanced": (enhanced, {}),
    }
    medians = {
        name: run_local_resolution(given, mask=mask, range="low", **options).stats["median"]
        for name, (given, options) in treated.items()
    }
    return {"experiment": experiment.folder.name, "resolution": round(claimed, 2), **medians}


def real_row(path, model_path, claimed: float, volume: Volume, enhancer: Enhancer) -> dict:
    """One real map with its fitted model: correlation inside the model's mask before and after."""
    try:
        model, mask = model_map(read_structure(model_path), volume)
    except CryodlError as error:
        raise InputError(f"{path.name}: {error}") from None
    result = enhancer.enhance(volume)
    after = enhancer.paste(result.density, volume).data
    grid = resample(volume, 1.0)
    on_grid = density_at(volume.with_data(model), grid).data
    inside = density_at(volume.with_data(mask.astype(np.float32)), grid).data > 0.5
    best, _ = best_bfactor_for(volume, model)
    sharpened = apply_bfactor(volume, best).data
    scores = {
        f"correlation_{name}": float(np.corrcoef(data[mask], model[mask])[0, 1])
        for name, data in (("input", volume.data), ("bfactor", sharpened), ("enhanced", after))
    }
    scores["fsc_masked_input"] = fsc_half(grid.data * inside, on_grid, grid.voxel_size)
    scores["fsc_masked_enhanced"] = fsc_half(result.density.data * inside, on_grid, grid.voxel_size)
    rounded = {name: round(value, 3) for name, value in scores.items()}
    return {"map": path.name, "claimed": claimed, "bfactor": best, **rounded}
