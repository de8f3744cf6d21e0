"""What the search for a B-factor starts from: maps, a mask, signal-to-noise resolution."""

from __future__ import annotations

from pathlib import Path

from ..engine.errors import SettingError
from ..engine.maps.check import check_map, check_one_grid
from ..engine.maps.given import given_map
from ..engine.maps.volume import Volume

MapLike = Volume | str | Path


def from_halves(halves, volume, method, mask, progress, tell):
    """Unsharpened map, mask, signal-to-noise resolutions inside it, and what is known of them."""
    from .half_map_resolution import run_half_map_resolution

    result = run_half_map_resolution(
        *halves, method=method, volume=volume, mask=mask, progress=progress, notify=tell,
        announced=False,
    )  # fmt: skip
    inside = result.volumes["mask"].data != 0
    told = {
        "snr_method": method,
        "fsc_resolution": result.stats["fsc_resolution"],
        "warnings": result.stats["warnings"],
    }
    return given_map(result.density, None), inside, result.volumes["resolution"].data[inside], told


def from_resolution_map(halves, volume, resolution_map, mask, voxel_size, tell):
    from ..engine.comparison.load import load_resolution
    from ..engine.reference.halves import check_half_maps, half_sum, on_one_scale

    notes = check_half_maps(*halves) if halves else []
    unsharpened = volume
    if volume is None:
        unsharpened = half_sum(halves[0], on_one_scale(*halves))
    if halves:
        check_one_grid(halves[0], unsharpened, "the half maps have", "the unsharpened map")
    found = load_resolution(resolution_map, density=unsharpened, mask=mask, voxel_size=voxel_size)
    notes = [*notes, *check_map(unsharpened, found.mask), *found.warnings]
    for note in notes:
        tell(f"warning: {note}")
    told = {"snr_method": "given map", "fsc_resolution": None, "warnings": notes}
    return unsharpened, found.mask, found.values, told


def check_sources(volume, half1, half2, resolution_map) -> list[MapLike]:
    """The half maps, or none."""
    if (half1 is None) != (half2 is None):
        raise SettingError("one half map is given: give both, with --half1 and --half2")
    if half1 is None and resolution_map is None:
        raise SettingError(
            "nothing tells the signal-to-noise resolution: give --half1 and --half2, or "
            "--resolution-map"
        )
    if half1 is None and volume is None:
        raise SettingError("no map is given: give the unsharpened MAP, or --half1 and --half2")
    return [] if half1 is None else [half1, half2]
