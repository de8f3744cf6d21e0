"""Maps as people give them to a network, sharpened or not, masked or not, on voxels of any size;
and crops of their features and targets in 48 orientations."""

from __future__ import annotations

import numpy as np

from cryodl.features.context import stack
from cryodl.maps.edges import cosine_edge
from cryodl.maps.mask import reapply_mask
from cryodl.maps.rotations import Rotation
from cryodl.simulation.filters import on_voxels, raised_cosine

TARGET = "molecule"  # name under which a set keeps the mask to learn
TARGET_RESOLUTION = 4.0  # Å, of the model map (CryoRes, slides)
THRESHOLD = 0.05  # of the model map's 99th percentile in the molecule
CLOSE = 2  # voxels; gaps below the map's resolution are closed
B_FACTORS = -200.0, 200.0  # Å²
KINDS = ("deposited", "raw", "filtered", "zone")
SHARES = (0.35, 0.1, 0.3, 0.25)
LOW_PASS = 0.75, 1.15  # times the resolution: where a map is low-passed before a zone is cut out
PART = 0.5  # share of zones that hold a part of the molecule only, as one chain of a complex
PART_RADIUS = 14.0, 40.0  # Å, of that part
MASKED = 0.4  # share of raw and filtered maps that are masked, half of them tightly
COARSE = 0.4  # share of maps on voxels larger than the network's, as those at 5-11 Å have
COARSEST = 3.6  # Å, of those voxels
LEAST_SAMPLING = 2.05  # voxels that a resolution is at least


def molecular_target(experiment) -> np.ndarray:
    """The molecule to learn: where the 4 Å map of the model has density; bool (z, y, x).

    Kept in the set, since it takes a second to make.
    """
    from scipy import ndimage

    if experiment.has(TARGET):
        return experiment.load(TARGET) > 0
    model, near = experiment.load("model"), experiment.load("mask") > 0
    density = filtered(model, lambda s: raised_cosine(s, TARGET_RESOLUTION, 0.02))
    found = density > THRESHOLD * np.quantile(density[near], 0.99)
    ball = ndimage.generate_binary_structure(3, 1)
    found = np.pad(found, CLOSE + 1)
    found = ndimage.binary_closing(found, ball, iterations=CLOSE)[
        (slice(CLOSE + 1, -CLOSE - 1),) * 3
    ]
    found = ndimage.binary_fill_holes(found)
    experiment.add(TARGET, found)
    return found


def draw_input(experiment, rng, kind=None):
    """A map such as users have, and the mask to learn.

    kind : one of KINDS, or None to draw one: as deposited; the mean of the half maps; the same
        with a B-factor; or with a B-factor, low-passed and cut out around the atoms, whose edge is
        then all there is at high frequencies
    Returns (density, molecule): (z, y, x), float32 and bool. What a zone leaves out is 0 in both.
    """
    molecule = molecular_target(experiment)
    kind = kind or str(rng.choice(KINDS, p=SHARES))
    voxel = draw_voxel(experiment.resolution, rng)
    if kind == "deposited":
        deposited = experiment.load("map")
        density = reapply_mask(on_voxels(deposited, voxel), deposited)
    else:
        density = (experiment.load("half1") + experiment.load("half2")) / 2
        if kind in ("filtered", "zone"):
            density = apply_b_factor(density, rng.uniform(*B_FACTORS))
        if kind == "zone":
            cut_off = max(experiment.resolution * rng.uniform(*LOW_PASS), 2.1)
            width = rng.uniform(0.02, 0.3) / cut_off
            density = filtered(density, lambda s: raised_cosine(s, cut_off, width))
        density = on_voxels(density, voxel)
        if kind == "zone" or rng.random() < MASKED:
            tight = kind == "zone" or rng.random() < 0.5
            near = experiment.load("mask") > 0
            if kind == "zone" and rng.random() < PART:
                near = near & part_of(near, rng)
            density = cut_out(density, near, rng, tight)
            molecule = molecule & (density != 0)
    return density, molecule


def draw_voxel(resolution, rng):
    """Voxel size (Å) of the grid that a map was on before it came to the network's, of 1 Å."""
    coarsest = min(COARSEST, resolution / LEAST_SAMPLING)
    if coarsest < 1.1 or rng.random() >= COARSE:
        return 1.0
    return 1.1 * (coarsest / 1.1) ** rng.random()


