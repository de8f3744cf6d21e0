"""A density map: its voxels, and where they lie in space."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cryodl.engine.errors import InputError

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Volume:
    """A map on a grid of cubic voxels.

    The voxel ``data[k, j, i]`` is centred at ``origin + voxel_size * (i, j, k)``.

    Parameters
    ----------
    data : ndarray, shape (z, y, x), float32
        Densities; other numeric types are converted.
    voxel_size : float
        Edge of a voxel in Å.
    origin : tuple (x, y, z)
        Position in Å of the voxel ``data[0, 0, 0]``.
    axis_order : tuple (mapc, mapr, maps)
        How the file stores the axes (1 = x, 2 = y, 3 = z); used when the map is written.
    start : tuple of int (nxstart, nystart, nzstart)
        The header's start indices along the file's columns, rows and sections, written back as
        they were read.
    header_origin : tuple (x, y, z), optional
        The header's ORIGIN in Å, written back together with ``start`` as long as they agree with
        ``origin``; else ``origin`` is written and the start indices are zero.
    header_spacing : tuple (x, y, z), optional
        The header's voxel edges in Å where they differ a little (below 1 %), written back as they
        were read.
    unit : float
        What a density of 1 here is in the input, where `unit.in_plain_units` divided by it.
    mended : int
        Voxels whose values could not be densities and were taken from their neighbours.

    Raises
    ------
    InputError
        If the data are not three-dimensional or the voxel size is not a positive number.
    """

    data: np.ndarray
    voxel_size: float
    origin: Triple = (0.0, 0.0, 0.0)
    axis_order: tuple[int, int, int] = (1, 2, 3)
    start: tuple[int, int, int] = (0, 0, 0)
    header_origin: Triple | None = None
    header_spacing: Triple | None = None
    unit: float = 1.0
    mended: int = 0

    def __post_init__(self) -> None:
        data = np.asarray(self.data, dtype=np.float32)
        if data.ndim != 3 or data.size == 0:
            raise InputError(f"a map needs three axes (z, y, x); received shape {data.shape}")
        if not (np.isfinite(self.voxel_size) and self.voxel_size > 0):
            raise InputError(f"voxel size {self.voxel_size} is not a positive number; give it in Å")
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "voxel_size", float(self.voxel_size))
        object.__setattr__(self, "origin", tuple(float(value) for value in self.origin))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along (z, y, x)."""
        z, y, x = self.data.shape
        return z, y, x

    @property
    def size(self) -> str:
        """Voxels in words, x first, as sizes are quoted: "158 x 140 x 116"."""
        return " x ".join(str(count) for count in reversed(self.data.shape))

    @property
    def box(self) -> Triple:
        """Edges of the box along (x, y, z) in Å."""
        z, y, x = self.data.shape
        return x * self.voxel_size, y * self.voxel_size, z * self.voxel_size

    def with_data(self, data: np.ndarray) -> Volume:
        """Other values on this grid, written with the same header.

        Parameters
        ----------
        data : ndarray, shape (z, y, x) of this volume

        Raises
        ------
        InputError
            If the shape differs.
        """
        if np.shape(data) != self.shape:
            raise InputError(f"data of shape {np.shape(data)} do not fit a grid of {self.shape}")
        return replace(self, data=data)
