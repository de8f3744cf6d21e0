"""A deposited map made of a reconstruction, as people deposit maps, and its true local resolution.

Filtered, masked, thresholded, put on another grid, cut, scaled and stored with less precision, in
this order. All filters are linear, so what they leave of signal and noise is known; thresholds and
rounding come last and move no truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cryodl.maps.crop import bounding_box
from cryodl.maps.volume import Volume
from cryodl.simulation.deposition_config import FILTERS, GRIDS, MASKS, STORED, draw, full_config
from cryodl.simulation.filters import FourierBox, raised_cosine
from cryodl.simulation.local_truth import (
    Bands,
    held_to,
    local_aspect_resolution,
    measure_bands,
    signal_to_noise_resolution,
)
from cryodl.simulation.reconstruction import fsc_mask, shell_sums
from cryodl.simulation.specimen import distance_from, radii, soft_step

LOCAL_LEVELS = 6  # of low-pass filters, between which a local filter chooses
LEAST_BOX = 24  # voxels
SHARPENED_TO = 0.8  # times the resolution: beyond, a sharpening filter is held


@dataclass(frozen=True)
class Source:
    """A reconstruction to deposit; ndarrays (n, n, n) on one grid.

    half1, half2, signal, model : float32;  mask, belt : bool (see particle_experiment.py)
    bands : their local power, which all depositions of one reconstruction share
    """

    half1: np.ndarray
    half2: np.ndarray
    signal: np.ndarray
    model: np.ndarray
    mask: np.ndarray
    belt: np.ndarray
    voxel_size: float
    resolution: float
    bands: Bands

    @classmethod
    def of(cls, made) -> Source:
        """From anything that has these maps: a Reconstruction."""
        full = (made.half1 + made.half2) / 2
        bands = measure_bands(made.signal, full - made.signal, made.model, made.voxel_size)
        return cls(
            made.half1, made.half2, made.signal, made.model, made.mask, made.belt,
            made.voxel_size, made.resolution, bands,
        )  # fmt: skip


@dataclass(frozen=True)
class Deposited:
    """A deposited map; ndarrays (z, y, x) on its grid.

    map, snr, aspect : Volumes: the density, and its true resolutions in Å, 0 outside the molecule
    finest : Å: nothing finer is in the map, however good the reconstruction was
    words : what was done to it, for tables: "raw", "sharpened", "masked", "zone", "binned", ...
    drawn : with the same seed, a config that repeats it
    """

    map: Volume
    snr: Volume
    aspect: Volume
    finest: float
    words: list[str]
    drawn: dict[str, Any]


def deposit(source: Source, config: dict[str, Any] | None = None, seed: int = 0) -> Deposited:
    """Deposit a reconstruction.

    config : numbers or ranges that replace defaults (see deposition_config.py)
    seed : int; the same gives the same bytes
    """
    rng_draw, rng = (np.random.default_rng([seed, k]) for k in range(2))
    drawn = draw(full_config(config), rng_draw)
    n, voxel = len(source.mask), source.voxel_size
    box = FourierBox(n, voxel)
    density, gain, held, words = _filtered(source, drawn, box)
    snr_floor = max(2 * voxel, held)
    weights, kept, more = _masked(source, drawn, rng)
    words += more
    if weights is not None:
        outside = drawn["rim_left"] if MASKS[drawn["mask"]] in ("rim", "cylinder") else 0.0
        density = density * (outside + (1 - outside) * weights)
    if drawn["filtered_last"]:
        end = drawn["last_low_pass"] * source.resolution
        last = raised_cosine(box.frequencies, end, drawn["last_width"] / end)
        density = box.to_map(box.to_spectrum(density), last)
        gain = gain * _of_bands(last, source.bands, box, np.ndim(gain))
        snr_floor = max(snr_floor, held_to(box.frequencies, last))
        words.append("filtered last")
    inside = source.mask if weights is None else source.mask & (weights > 0.5)
    density, more = _thresholded(density, drawn)
    words += more

    grid, new_voxel, words = _grid(source, drawn, words)
    floor = max(snr_floor, 2 * new_voxel)
    bands = source.bands
    snr = signal_to_noise_resolution(bands, floor)
    aspect = local_aspect_resolution(bands, gain, floor)
    density, inside, places = _regridded(density, inside, kept, grid, new_voxel, drawn, voxel, rng)
    truths = [_at(truth, places, bands.spacing) * inside for truth in (snr, aspect)]
    maps = [density, *truths]
    if drawn["padded"]:
        pad = int(drawn["pad"] * max(density.shape)) // 2 * 2
        maps = [np.pad(part, pad) for part in maps]
        words.append("padded")
    if drawn["other_hand"]:
        maps = [np.ascontiguousarray(part[:, :, ::-1]) for part in maps]
    maps[0] = _stored(maps[0], drawn)
    volumes = [Volume(part.astype(np.float32), new_voxel) for part in maps]
    return Deposited(volumes[0], volumes[1], volumes[2], floor, words, drawn)


def _filtered(source: Source, drawn, box: FourierBox):
    """The filtered full map, its gain in bands, the finest that it leaves in Å, and words."""
    kind, resolution = FILTERS[drawn["filter"]], source.resolution
    full = box.to_spectrum((source.half1 + source.half2) / 2)
    s = box.frequencies
    bands = source.bands.frequencies
    if kind == "none":
        return box.to_map(full), np.ones(len(bands)), 0.0, ["raw"]
    if kind == "local":
        return (*_locally_filtered(source, drawn, full, box), ["local filter"])
    gain, width = np.ones_like(s), drawn["low_pass_width"]
    words = ["low-passed"]
    if kind in ("relion", "cryosparc", "sharpened"):
        words = ["sharpened"]
        fsc = np.interp(s, *_half_map_fsc(source, box))
        if kind == "relion":  # sqrt(2 FSC / (1 + FSC)), Rosenthal & Henderson 2003
            gain = np.sqrt(2 * fsc / (1 + fsc))
        elif kind == "cryosparc":
            gain = 2 * fsc / (1 + fsc)
        b_factor = drawn["sharpening"] * _guinier(full, box, resolution)
        gain = gain * np.exp(b_factor * np.minimum(s, 1 / (SHARPENED_TO * resolution)) ** 2 / 4)
        if kind != "sharpened":
            end = drawn["final_low_pass"] * resolution
            gain = gain * raised_cosine(s, end, width / end)
    else:
        end = drawn["low_pass"] * resolution
        if kind == "gaussian":  # half of the amplitude is left at its end
            gain = np.exp(-np.log(2) * (s * end) ** 2)
        elif kind == "butterworth":
            gain = 1 / np.sqrt(1 + (s * end) ** (2 * drawn["order"]))
        else:
            gain = raised_cosine(s, end, width / end)
    return box.to_map(full, gain), np.interp(bands, s, gain), held_to(s, gain), words


def _of_bands(gain, bands: Bands, box: FourierBox, dimensions: int) -> np.ndarray:
    """A radial gain at the bands' frequencies, to multiply one of so many dimensions by."""
    found = np.interp(bands.frequencies, box.frequencies, gain)
    return found.reshape(-1, *(1,) * (dimensions - 1))


