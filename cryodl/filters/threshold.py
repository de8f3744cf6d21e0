"""Where a correlation falls below a threshold for good: the one place that finds a resolution.

A curve seldom falls once. High-passed maps hold nothing in the first shells; a zero of the CTF
makes the curve dip and rise again (RELION's refinement then takes the higher resolution, too);
a curve that meets the threshold slowly crosses it a few times by chance, and a common artefact
raises it up to Nyquist. So stretches of shells above the threshold are looked at, not shells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LEAST = 3  # shells in a row that chance hardly brings above a threshold


class SignalEnd(NamedTuple):
    """Where the signal of a curve lies.

    frequency : 1/Å, at which it falls below the threshold, interpolated; the last if it never does
    first : shell with which the signal begins; 1 where no shell is left out
    dips : (first, end) shells of dips that were passed over
    """

    frequency: float
    first: int
    dips: tuple[tuple[int, int], ...] = ()


def signal_end(frequencies, curve, threshold: float) -> SignalEnd | None:
    """The end of the signal in a curve of correlation; None where there is none.

    frequencies, curve : ndarrays (shells,), from frequency 0 on, whose shell says nothing

    The signal is the first stretch of shells that are not below the threshold: one that begins with
    shell 1, or else one of at least three shells, or a clear one. One of fewer shells, with which
    chance may begin, gives way to a higher one of three. A later stretch continues it if the curve
    rises well above the threshold, for at least as many shells as the dip has, is not below the
    threshold in the mean of dip and rise, and falls again; what only rises towards Nyquist is no
    signal unless it is most of the curve. Clear: two shells in a row reach halfway from the
    threshold to 1; well above: that, or twice the threshold.
    """
    curve = np.asarray(curve)
    clear = stretches(curve, (1 + threshold) / 2, least=2)

    def is_clear(first: int, end: int) -> bool:
        return any(first <= a and b <= end for a, b in clear)

    found = [
        (first, end)
        for first, end in stretches(curve, threshold)
        if first == 1 or end - first >= LEAST or is_clear(first, end)
    ]
    if not found:
        return None
    start = 0
    if found[0][1] - found[0][0] < LEAST:
        height = [curve[a:b].max() for a, b in found]
        longer = (i for i, (a, b) in enumerate(found) if b - a >= LEAST and height[i] > height[0])
        start = next(longer, 0)
    (first, end), dips = found[start], []
    high = min(2 * threshold, (1 + threshold) / 2)
    for again, last in found[start + 1 :]:
        falls = last < len(curve) or last - again >= again
        long = last - again >= again - end and curve[end:last].mean() >= threshold
        if falls and long and curve[again:last].max() >= high:
            dips.append((end, again))
            end = last
    if end == len(curve):
        return SignalEnd(float(frequencies[-1]), first, tuple(dips))
    above, below = curve[end - 1], curve[end]
    part = (above - threshold) / (above - below)
    step = frequencies[end] - frequencies[end - 1]
    return SignalEnd(float(frequencies[end - 1] + part * step), first, tuple(dips))


def stretches(curve, threshold: float, least: int = 1) -> list[tuple[int, int]]:
    """First and end (exclusive) of each run of shells that are not below a threshold, from 1 on.

    least : shells that a run has
    """
    above = np.concatenate([[False], np.asarray(curve)[1:] >= threshold, [False]])
    starts, ends = (np.flatnonzero(np.diff(above.astype(np.int8)) == sign) + 1 for sign in (1, -1))
    return [(int(a), int(b)) for a, b in zip(starts, ends) if b - a >= least]
