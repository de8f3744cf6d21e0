"""What a network of three grids sees beyond the overlap of its tiles hardly counts."""

from pathlib import Path

import numpy as np

from cryodl.methods import cost
from cryodl.methods.cryores.run import run_single_map_resolution
from cryodl.networks import tiles
from cryodl.networks.bundle import load_bundle

EXAMPLE = Path(__file__).parents[3] / "examples" / "emd_3186.map.gz"


def test_tiles_answer_as_one(monkeypatch):
    whole = run_single_map_resolution(EXAMPLE)
    made = []
    grid = tiles.TileGrid

    def counted(*given):
        made.append(grid(*given))
        return made[-1]

    monkeypatch.setattr(tiles, "TileGrid", counted)
    monkeypatch.setitem(cost.OF_BACKBONE, "memory", 3e8)
    monkeypatch.setitem(cost.TILE_MEMORY, "cpu", 3e8)
    parts = run_single_map_resolution(EXAMPLE)
    assert len(made[-1]) > 4 and made[-1].overlap == tiles.SEEN
    assert load_bundle(whole.stats["bundle"]).spec["overlap"] > tiles.SEEN
    both = (whole.volumes["mask"].data > 0) & (parts.volumes["mask"].data > 0)
    off = np.abs(whole.volumes["resolution"].data - parts.volumes["resolution"].data)[both]
    assert off.max() < 0.03 and off.mean() < 0.001
    assert np.count_nonzero(both) > 0.999 * np.count_nonzero(whole.volumes["mask"].data)
