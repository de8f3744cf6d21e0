"""Contrast transfer function of an electron microscope."""

from __future__ import annotations

import numpy as np


def wavelength(kilovolts: float) -> float:
    """Wavelength of the electrons, Å, with the relativistic correction."""
    volts = 1e3 * kilovolts
    return 12.2643247 / np.sqrt(volts * (1 + 0.978466e-6 * volts))


def contrast_transfer(
    u, v, defocus_u, defocus_v, azimuth, *, kilovolts, cs, amplitude_contrast, phase_shift=0.0
):
    """CTF of particles, with the sign that makes matter bright (Rohou & Grigorieff 2015, eq. 3).

    u, v : ndarrays (points,), 1/Å
    defocus_u, defocus_v : ndarrays (particles,), Å, underfocus is positive
    azimuth : ndarray (particles,), radians, of defocus_u from the u axis
    kilovolts, cs (mm), amplitude_contrast (0 to 1), phase_shift (radians) : floats

    Returns ndarray (particles, points), float32.
    """
    square = (u**2 + v**2).astype(np.float32)
    angle = np.arctan2(v, u).astype(np.float32)
    length = wavelength(kilovolts)
    mean = ((defocus_u + defocus_v) / 2)[:, None].astype(np.float32)
    difference = ((defocus_u - defocus_v) / 2)[:, None].astype(np.float32)
    defocus = mean + difference * np.cos(2 * (angle - azimuth[:, None].astype(np.float32)))
    phase = np.float32(np.pi * length) * defocus * square
    phase -= (np.pi / 2 * cs * 1e7 * length**3 * square.astype(float) ** 2).astype(np.float32)
    return np.sin(phase + np.float32(np.arcsin(amplitude_contrast) + phase_shift))
