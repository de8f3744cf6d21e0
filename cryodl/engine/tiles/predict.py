"""Tiled prediction over any callable: it knows nothing of networks or maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .grid import Slices, Tile, TileGrid


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
