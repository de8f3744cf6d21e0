"""Local amplitude scaling against a model map, the operation of LocScale (Jakobi et al. 2017).

A window around a voxel is cut from the map and from the model map; the radial amplitudes of the
first are brought to those of the second, its phases stay, and the voxel in the window's middle is
kept. Here windows stand on a coarse grid and every one gives not only its middle: neighbouring
windows are blended by weights that fall linearly to 0 over one step along every axis, and add up to
1. With a step of one voxel this is the published operation.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from cryodl.maps.edges import cosine_edge

WINDOW = 24  # voxels along a window's edge; at 1 Å, LocScale's recommendation of about 25 Å
STEP = 8  # voxels between windows
FLOOR = 1e-6  # of the largest radial amplitude in a window: below it nothing is scaled up
REACH = 10.0  # Å from the molecular mask, up to which `scaled_by_model` gives values
# kind -> Å from the molecular mask (3 Å around atoms): where it begins to fall, over how much
MASKS = {"tight": (0.0, 2.0), "wide": (3.0, 4.0)}
_BATCH = 32  # windows transformed at a time, so that they stay in the cache


def local_amplitude_scaling(data, reference, *, window=WINDOW, step=STEP, inside=None):
    """Give a map, window by window, the radial amplitudes of a model map.

    Parameters
    ----------
    data, reference : ndarray, shape (z, y, x), the map and the model map, on one grid
    window : int, voxels along a window's edge, even
    step : int, voxels between the windows' middles, at most half a window
    inside : ndarray, shape (z, y, x), bool; windows that are needed by none of these voxels are
        left out; None needs all

    Returns
    -------
    ndarray, shape (z, y, x), float32, in the unit of `reference`; beyond the box counts as 0, and
    voxels that no window reached are 0
    """
    if window % 2 or not 1 <= step <= window // 2:
        raise ValueError(f"window {window} must be even, step {step} from 1 to its half")
    shape = data.shape
    counts = [ceil((n - 1) / step) + 1 for n in shape]
    # Window i has its middle, voxel window // 2 of it, at voxel i * step of the map.
    lengths = [(count - 1) * step + window for count in counts]
    padded = [_padded(np.asarray(m, np.float32), window // 2, lengths) for m in (data, reference)]
    views = [_windows(m, window, step) for m in padded]
    places = np.argwhere(_needed(inside, counts, step))
    shells, number = _shells(window)
    mean = _shell_means(shells, number)
    weight = _blending(window, step)
    used = window // 2 - (step - 1)
    part = slice(used, used + len(weight))
    weights = weight[:, None, None] * weight[:, None] * weight
    out = np.zeros(lengths, np.float32)
    for first in range(0, len(places), _BATCH):
        some = places[first : first + _BATCH]
        windows, references = (view[tuple(some.T)] for view in views)
        scaled = _scale(windows, references, shells, mean)
        scaled = scaled[:, part, part, part] * weights
        for (k, j, i), values in zip(some * step + used, scaled):
            size = len(weight)
            out[k : k + size, j : j + size, i : i + size] += values
    half = window // 2
    return np.ascontiguousarray(out[tuple(slice(half, half + n) for n in shape)])


def scaled_by_model(data, model, mask, voxel_size=1.0):
    """A map as post-processing is to give it: scaled by its model, in and around the molecule.

    data, model : ndarray, shape (z, y, x), the map and the density of its model
    mask : ndarray, shape (z, y, x), bool, within 3 Å of an atom
    voxel_size : Å; windows are meant for about 1 Å

    Returns (scaled, distance): ndarrays, float32; the first in units of its root mean square in the
    mask, the second in Å from the mask, at most REACH.
    """
    from scipy.ndimage import distance_transform_edt

    distance = distance_transform_edt(~mask, sampling=voxel_size).astype(np.float32)
    distance = np.minimum(distance, np.float32(REACH))
    scaled = local_amplitude_scaling(data, model, inside=distance < REACH)
    scaled /= max(float(np.sqrt(np.mean(np.square(scaled[mask])))), 1e-30)
    return scaled, distance


def mask_weights(distance, kind):
    """Weights from 1 to 0 of a tight or a wide mask.

    distance : ndarray, Å from the molecular mask;  kind : "tight" or "wide"
    """
    begin, width = MASKS[kind]
    return cosine_edge(distance, begin, width).astype(np.float32)


def _scale(windows, references, shells, mean):
    """Windows (n, w, w, w) with the radial amplitudes of their references."""
    import scipy.fft

    size = windows.shape[1]
    spectra = scipy.fft.rfftn(windows, axes=(1, 2, 3))
    wanted = _radial(scipy.fft.rfftn(references, axes=(1, 2, 3)), mean)
    found = _radial(spectra, mean)
    floor = FLOOR * np.maximum(found.max(axis=1, keepdims=True), 1e-30)
    gain = np.where(found > floor, wanted / np.maximum(found, floor), 0).astype(np.float32)
    spectra *= gain[:, shells].reshape(spectra.shape)
    return scipy.fft.irfftn(spectra, s=(size,) * 3, axes=(1, 2, 3), overwrite_x=True)


def _radial(spectra, mean):
    """Mean amplitude in every shell; ndarray (n, shells)."""
    return (mean @ np.abs(spectra).reshape(len(spectra), -1).T).T


def _shell_means(shells, number):
    """Sparse matrix (shells, coefficients) that takes the mean over every shell."""
    from scipy.sparse import csr_matrix

    weight = (number / np.bincount(shells, number)[shells]).astype(np.float32)
    return csr_matrix((weight, (shells, np.arange(shells.size))))


def _shells(size):
    """Shell of every coefficient of a window's real transform, and how many it stands for."""
    full, half = np.fft.fftfreq(size, 1 / size), np.fft.rfftfreq(size, 1 / size)
    radius = np.sqrt(full[:, None, None] ** 2 + full[:, None] ** 2 + half**2)
    number = np.where((half == 0) | (half == size // 2), 1.0, 2.0)
    return np.rint(radius).astype(np.intp).ravel(), np.broadcast_to(number, radius.shape).ravel()


def _blending(window, step):
    """Weights of the voxels around a window's middle along one axis."""
    return (1 - np.abs(np.arange(1 - step, step)) / step).astype(np.float32)


def _padded(data, before, lengths):
    return np.pad(data, [(before, length - before - n) for length, n in zip(lengths, data.shape)])


def _windows(data, size, step):
    views = np.lib.stride_tricks.sliding_window_view(data, (size,) * 3)
    return views[::step, ::step, ::step]


def _needed(inside, counts, step):
    """Windows, on their grid, that some voxel inside is blended from."""
    if inside is None:
        return np.ones(counts, bool)
    needed = np.zeros(counts, bool)
    for corner in np.ndindex(2, 2, 2):
        k, j, i = np.nonzero(inside)
        needed[tuple((v + c * (step - 1)) // step for v, c in zip((k, j, i), corner))] = True
    return needed
