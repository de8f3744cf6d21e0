"""Masks: of a map that was masked before, found by rules, and given by the user.

`existing_mask` finds what a mask left of a map, and `resample_keeping_mask` and `reapply_mask` keep
what was cut away empty. `automatic_mask` is the molecule as exactly as rules find it, `coarse_mask`
the molecule roughly, and `check_mask` binarises a mask that comes with a map.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from cryodl.errors import InputError
from cryodl.maps.crop import bounding_box
from cryodl.maps.normalise import block_mean
from cryodl.maps.resample import resample, resample_to
from cryodl.maps.volume import Volume

MASKED_OUT = 0.10  # share of one exact value from which it is taken for a masked-out background


def existing_mask(data: np.ndarray) -> np.ndarray | None:
    """Voxels that were left when a map was masked, ndarray of bool; None if it was not masked."""
    sample = data.reshape(-1)[:: max(1, data.size // 200_003)]
    if data.dtype == np.float32:  # few last bits that are the same prove it sooner than sorting
        bits = np.ascontiguousarray(sample).view(np.uint32) & 1023
        if np.bincount(bits).max() < MASKED_OUT * sample.size:
            return None
    values, counts = np.unique(sample, return_counts=True)
    if counts.max() < MASKED_OUT * sample.size:  # asked often; to sort the counts takes longer
        return None
    order = np.argsort(counts)[::-1][:3]
    filled = values[order[:1]]
    # a map that was masked with one value may lie in a box made larger with another
    if len(order) > 1 and counts[order[1]] >= MASKED_OUT * (sample.size - counts[order[0]]):
        pair = values[order[:2]]
        filled = pair if _framed(data, *pair) or _framed(data, *pair[::-1]) else filled
    # densities stored as integers repeat too, but then neighbouring values repeat as often
    others = counts[order[len(filled) :]]
    if others.size and others[0] * 5 > counts[order[len(filled) - 1]]:
        return None
    support = ~np.isin(data, filled) if len(filled) > 1 else data != filled[0]
    return support if support.any() else None


def _framed(data: np.ndarray, outer, inner) -> bool:
    """Whether a box holds one value but for a smaller box, whose faces mostly hold another."""
    within = tuple(slice(first, last) for first, last in bounding_box(data != outer))
    box = data[within]
    if box.shape == data.shape:
        return False
    faces = (box[0], box[-1], box[:, 0], box[:, -1], box[:, :, 0], box[:, :, -1])
    return sum(np.count_nonzero(face == inner) for face in faces) > sum(f.size for f in faces) / 2


def outside_value(data: np.ndarray, support: np.ndarray) -> np.floating:
    """What a mask left where it left nothing; support : as from `existing_mask`, of `data`."""
    return data.reshape(-1)[np.argmin(support)]


def resample_keeping_mask(volume: Volume, voxel_size: float) -> Volume:
    """As `resample.resample`, but where a mask had left nothing there is nothing afterwards either.

    A mask's edge rings when a map is resampled. To whoever compares the molecule with the solvent
    those faint rings are a solvent without noise, and the map the best there could be.

    volume : density;  voxel_size : wanted, Å
    """
    grid = resample(volume, voxel_size)
    support = None if grid is volume else existing_mask(volume.data)
    if support is None:
        return grid
    left = resample_to(volume.with_data(support.astype(np.float32)), grid).data > 0.5
    return grid.with_data(np.where(left, grid.data, outside_value(volume.data, support)))


def resample_with_mask(
    volume: Volume, inside: np.ndarray, voxel_size: float
) -> tuple[Volume, np.ndarray]:
    """A map as from `resample_keeping_mask`, and a mask of it on the same grid.

    volume : density;  inside : ndarray, shape (z, y, x), bool;  voxel_size : wanted, Å
    """
    grid = resample_keeping_mask(volume, voxel_size)
    if grid is not volume:
        inside = resample_to(volume.with_data(inside), grid).data > 0.5
    return grid, inside


def reapply_mask(changed: np.ndarray, before: np.ndarray) -> np.ndarray:
    """A map that was filtered, with nothing where a mask had left nothing before.

    changed, before : ndarray, of one shape
    """
    support = existing_mask(before)
    if support is None:
        return changed
    return np.where(support, changed, outside_value(before, support))


SMOOTHING = 2.5  # Å, SD of the Gaussian; takes a map to about 10 Å
COARSE = 2.0  # Å, largest voxel size to which the map is binned before the mask is sought
LARGE = 2**23  # voxels; a larger map is binned whatever its voxel size
NOISE_LEVELS = 3.5  # background SDs above which there is molecule
BETWEEN = 0.6  # ... but no lower than this part of the way from background to Otsu's threshold
MOSTLY = 0.35  # share of a masked map's support above which all of it is taken
FAINT = 0.03  # ... but for edges where density is below this share of the strong parts'
SMALL = 0.05  # components below this share of the largest are dropped
GAPS = 8.0  # Å, width of clefts inside the molecule that are closed


def automatic_mask(volume: Volume) -> np.ndarray:
    """Where the molecule is, whatever the scale and offset of the densities.

    The map is brought to about 10 Å; voxels well above the background are kept, small islands
    dropped, and holes filled. In a map that was masked before, only what was left is considered,
    and all of it but faint edges if it is mostly molecule.

    volume : density, higher in the molecule than around it

    Returns ndarray, shape (z, y, x), bool: the atoms and about 3 Å around them; never empty.
    """
    from scipy import ndimage

    support = existing_mask(volume.data)
    if support is not None:
        part = tuple(slice(first, last) for first, last in bounding_box(support))
        if support[part].all() and support[part].size < support.size:
            # no mask, but a smaller box with nothing around it, which may hold solvent
            support[part] = automatic_mask(Volume(volume.data[part], volume.voxel_size))
            return support
    shrink = math.ceil((volume.data.size / LARGE) ** (1 / 3))
    factor = max(1, int(COARSE / volume.voxel_size), shrink)
    step = volume.voxel_size * factor
    width = SMOOTHING / step
    smooth = ndimage.gaussian_filter(block_mean(volume.data, factor), width, mode="nearest")
    left = np.ones(smooth.shape, bool)
    if support is not None:
        whole = fill_holes(block_mean(support, factor) == 1)
        support |= _enlarge(whole, factor, volume.shape)
        left = block_mean(support, factor) > 0.5
        if not left.any():
            return support
    threshold = _threshold(smooth[left])
    mask = drop_islands((smooth > threshold) & left)
    if support is not None:
        # a sharpened map has little density at 10 Å; there its local variance tells the molecule
        squares = volume.data - outside_value(volume.data, support)
        squares *= squares
        spread = ndimage.gaussian_filter(block_mean(squares, factor), width, mode="nearest")
        del squares
        spread = np.sqrt(np.maximum(spread, 0))
        filled = max(mask.sum(), np.count_nonzero(spread[left] > _otsu(spread[left])))
        if filled > MOSTLY * left.sum():  # no solvent to speak of, but perhaps a faint soft edge
            smooth, threshold = spread, FAINT * np.percentile(spread[left], 90)
            mask = (smooth > threshold) & left
    if not mask.any():
        return np.ones(volume.shape, bool)
    mask = _close(mask, max(1, round(GAPS / 2 / step)))
    # the border is drawn where the density crosses the threshold, between the coarse voxels
    nothing = np.float32(1e-6) * np.ptp(smooth)
    smooth -= np.float32(threshold)
    height = np.where(mask, np.maximum(smooth, nothing), np.minimum(smooth, -nothing))
    centre = (factor - 1) / 2 * volume.voxel_size  # of the first coarse voxel
    grid = Volume(volume.data, volume.voxel_size)
    mask = resample_to(Volume(height, step, (centre,) * 3), grid).data > 0
    return mask if support is None else mask & support


def _enlarge(coarse: np.ndarray, factor: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Every voxel takes the value of its block."""
    for axis in range(3):
        coarse = coarse.repeat(factor, axis)
    return coarse[: shape[0], : shape[1], : shape[2]]


