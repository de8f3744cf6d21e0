"""Tiled prediction equals direct prediction, whatever the tiles."""

import numpy as np
import pytest
from scipy import ndimage

from cryodl.networks.tiles import TileGrid, choose_tile, predict_tiled

SHAPES = [(17, 23, 31), (40, 9, 12), (5, 5, 5)]
TILES = [4, 7, 16, (4, 40, 40), (12, 8, 20), 64]


def convolve(radius, stride=1):
    """A predictor of given receptive field with zero padding, sampled at the stride and held."""
    weights = np.random.default_rng(0).normal(size=(2 * radius + 1,) * 3).astype(np.float32)

    def predict(batch):
        blocks = []
        for block in batch[..., 0]:
            assert all(n % stride == 0 for n in block.shape)
            full = ndimage.convolve(block, weights, mode="constant")
            coarse = full[::stride, ::stride, ::stride]
            blocks.append(np.kron(coarse, np.ones((stride,) * 3, np.float32)))
        return np.stack(blocks)[..., None]

    return predict


def random_map(shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("stride", [1, 4])
def test_tiled_equals_direct(shape, tile, stride):
    data = random_map(shape)
    # Held values come from up to stride - 1 voxels away, so the receptive field is that much wider.
    overlap = 2 + stride - 1
    direct = predict_tiled(data, convolve(2, stride), TileGrid(shape, max(shape), overlap, stride))
    tiled = predict_tiled(data, convolve(2, stride), TileGrid(shape, tile, overlap, stride))
    np.testing.assert_array_equal(tiled, direct)


def test_direct_is_the_untiled_convolution():
    data = random_map((8, 12, 16))
    result = predict_tiled(data, convolve(2), TileGrid(data.shape, 5, 2))
    np.testing.assert_array_equal(result[..., 0], convolve(2)(data[None, ..., None])[0, ..., 0])


def test_beyond_the_far_side_the_predictor_sees_zero():
    data = random_map((7, 9, 10))
    given = np.pad(data, ((0, 1), (0, 3), (0, 2)))
    expected = convolve(2)(given[None, ..., None])[0, :7, :9, :10, 0]
    for tile in (4, 12):
        result = predict_tiled(data, convolve(2), TileGrid(data.shape, tile, 2, stride=4))
        np.testing.assert_array_equal(result[..., 0], expected)


def test_too_small_an_overlap_shows():
    data = random_map((17, 23, 31))
    direct = predict_tiled(data, convolve(3), TileGrid(data.shape, 40, 3))
    tiled = predict_tiled(data, convolve(3), TileGrid(data.shape, 8, 2))
    assert np.abs(tiled - direct).max() > 0.1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tile", TILES)
def test_every_voxel_is_written_once(shape, tile):
    count = np.zeros(shape, int)
    grid = TileGrid(shape, tile, overlap=3, stride=4)
    tiles = list(grid)
    assert len(tiles) == len(grid)
    for piece in tiles:
        count[piece.write] += 1
        assert all(s.start % 4 == 0 and s.stop % 4 == 0 for s in piece.read)
        for read, write, crop in zip(piece.read, piece.write, piece.crop):
            assert (read.start + crop.start, read.start + crop.stop) == (write.start, write.stop)
    assert (count == 1).all()
    assert grid.read_voxels == sum(np.prod(piece.read_shape) for piece in tiles)
    assert grid.largest_read == max(np.prod(piece.read_shape) for piece in tiles)


def test_channels_batches_and_progress():
    data = random_map((20, 16, 12))
    seen, sizes = [], []

    def predict(batch):
        sizes.append(len(batch))
        return np.concatenate([batch, 2 * batch + 1], axis=-1)

    out = predict_tiled(
        data, predict, TileGrid(data.shape, 4, 0), channels=2, batch_size=3,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    np.testing.assert_array_equal(out[..., 0], data)
    np.testing.assert_array_equal(out[..., 1], 2 * data + 1)
    assert out.dtype == np.float32
    assert max(sizes) == 3 and sum(sizes) == 60
    assert seen[-1] == (60, 60) and [s[0] for s in seen] == sorted(s[0] for s in seen)


def test_skipped_tiles_stay_zero_and_cost_nothing():
    data = random_map((16, 16, 16))
    mask = np.zeros(data.shape, bool)
    mask[9:12, 2:5, 2:5] = True
    calls = []

    def predict(batch):
        calls.append(len(batch))
        return batch

    out = predict_tiled(
        data, predict, TileGrid(data.shape, 8, 0), skip=lambda write: not mask[write].any()
    )
    assert sum(calls) == 1
    np.testing.assert_array_equal(out[..., 0][mask], data[mask])
    assert not out[:8].any()


def test_a_predictor_of_another_shape_is_refused():
    data = random_map((8, 8, 8))
    with pytest.raises(ValueError, match="was due"):
        predict_tiled(data, lambda batch: batch[:, 1:], TileGrid(data.shape, 4, 0))
    with pytest.raises(ValueError, match="made for"):
        predict_tiled(data, lambda batch: batch, TileGrid((8, 8, 9), 4, 0))


@pytest.mark.parametrize(
    "arguments", [((0, 4, 4), 4, 1), ((4, 4, 4), 0, 1), ((4, 4, 4), (4, 4), 1)]
)
def test_impossible_grids_are_refused(arguments):
    with pytest.raises(ValueError):
        TileGrid(*arguments)


def test_chosen_tile_fits_and_prefers_whole_slabs():
    whole = choose_tile((64, 64, 64), 8, 4, memory_bytes=1e9, bytes_per_voxel=100)
    assert whole == (64, 64, 64)
    slabs = choose_tile((256, 256, 256), 32, 4, memory_bytes=1.2e9, bytes_per_voxel=100)
    assert slabs[1:] == (256, 256) and slabs[0] < 256
    for memory in (5e7, 1e8, 1e9):
        tile = choose_tile((300, 200, 250), 32, 4, memory, 50)
        grid = TileGrid((300, 200, 250), tile, 32, 4)
        assert grid.largest_read * 50 <= memory
    smallest = choose_tile((300, 200, 250), 32, 4, 1, 50)
    assert min(smallest) >= 32  # smaller ones would read everything dozens of times
    cost = TileGrid((300, 200, 250), smallest, 32, 4).read_voxels / (300 * 200 * 250)
    assert cost <= 27
