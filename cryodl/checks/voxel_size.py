"""Whether a map's voxel size can be right, by how large its features are.

Proteins and nucleic acids have sizes of their own: helices 10 Å apart, strands 4.8 Å, layers of
side chains. They leave peaks and dips in the radial spectrum, and a skewness and kurtosis of their
own in every band of frequencies. With a wrong voxel size all of it lies at other frequencies.

A small network reads these (`voxel_size_features`) and gives a distribution over the factor by
which the voxel size is too large. It has learnt from simulated experiments whose voxel size was
changed (methods.voxel_size), and its threshold is set so that few right maps are warned of. It is
asked where it has learnt only: at other voxel sizes, and of maps without detail, it would be sure
of anything. Its weights are sealed with a checksum and a test vector.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache
from math import ceil
from pathlib import Path

import numpy as np

from cryodl.errors import BundleError
from cryodl.features.local_spectrum import BANDS, band_centres, band_gain, frequency_bins
from cryodl.files.reading import read_arrays
from cryodl.filters.sharpen import Shells, border_weights, reference_log_amplitude
from cryodl.filters.shells import inverse, low_frequencies, transform
from cryodl.maps.crop import box_around, crop
from cryodl.maps.mask import coarse_mask, existing_mask, grown, resample_with_mask
from cryodl.maps.volume import Volume

RADII = np.geomspace(1 / 30, 0.48, 44)  # cycles per Å at which the spectrum is sampled
NUMBERS = len(RADII) + 3 * BANDS + 1
LARGEST = 96  # voxels along each axis of the part that is looked at
MARGIN = 10  # voxels around the molecule
AWAY = 6  # voxels from the molecule at which solvent begins
LEAST = 2000  # voxels of solvent that its statistics need


def voxel_size_features(density: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """What a map's features are like, by frequency.

    density : ndarray, shape (z, y, x), on a grid of 1 Å, any scale and offset
    inside : ndarray, shape (z, y, x), bool, roughly the molecule; not empty

    Returns ndarray (NUMBERS,), float32: logarithm of the radial amplitude over that of atoms at
    RADII (less its mean: `without_fall_off` takes its slope too); skewness and kurtosis in every
    band inside; by how much the band is stronger there than in the solvent; whether there is any.
    """
    import scipy.fft
    from scipy.ndimage import gaussian_filter

    part = box_around(inside, MARGIN, LARGEST)
    density, inside = density[part], inside[part]
    support = existing_mask(density)
    away = ~grown(inside, AWAY)
    if support is not None:
        away &= support
    background = np.median(density[away]) if away.any() else np.percentile(density, 20)
    soft = gaussian_filter(inside.astype(np.float32), 2.0)
    data = (density - np.float32(background)) * border_weights(density.shape)
    shape = tuple(4 * scipy.fft.next_fast_len((n + 8) // 4 + 1, real=True) for n in data.shape)
    shells = Shells(shape)
    amplitude = shells.amplitude(transform(data * soft, shape))
    radial = np.log(np.maximum(_smoothed(shells.frequencies, amplitude), 1e-30))
    radial -= reference_log_amplitude(RADII)
    radial = np.maximum(radial - radial.max(), -12.0)
    spectrum = transform(data, shape)
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
        self.at = [np.flatnonzero(np.pad(where, [(0, m - n) for m, n in zip(shape, where.shape)]))
                   for where in (inside, away)]  # fmt: skip

    def halved(self):
        """Every other voxel, which is enough for the low frequencies."""
        half = tuple(n // 2 for n in self.shape)
        spectrum, bins = (low_frequencies(v, self.shape, half) for v in (self.spectrum, self.bins))
        every = (slice(None, None, 2),) * 3
        return _Grid(spectrum, bins, half, self.inside[every], self.away[every])

    def band(self, number):
        """Values of a band inside the molecule, ndarray (n,), and their mean square outside."""
        part = self.spectrum * band_gain(number).take(self.bins)
        signal = inverse(part, self.shape).ravel()
        values, outer = (signal[at].astype(np.float64) for at in self.at)
        return values, float(np.square(outer).mean()) if len(outer) else 0.0


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
SUM, INPUT, EXPECTED = "sha256", "vector_input", "vector_answer"
TOLERANCE = 1e-3  # of a probability
SEED = 7


def sealed_weights(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights with a test vector and the checksum of both."""
    arrays = {name: np.asarray(value) for name, value in weights.items()}
    mean, sd = arrays["mean"], arrays["sd"]
    drawn = (mean + sd * np.random.default_rng(SEED).normal(size=mean.shape)).astype(np.float32)
    arrays |= {INPUT: drawn, EXPECTED: predict(drawn, arrays).astype(np.float32)}
    return {**arrays, SUM: np.array(checksum(arrays))}


