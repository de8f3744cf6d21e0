"""A shaded picture of a map's surface, by numpy alone: for a deposition, and where no WebGL is."""

from __future__ import annotations

import os

import numpy as np

from cryodl.report.figure import new_file

LIGHT = np.array([-0.8, -0.35, -0.5])  # z, y, x, towards the light; z is the viewing direction
COLOUR = np.array([0.42, 0.58, 0.74])
SIZE = 500  # pixels, as the EMDB asks
MARGIN = 0.04  # of the picture
DUST = 0.02  # of the largest piece, below which a piece is not shown


def draw_surface(
    data: np.ndarray,
    level: float,
    path: str | os.PathLike[str],
) -> None:
    """Write the surface of a map as a square PNG, seen from large z: x to the right, y up.

    Parameters
    ----------
    data : ndarray, shape (z, y, x), densities
    level : in their unit

    Raises
    ------
    ValueError
        Nothing lies above the level.
    """
    from matplotlib.image import imsave

    with new_file(path) as temporary:
        imsave(temporary, surface_image(data, level, SIZE), format="png")


def surface_image(
    data: np.ndarray, level: float, size: int, colours: np.ndarray | None = None
) -> np.ndarray:
    """The picture of `draw_surface`: ndarray, shape (size, size, 3), uint8.

    size : pixels of an edge
    colours : ndarray, shape (z, y, x, 3), 0 to 1, of every voxel; None takes one for all
    """
    from scipy.ndimage import gaussian_filter, label, map_coordinates

    data = data[::-1]  # seen from large z, so that x to the right and y up keep the hand
    inside = data >= level
    if not inside.any():
        raise ValueError(f"nothing lies above the level {level:g}")
    labels, count = label(inside)
    sizes = np.bincount(labels.ravel(), minlength=2)
    sizes[0] = 0
    dust = inside & (sizes < DUST * sizes.max())[labels]
    inside &= ~dust
    data = np.where(dust, np.minimum(data, level - 1e-3 * abs(float(np.ptp(data)))), data)
    # orthographic, the first crossing along z; rows of the picture run from the top, so y falls
    seen = np.argwhere(inside.any(axis=0))
    middle = (seen.min(axis=0) + seen.max(axis=0)) / 2
    reach = max(np.ptp(seen, axis=0).max() / 2, 1) / (1 - 2 * MARGIN)
    steps = np.linspace(-reach, reach, size)
    y, x = np.meshgrid(middle[0] - steps, middle[1] + steps, indexing="ij")
    planes = np.stack(
        [map_coordinates(plane, [y, x], order=1, cval=float(data.min())) for plane in data]
    )
    above = planes >= level
    hit = above.any(axis=0)
    first = above.argmax(axis=0)
    rows, columns = np.indices(hit.shape)
    before = planes[np.maximum(first - 1, 0), rows, columns]
    at = planes[first, rows, columns]
    part = np.clip((level - before) / np.maximum(at - before, 1e-30), 0, 1)
    depth = np.where(first > 0, first - 1 + part, 0.0)
    smooth = gaussian_filter(data, 0.8)
    place = [depth, y, x]
    slopes = [
        map_coordinates(np.gradient(smooth, axis=axis), place, order=1, mode="nearest")
        for axis in range(3)
    ]
    normal = -np.stack(slopes) / np.maximum(np.linalg.norm(slopes, axis=0), 1e-12)
    light = LIGHT / np.linalg.norm(LIGHT)
    shade = 0.35 + 0.65 * np.clip(np.tensordot(light, normal, 1), 0, 1)
    fade = 1 - 0.35 * (depth - depth[hit].min()) / max(float(np.ptp(depth[hit])), 1.0)
    colour = COLOUR[:, None, None]
    if colours is not None:
        channels = [
            map_coordinates(colours[::-1, ..., i], place, order=0, mode="nearest") for i in range(3)
        ]
        colour = np.stack(channels)
    picture = np.where(hit, colour * shade * fade, 1.0)
    return np.rint(255 * np.clip(picture.transpose(1, 2, 0), 0, 1)).astype(np.uint8)
