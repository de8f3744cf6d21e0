"""Whether two half maps lie on each other, or one is shifted, mirrored or of inverted contrast;
and whether they are of one kind, or one is filtered or holds the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cryodl.filters.sharpen import border_weights
from cryodl.filters.shells import correlate, inverse, power_spectrum, transform
from cryodl.maps.normalise import block_mean
from cryodl.maps.volume import Volume

EDGE = 128  # voxels along an edge, to which larger maps are brought: they tell as much, in no time
SIGNIFICANT = 5.0  # standard deviations by which the FSC of any signal differs from that of noise
SOUGHT = 8.0  # likewise, of the best among all shifts: 5 are reached by chance
RISEN = 3.0  # likewise, of the difference of two curves
CLEARLY = 0.2  # by which common signal rises where a map is in a wrong place, as a share

BANDS, COARSEST, FINEST = 11, 4, 0.9  # compared; from this shell to this share of Nyquist
# Natural logarithm of how much the ratio of two halves' power differs between bands. Those of 280
# pairs, real and simulated, differ by 1.0 at most, and a map sharpened by -100 Å² by 5.
OTHERWISE = 1.8
# A half's power over that of the sum goes as the square of their FSC, however noisy both are.
FALLEN, AS_SUM = 0.8, 0.25  # FSC that tells; logarithm by which the one may differ from the other


class Misfit(NamedTuple):
    """evidence : what was seen;  remedy : what to do"""

    evidence: str
    remedy: str


def misfit(first: Volume, second: Volume) -> Misfit | None:
    """Why two half maps of one shape do not lie on each other; None where they do, or where
    nothing else gives them signal in common either."""
    steps = -(-max(first.shape) // EDGE)
    one, two = (block_mean(each.data, steps) for each in (first, second))
    shape = one.shape
    a, b = transform(one), transform(two)
    counts, signal = correlate((a, b), shape)
    sign, shift = best_place(b, a, shape, steps)
    moved = sign * correlate((a, shifted(b, shift, shape)), shape)[1]
    mirrors = [(place[0], correlate((a, each), shape)[1])
               for each, place in mirrored(b, a, shape, steps)]  # fmt: skip
    turned_sign, turned = max(((s, s * fsc) for s, fsc in mirrors),
                              key=lambda found: _common(found[1], counts))  # fmt: skip
    here, beside, there = (_common(fsc, counts) for fsc in (signal, moved, turned))
    inverted = _common(-signal, counts)
    if sign < 0 and (1 + CLEARLY) * inverted > max(beside, there):  # a shift adds next to nothing
        shift, moved, beside = (0.0, 0.0, 0.0), -signal, max(beside, there)
    displaced = sign < 0 or any(shift)
    # a shift of one voxel is one of 1 / steps here, and shows by the square of that
    least = 1 + CLEARLY / (steps**2 if sign > 0 else 1)
    if displaced and beside > least * here and beside >= there and _risen(moved, signal, counts):
        kinds, best = (sign < 0, any(shift), False), beside
    elif there > (1 + CLEARLY) * here and _risen(turned, signal, counts):
        kinds, best = (turned_sign < 0, False, True), there
    else:
        return None
    by = ", ".join(f"{round(step * steps)}" for step in reversed(shift))
    dark = 2 if _skew(two) <= _skew(one) else 1
    said = (
        (f"the contrast of half map {dark} is inverted", f"multiply half map {dark} by -1"),
        (f"half map 2 is shifted by ({by}) voxels", "give half maps that lie on each other"),
        ("one is mirrored", "mirror one of the half maps"),
    )
    chosen = [words for words, holds in zip(said, kinds) if holds]
    remedy = " and ".join(words[1] for words in chosen)
    if kinds == (True, False, False):
        return Misfit(chosen[0][0], remedy)
    times = f"{best / here:.3g} times as much signal" if have_signal(signal, counts) else "signal"
    when = "when" if have_signal(signal, counts) else "only when"
    changes = " and ".join(words[0] for words in chosen[kinds[0] :])
    evidence = f"they have {times} in common {when} {changes}"
    return Misfit(f"{chosen[0][0]}; {evidence}" if kinds[0] else evidence, remedy)


def unlike(first: Volume, second: Volume) -> Misfit | None:
    """Why two half maps of one shape are not of one kind; None where they are, or are too small.

    The middle of both is compared: it shows what a whole map shows, in no time.
    """
    part = tuple(slice(max(0, n - EDGE) // 2, (n + EDGE) // 2) for n in first.shape)
    one, two = (each.data[part] - each.data[part].mean() for each in (first, second))
    shape = one.shape
    weights = border_weights(shape)
    a, b = transform(one * weights), transform(two * weights)
    counts, fsc = correlate((a, b), shape)
    edges = np.linspace(COARSEST, FINEST * len(counts), BANDS + 1).astype(int)
    if min(np.diff(edges)) < 1:
        return None
    power = [np.add.reduceat(power_spectrum(each, shape) * counts, edges)[:-1] for each in (a, b)]
    if not min(each.max() for each in power) > 0:
        return None
    least = [1e-12 * each.max() for each in power]  # of what was low-passed, nothing may be left
    ratio = np.log(np.maximum(power[1], least[1]) / np.maximum(power[0], least[0]))
    common = np.add.reduceat(fsc * counts, edges)[:-1] / np.add.reduceat(counts, edges)[:-1]
    if np.ptp(ratio) > OTHERWISE:
        return Misfit(
            "half map 2 is filtered or masked otherwise than half map 1: the ratio of their power "
            f"differs {np.exp(np.ptp(ratio)):.3g} times between frequencies", ONE_KIND,
        )  # fmt: skip
    if 0 < common.min() < FALLEN:
        for whole, sign in ((1, -1), (2, 1)):
            if np.ptp(sign * ratio - 2 * np.log(common)) < AS_SUM:
                return Misfit(
                    f"half map {whole} holds half map {3 - whole}, as the map of both does: their "
                    f"FSC goes as the ratio of their power, to {common.min():.2f}", ONE_KIND,
                )  # fmt: skip
    return None


ONE_KIND = "give the two half maps as one refinement wrote them"


def have_signal(fsc: np.ndarray, counts: np.ndarray, least: float = SIGNIFICANT) -> bool:
    """Whether an FSC curve tells two maps with common signal from two of noise.

    fsc : ndarray (shells,), of unmasked maps;  counts : coefficients in each shell, mirror images
    included. Without signal the mean over shells up to any one has the standard deviation
    1 / sqrt(coefficients), since half of them are independent and each has two components.
    least : standard deviations that tell signal
    """
    number = np.cumsum(counts[1:])
    deviations = np.cumsum(fsc[1:] * counts[1:]) / np.sqrt(np.maximum(number, 1))
    return bool(deviations.max() > least)


def best_place(
    spectrum: np.ndarray, like: np.ndarray, shape: tuple[int, ...], steps: int = 1
) -> tuple[int, tuple[float, ...]]:
    """Where a map lies best on another: its sign, 1 or -1, and shift, z y x in voxels.

    spectrum, like : of maps of `shape`, as `transform` gives them
    steps : in which a voxel's shift is found
    """
    cross = like * np.conj(spectrum)
    cross[0, 0, 0] = 0
    cross /= np.sqrt(np.abs(cross)) + 1e-20  # half-way to phases alone: no shell rules
    found = inverse(cross.copy(), shape)
    peak = np.unravel_index(np.argmax(np.abs(found)), shape)
    sign = 1 if found[peak] >= 0 else -1
    shift = [float(p if p <= n // 2 else p - n) for p, n in zip(peak, shape)]
    if steps > 1:
        near = [p + np.arange(-steps, steps + 1) / steps for p in shift]
        z, y, x = (np.exp(2j * np.pi * np.outer(at, f)).astype(np.complex64)
                   for at, f in zip(near, _frequencies(shape)))  # fmt: skip
        x[:, 1 : (shape[2] + 1) // 2] *= 2  # the other half of the transform is its mirror image
        values = np.einsum("az,by,cx,zyx->abc", z, y, x, cross, optimize=True).real * sign
        best = np.unravel_index(np.argmax(values), values.shape)
        shift = [float(at[i]) for at, i in zip(near, best)]
    return sign, tuple(shift)


def shifted(spectrum: np.ndarray, shift: tuple[float, ...], shape: tuple[int, ...]) -> np.ndarray:
    """The transform of a map that is shifted, z y x in voxels."""
    z, y, x = (
        np.exp(-2j * np.pi * f * s).astype(np.complex64) for f, s in zip(_frequencies(shape), shift)
    )
    return spectrum * z[:, None, None] * (y[:, None] * x)


def mirrored(
    spectrum: np.ndarray, like: np.ndarray, shape: tuple[int, ...], steps: int = 1
) -> list[tuple[np.ndarray, tuple[int, tuple[float, ...]]]]:
    """A map mirrored along each axis, where each lies best on another, and its `best_place`:
    mirrored along two, it is turned, which no shift makes good."""

    def backwards(values: np.ndarray, axis: int) -> np.ndarray:
        return np.roll(np.flip(values, axis), 1, axis)

    along = [backwards(spectrum, 0), backwards(spectrum, 1)]
    along.append(np.conj(backwards(along[0], 1)))
    places = [best_place(each, like, shape, steps) for each in along]
    return [(shifted(each, place[1], shape), place) for each, place in zip(along, places)]


def _frequencies(shape: tuple[int, ...]) -> list[np.ndarray]:
    return [np.fft.fftfreq(n) for n in shape[:2]] + [np.fft.rfftfreq(shape[2])]


def _risen(fsc: np.ndarray, before: np.ndarray, counts: np.ndarray) -> bool:
    """Whether there is signal, and more than before, beyond chance."""
    return have_signal(fsc, counts, SOUGHT) and have_signal(fsc - before, counts, RISEN)


def _common(fsc: np.ndarray, counts: np.ndarray) -> float:
    """Coefficients that two maps have in common, up to the shell where most are."""
    return float(np.cumsum((fsc * counts)[1:]).max())


def _skew(data: np.ndarray) -> float:
    """Above 0 where few voxels are much denser than the others, as in a map of a molecule."""
    centred = data - data.mean()
    return float(np.mean(centred**3) / max(float(np.mean(centred**2)), 1e-30) ** 1.5)