def _locally_filtered(source: Source, drawn, full, box: FourierBox):
    """Low-passed everywhere to about the true local resolution."""
    wanted = signal_to_noise_resolution(source.bands, 2 * source.voxel_size)
    wanted = np.clip(wanted * drawn["local_error"], 2 * source.voxel_size, None)
    inside = _at(source.mask, _own_places(source), 1.0, order=0) > 0.5
    low, high = np.percentile(wanted[inside] if inside.any() else wanted, (2, 98))
    levels = np.linspace(1 / max(high, low + 0.1), 1 / low, LOCAL_LEVELS)
    n, voxel = len(source.mask), source.voxel_size
    axis = np.arange(n) * voxel
    places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))
    where = np.interp(1 / _at(wanted, places, source.bands.spacing), levels, range(LOCAL_LEVELS))
    result = np.zeros(box.shape, np.float32)
    gains = np.zeros((len(source.bands.frequencies), *wanted.shape), np.float32)
    coarse = np.interp(1 / wanted, levels, range(LOCAL_LEVELS))
    for number, level in enumerate(levels):
        table = raised_cosine(box.frequencies, 1 / level, 0.1 * level)
        result += box.to_map(full, table) * np.maximum(1 - np.abs(where - number), 0)
        at_bands = np.interp(source.bands.frequencies, box.frequencies, table)
        gains += at_bands[:, None, None, None] * np.maximum(1 - np.abs(coarse - number), 0)
    return result.astype(np.float32), gains, float(low)


