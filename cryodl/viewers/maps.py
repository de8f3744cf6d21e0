"""Maps as viewers need them: voxels along z, y, x, and where they lie.

Scipion's own reader needs xmippLib, and the engine is never imported here.
"""

import os
from collections import namedtuple

import numpy as np

from cryodl.protocols.maps import origin_of, plain_path, read_grid, write_grid


class Map(namedtuple("Map", "data voxel_size origin path")):
    """A map in memory.

    data : ndarray, shape (z, y, x), float32
    voxel_size : float, Å
    origin : (x, y, z) in Å of ``data[0, 0, 0]``
    path : file that holds exactly this map, or None
    """

    __slots__ = ()

    def _replace(self, **changes):
        """Return a changed copy, which no file holds any more."""
        return super()._replace(**{"path": None, **changes})


def read_map(path, index=0):
    """Read an MRC file, plain or compressed, whatever the order of its axes.

    index : of a map among several behind each other in the file, from 1

    Raises
    ------
    ValueError
        The file is missing, is no MRC file, or holds no 3D map.
    """
    if not os.path.exists(path):
        raise ValueError(f"The file {path} is missing; run again the protocol that made it.")
    try:
        data, voxel_size, origin = read_grid(path, index)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be shown: {error}.") from None
    return Map(np.ascontiguousarray(data, np.float32), voxel_size, origin, path)


def read_volume(volume, path=None, like=None):
    """Read a map with the sampling rate and the origin that Scipion gives it.

    Parameters
    ----------
    volume : pwem.objects.Volume
        Where it has no origin, the file's header gives it.
    path : str, optional
        Another file on the same grid, to be read instead of the volume's own.
    like : pwem.objects.Volume, optional
        On whose grid it may lie, as of `origin_of`.
    """
    index = volume.getIndex()
    stored = read_map(path or plain_path(volume), 0 if path else index)
    voxel_size, origin = stored.voxel_size, stored.origin
    if volume.getSamplingRate():
        voxel_size = float(volume.getSamplingRate())
    placed = origin_of(volume, like)
    if placed is not None:
        origin = tuple(float(shift) for shift in placed)
    seen = stored._replace(voxel_size=voxel_size, origin=origin)
    plain = index <= 1 and same_grid(stored, seen, shift=0.01)
    return seen._replace(path=stored.path) if plain else seen


def same_grid(one, other, shift=0.5):
    """Whether two maps share shape, voxel size (to 0.1 %) and origin (to ``shift`` voxels)."""
    return (
        one.data.shape == other.data.shape
        and abs(one.voxel_size - other.voxel_size) <= 1e-3 * other.voxel_size
        and np.allclose(one.origin, other.origin, rtol=0, atol=shift * other.voxel_size)
    )


def on_grid_of(shown, other):
    """``shown`` at the voxels of ``other``: the nearest value, 0 where it does not reach.

    Returns
    -------
    ndarray, shape (z, y, x) of ``other.data``
    """
    indices = []
    for axis in range(3):  # z, y, x
        place = other.origin[2 - axis] + np.arange(other.data.shape[axis]) * other.voxel_size
        index = np.rint((place - shown.origin[2 - axis]) / shown.voxel_size).astype(int)
        indices.append(index)
    inside = [(0 <= index) & (index < size) for index, size in zip(indices, shown.data.shape)]
    nearest = [np.where(known, index, 0) for known, index in zip(inside, indices)]
    reached = inside[0][:, None, None] & inside[1][:, None] & inside[2]
    return np.where(reached, shown.data[np.ix_(*nearest)], 0)


def plain_file(path, shown):
    """Return a file of a map that every ChimeraX places where Scipion does: its own, or a copy.

    path : of the copy
    """
    if shown.path and not shown.path.endswith((".gz", ".bz2")):
        return shown.path
    write_map(path, shown)
    return path


def write_map(path, shown):
    """Write a map as MRC with its voxel size and origin in the header."""
    data = np.asarray(shown.data, dtype=np.float32)
    write_grid(path, data, shown.voxel_size, shown.origin)
