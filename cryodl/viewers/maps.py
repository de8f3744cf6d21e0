"""Maps as viewers need them: voxels along z, y, x, and where they lie.

Scipion's own reader needs xmippLib, and the engine is never imported here.
"""

import os
import warnings
from collections import namedtuple

import numpy as np

from cryodl.protocols.maps import plain_path


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


def read_map(path):
    """Read an MRC file, plain or compressed, whatever the order of its axes.

    Raises
    ------
    ValueError
        The file is missing, is no MRC file, or holds no 3D map.
    """
    import mrcfile

    if not os.path.exists(path):
        raise ValueError(f"The file {path} is missing; run again the protocol that made it.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old headers: only what is needed is read from them
            with mrcfile.open(path, permissive=True) as mrc:
                header, data = mrc.header, mrc.data
                if data is None or data.ndim != 3:
                    raise ValueError("it holds no 3D map")
                return Map(*_oriented(header, data), path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be shown: {error}.") from None


def _oriented(header, data):
    axes = [int(header[name]) for name in ("maps", "mapr", "mapc")]
    if sorted(axes) != [1, 2, 3]:
        axes = [3, 2, 1]  # left blank by old programs
    edges = [float(header["cella"][name]) for name in "xyz"]
    counts = [int(header[name]) for name in ("mx", "my", "mz")]
    spacing = [edge / count if count > 0 else 0.0 for edge, count in zip(edges, counts)]
    origin = tuple(float(header["origin"][name]) for name in "xyz")
    if not any(origin):  # then other programs go by the start indices, which run along the file
        start = dict(zip(axes, (int(header[f"n{name}start"]) for name in "zyx")))
        origin = tuple(start[axis] * spacing[axis - 1] for axis in (1, 2, 3))
    turned = data.transpose([axes.index(axis) for axis in (3, 2, 1)])
    return np.ascontiguousarray(turned, dtype=np.float32), sum(spacing) / 3, origin


def read_volume(volume, path=None):
    """Read a map with the sampling rate and the origin that Scipion gives it.

    Parameters
    ----------
    volume : pwem.objects.Volume
        Where it has no origin, the file's header gives it.
    path : str, optional
        Another file on the same grid, to be read instead of the volume's own.
    """
    stored = read_map(path or plain_path(volume))
    voxel_size, origin = stored.voxel_size, stored.origin
    if volume.getSamplingRate():
        voxel_size = float(volume.getSamplingRate())
    if volume.hasOrigin():
        origin = tuple(float(shift) for shift in volume.getOrigin().getShifts())
    seen = stored._replace(voxel_size=voxel_size, origin=origin)
    return seen._replace(path=stored.path) if same_grid(stored, seen, shift=0.01) else seen


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


def write_map(path, shown):
    """Write a map as MRC with its voxel size and origin in the header."""
    import mrcfile

    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(np.asarray(shown.data, dtype=np.float32))
        mrc.set_volume()
        mrc.voxel_size = shown.voxel_size
        for name, value in zip("xyz", shown.origin):
            mrc.header.origin[name] = value
