"""Samples for the training of post-processing: targets stored with the experiments, regions and
crops of them, and pairs of a user's half maps with models.

The target is the map scaled by its model.

Sanchez-Garcia et al. 2021, Raw data collection: maps scaled by LocScale against their models, then
masked tightly. Scaled maps and distances from the molecule are stored; masks follow from distances,
so one set trains networks of either mask.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.errors import InputError
from cryodl.features.local_spectrum import space_to_depth
from cryodl.features.sub_bands import normalise_sub_bands
from cryodl.files.reading import is_file, read_json, read_rows
from cryodl.filters.amplitude_scaling import REACH, mask_weights, scaled_by_model
from cryodl.half_maps.fsc import estimate_fsc, soft_mask
from cryodl.half_maps.pair import check_half_maps, on_one_scale
from cryodl.maps.crop import bounding_box
from cryodl.maps.edges import cosine_edge
from cryodl.maps.inputs import input_map
from cryodl.maps.resample import resample
from cryodl.maps.rotations import Rotation
from cryodl.simulation.experiment_set import RECORD, StoredExperiment, check_record
from cryodl.simulation.model_map import model_map
from cryodl.simulation.structure import read_structure, structure_name

SCALED, DISTANCE = "locscale", "distance"


def add_targets(experiments: Iterable[StoredExperiment]) -> int:
    """Store the scaled map and the distance from the molecule where missing; returns how many."""
    count = 0
    for experiment in experiments:
        if not (experiment.has(SCALED) and experiment.has(DISTANCE)):
            full = (experiment.load("half1") + experiment.load("half2")) / 2
            scaled, distance = scaled_by_model(
                full,
                experiment.load("model"),
                experiment.load("mask") > 0,
                float(experiment.info.get("voxel_size", 1.0)),
            )
            experiment.add(DISTANCE, distance)
            experiment.add(SCALED, scaled)
            count += 1
    return count


NOISE_FROM = 8.0  # Å from the molecule: beyond is noise, or nothing
LEAST_NOISE = 0.03  # share of a region that has to be noise, if a few tries find such a one


def make_samples(
    experiment: StoredExperiment, rng: np.random.Generator, config: dict[str, Any]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Crops of one region of an experiment: features, and the density wanted, on the half grid.

    Targets that are missing from the set are made and stored.
    """
    add_targets([experiment])
    distance = experiment.load(DISTANCE)
    shape, region = distance.shape, _choose_region(distance, config, rng)
    distance = distance[region]
    empty = rng.random() < config["empty"]
    density = (
        _difference(experiment, region) if empty else _density(experiment, region, config, rng)
    )
    density = augment(density, distance, config, rng)
    noise, least = distance >= NOISE_FROM, LEAST_NOISE / 4
    if empty and rng.random() < config["shaped"]:
        density, noise = like_a_molecule(density, rng)
    elif empty:  # of a map of noise everything is noise, unless most was cut off
        noise, least = density != 0, 0.5
    enough = noise.sum() >= least * noise.size
    if enough:
        density = density - np.float32(density[noise].mean())
    whitened = normalise_sub_bands(density, noise if enough else None, threads=1)
    target = _targets(experiment, region, distance, config)
    target = [np.zeros_like(part) for part in target] if empty else target
    core = tuple(_core(s, n, config["margin"]) for s, n in zip(region, shape))
    whitened, distance = whitened.part(core), distance[core]
    target = [part[core] for part in target]
    return [_crop(whitened, target, distance, config, rng) for _ in range(config["crops"])]


