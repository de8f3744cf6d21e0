"""Local-resolution maps from files: on the grid of their density, background told from values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..maps.given import given_volume
from ..maps.mask import automatic_mask, check_mask
from ..maps.mrc_io import header_voxel_size, read_mask, read_values
from ..maps.resolution_map import ResolutionMap, read_resolution
from ..maps.volume import Volume
from .grid import to_grid

FULL = 0.4  # share of the box from which solvent is told of too; RELION fills a ball, half the box

Source = Volume | str | Path


def load_resolution(
    source: Source,
    *,
    density: Volume | None = None,
    mask: Source | np.ndarray | None = None,
    background: str | float = "auto",
    voxel_size: float | None = None,
) -> ResolutionMap:
    """Read a local-resolution map of any package.

    Parameters
    ----------
    source : path of the map, of a folder with our resolution.mrc, or a Volume; resolutions in Å
    density : the map that was judged. Its grid and origin are taken (`to_grid`); without a mask,
        resolutions that fill the box are kept only in the molecule found in it.
    mask : path, Volume or ndarray (z, y, x) on the grid of either
    background : as in `read_resolution`
    voxel_size : Å, instead of the header's

    Raises
    ------
    InputError : as in `read_map`, `read_resolution` and `to_grid`
    """
    name = source.name if isinstance(source, Path) else str(source)
    if isinstance(source, Volume):
        name, volume = "the resolution map", given_volume(source, voxel_size)
    else:
        volume = _read(Path(source), voxel_size, density)
    if mask is not None and not isinstance(mask, (Volume, np.ndarray)):
        mask = read_mask(mask, volume.voxel_size).data  # its size tells the grid it is on
    # a mask belongs to the density where their sizes agree, else to the resolution map
    early = mask
    if density is not None and mask is not None and volume.shape != density.shape == mask.shape:
        early = None
    result = read_resolution(volume, mask=early, background=background, name=name)
    if density is not None:
        result = to_grid(result, density, name=name)
        if early is None and mask is not None:
            result = _keep(result, check_mask(_as_volume(mask, density), density), name)
        if mask is None:
            result = _keep_to_molecule(result, density)
    return result


def _keep(result: ResolutionMap, inside: np.ndarray, name: str) -> ResolutionMap:
    kept = result.mask & inside
    if not kept.any():
        raise InputError(f"{name} has no resolution inside the mask; give another mask")
    resolution = result.resolution.with_data(result.resolution.data * kept)
    return replace(result, resolution=resolution, mask=kept)


def _keep_to_molecule(result: ResolutionMap, density: Volume) -> ResolutionMap:
    if result.mask.mean() < FULL:
        return result  # its package had a mask, and what it knows is kept
    molecule = automatic_mask(density)
    if not (result.mask & molecule).any():
        return result
    said = (f"resolutions are told in {result.mask.mean():.0%} of the box, solvent included; they"
            f" are kept in the {molecule.mean():.0%} where the density shows the molecule: give"
            " --mask for another choice")
    others = tuple(line for line in result.warnings if "solvent" not in line)
    return replace(_keep(result, molecule, "the map"), warnings=(*others, said))


def _as_volume(mask: Volume | np.ndarray, like: Volume) -> Volume:
    return mask if isinstance(mask, Volume) else Volume(mask, like.voxel_size)


def _read(path: Path, voxel_size: float | None, density: Volume | None) -> Volume:
    """Read a map whose header may lack the voxel size, and whose values may be NaN."""
    if path.is_dir() and (path / "resolution.mrc").is_file():
        path = path / "resolution.mrc"
    if voxel_size is None and density is not None and header_voxel_size(path) == 0:
        voxel_size = density.voxel_size
    volume = read_values(path, voxel_size)
    low, high = volume.data.min(), volume.data.max()  # NaN if any value is
    if low == high:
        raise InputError(f"{path} is constant: every voxel is {low:g}; give a map of resolutions")
    if np.isfinite(low) and np.isfinite(high):
        return volume
    return volume.with_data(np.where(np.isfinite(volume.data), volume.data, np.float32(np.nan)))


def header_agrees(path: str | Path, voxel_size: float | None) -> bool:
    """Whether a map's file can be shown as it is: its header says the voxel size (Å) to use."""
    if voxel_size is None:
        return True
    return abs((header_voxel_size(path) or 0.0) - voxel_size) < 1e-3 * voxel_size
