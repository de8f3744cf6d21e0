"""The molecule in a map, as a mask: found by a network, widened, written."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cryodl.errors import InputError, SettingError, counted
from cryodl.files.places import check_file
from cryodl.maps.edges import half_cosine
from cryodl.maps.mrc import write_map
from cryodl.maps.result import Result
from cryodl.methods.cryores.mask_options import OPTIONS
from cryodl.methods.cryores.run import MASK_BUNDLE, choose_bundle, run_single_map_resolution
from cryodl.methods.options import declared
from cryodl.methods.registry import NETWORK

if TYPE_CHECKING:
    from cryodl.maps.volume import Volume
    from cryodl.networks.bundle import Bundle

# of its stats
FROM_NETWORK = ("rotations", "bundle", "bundle_sha256", "device", "precision", "warnings")


@declared(OPTIONS)
def run_mask(
    volume: Volume | str | Path,
    bundle: Bundle | str | Path | None = None,
    *,
    threshold: float = 0.5,
    dilate: float = 0.0,
    soft: float = 0.0,
    output: str | Path | None = None,
    overwrite: bool = False,
    voxel_size: float | None = None,
    thorough: bool = False,
    batch_size: int = 1,
    device: str = "auto",
    progress: Callable[[str, int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Result:
    """Find the molecule in a map with the network of single-map resolution.

    What `cryodl mask` does.

    Parameters
    ----------
    volume : a map's path, or a Volume (density, shape (z, y, x))
    bundle : Bundle, name or folder; None takes the shipped one
    threshold : probability above which a voxel is in the molecule
    dilate : Å, by which the mask is widened (below 0: narrowed)
    soft : Å, width of the edge of half a cosine that leads from 1 to 0 outside it; 0: binary
    output : file to write the mask to; None writes nothing
    overwrite : replace a file that exists
    voxel_size : Å, where the header of the file is wrong
    thorough, batch_size, device, progress, notify : as in `run_single_map_resolution`

    Returns
    -------
    Result : .volumes "mask" (0 to 1) and "probability" on the map's grid; .stats

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    start = time.perf_counter()
    if output is not None:
        check_file(output, overwrite, volume)
    bundle = MASK_BUNDLE if bundle is None else bundle
    result = run_single_map_resolution(
        volume, bundle, voxel_size=voxel_size, thorough=thorough, batch_size=batch_size,
        device=device, progress=progress, notify=notify,
    )  # fmt: skip
    density, probability = result.density, result.volumes["probability"]
    inside = result.volumes["mask"].data > 0
    if threshold != 0.5:
        inside = probability.data > threshold
        if not inside.any():
            raise SettingError(
                f"no voxel has a probability above {threshold:g} (the highest is "
                f"{probability.data.max():.2f}): give a lower threshold="
            )
    weights = widened(inside, density.voxel_size, dilate, soft)
    if not weights.any():
        raise SettingError(f"narrowed by {-dilate:g} Å, nothing is left: give a smaller dilate=")
    mask = density.with_data(weights)
    stats: dict[str, Any] = {
        "volume": round(float(weights.sum()) * density.voxel_size**3),
        "voxels": int(np.count_nonzero(weights > 0.5)),
        "share_of_box": round(float((weights > 0.5).mean()), 4),
        "threshold": threshold,
        "dilate": dilate,
        "soft": soft,
        **{key: result.stats[key] for key in FROM_NETWORK},
    }
    if output is not None:
        write_map(output, mask, overwrite=overwrite)
    stats["seconds"] = {**result.stats["seconds"], "total": round(time.perf_counter() - start, 3)}
    return Result({"mask": mask, "probability": probability}, stats, density)


def summary(stats: dict[str, Any]) -> list[str]:
    return [
        f"{counted(stats['voxels'], 'voxel')} ({stats['share_of_box']:.1%} of the box), "
        f"{stats['volume']} Å³; {stats['seconds']['total']:.1f} s"
    ]


def mask_finder(
    *,
    dilate: float = 0.0,
    thorough: bool = False,
    device: str = "auto",
    progress: Callable[[str, int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Callable[[Volume], np.ndarray]:
    """A function that finds the mask of a Volume, for the methods that are asked for it.

    dilate : Å, by which a mask that is found is widened
    thorough, device, progress, notify : as in `run_mask`; the stage is "mask"

    The function returns an ndarray (z, y, x), bool, raises InputError where it finds nothing, and
    logs how much of the box it found.
    """
    tell, show = notify or (lambda line: None), progress or (lambda *stage: None)
    bundle = choose_bundle(MASK_BUNDLE)  # once for many maps

    def find(volume: Volume) -> np.ndarray:
        made = run_single_map_resolution(
            volume, bundle, thorough=thorough, device=device,
            progress=lambda _, done, every: show("mask", done, every),
            # what is unusual about the map is said by the task
            notify=lambda line: None if line.startswith("warning: ") else tell(line),
        )  # fmt: skip
        if made.stats["mask"] != NETWORK:
            raise InputError("the network finds no molecule in the map: give a mask")
        inside = made.volumes["mask"].data > 0
        tell(f"mask found by {bundle.spec['name']}: {inside.mean():.1%} of the box")
        return widened(inside, volume.voxel_size, dilate, 0.0) > 0

    return find


def widened(inside: np.ndarray, voxel_size: float, dilate: float, soft: float) -> np.ndarray:
    """A mask moved outwards by `dilate` Å, with an edge of half a cosine over `soft` Å.

    inside : ndarray, shape (z, y, x), bool
    Returns ndarray, shape (z, y, x), float32, from 0 to 1.
    """
    from scipy.ndimage import distance_transform_edt

    if inside.all() or (dilate == 0 and soft == 0):  # where there is no border it cannot move
        return inside.astype(np.float32)
    outer = dilate >= 0 or soft > 0
    distance = distance_transform_edt(~inside) if outer else np.zeros(inside.shape)
    if dilate < 0:
        # From the middle of a voxel at the border it is half a step out of the molecule.
        distance = distance - np.maximum(distance_transform_edt(inside) - 1, 0)
    distance = distance * voxel_size - dilate
    if soft == 0:
        return (distance <= 0).astype(np.float32)
    return half_cosine(distance / soft).astype(np.float32)