def whole_sample(experiment, config, *, size=48):
    """Features and target of the middle of an experiment, from its mean map, for validation.

    None for a map smaller than that.
    """
    add_targets([experiment])
    density = (experiment.load("half1") + experiment.load("half2")) / 2
    distance = experiment.load(DISTANCE)
    noise = distance >= NOISE_FROM
    middle = [int(np.mean(np.nonzero((distance <= 0).any(axis=axes))[0])) for axes in _ACROSS]
    wider = size + 2 * config["margin"]
    region = tuple(_slice(m, wider, n) for m, n in zip(middle, distance.shape))
    level = np.float32(density[noise].mean()) if noise.any() else 0
    whitened = normalise_sub_bands(density[region] - level, noise[region], threads=1)
    core = tuple(_slice((s.stop - s.start) // 2, size, s.stop - s.start) for s in region)
    if min(s.stop - s.start for s in core) < size:
        return None
    target = [part[core] for part in _targets(experiment, region, distance[region], config)]
    return whitened.part(core).features(), _blocks(target)


def _targets(experiment, region, distance, config):
    """The scaled map and the model, in one unit, masked; [ndarray (z, y, x)] * 2."""
    mask = mask_weights(distance, config["mask"])
    model = experiment.load("model")
    inside = model[experiment.load("mask") > 0]
    unit = np.float32(1 / max(float(np.sqrt(np.mean(inside * inside))), 1e-30))
    return [experiment.load(SCALED)[region] * mask, model[region] * (mask * unit)]


def _blocks(targets):
    parts = [space_to_depth(part) for part in targets]
    return np.concatenate(parts, axis=-1).astype(np.float16)


_ACROSS = ((1, 2), (0, 2), (0, 1))


def _slice(middle, size, length):
    """`size` voxels about a middle, kept inside, from a multiple of four."""
    size = min(size, length // 4 * 4)
    start = int(np.clip(middle - size // 2, 0, length - size)) // 4 * 4
    return slice(start, start + size)


def _core(part, length, margin):
    """A region without its margins, but for sides that are the map's own."""
    first = 0 if part.start == 0 else margin
    last = part.stop - part.start - (0 if part.stop == length else margin)
    return slice(first, last)


def _choose_region(distance, config, rng):
    inside = np.argwhere(distance[::4, ::4, ::4] <= 0)
    for _ in range(4):
        middle = 4 * inside[rng.integers(len(inside))] if len(inside) else np.zeros(3, int)
        middle = middle + rng.integers(-config["region"] // 4, config["region"] // 4 + 1, 3)
        region = tuple(_slice(m, config["region"], n) for m, n in zip(middle, distance.shape))
        if (distance[region] >= NOISE_FROM).mean() >= LEAST_NOISE:
            break
    return region


def _density(experiment, region, config, rng):
    """The mean of the half maps, one of them, or the map as deposited."""
    drawn = experiment.info["config"]
    choice = rng.random()
    if choice < config["half_map"]:
        return experiment.load(("half1", "half2")[int(rng.integers(2))])[region]
    altered = drawn.get("tightly_masked") or drawn.get("over_filtered")
    if choice < config["half_map"] + config["deposited"] and not altered:
        return experiment.load("map")[region]
    return (experiment.load("half1")[region] + experiment.load("half2")[region]) / 2


def _difference(experiment, region):
    """Half the difference of the half maps: noise as strong as that of their mean."""
    return (experiment.load("half1")[region] - experiment.load("half2")[region]) / 2


def like_a_molecule(density, rng):
    """Noise cut out around a ball, or stronger within one, and where it then passes for noise.

    Strength alone is no structure, nor is a mask's shape, though either tells a molecule in any
    other sample.
    """
    middle = [n * rng.uniform(0.3, 0.7) for n in density.shape]
    squares = [(np.arange(n) - m) ** 2 for n, m in zip(density.shape, middle)]
    z, y, x = squares
    away = np.sqrt(z[:, None, None] + y[:, None] + x) / (max(density.shape) * rng.uniform(0.2, 0.4))
    weight = np.clip((1 - away) / rng.uniform(0.02, 0.4), 0, 1)
    floor = 0.0 if rng.random() < 0.5 else rng.uniform(0.2, 0.6)
    weight = floor + (1 - floor) * weight
    return density * weight.astype(np.float32), (away >= 1) & (floor > 0) & (density != 0)


def augment(density, distance, config, rng):
    """A B-factor, noise, patches of something else, or a soft mask, each at its odds.

    Sanchez-Garcia et al. 2021, Neural network training: blurring and patch corruption.
    """
    noise = distance >= NOISE_FROM
    level = float(density[noise].std()) if noise.any() else 0.1 * float(density.std())
    if rng.random() < config["filtered"]:
        density = _with_bfactor(density, rng.uniform(*config["bfactor"]), config["voxel_size"])
        level = float(density[noise].std()) if noise.any() else level
    if rng.random() < config["noisier"]:
        more = rng.standard_normal(density.shape, dtype=np.float32)
        density = density + np.float32(level * config["noise"] * rng.random()) * more
    if rng.random() < config["corrupted"]:
        density = _with_patches(density.copy(), level, rng)
    if rng.random() < config["masked"]:
        begin, width = rng.uniform(1, REACH - 4), rng.uniform(1, 4)
        width = width if rng.random() < 0.5 else 0.1
        density = density * cosine_edge(distance, begin, width).astype(np.float32)
    return density


def _with_bfactor(density, bfactor, voxel_size):
    import scipy.fft

    frequencies = [np.fft.fftfreq(n, voxel_size) for n in density.shape[:2]]
    z, y = frequencies
    x = np.fft.rfftfreq(density.shape[2], voxel_size)
    square = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2
    gain = np.exp(-bfactor * np.minimum(square, 0.25) / 4).astype(np.float32)
    return scipy.fft.irfftn(scipy.fft.rfftn(density) * gain, s=density.shape)


def _with_patches(density, level, rng):
    from scipy.ndimage import gaussian_filter

    for _ in range(int(rng.integers(1, 4))):
        size = rng.integers(6, 17, 3)
        start = [int(rng.integers(0, max(1, n - s))) for n, s in zip(density.shape, size)]
        place = tuple(slice(a, a + int(s)) for a, s in zip(start, size))
        if rng.random() < 0.5:
            density[place] = gaussian_filter(density[place], rng.uniform(0.7, 2.0))
        else:
            density[place] = rng.normal(0, level, density[place].shape)
    return density


def _crop(whitened, target, distance, config, rng):
    """A crop in one of 48 orientations: features, and the density of its blocks' voxels."""
    size = config["crop"]
    shape = distance.shape
    inside = np.argwhere(distance[::4, ::4, ::4] <= 0)
    if len(inside) and rng.random() < config["at_molecule"]:
        middle = 4 * inside[rng.integers(len(inside))] + rng.integers(-size // 4, size // 4 + 1, 3)
    else:
        middle = rng.integers(0, shape)
    start = [int(np.clip(m - size // 2, 0, n - size)) // 2 * 2 for m, n in zip(middle, shape)]
    fine = tuple(slice(s, s + size) for s in start)
    rotation = Rotation.draw(rng)
    x = whitened.part(fine).turned(rotation).features()
    return x, _blocks([rotation.turn(part[fine]) for part in target])


COLUMNS = "half1", "half2", "model"
SOLVENT = 16.0  # Å kept around the molecule


def store_pairs(table: str | Path, folder: str | Path, voxel_size: float = 1.0):
    """Read a table of half maps and models and store each row as an experiment.

    table : tab-separated, with the columns half1, half2 and model (PDB or mmCIF, fitted); files are
        looked for from the table's folder
    folder : of the set that is written; rows that are there already are kept, as long as they name
        the same files, unchanged
    voxel_size : Å, of the grid

    Returns a list of StoredExperiment. Raises InputError for a row that cannot be used.
    """
    table, folder = Path(table), Path(folder)
    rows = read_rows(table, *COLUMNS)
    if not rows:
        raise InputError(f"the table {table} holds no pair")
    stored = []
    for number, row in enumerate(rows):
        place = folder / f"pair_{number:05d}"
        files = [table.parent / row[name] for name in COLUMNS]
        for file in files:
            if not is_file(file):
                raise InputError(f"the table {table} names '{file}', which is no file")
        made_of = _made_of(files, voxel_size)
        info = _record(place)
        if info.get("made_of") != made_of:
            for old in place.glob("*.npy") if info else ():  # what was derived of it, too
                old.unlink()
            _store(files, place, voxel_size, made_of)
            info = _record(place)
        # different maps may have models of one name, in folders of their own
        shared = sum(Path(other["model"]).name == files[2].name for other in rows) > 1
        molecule = str(files[2].resolve()) if shared else structure_name(files[2])
        stored.append(StoredExperiment(place, {**info, "molecule": molecule}))
    return stored


def _made_of(files: list[Path], voxel_size: float) -> list:
    """By what a stored pair is known again: files, when they were written, and the grid."""
    times = [file.stat().st_mtime_ns if file.is_file() else 0 for file in files]
    return [[str(file.resolve()), time] for file, time in zip(files, times)] + [voxel_size]


def _record(place: Path) -> dict[str, Any]:
    try:
        return check_record(read_json(place / RECORD), place)
    except (InputError, ValueError):  # not there, or not whole
        return {}


def _store(files: list[Path], place: Path, voxel_size: float, made_of: list) -> None:
    first, second = (input_map(file, None) for file in files[:2])
    check_half_maps(first, second)
    halves = [resample(half, voxel_size) for half in (first, on_one_scale(first, second))]
    model, mask = model_map(read_structure(files[2]), halves[0])
    curve = estimate_fsc(halves[0], halves[1], soft_mask(mask, halves[0].voxel_size))
    resolution = curve.resolution()
    if resolution is None:
        raise InputError(f"half maps {files[0]} and {files[1]} have no signal in common")
    room = round(SOLVENT / halves[0].voxel_size)
    cut = tuple(
        _even(max(0, low - room), min(n, high + room))
        for (low, high), n in zip(bounding_box(mask), mask.shape)
    )
    full = (halves[0].data + halves[1].data)[cut] / 2
    unit = np.float32(1 / max(float(full.std()), 1e-30))
    place.mkdir(parents=True, exist_ok=True)
    info = {
        "structure": files[2].name,
        "seed": 0,
        "config": {"resolution": float(resolution)},
        "measured": {"fsc_resolution": float(resolution)},
        "voxel_size": halves[0].voxel_size,
        "first_voxel": [int(s.start) for s in cut],
        "made_of": made_of,
    }
    stored = StoredExperiment(place, info)
    maps = {"half1": halves[0].data[cut] * unit, "half2": halves[1].data[cut] * unit}
    maps |= {"map": full * unit, "model": model[cut], "mask": mask[cut]}
    for name, data in maps.items():
        stored.add(name, data)
    (place / RECORD).write_text(json.dumps(info, indent=1), encoding="utf-8")


def _even(first: int, last: int) -> slice:
    return slice(first // 4 * 4, first // 4 * 4 + (last - first // 4 * 4) // 4 * 4)