def _threshold(values: np.ndarray) -> float:
    """Between background and molecule: a distance from the commonest value, the background."""
    values = values[:: max(1, values.size // 1_000_003)].astype(np.float64)
    between = _otsu(values)
    inner = np.percentile(values, [0.5, 99.5])
    counts, edges = np.histogram(values, 256, inner)
    counts = np.convolve(counts, np.hanning(9), mode="same")
    background = edges[counts.argmax()] + (edges[1] - edges[0]) / 2
    if background >= between:  # the molecule fills most of the box
        return between
    below = values[values <= background]
    noise = np.sqrt(np.mean(np.square(below - background))) if below.size else 0.0
    return background + max(NOISE_LEVELS * noise, BETWEEN * (between - background))


def _otsu(values: np.ndarray) -> float:
    """The value that separates a histogram into two classes best (Otsu 1979, IEEE SMC 9, 62)."""
    counts, edges = np.histogram(values, 512)
    centres = (edges[:-1] + edges[1:]) / 2
    share = counts / counts.sum()
    low, first = np.cumsum(share)[:-1], np.cumsum(share * centres)[:-1]
    mean = np.sum(share * centres)
    apart = np.square(mean * low - first) / np.maximum(low * (1 - low), 1e-12)
    return float(centres[np.argmax(apart)])


def drop_islands(mask: np.ndarray) -> np.ndarray:
    """A mask without components below 5 % of the largest; ndarray, shape (z, y, x), bool."""
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.reshape(-1))
    sizes[0] = 0
    return (sizes >= SMALL * sizes.max())[labels] if count > 1 else mask


def _close(mask: np.ndarray, reach: int) -> np.ndarray:
    """Fill narrow clefts, then holes."""
    closed = ~grown(~grown(mask, reach), reach)
    return fill_holes(closed | mask)


def grown(mask: np.ndarray, steps: int) -> np.ndarray:
    """A mask and what is so many steps to neighbours from it; ndarray, shape (z, y, x), bool.

    As scipy's `binary_dilation`, which takes several times as long.
    """
    wide = np.pad(mask, [(0, 0), (0, steps), (0, steps)])  # between the end of a row and the next
    before = wide.reshape(-1)
    for _ in range(steps):
        after = before.copy()
        for stride in wide.strides:
            after[stride:] |= before[:-stride]
            after[:-stride] |= before[stride:]
        before = after
    return before.reshape(wide.shape)[:, : mask.shape[1], : mask.shape[2]]


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """As scipy's `binary_fill_holes`, which takes four times as long."""
    from scipy import ndimage

    labels, count = ndimage.label(~mask)
    outside = np.zeros(count + 1, bool)
    for axis in range(3):
        for end in (0, -1):
            outside[labels.take(end, axis)] = True
    outside[0] = False  # the mask itself
    return ~outside[labels]


INSIDE = 0.5  # value of a mask above which a voxel is inside


def check_mask(mask: Volume, volume: Volume) -> np.ndarray:
    """A given mask, binarised, if it fits the map: ndarray, shape (z, y, x), bool.

    mask, volume : Volumes of one shape and, to 1 %, voxel size

    Raises InputError for another shape or voxel size, or if nothing is inside; warns if all is.
    """
    if mask.shape != volume.shape:
        raise InputError(
            f"mask has {mask.size} voxels and the map {volume.size}; give a mask on the map's grid"
        )
    if abs(mask.voxel_size / volume.voxel_size - 1) > 0.01:
        raise InputError(
            f"mask has voxels of {mask.voxel_size:g} Å and the map of"
            f" {volume.voxel_size:g} Å; give a mask on the map's grid"
        )
    inside = mask.data > INSIDE
    if not inside.any():
        raise InputError(
            f"mask is empty: its largest value is {mask.data.max():g}, and only values"
            f" above {INSIDE:g} are inside; give another mask"
        )
    if inside.all():
        warnings.warn("the mask covers the whole box", stacklevel=2)
    return inside


BLUR = 4.0  # Å, SD of the Gaussian
HIGHEST = 99.6  # percentile of the blurred density that stands for the molecule's
SHARE = 0.3  # of the way from the background to it
CLOSE = 2  # coarse voxels, of clefts that are closed


def coarse_mask(volume: Volume) -> np.ndarray:
    """Roughly the molecule: ndarray, shape (z, y, x), bool; never empty.

    volume : density, higher in the molecule than around it; any scale and offset
    """
    from scipy import ndimage

    factor = max(1, round(COARSE / volume.voxel_size))
    width = BLUR / (factor * volume.voxel_size)
    blurred = ndimage.gaussian_filter(block_mean(volume.data, factor), width, mode="nearest")
    support = existing_mask(volume.data)
    if support is None:
        left, background = np.ones(blurred.shape, bool), np.median(blurred)
    else:
        left = block_mean(support.astype(np.float32), factor) > 0.5
        background = outside_value(volume.data, support)
    sample = blurred.reshape(-1)[:: max(1, blurred.size // 1_000_003)]
    highest = np.percentile(sample, HIGHEST)
    found = (blurred > background + SHARE * (highest - background)) & left
    if not found.any():
        return np.ones(volume.shape, bool) if support is None else support
    return _enlarge(_close(drop_islands(found), CLOSE), factor, volume.shape)
