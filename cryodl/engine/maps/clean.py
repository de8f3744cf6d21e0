"""Whether a map holds any noise: networks learn from maps with noise, and are lost without.

Maps computed from models fade to exact zeros and are nowhere below them, or else into the ripples
of a filter that grow fainter with every Ångström from the molecule. A hard mask cuts, under a soft
one noise has either sign, and noise does not fade.
"""

from __future__ import annotations

import numpy as np

from .masked import outside_value
from .rough import rough_molecule
from .volume import Volume

# Root mean square at the border of what is not constant, over that of all of it: sixteen masked
# real maps have 0.06 to 0.6, Gaussians of atoms 1e-8 to 1e-3, in bytes 0.025.
FADED = 0.03
NEAR, FAR = (4.0, 8.0), (12.0, 16.0)  # Å from the molecule
# Local spread FAR from the molecule, over that in it: real maps have 0.15 to 1; and over that NEAR
# it: of noise about 1, of ripples 0.45.
FAINT, FADING = 0.1, 0.6
EITHER = 0.01  # share of that border below the constant, from which on it is noise
LEAST = 100  # voxels that tell a spread

CLEAN = (
    "the map holds no noise around its molecule, as if it was computed from a model, or its low "
    "densities were taken away: the networks have learnt from maps with noise, and what they say "
    "of this one is not reliable"
)


def clean_warning(
    volume: Volume, support: np.ndarray | None, inside: np.ndarray | None = None
) -> str | None:
    """A sentence where a map holds no noise.

    support : ndarray (z, y, x), bool, as `masked_support` finds it, or None
    inside : ndarray (z, y, x), bool, roughly the molecule; None finds it
    """
    if support is not None:
        return CLEAN if _fades(volume.data, support) else None
    return CLEAN if _ripples(volume, rough_molecule(volume) if inside is None else inside) else None


def _fades(data: np.ndarray, support: np.ndarray) -> bool:
    from scipy.ndimage import binary_erosion

    border = support & ~binary_erosion(support, border_value=1)
    density = data[support] - outside_value(data, support)
    held = np.sqrt(np.mean(np.square(density, dtype=np.float64)))
    edge = data[border] - outside_value(data, support)
    if edge.size < LEAST or not held > 0 or np.mean(edge < 0) > EITHER:
        return False
    return bool(np.sqrt(np.mean(np.square(edge, dtype=np.float64))) < FADED * held)


def _ripples(volume: Volume, inside: np.ndarray) -> bool:
    from scipy.ndimage import distance_transform_edt, uniform_filter

    away = distance_transform_edt(~inside) * volume.voxel_size
    squares = np.square(volume.data - uniform_filter(volume.data, 3, mode="nearest"))
    spreads = []
    for where in (inside, *((away >= low) & (away < high) for low, high in (NEAR, FAR))):
        if np.count_nonzero(where) < LEAST:
            return False
        spreads.append(float(np.sqrt(squares[where].mean(dtype=np.float64))))
    molecule, near, far = spreads
    return far < FAINT * molecule and far < FADING * near
