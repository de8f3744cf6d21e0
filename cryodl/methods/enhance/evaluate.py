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
from typing import Any

import numpy as np

from cryodl.errors import CryodlError, InputError
from cryodl.evaluation.reconstructions import BANDS, Experiment
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
from cryodl.simulation.filters import FourierBox, raised_cosine
from cryodl.simulation.model_map import model_map
from cryodl.simulation.structure import read_structure

BFACTORS = np.arange(-800.0, 805.0, 10.0)  # Å², searched


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
    found: dict[float, float] = {}
    for step in (80.0, 20.0):
        tries = [start, start - step, start + step]
        while tries:
            for bfactor in tries:
                masked = apply_bfactor(volume, float(bfactor)).data * weights
                found[bfactor] = correlation(masked, target)
            start = max(found, key=lambda b: found[b])
            beside = (start - step, start + step)
            tries = [b for b in beside if b not in found and abs(b) <= BFACTORS[-1]]
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
    from cryodl.methods.deepres.estimate import estimate_local_resolution

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
        name: estimate_local_resolution(given, mask=mask, range="low", **options).stats["median"]
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


STEPS = 160.0, 40.0, 10.0  # Å², of the search for the best B-factor
LARGEST = 1200.0  # Å²


def judge_enhanced(experiment: Experiment, enhance: Callable[[Volume, Volume], Any]) -> dict:
    """A row: correlations of the mean of two half maps, and of what is made of it.

    enhance : of two half maps, the enhanced density on their grid, ndarray (z, y, x)
    """
    full = half_sum(experiment.half1, experiment.half2)
    wanted = low_passed(experiment.model, experiment.resolution)[experiment.mask]

    def alike(data) -> float:
        return float(np.corrcoef(data[experiment.mask], wanted)[0, 1])

    weighted, _ = weight_by_fsc(full, (experiment.half1, experiment.half2),
                                experiment.mask.astype(np.float32))  # fmt: skip
    bfactor, best = best_bfactor(weighted, alike)
    post = next((v for name, _, v, _ in experiment.maps if name == "post-processed"), None)
    return {
        "experiment": experiment.name, "method": "enhance", "map": "half maps", "words": [],
        "fsc": experiment.resolution, "truth": float(np.median(experiment.snr[experiment.mask])),
        "input": alike(full.data),
        "enhanced": alike(enhance(experiment.half1, experiment.half2)),
        "best_bfactor": best, "bfactor": bfactor,
        "relion": alike(post.data) if post is not None else None,
    }  # fmt: skip


def best_bfactor(volume: Volume, alike: Callable[[np.ndarray], float]) -> tuple[float, float]:
    """The B-factor in Å² that makes a map most alike, and how much; uphill from none."""
    found: dict[float, float] = {}
    best = 0.0
    for step in STEPS:
        tries = [best, best - step, best + step]
        while tries:
            for bfactor in tries:
                found[bfactor] = alike(apply_bfactor(volume, bfactor).data)
            best = max(found, key=lambda b: found[b])
            tries = [b for b in (best - step, best + step) if b not in found and abs(b) <= LARGEST]
    return best, found[best]


def low_passed(volume: Volume, resolution: float) -> np.ndarray:
    """A cubic map with nothing finer than a resolution in Å, softly ended; ndarray (n, n, n)."""
    box = FourierBox(volume.shape[0], volume.voxel_size)
    gain = raised_cosine(box.frequencies, resolution, 0.1 / resolution)
    return box.to_map(box.to_spectrum(volume.data), gain)


def enhanced_table(rows: Sequence[dict[str, Any]]) -> list[dict]:
    """Mean correlations by band of the true median resolution."""
    table = []
    for low, high in [*zip(BANDS[:-1], BANDS[1:]), (BANDS[0], BANDS[-1])]:
        held = [r for r in rows if low <= r["truth"] < high]
        if not held:
            continue
        entry: dict[str, Any] = {"band": f"{low:g}-{high:g}", "experiments": len(held)}
        for key in ("enhanced", "input", "best_bfactor", "relion"):
            values = [r[key] for r in held if r[key] is not None]
            entry[key] = round(float(np.mean(values)), 3) if values else None
        entry["better_than_best_bfactor"] = sum(r["enhanced"] > r["best_bfactor"] for r in held)
        entry["worse_than_input"] = sum(r["enhanced"] < r["input"] for r in held)
        table.append(entry)
    return table