def part_of(near, rng):
    """A ball about a random voxel of the molecule; bool (z, y, x)."""
    places = np.argwhere(near)
    centre, radius = places[rng.integers(len(places))], rng.uniform(*PART_RADIUS)
    z, y, x = (np.arange(n, dtype=np.float32) - c for n, c in zip(near.shape, centre))
    return z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2 < radius**2


def rough_mask(molecule, rng):
    """The molecule with its border moved by up to 3 voxels."""
    from scipy import ndimage

    steps = int(rng.integers(-2, 4))
    if steps > 0:
        return ndimage.binary_dilation(molecule, iterations=steps)
    eroded = ndimage.binary_erosion(molecule, iterations=-steps) if steps else molecule
    return eroded if eroded.any() else molecule


def apply_b_factor(density, b_factor):
    """Multiply amplitudes by exp(-B s² / 4), held beyond 2.5 Å; a 1 Å grid."""
    return filtered(density, lambda s: np.exp(-b_factor * np.minimum(s, 0.4) ** 2 / 4))


def cut_out(density, near, rng, tight):
    """Mask a map around its molecule, tightly or softly; the background is zero."""
    from scipy.ndimage import distance_transform_edt

    distance = distance_transform_edt(~near)
    if tight:
        radius, edge = rng.uniform(0, 2), 0.5
    else:
        radius, edge = rng.uniform(2, 8), rng.uniform(2, 8)
    return (density * cosine_edge(distance, radius, edge)).astype(np.float32)


def filtered(density, gain):
    """Apply a radial gain; gain : callable on frequencies, cycles per voxel."""
    import scipy.fft

    spectrum = scipy.fft.rfftn(density)
    z, y, x = density.shape
    plane = np.fft.fftfreq(y)[:, None] ** 2 + np.fft.rfftfreq(x)[None, :] ** 2
    for k, height in enumerate(np.fft.fftfreq(z)):
        spectrum[k] *= gain(np.sqrt(plane + height**2))
    return scipy.fft.irfftn(spectrum, s=density.shape).astype(np.float32)


def random_crop(flattened, bands, extra, target, config, rng):
    """A crop of a map's features and of its targets, in one of 48 orientations.

    flattened, bands, extra : as from `context_features`
    target : (z / 2, y / 2, x / 2, n): resolutions in channel 0 (and 3), in channel 1 their weight
    Returns (x, y), float16.
    """
    size = config["crop"]
    shape = np.array(flattened.shape)
    if rng.random() < config["solvent"]:
        centre = rng.integers(0, shape)
    else:
        near = np.argwhere(target[::2, ::2, ::2, 1] > 0)
        centre = 4 * near[rng.integers(len(near))] if len(near) else shape // 2
    start = centre - size // 2 + rng.integers(-size // 4, size // 4 + 1, 3)
    start = np.clip(start, 0, np.maximum(shape - size, 0)) // 2 * 2
    fine = tuple(slice(s, s + size) for s in start)
    half = tuple(slice(s // 2, (s + size) // 2) for s in start)
    turned = Rotation.draw(rng).turn
    x = stack(*(turned(a) for a in (flattened[fine], bands[half], extra[half])))
    y = turned(target[half]).copy()
    y[..., 1] *= _inner(y.shape[:3], config["border"])
    # logarithms are taken of resolutions, so that what is added to a small map must not be 0
    beyond = np.zeros(y.shape[-1], np.float32)
    beyond[[0, *range(3, len(beyond))]] = y[0, 0, 0, [0, *range(3, len(beyond))]]
    return _filled(x, size // 2), _filled(y, size // 2, beyond)


def _inner(shape, border):
    inner = np.zeros(shape, np.float32)
    inner[tuple(slice(border, n - border) for n in shape)] = 1
    return inner


def _filled(data, size, beyond=0.0):
    """Add planes where an experiment is smaller than a crop; beyond : their channels."""
    filled = np.empty((size, size, size, data.shape[-1]), np.float16)
    filled[...] = beyond
    z, y, x = data.shape[:3]
    filled[:z, :y, :x] = data
    return filled