def proven_weights(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Weights of a file that is as it was written, and with which the vector is answered; float32.

    Raises InputError where it cannot be read, BundleError where it holds no such network or cannot
    prove itself.
    """
    arrays = read_arrays(path, SUM, INPUT, EXPECTED)
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
        given, expected = weights.pop(INPUT), weights.pop(EXPECTED)
        _check_network(path, weights)
        if given.shape != (NUMBERS,) or expected.shape != FACTORS.shape:
            raise _misfit(path, INPUT, f"{NUMBERS} numbers, and {EXPECTED} {len(FACTORS)}")
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


WEIGHTS = Path(__file__).resolve().parents[1] / "weights" / "voxel_size.npz"
CLEARLY = 0.09  # of the factor's logarithm: less is not worth a word
GRID = 1.0  # Å
VOXELS = 0.75, 1.8  # Å, of the maps that were trained on
DETAIL = 11.5, 3.0  # Å, of the bands of which one is to stand out of the solvent
STANDS_OUT = 1.1  # logarithm of the power in the molecule over that in the solvent
SMALLEST = 10_000.0  # Å³ of molecule, that its statistics need


def voxel_size_factor(features: np.ndarray) -> tuple[float, float]:
    """By what factor a voxel size seems to be too large, and the probability that it is clearly
    wrong.

    features : ndarray (NUMBERS,), as from `read_features`
    """
    probability = predict(features)
    logarithm = np.log(FACTORS)
    wrong = float(wrongness(probability))
    side = np.sign(float((probability * logarithm).sum()))
    share = probability * (side * logarithm > CLEARLY)
    if share.sum() <= 0:
        return 1.0, wrong
    return float(np.exp((share * logarithm).sum() / share.sum())), wrong


def voxel_size_warning(volume: Volume, inside: np.ndarray | None = None) -> str | None:
    """A sentence where the features of a map do not fit its voxel size, with the evidence.

    volume : density;  inside : ndarray (z, y, x), bool, roughly the molecule; None finds it

    None where they fit, where it cannot be judged (a voxel size or a resolution beyond those that
    were trained on, a molecule that is too small), and where the package was installed without the
    weights.
    """
    finest, coarsest = VOXELS
    if not WEIGHTS.is_file() or not finest <= volume.voxel_size <= coarsest:
        return None
    if inside is None:
        inside = coarse_mask(volume)
    if np.count_nonzero(inside) * volume.voxel_size**3 < SMALLEST:
        return None
    features = read_features(volume, inside)
    factor, wrong = voxel_size_factor(features)
    if wrong < threshold() or not shows_detail(features):
        return None
    size = "large" if factor > 1 else "small"
    fitting = volume.voxel_size / factor
    return (
        f"the features of the map look too {size} for its voxel size of {volume.voxel_size:g} Å "
        f"(probability {wrong:.0%}); they would fit about {fitting:.2f} Å: check it, and give the "
        "true one with --voxel-size"
    )


def shows_detail(features: np.ndarray) -> bool:
    """Whether a molecule shows more than about 11 Å: otherwise nothing shows the size of features.

    features : ndarray (NUMBERS,), as from `read_features`
    """
    if not features[-1]:  # no solvent is left to compare with: a map that was cut out
        return True
    contrast = features[len(RADII) + 2 * BANDS : -1] * 4  # as voxel_size_features stores it
    coarsest, finest = DETAIL
    seen = (band_centres() * coarsest >= GRID) & (band_centres() * finest <= GRID)
    return bool(contrast[seen].max() > STANDS_OUT)


def predict(features: np.ndarray, weights=None) -> np.ndarray:
    """Probabilities of FACTORS: ndarray (..., len(FACTORS)) from features (..., NUMBERS).

    weights : those of a network that is not shipped, or None
    """
    if weights is None:
        weights = _weights()
    x = (features - weights["mean"]) / weights["sd"]
    for layer in range(int(weights["layers"])):
        x = x @ weights[f"kernel{layer}"] + weights[f"bias{layer}"]
        if layer < int(weights["layers"]) - 1:
            x = np.maximum(x, 0)
    raised = np.exp(x - x.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def wrongness(probability: np.ndarray) -> np.ndarray:
    """Probability that a voxel size is clearly wrong: ndarray (...) from what `predict` gives."""
    return probability[..., np.abs(np.log(FACTORS)) > CLEARLY].sum(axis=-1)


def threshold() -> float:
    """Probability from which a voxel size is called wrong."""
    return float(_weights()["threshold"])


def read_features(volume: Volume, inside: np.ndarray) -> np.ndarray:
    """What the network reads: ndarray (NUMBERS,).

    volume : density;  inside : ndarray (z, y, x), bool, roughly the molecule; not empty
    """
    reach = ceil(MARGIN * GRID / volume.voxel_size)
    most = ceil(LARGEST * GRID / volume.voxel_size)
    part = box_around(inside, reach, most)
    grid, near = resample_with_mask(crop(volume, part), inside[part], GRID)
    return voxel_size_features(grid.data, near if near.any() else np.ones_like(near))


@lru_cache(maxsize=1)
def _weights():
    return proven_weights(WEIGHTS)