def _own_places(source: Source):
    """Voxels at which the points of the coarse grid lie; ndarray (3, m, m, m)."""
    points = len(source.bands.signal[0])
    axis = np.arange(points) * (source.bands.spacing / source.voxel_size)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))


def _half_map_fsc(source: Source, box: FourierBox):
    """Frequencies and FSC of the half maps in a soft mask, not below 0 and not rising again."""
    weights = fsc_mask(distance_from(source.mask, box.voxel_size), source.resolution)
    spectra = [box.as_complex(box.to_spectrum(h * weights)) for h in (source.half1, source.half2)]
    sums = shell_sums(spectra, box.size)
    fsc = sums[0, 1] / np.sqrt(np.maximum(sums[0, 0] * sums[1, 1], 1e-30))
    fsc = np.clip(fsc, 0, 1)
    below = np.flatnonzero(fsc[2:] < 0.143)
    if len(below):
        fsc[below[0] + 2 :] = np.minimum(fsc[below[0] + 2 :], 0.143)
    fsc[:2] = 1
    return np.arange(len(fsc)) / (box.size * box.voxel_size), fsc


def _guinier(spectrum, box: FourierBox, resolution: float) -> float:
    """B-factor in Å² with which a map falls off between 10 Å and its resolution; 0 to 2000."""
    power = np.maximum(box.power(spectrum), 1e-30)
    low = 1 / 10 if resolution < 7 else 0.5 / resolution
    held = (box.frequencies >= low) & (box.frequencies <= 1 / resolution)
    if held.sum() < 4:
        return 0.0
    slope = np.polyfit(box.frequencies[held] ** 2, np.log(power[held]) / 2, 1)[0]
    return float(np.clip(-4 * slope, 0, 2000))


def _masked(source: Source, drawn, rng):
    """Weights of the mask or None, the part of the box that matters, and words."""
    kind, voxel = MASKS[drawn["mask"]], source.voxel_size
    covered = distance_from(source.mask | source.belt, voxel)
    kept = covered <= 0
    if kind == "none":
        return None, kept, []
    if kind in ("rim", "cylinder"):
        n = len(source.mask)
        radius = radii(n, cylinder=kind == "cylinder")
        held = radius[source.mask].max() + 2
        end = max(drawn["rim_radius"] * n, min(held, n / 2))
        return soft_step(radius, end - drawn["rim_edge"], drawn["rim_edge"]), kept, [kind]
    if kind == "soft":
        return soft_step(covered, drawn["mask_radius"], drawn["mask_edge"]), kept, ["masked"]
    if kind == "tight":
        depth = covered - distance_from(~(source.mask | source.belt), voxel)
        return soft_step(depth, drawn["tight_radius"], 0.0), kept, ["masked"]
    molecule = source.mask
    if kind == "part":
        places = np.argwhere(source.mask)
        centre = places[rng.integers(len(places))]
        near = np.linalg.norm(places - centre, axis=1) * voxel < drawn["part_radius"]
        molecule = np.zeros_like(source.mask)
        molecule[tuple(places[near].T)] = True
    depth = distance_from(molecule, voxel) - distance_from(~molecule, voxel)
    return soft_step(depth, drawn["zone_radius"], 0.0), molecule, ["zone"]


def _thresholded(density, drawn):
    if drawn["negative_to_zero"]:
        return np.maximum(density, 0), ["thresholded"]
    if drawn["thresholded"]:
        level = drawn["floor"] * float(density.std())
        return np.where(density > level, density, np.float32(0)), ["thresholded"]
    return density, []


def _grid(source: Source, drawn, words):
    """How the map comes to its grid, the voxel size there, and words."""
    kind, voxel = GRIDS[drawn["grid"]], source.voxel_size
    if kind == "kept":
        return kind, voxel, words
    wanted = voxel * drawn["voxels"]
    if kind == "binned":
        wanted = voxel * max(2, round(drawn["voxels"]))
    wanted = float(np.clip(wanted, drawn["finest_voxel"], drawn["coarsest_voxel"]))
    box = len(source.mask) * voxel
    wanted = max(wanted, box / drawn["largest_box"])
    if box / wanted < LEAST_BOX or (kind == "binned" and wanted != voxel * round(wanted / voxel)):
        return "kept", voxel, words
    if kind == "fourier":
        wanted = box / _even(box / wanted)
    return kind, wanted, words + ["binned" if wanted > 1.2 * voxel else "interpolated"]


