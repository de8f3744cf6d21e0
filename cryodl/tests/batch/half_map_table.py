"""A table of half maps, for batches."""

import numpy as np

from cryodl.maps.mrc import write_map
from cryodl.maps.volume import Volume


def write_pairs(folder, count, name):
    """Half maps of a ball, and a table of them; returns the paths of the table and of the last."""
    z, y, x = np.indices((32,) * 3) - 16
    lines = ["half1,half2"]
    for number in range(count):
        rng = np.random.default_rng(number)
        ball = (z**2 + y**2 + x**2 < 64) * (2 + rng.normal(size=z.shape))
        paths = [folder / f"m{number}_{half}.mrc" for half in (1, 2)]
        for path in paths:
            noisy = ball + 0.3 * rng.normal(size=z.shape)
            write_map(path, Volume(noisy.astype(np.float32), 2.0))
        lines.append(",".join(map(str, paths)))
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return folder / name, paths
