"""How large a map's features are: what tells whether its voxel size can be right.

Proteins and nucleic acids have sizes of their own: helices 10 Å apart, strands 4.8 Å, layers of
side chains. They leave peaks and dips in the radial spectrum, and a skewness and kurtosis of their
own in every band of frequencies. With a wrong voxel size all of it lies at other frequencies.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping

import numpy as np

from cryodl.compute.parallel import thread_count
from cryodl.errors import BundleError
from cryodl.features.local_spectrum import BANDS, band_centres, band_gain, frequency_bins
from cryodl.files.arrays import read_arrays
from cryodl.filters.flatten import Shells, border_weights
from cryodl.filters.sharpen import reference_log_amplitude
from cryodl.maps.crop import box_around
from cryodl.maps.mask import existing_mask

RADII = np.geomspace(1 / 30, 0.48, 44)  # cycles per Å at which the spectrum is told
NUMBERS = len(RADII) + 3 * BANDS + 1
LARGEST = 96  # voxels along each axis of the part that is looked at
MARGIN = 10  # voxels around the molecule
AWAY = 6  # voxels from the molecule at which solvent begins
LEAST = 2000  # voxels of solvent below which it tells nothing


def voxel_size_features(density: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """What a map's features are like, by frequency.

    density : ndarray, shape (z, y, x), on a grid of 1 Å, any scale and offset
    inside : ndarray, shape (z, y, x), bool, roughly the molecule; not empty

    Returns ndarray (NUMBERS,), float32: logarithm of the radial amplitude over that of atoms at
    RADII (less its mean: `without_fall_off` takes its slope too); skewness and kurtosis in every
    band inside; by how much the band is stronger there than in the solvent; whether there is any.
    """
    import scipy.fft
    from scipy.ndimage import binary_dilation, gaussian_filter

    part = box_around(inside, MARGIN, LARGEST)
    density, inside = density[part], inside[part]
    support = existing_mask(density)
    away = ~binary_dilation(inside, iterations=AWAY)
    if support is not None:
        away &= support
    background = np.median(density[away]) if away.any() else np.percentile(density, 20)
    soft = gaussian_filter(inside.astype(np.float32), 2.0)
    data = (density - np.float32(background)) * border_weights(density.shape)
    shape = tuple(4 * scipy.fft.next_fast_len((n + 8) // 4 + 1, real=True) for n in data.shape)
    shells = Shells(shape)
    workers = thread_count()
    amplitude = shells.amplitude(scipy.fft.rfftn(data * soft, s=shape, workers=workers))
    radial = np.log(np.maximum(_smoothed(shells.frequencies, amplitude), 1e-30))
    radial -= reference_log_amplitude(RADII)
    radial = np.maximum(radial - radial.max(), -12.0)
    spectrum = scipy.fft.rfftn(data, s=shape, workers=workers)
    grids = [_Grid(spectrum, frequency_bins(shape), shape, inside, away)]
    grids.append(grids[0].halved())
    skewness, kurtosis, contrast = np.zeros((3, BANDS), np.float32)
    solvent = np.count_nonzero(away) >= LEAST
    centres = band_centres()
    for band in range(BANDS):
        values, outer = grids[int(centres[band] * 1.3 < 0.25)].band(band)
        values -= values.mean()
        squares = values * values  # a power of 3 or 4 takes numpy twenty times longer
        power = max(float(np.mean(squares)), 1e-30)
        skewness[band] = np.mean(squares * values) / power**1.5
        kurtosis[band] = np.log(np.mean(squares * squares) / power**2 / 3)
        if solvent:
            contrast[band] = np.clip(np.log(power / max(outer, 1e-30)), -4, 8) / 4
    return np.concatenate(
        [radial - radial.mean(), np.clip(skewness, -3, 3), np.clip(kurtosis, -2, 4), contrast,
         [float(solvent)]]
    ).astype(np.float32)  # fmt: skip


class _Grid:
    """A spectrum, and where on its grid the molecule and the solvent are."""

    def __init__(self, spectrum, bins, shape, inside, away):
        self.spectrum, self.bins, self.shape = spectrum, bins, shape
        self.inside, self.away = inside, away

    def halved(self):
        """Every other voxel, which is enough for the low frequencies."""
        z, y, x = (n // 2 for n in self.shape)
        rows = [np.r_[0 : n // 2, 2 * n - n // 2 : 2 * n] for n in (z, y)]
        kept = np.ix_(rows[0], rows[1], np.arange(x // 2 + 1))
        every = (slice(None, None, 2),) * 3
        return _Grid(
            self.spectrum[kept], self.bins[kept], (z, y, x), self.inside[every], self.away[every]
        )

    def band(self, number):
        """Values of a band inside the molecule, ndarray (n,), and their mean square outside."""
        import scipy.fft

        part = self.spectrum * band_gain(number)[self.bins]
        signal = scipy.fft.irfftn(part, s=self.shape, overwrite_x=True, workers=thread_count())
        signal = signal[tuple(slice(0, n) for n in self.inside.shape)]
        outer = np.square(signal[self.away], dtype=np.float64)
        return signal[self.inside].astype(np.float64), float(outer.mean()) if len(outer) else 0.0


def with_bfactor(features: np.ndarray, bfactor) -> np.ndarray:
    """Features of the same map with a B-factor applied: only the spectrum changes.

    features : ndarray (..., NUMBERS);  bfactor : Å², a number or ndarray (...)
    """
    changed = features.copy()
    fall = -np.asarray(bfactor)[..., None] * RADII**2 / 4
    changed[..., : len(RADII)] += (fall - fall.mean(axis=-1, keepdims=True)).astype(np.float32)
    return changed


def _smoothed(frequencies, amplitude):
    """Amplitudes at RADII, root mean squares over the shells nearest to each."""
    edges = np.sqrt(RADII[:-1] * RADII[1:])
    edges = np.concatenate([[RADII[0] ** 2 / edges[0]], edges, [RADII[-1] ** 2 / edges[-1]]])
    found = np.interp(RADII, frequencies, amplitude)
    for i, (low, high) in enumerate(zip(edges[:-1], edges[1:])):
        own = (frequencies >= low) & (frequencies < high)
        if own.sum() > 1:
            found[i] = np.sqrt(np.mean(amplitude[own] ** 2))
    return found


FACTORS = np.exp(np.linspace(-0.42, 0.42, 29))  # header's voxel size over the true one
MOST_LAYERS = 16
SUM, INPUT, ANSWER = "sha256", "vector_input", "vector_answer"
TOLERANCE = 1e-3  # of a probability
SEED = 7

Predict = Callable[[np.ndarray, Mapping[str, np.ndarray]], np.ndarray]


def sealed_weights(weights: Mapping[str, np.ndarray], predict: Predict) -> dict[str, np.ndarray]:
    """Weights with a test vector and the checksum of both.

    predict : features (numbers,) and weights to probabilities (factors,)
    """
    arrays = {name: np.asarray(value) for name, value in weights.items()}
    mean, sd = arrays["mean"], arrays["sd"]
    drawn = (mean + sd * np.random.default_rng(SEED).normal(size=mean.shape)).astype(np.float32)
    arrays |= {INPUT: drawn, ANSWER: predict(drawn, arrays).astype(np.float32)}
    return {**arrays, SUM: np.array(checksum(arrays))}


def proven_weights(
    path: str | os.PathLike[str], predict: Predict
) -> dict[str, np.ndarray]:  # fmt: skip
    """Weights of a file that is as it was written, and with which the vector is answered; float32.

    Raises InputError where it cannot be read, BundleError where it holds no such network or cannot
    prove itself.
    """
    arrays = read_arrays(path, SUM, INPUT, ANSWER)
    said = str(arrays.pop(SUM))
    found = checksum(arrays)
    if found != said:
        raise BundleError(
            f"checksum of what {path} holds is {found[:12]}..., and it says {said[:12]}...: the"
            " file is damaged, reinstall cryodl or train it again"
        )
    for name in (name for name, value in arrays.items() if value.dtype.kind not in "biuf"):
        raise _misfit(path, name, "numbers")
    with np.errstate(all="ignore"):  # what comes of it is looked at
        weights = {name: value.astype(np.float32) for name, value in arrays.items()}
        given, expected = weights.pop(INPUT), weights.pop(ANSWER)
        _check_network(path, weights)
        if given.shape != (NUMBERS,) or expected.shape != FACTORS.shape:
            raise _misfit(path, INPUT, f"{NUMBERS} numbers, and {ANSWER} {len(FACTORS)}")
        off = float(np.abs(predict(given, weights) - expected).max())
    if not off <= TOLERANCE:
        raise BundleError(
            f"NumPy does not answer the test vector of {path} as it was written: it is off by"
            f" {off:.2g} where {TOLERANCE:g} is allowed; update NumPy, or reinstall cryodl"
        )
    return weights


def _check_network(path: str | os.PathLike[str], weights: Mapping[str, np.ndarray]) -> None:
    """Raise BundleError unless these are weights of layers that fit NUMBERS, FACTORS and each
    other."""
    shapes: dict[str, tuple] = {"mean": (NUMBERS,), "sd": (NUMBERS,), "threshold": (), "layers": ()}
    _check_shapes(path, weights, shapes)
    if weights["layers"] not in range(1, MOST_LAYERS + 1):
        raise _misfit(path, "layers", f"a whole number from 1 to {MOST_LAYERS}")
    if not 0 < weights["threshold"] < 1:
        raise _misfit(path, "threshold", "a probability")
    if not (weights["sd"] > 0).all():
        raise _misfit(path, "sd", "numbers above 0")
    reads, last = NUMBERS, int(weights["layers"]) - 1
    for layer in range(last + 1):
        width = np.size(weights.get(f"bias{layer}", ())) if layer < last else len(FACTORS)
        _check_shapes(path, weights, {f"bias{layer}": (width,), f"kernel{layer}": (reads, width)})
        reads = width


def _check_shapes(
    path: str | os.PathLike[str], weights: Mapping[str, np.ndarray], shapes: Mapping[str, tuple]
) -> None:
    for name, shape in shapes.items():
        if name not in weights:
            raise BundleError(f"{path} lacks {name}: reinstall cryodl or train it again")
        if weights[name].shape != shape:
            raise _misfit(path, name, f"an array of shape {shape}")
        if not np.isfinite(weights[name]).all():
            raise _misfit(path, name, "finite numbers")


def _misfit(path: str | os.PathLike[str], name: str, words: str) -> BundleError:
    return BundleError(
        f"{path} holds no network for voxel sizes: {name[:60]!r} is not {words}, as it must be;"
        " reinstall cryodl or train it again"
    )


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of arrays with their names, kinds and shapes."""
    digest = hashlib.sha256()
    for name, value in sorted(arrays.items()):
        digest.update(f"{name} {value.dtype.str} {value.shape} ".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
