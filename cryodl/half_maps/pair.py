"""Two half maps of one reconstruction: checks, their mean and difference, the optimal B-factor.

The optimal B-factor makes a map most like its atoms, as far as its half maps and spectrum show.
Sharpening raises what the atoms show and what is noise alike. Of every shell the half maps show how
much of either there is, and the spectrum of atoms is known, so the correlation that the sharpened
map has with the atoms' density can be foreseen for every B-factor: phases of the signal are right,
those of the noise are random. No network takes part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cryodl.errors import InputError
from cryodl.filters.sharpen import radial_amplitude, reference_log_amplitude, soften
from cryodl.half_maps.alignment import misfit, unlike
from cryodl.maps.inputs import check_density, input_map
from cryodl.maps.volume import Volume, spread

ALIKE = 0.03  # logarithm of the ratio of two halves' spreads up to which they have one scale


def check_half_maps(half1: Volume, half2: Volume) -> list[str]:
    """Plain sentences about what is unusual in two half maps.

    Raises
    ------
    InputError : of other size, voxel size or origin, or no densities
    """
    for name, half in (("first", half1), ("second", half2)):
        check_density(half, f"the {name} half map")
    if half1.shape != half2.shape:
        raise InputError(
            f"half maps have {half1.size} and {half2.size} voxels: give two of one refinement"
        )
    if abs(half1.voxel_size / half2.voxel_size - 1) > 1e-3:
        raise InputError(
            f"half maps have voxels of {half1.voxel_size:g} and {half2.voxel_size:g} Å: give two of"
            " one refinement, or the true size as voxel_size="
        )
    apart = max(abs(a - b) for a, b in zip(half1.origin, half2.origin))
    if apart > 0.1 * half1.voxel_size:
        raise InputError(
            f"half maps have origins {apart:g} Å apart ({_place(half1)} and {_place(half2)} Å): "
            "give two of one refinement"
        )
    if identical(half1, half2):
        return [IDENTICAL]
    found = misfit(half1, half2)
    if found is None:
        other = unlike(half1, half2)
        return [] if other is None else [f"{other.evidence}; {other.remedy}: {UNTRUE}"]
    return [
        f"the half maps do not lie on each other: {found.evidence}; {found.remedy}, for what "
        "follows from them as they are is wrong"
    ]


UNTRUE = "no resolution follows from their FSC unless their noise is independent"
IDENTICAL = (
    "the half maps are identical: their FSC is 1 everywhere, and no resolution follows from it; "
    "give the two independent half maps"
)
NO_SIGNAL = "the half maps have no signal in common: their FSC is that of noise at all frequencies"


def identical(half1: Volume, half2: Volume) -> bool:
    """Whether two maps differ by nothing but a scale and an offset."""
    a, b = (h.data[::2, ::2, ::2].ravel().astype(np.float64) for h in (half1, half2))
    with np.errstate(invalid="ignore", divide="ignore"):  # every other voxel may be the same
        return bool(np.corrcoef(a, b)[0, 1] > 1 - 1e-9)


def on_one_scale(half1: Volume, half2: Volume, alike: float = ALIKE) -> Volume:
    """The second of two half maps, its densities as far spread as the first's.

    Programs scale half maps one by one; their mean would be the map of the stronger one. Halves
    whose spreads differ by no more than noise does are left as they are.

    alike : natural logarithm of the ratio of their spreads up to which they are
    """
    first, second = spread(half1.data), spread(half2.data)
    if not (first > 0 and second > 0):
        return half2
    if half1.unit == half2.unit and abs(np.log(second / first)) <= alike:
        return half2
    return replace(half2, data=half2.data * np.float32(first / second), unit=half1.unit)


def half_sum(half1: Volume, half2: Volume) -> Volume:
    """The full map: the mean of both."""
    full = half1.with_data((half1.data + half2.data) / 2)
    return replace(full, mended=half1.mended + half2.mended)


def half_difference(half1: Volume, half2: Volume) -> Volume:
    """Noise as strong as that in the mean of both."""
    return half1.with_data((half1.data - half2.data) / 2)


def _place(volume: Volume) -> str:
    return ", ".join(f"{value:g}" for value in volume.origin)


def read_halves(
    half1: Any, half2: Any, voxel_size: float | None = None, *, independent: bool = False
):
    """Two half maps as Volumes on one scale, checked; and what is unusual about them.

    independent : nothing true can be said of identical ones: raise InputError for them
    """
    first, second = (
        input_map(half, voxel_size, f"the {name} half map")
        for name, half in (("first", half1), ("second", half2))
    )
    notes = check_half_maps(first, second)
    if independent and IDENTICAL in notes:
        raise InputError(IDENTICAL)
    return first, on_one_scale(first, second), notes


# Atoms move, the more the worse a map is resolved: their mean B-factor in units of resolution². Of
# 12 simulated experiments on validation structures, 11 came within 40 Å² with it.
ATOMS_B = 3.0
STEP, STRONGEST = 2, -2000  # Å²


@dataclass(frozen=True)
class Spectrum:
    """What a low-passed map holds, shell by shell; ndarrays (n,).

    frequencies : 1/Å;  signal, noise : power;  atoms : amplitude that the molecule has
    """

    frequencies: np.ndarray
    signal: np.ndarray
    noise: np.ndarray
    atoms: np.ndarray


def signal_and_noise(
    volume: Volume, half1: Volume, half2: Volume, mask: np.ndarray, resolution: float
) -> Spectrum:
    """How much of a low-passed map is signal, as its half maps show.

    volume : the map that is to be sharpened, low-passed;  half1, half2 : unfiltered and unmasked
    mask : ndarray (z, y, x), True in the molecule;  resolution : Å, of the map
    """
    weights = soften(mask)
    s, shown = radial_amplitude(volume, weights)
    both, noise = (radial_amplitude(v, weights)[1] ** 2
                   for v in (half_sum(half1, half2), half_difference(half1, half2)))  # fmt: skip
    share = 1 - np.minimum(noise / np.maximum(both, 1e-30), 1)
    atoms = np.exp(reference_log_amplitude(s) - ATOMS_B * resolution**2 * s**2 / 4)
    return Spectrum(s, shown**2 * share, shown**2 * (1 - share), atoms)


def expected_correlation(spectrum: Spectrum, bfactors: Sequence[float] | np.ndarray) -> np.ndarray:
    """Correlation with the atoms' density that a map has with each B-factor (Å²) applied.

    Returns ndarray (n,), at most 1.
    """
    s = spectrum.frequencies
    volume = s**2  # coefficients in a shell
    atoms = np.sum(spectrum.atoms**2 * volume)
    found = []
    for bfactor in bfactors:
        gain = np.exp(-bfactor * (s**2 - s[-1] ** 2) / 4)  # from the end, so that it stays small
        alike = np.sum(np.sqrt(spectrum.signal) * gain * spectrum.atoms * volume)
        power = np.sum((spectrum.signal + spectrum.noise) * gain**2 * volume)
        found.append(alike / np.sqrt(max(power * atoms, 1e-300)))
    return np.array(found)


def optimal_b_factor(spectrum: Spectrum) -> float:
    """The B-factor (Å²), 0 or below, of the highest expected correlation."""
    bfactors = np.arange(0, STRONGEST - 1, -STEP)
    return float(bfactors[int(np.argmax(expected_correlation(spectrum, bfactors)))])
