"""Maps for the plugin's tests, made without the engine, and patience."""

import time

import mrcfile
import numpy as np


def write_molecule(path, shape, voxel_size, origin, *, mask_path=None, seed=0):
    """Write blobs of about 6 Å with some noise as a molecule, and the mask of where they are.

    shape : (z, y, x);  voxel_size : Å;  origin : (x, y, z), Å
    """
    rng = np.random.default_rng(seed)
    middle = np.array(shape) / 2
    grid = np.indices(shape).reshape(3, -1).T
    density = np.zeros(len(grid))
    for centre in middle + rng.normal(0, np.array(shape) / 9, (60, 3)):
        density += np.exp(-(((grid - centre) * voxel_size) ** 2).sum(1) / (2 * 2.0**2))
    density = density.reshape(shape)
    inside = density > 0.3
    write_map(path, density + rng.normal(0, 0.02, shape), voxel_size, origin)
    if mask_path:
        write_map(mask_path, inside, voxel_size, origin)
    return inside


def wait_for(condition, seconds=120):
    """Return as soon as condition() holds; raise where it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain")
        time.sleep(0.2)


def write_map(path, data, voxel_size, origin):
    with mrcfile.new(path, data.astype(np.float32), overwrite=True) as mrc:
        mrc.voxel_size = voxel_size
        mrc.header.origin.x, mrc.header.origin.y, mrc.header.origin.z = origin
