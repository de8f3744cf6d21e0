"""FSC in a moving window, the measure of blocres (Cardone, Heymann & Steven 2013, J. Struct. Biol.
184, 226).

blocres cuts a box around every voxel, transforms it and reads where its FSC falls below a
threshold. The same is had from a bank of filters: in every band (a shell with soft edges) the
products of both half maps are averaged over a soft window around each voxel, and the local FSC of
the band is  <ab> / sqrt(<aa> <bb>). Whole maps are transformed, so a window needs no mask of its
own that would raise its FSC; voxels outside the molecule do not count.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cryodl.half_maps.bands import Gaps, Spectrum, Window, noise_power, resolution_range, sweep
from cryodl.half_maps.threshold_sweep import Points, point_step, sweep_resolution, taper
from cryodl.maps.crop import box_around
from cryodl.maps.volume import Volume

WINDOW = 7.0  # times the resolution of the whole map: edge of the box whose volume the window has
COARSEST = 20.0  # Å; or four times the resolution of the whole map
LEAST_PERIODS = 5.0  # edge in periods of the band; at lower frequencies the window widens
_SIGMA = 1 / (2 * np.sqrt(np.pi))  # a Gaussian's, as a share of the edge of a box of as many voxels


def local_fsc(
    half1: Volume,
    half2: Volume,
    inside: np.ndarray,
    *,
    global_resolution: float,
    window: float | None = None,
    threshold: float = 0.143,
    min_resolution: float | None = None,
    max_resolution: float | None = None,
    gaps: Gaps = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[np.ndarray, float]:
    """Local resolution from the FSC of two half maps in a moving soft window.

    Parameters
    ----------
    half1, half2 : Volume, on one grid
    inside : ndarray, shape (z, y, x), bool; the result is made for these voxels
    global_resolution : Å, of the whole map
    window : Å, edge of the box whose volume the Gaussian window has; None takes seven times the
        global resolution
    threshold : of the FSC
    min_resolution, max_resolution : Å, finest (at best Nyquist) and coarsest that are looked at
    gaps : (coarser, finer) Å, dips of the FSC, whose bands are left out
    progress : called with (stage, bands done, bands in all)

    Returns
    -------
    resolution : ndarray, shape (z, y, x), float32, Å, where the FSC first falls below the
        threshold; 0 outside the mask, `max_resolution` where it never was above
    unseen : share of voxels where it never was above

    Raises
    ------
    InputError : no range of resolutions to look at
    """
    voxel = half1.voxel_size
    edge = window or WINDOW * global_resolution
    usual = max(4 * global_resolution, COARSEST)
    finest, coarsest = resolution_range(half1, min_resolution, max_resolution, usual)
    reach = int(np.ceil((3 * _SIGMA * edge + coarsest) / voxel))
    box = box_around(inside, reach)
    part = inside[box]
    data = [taper(half.data - half.data.mean(), box, reach // 2) for half in (half1, half2)]
    noise = noise_power(data[0] - data[1])
    if not noise.max() > 0:  # identical halves
        noise = noise_power(data[0])
    first, second = (Spectrum(values, voxel, noise) for values in data)
    points = Points(part, point_step(_SIGMA * edge / voxel))

    def margins(frequency: float, workers: int) -> np.ndarray:
        a = first.band(frequency, riesz=False, workers=workers)
        b = second.band(frequency, riesz=False, workers=workers)
        sigma = _SIGMA * max(edge, LEAST_PERIODS / frequency) / voxel
        around = Window(points.places, part, a.scale, a.fields[0].shape, sigma)
        f, g = a.fields[0], b.fields[0]
        cross, power1, power2 = (around.sums(product) for product in (f * g, f * f, g * g))
        fsc = cross / np.sqrt(np.maximum(power1 * power2, 1e-30))
        return around.at_points(fsc) - np.float32(threshold)

    return sweep_resolution(
        sweep(coarsest, finest, gaps=gaps), margins, points, box, half1.shape, voxel,
        patience=1, coarsest=coarsest, progress=progress,
    )  # fmt: skip
