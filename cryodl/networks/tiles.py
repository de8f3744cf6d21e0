"""Which part of an array each tile reads, keeps and writes.

The rule that makes tiled equal direct: a network with zero padding at its borders, total stride
`stride` and receptive-field radius `overlap` gives the same value at a voxel whenever it sees the
same neighbourhood. So an inner edge of a tile is moved outwards by `overlap`, the border of the
array stays the border of the tile, and every tile starts on a multiple of the stride.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

Slices = tuple[slice, ...]


@dataclass(frozen=True)
class Tile:
    """One tile: `read` and `write` index the array, `crop` indexes what was read.

    `read` may end beyond the array, by less than one stride: that part is padding.
    """

    read: Slices
    write: Slices
    crop: Slices

    @property
    def read_shape(self) -> tuple[int, ...]:
        return tuple(s.stop - s.start for s in self.read)


class TileGrid:
    """Tiles that cover an array; iterating yields `Tile`.

    Parameters
    ----------
    shape : the array's shape, voxels (z, y, x)
    tile : voxels written by one tile along each axis, or one number for all; rounded up to the
        stride
    overlap : radius of the predictor's receptive field, voxels; rounded up to the stride
    stride : total stride of the predictor, voxels

    Raises
    ------
    ValueError : sizes that are not positive, or a tile with another number of axes than the array

    Examples
    --------
    >>> grid = TileGrid((40, 40, 40), 32, overlap=6, stride=4)
    >>> len(grid), grid.tile, grid.overlap
    (8, (32, 32, 32), 8)
    """

    def __init__(self, shape, tile, overlap: int, stride: int = 1) -> None:
        self.shape = tuple(int(n) for n in shape)
        if np.ndim(tile) == 0:
            tile = (tile,) * len(self.shape)
        if len(tile) != len(self.shape):
            raise ValueError(f"tile {tuple(tile)} must have one size for each axis of {self.shape}")
        if min(self.shape) < 1 or min(tile) < 1 or stride < 1 or overlap < 0:
            raise ValueError(
                f"shape {self.shape}, tile {tuple(tile)} and stride {stride} must be positive, "
                f"overlap {overlap} not negative"
            )
        self.stride = int(stride)
        self.overlap = round_up(overlap, self.stride)
        self.tile = tuple(round_up(t, self.stride) for t in tile)
        self._axes = [self._cut(n, t) for n, t in zip(self.shape, self.tile)]

    def _cut(self, size: int, tile: int) -> list[tuple[slice, slice, slice]]:
        padded = round_up(size, self.stride)
        pieces = []
        for start in range(0, size, tile):
            stop = min(start + tile, size)
            first = max(0, start - self.overlap)
            last = min(round_up(stop, self.stride) + self.overlap, padded)
            pieces.append(
                (slice(first, last), slice(start, stop), slice(start - first, stop - first))
            )
        return pieces

    def __len__(self) -> int:
        return int(np.prod([len(axis) for axis in self._axes]))

    def __iter__(self) -> Iterator[Tile]:
        for pieces in product(*self._axes):
            yield Tile(*(tuple(part) for part in zip(*pieces)))

    @property
    def read_voxels(self) -> int:
        """Voxels read by all tiles together: what the prediction costs."""
        return int(np.prod([sum(r.stop - r.start for r, _, _ in axis) for axis in self._axes]))

    @property
    def largest_read(self) -> int:
        """Voxels of the largest tile: what the prediction needs in memory."""
        return int(np.prod([max(r.stop - r.start for r, _, _ in axis) for axis in self._axes]))


# Networks of three grids see 30 steps around them, and hardly anything beyond 20: with so many
# resolutions move by 0.02 Å at most, and enhanced maps by a thousandth of the molecule's density.
SEEN = 20


def fitting_grid(shape, spec, memory_bytes: float, bytes_per_voxel: float) -> TileGrid:
    """The tiles in which a bundle's network reads an array; spec : with overlap and stride."""
    overlap, stride = min(spec["overlap"], SEEN), spec["stride"]
    tile = choose_tile(shape, overlap, stride, memory_bytes, bytes_per_voxel)
    return TileGrid(shape, tile, overlap, stride)