def _regridded(density, inside, kept, kind, new_voxel, drawn, voxel, rng):
    """Density and mask on their grid, and the places in Å of its voxels, (3, z, y, x)."""
    from scipy.ndimage import map_coordinates

    n = len(density)
    size = n if kind == "kept" else int(round(n * voxel / new_voxel))
    start = np.zeros(3)
    if kind == "fourier":
        density = _fourier_grid(density, size)
    elif kind == "binned":
        by = int(round(new_voxel / voxel))
        size = n // by
        density = density[: size * by, : size * by, : size * by]
        density = density.reshape(size, by, size, by, size, by).mean(axis=(1, 3, 5))
        start += (by - 1) / 2 * voxel
    elif kind != "kept":
        start += rng.uniform(0, 1) * new_voxel
        size -= 1
    axes = [start[a] + np.arange(size) * new_voxel for a in range(3)]
    held = [slice(0, size)] * 3
    if drawn["cropped"]:
        held = _crop(kept, drawn["crop_margin"], voxel, axes)
        axes = [axis[cut] for axis, cut in zip(axes, held)]
    places = np.stack(np.meshgrid(*axes, indexing="ij"))
    if kind in ("nearest", "linear", "cubic"):
        order = {"nearest": 0, "linear": 1, "cubic": 3}[kind]
        density = map_coordinates(density, places / voxel, order=order, mode="grid-wrap")
    else:
        density = density[tuple(held)]
    inside = _at(inside, places, voxel, order=0) > 0.5
    return density.astype(np.float32), inside, places


def _crop(kept, margin: float, voxel: float, axes):
    """Slices of a grid that hold what is kept, with a margin in Å."""
    cut = []
    for axis, (first, last) in zip(axes, bounding_box(kept)):
        ends = first * voxel - margin, (last - 1) * voxel + margin
        low, high = np.searchsorted(axis, ends)
        short = max(LEAST_BOX - (high - low), 0)
        low = max(low - (short + 1) // 2, 0)
        cut.append(slice(low, min(max(high, low + LEAST_BOX), len(axis))))
    return cut


def _fourier_grid(density, size: int):
    """The same box with another number of voxels, by cutting or padding its transform."""
    import scipy.fft

    n = len(density)
    spectrum = np.fft.fftshift(scipy.fft.rfftn(density, workers=1), axes=(0, 1))
    half = min(n, size) // 2
    whole = np.zeros((size, size, size // 2 + 1), np.complex64)
    ours, theirs = slice(size // 2 - half, size // 2 + half), slice(n // 2 - half, n // 2 + half)
    whole[ours, ours, :half] = spectrum[theirs, theirs, :half]
    back = scipy.fft.irfftn(np.fft.ifftshift(whole, axes=(0, 1)), s=(size,) * 3, workers=1)
    return back * np.float32((size / n) ** 3)


def _at(field, places, spacing: float, order: int = 1):
    """A field on a grid of its own, at places in Å; ndarray of the places' shape."""
    from scipy.ndimage import map_coordinates

    data = np.asarray(field, np.float32)
    return map_coordinates(data, places / spacing, order=order, mode="grid-wrap")


def spread(field, volume: Volume, spacing: float) -> np.ndarray:
    """A field on points that lie `spacing` Å apart, on a map's grid; ndarray (z, y, x), float32."""
    axes = [np.arange(n) * volume.voxel_size for n in volume.shape]
    return _at(field, np.stack(np.meshgrid(*axes, indexing="ij")), spacing)


def _stored(density, drawn):
    """Scaled, lifted and rounded, as a file of its kind holds it."""
    spread = max(float(density.std()), 1e-30)
    density = density * np.float32(10 ** drawn["log_scale"] / spread)
    if drawn["lifted"]:
        density = density + np.float32(drawn["offset"] * 10 ** drawn["log_scale"])
    kind = STORED[drawn["stored"]]
    if kind == "float16":
        return density.astype(np.float16).astype(np.float32)
    if kind == "bytes":
        low, high = float(density.min()), float(density.max())
        step = max((high - low) / 255, 1e-30)
        return np.round((density - low) / step).astype(np.float32)
    return density


def _even(size: float) -> int:
    return 2 * max(int(round(size / 2)), LEAST_BOX // 2)
