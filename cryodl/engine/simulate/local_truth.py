"""True local resolution of a simulated experiment, from what is known of every voxel.

Near a voxel the signal is that of atoms with the local B-factor and occupancy, the noise that of
the local envelope. Both are averaged over the neighbourhood that one resolution element fills, and
the resolutions are tabulated over the two numbers on which they depend: the B-factor, and noise
variance over squared occupancy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .fourier_box import FourierBox
from .label import aspect_resolution, snr_resolution
from .specimen import Specimen

WORST = 40.0  # Å; coarser than any feature by which a resolution could be told
STEPS = 24, 10  # of B-factor and of noise


def local_fields(specimen: Specimen, resolution: float, box: FourierBox):
    """Local B-factor (Å²) and occupancy, averages over about a resolution; two (z, y, x)."""
    n = box.size
    index = np.rint(specimen.positions / box.voxel_size).astype(int) % n
    flat = (index[:, 2] * n + index[:, 1]) * n + index[:, 0]
    sigma = max(resolution / 2, 2.0, box.voxel_size)
    gaussian = np.exp(-2 * (np.pi * sigma * box.frequencies) ** 2)
    q = specimen.occupancies
    fields = []
    for weight in (np.ones_like(q), q, q * specimen.b_factors):
        grid = np.bincount(flat, weight, minlength=n**3).reshape(box.shape)
        fields.append(box.to_map(box.to_spectrum(grid), gaussian))
    count, occupied, weighted = (np.maximum(field, 1e-12) for field in fields)
    low, high = np.float32(specimen.b_factors.min()), np.float32(specimen.b_factors.max())
    return np.clip(weighted / occupied, low, high), np.clip(occupied / count, q.min(), 1)


def local_resolutions(b_factor, variance, tables, gain, frequencies, drawn: dict[str, Any]):
    """Aspect and signal-to-noise resolution (Å) of every voxel given.

    b_factor : ndarray (m,), Å²
    variance : ndarray (m,), of the noise, over squared occupancy, relative to its table
    tables : ndarrays (bins,), power per coefficient of a box full of ideal atoms (no B-factor), of
        the same as the half maps show them (fall-off, solvent), and of the full map's noise
    gain : ndarray (bins,), the deposited map's filter

    Returns two ndarrays (m,), float32. The aspect is that of signal and noise together, since both
    are seen, and no bound by the noise is laid on it: training takes the worse of the two.
    """
    from scipy.ndimage import map_coordinates

    fine = np.linspace(0, 0.5 / drawn["voxel_size"], 2000)
    ideal, signal, noise, gain = (np.interp(fine, frequencies, t) for t in (*tables, gain))
    b_axis, b_place = _axis(b_factor, STEPS[0])
    log_axis, v_place = _axis(np.log(variance), STEPS[1])
    tabulated = np.zeros((2, *STEPS))
    for i, b in enumerate(b_axis):
        seen = signal * np.exp(-b * fine**2 / 2)
        for j, log_variance in enumerate(log_axis):
            heard = noise * np.exp(log_variance)
            amplitude = gain * np.sqrt((seen + heard) / ideal)
            tabulated[0, i, j] = aspect_resolution(fine, amplitude)
            tabulated[1, i, j] = snr_resolution(fine, seen / heard)
    tabulated = np.clip(tabulated, 2 * drawn["voxel_size"], WORST)
    places = [b_place, v_place]
    aspect, snr = (
        map_coordinates(t, places, order=1, mode="nearest", output=np.float32) for t in tabulated
    )
    return aspect, snr


def _axis(values, steps: int):
    """Evenly spaced numbers over the values' range, and where among them the values lie."""
    low, high = float(values.min()), float(values.max())
    high = max(high, low + 1e-3)
    return np.linspace(low, high, steps), (values - low) * ((steps - 1) / (high - low))
