"""What resolution a simulated map shows: labels from transfer function and noise, not from taste.

Two truths are kept apart (and combined only for training an aspect-based method):

aspect resolution
    A map whose radial amplitudes differ from those of the ideal molecule by a factor T(s) shows the
    features of the ideal molecule low-passed at the cut-off with which it correlates best. For a
    flat (Wilson) spectrum the correlation with a low-pass at s_c is
    A(s_c) / sqrt(N(s_c)), A = integral of T s² and N = integral of s² up to s_c; at its maximum
    T(s_c) is half the mean of T below s_c. Sharpening and blurring move it.

signal-to-noise resolution
    The last frequency at which the full map's signal-to-noise ratio is 1/3, which is where the FSC
    of its two half maps is 0.143 (Rosenthal & Henderson 2003). No filter moves it.
"""

from __future__ import annotations

import numpy as np

SNR_AT_FSC_0143 = 1 / 3


def aspect_resolution(frequencies, amplitude, *, edge=0.0):
    """Cut-off (Å) of the low-passed ideal map that a map with these amplitudes resembles most.

    frequencies : ndarray (n,), 1/Å, evenly spaced from 0 to Nyquist
    amplitude : ndarray (n,), radial amplitude relative to the ideal molecule
    edge : float, 1/Å, distance of a low-pass filter's nominal cut-off before its half-way point;
        half the width of a raised cosine that starts at its cut-off
    """
    volume = frequencies**2
    projection = np.cumsum(amplitude * volume)
    correlation = projection / np.sqrt(np.maximum(np.cumsum(volume), 1e-12))
    best = frequencies[int(np.argmax(correlation))]
    return 1 / max(best - edge, frequencies[1])


def snr_resolution(frequencies, ratio):
    """Last resolution (Å) at which the signal-to-noise ratio of the full map is at least 1/3.

    frequencies : ndarray (n,), 1/Å;  ratio : ndarray (n,), power of signal over power of noise
    """
    seen = np.flatnonzero(ratio >= SNR_AT_FSC_0143)
    last = frequencies[seen[-1]] if len(seen) else frequencies[1]
    return 1 / max(last, frequencies[1])
