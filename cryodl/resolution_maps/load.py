"""Local-resolution maps brought onto one grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from cryodl.errors import InputError
from cryodl.maps.inputs import input_volume
from cryodl.maps.mask import automatic_mask, check_mask
from cryodl.maps.mrc import header_voxel_size, read_mask, read_values
from cryodl.maps.resample import resample_to
from cryodl.maps.volume import Volume
from cryodl.resolution_maps.resolution_map import ResolutionMap, as_volume, read_resolution

SAME_VOXELS = 0.01  # relative difference of voxel sizes that is not worth a word
SAME_BOX = 1.5  # coarser voxels by which edges of a box may differ: grids hold whole voxels


def to_grid(found: ResolutionMap, like: Volume, *, name: str = "the map") -> ResolutionMap:
    """A local-resolution map on the grid of another map of the same box.

    Where numbers of voxels agree, so do the grids: packages write neither voxel size nor origin
    reliably, and what the headers say otherwise is a warning. Otherwise values are interpolated
    between voxels of known resolution.

    Parameters
    ----------
    found : as from `read_resolution`
    like : the grid wanted
    name : of the map, for messages

    Raises
    ------
    InputError : the numbers of voxels differ, and so do the boxes in size, or in place where both
        have an origin
    """
    volume = found.resolution
    said: list[str] = []
    shift = [a - b for a, b in zip(volume.origin, like.origin)]
    coarser = max(volume.voxel_size, like.voxel_size)
    apart = any(volume.origin) and any(like.origin) and max(map(abs, shift)) > coarser
    if volume.shape == like.shape:
        if abs(volume.voxel_size / like.voxel_size - 1) > SAME_VOXELS:
            said.append(
                f"the header of {name} says voxels of {volume.voxel_size:g} Å; the other"
                f" map's {like.voxel_size:g} Å are taken"
            )
        if apart:
            said.append(
                f"the header of {name} says origin {_triple(volume.origin)} Å; the other"
                f" map's {_triple(like.origin)} Å is taken"
            )
        resolution, mask = like.with_data(volume.data), found.mask
    else:
        if max(abs(a - b) for a, b in zip(volume.box, like.box)) > SAME_BOX * coarser:
            raise InputError(
                f"{name} has {volume.size} voxels of {volume.voxel_size:g} Å and the"
                f" other map {like.size} of {like.voxel_size:g} Å: their boxes"
                " differ; give maps of one box"
            )
        if apart:
            raise InputError(
                f"{name} lies elsewhere: its origin is {_triple(volume.origin)} Å and"
                f" the other map's {_triple(like.origin)} Å; give maps of one box"
            )
        said.append(
            f"{name} was interpolated from voxels of {volume.voxel_size:g} Å to"
            f" {like.voxel_size:g} Å"
        )
        placed = volume  # voxels that were merged lie half a voxel off: within one, headers know
        if not any(volume.origin) or max(map(abs, shift)) > coarser:
            placed = replace(volume, origin=like.origin)
        weight = resample_to(placed.with_data(found.mask.astype(np.float32)), like).data
        value = resample_to(placed, like).data
        mask = weight > 0.5
        data = np.zeros(like.shape, np.float32)
        data[mask] = value[mask] / weight[mask]  # a mean of the known neighbours alone
        resolution = like.with_data(data)
    return replace(found, resolution=resolution, mask=mask, warnings=(*found.warnings, *said))


def _triple(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:.1f}" for value in values) + ")"


FULL = 0.4  # share of the box from which solvent has values too; RELION fills a ball, half the box

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
        name, volume = "the resolution map", input_volume(source, voxel_size)
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
            result = _keep(result, check_mask(as_volume(mask, density), density), name)
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
    said = (
        f"resolutions are given in {result.mask.mean():.0%} of the box, solvent included; they"
        f" are kept in the {molecule.mean():.0%} where the density shows the molecule: give"
        " --mask for another choice"
    )
    others = tuple(line for line in result.warnings if "solvent" not in line)
    return replace(_keep(result, molecule, "the map"), warnings=(*others, said))


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