def choose_tile(
    shape, overlap: int, stride: int, memory_bytes: float, bytes_per_voxel: float = 100.0
) -> tuple[int, ...]:
    """The tile that costs least among those that fit into the memory.

    Parameters
    ----------
    shape : the array's shape, voxels (z, y, x)
    overlap, stride : of the predictor, voxels
    memory_bytes : what the predictor's activations may take at a time
    bytes_per_voxel : what they take for each voxel it reads

    Returns
    -------
    Voxels written by one tile along each axis, not fewer than the overlap. Equal costs go to the
    cut along the first axes, whose tiles lie together in memory. Where nothing fits, the tile with
    the smallest need.
    """

    axes = [_cuts(size, overlap, stride) for size in shape]
    # The first axis is the last index, so that of equal costs the uncut last axis comes first.
    tiles, total, largest = zip(*(np.transpose(axis) for axis in reversed(axes)))
    cost, need = (
        np.prod(np.meshgrid(*numbers, indexing="ij"), axis=0, dtype=float)
        for numbers in (total, largest)
    )
    fits = need * bytes_per_voxel <= memory_bytes
    best = np.argmin(np.where(fits, cost, np.inf)) if fits.any() else np.argmin(need)
    chosen = np.unravel_index(best, need.shape)
    return tuple(int(axis[i]) for axis, i in zip(tiles, chosen))[::-1]


def _cuts(size: int, overlap: int, stride: int) -> list[tuple[int, int, int]]:
    """Ways to cut one axis: (voxels written by a tile, read by all, read by the largest)."""
    steps = round_up(size, stride) // stride
    sizes = sorted({round_up(steps, n) // n * stride for n in range(1, steps + 1)}, reverse=True)
    # Tiles below the overlap would read everything dozens of times.
    sizes = [tile for tile in sizes if tile >= min(overlap, sizes[0])]
    grids = [TileGrid((size,), (tile,), overlap, stride) for tile in sizes]
    return [(grid.tile[0], grid.read_voxels, grid.largest_read) for grid in grids]


def round_up(number: int, step: int) -> int:
    """The smallest multiple of `step` that is not below `number`."""
    return -(-int(number) // step) * step


def predict_tiled(
    data: np.ndarray,
    predict: Callable[[np.ndarray], np.ndarray],
    grid: TileGrid,
    *,
    channels: int = 1,
    batch_size: int = 1,
    progress: Callable[[int, int], None] | None = None,
    skip: Callable[[Slices], bool] | None = None,
) -> np.ndarray:
    """Apply a predictor tile by tile.

    Parameters
    ----------
    data : ndarray, shape (z, y, x) or (z, y, x, features), float32; beyond its far side the
        predictor sees 0
    predict : callable on (n, z, y, x, features) that returns (n, z, y, x, channels)
    grid : the tiles, made for the first three axes of `data`
    channels : numbers the predictor gives for each voxel
    batch_size : tiles given to the predictor at a time (only tiles of one shape go together)
    progress : called with (tiles done, tiles in all) after each batch
    skip : called with a tile's write slices; where true the tile is not predicted and stays 0

    Returns
    -------
    ndarray, shape (z, y, x, channels), float32

    Raises
    ------
    ValueError : a grid for another shape, or a predictor that returns another shape
    """
    if data.ndim == 3:
        data = data[..., None]
    if data.shape[:3] != grid.shape:
        raise ValueError(f"the grid was made for {grid.shape}, not for data of shape {data.shape}")
    out = np.zeros(grid.shape + (channels,), np.float32)
    tiles = [tile for tile in grid if skip is None or not skip(tile.write)]
    done = 0
    for batch in _batches(tiles, max(1, int(batch_size))):
        given = np.stack([_read(data, tile) for tile in batch])
        result = np.asarray(predict(given))
        if result.shape != given.shape[:-1] + (channels,):
            raise ValueError(
                f"the predictor returned {result.shape} for {given.shape} "
                f"where {given.shape[:-1] + (channels,)} was due"
            )
        for tile, values in zip(batch, result):
            out[tile.write] = values[tile.crop]
        done += len(batch)
        if progress is not None:
            progress(done, len(tiles))
    return out


def _batches(tiles: list[Tile], size: int) -> Iterator[list[Tile]]:
    """Tiles of one shape together, at most `size` at a time."""
    shapes: dict[tuple[int, ...], list[Tile]] = {}
    for tile in tiles:
        shapes.setdefault(tile.read_shape, []).append(tile)
    for alike in shapes.values():
        for first in range(0, len(alike), size):
            yield alike[first : first + size]


def _read(data: np.ndarray, tile: Tile) -> np.ndarray:
    """The tile's voxels; a slice stops at the array's far side, the rest of the tile is 0."""
    block = data[tile.read]
    if block.shape[:3] == tile.read_shape:
        return block
    padded = np.zeros(tile.read_shape + block.shape[3:], data.dtype)
    padded[tuple(slice(n) for n in block.shape[:3])] = block
    return padded
