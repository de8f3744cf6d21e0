"""A local-resolution map of any package, brought to one convention: Å inside a mask, 0 outside.

What packages write where they know nothing:

- MonoRes, DeepRes: 0
- ResMap: 100 (its own viewer drops what is above 99.9), outside the mask and where nothing passed
- blocres: 0 or the value of its option -fill
- RELION: 0 outside a ball, which it fills with values, solvent included
- others: NaN, a very large number, or the resolution of the whole map
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from cryodl.errors import InputError, SettingError, counted
from cryodl.maps.mask import check_mask, fill_holes
from cryodl.maps.volume import Volume

PLAUSIBLE = (0.5, 99.9)  # Å; beyond is no resolution of a single-particle map
SAME = 1e-5  # relative difference up to which values are one fill, as float32 sums leave it
BORDER_SHARE = 0.5  # of the box's faces that one value must cover to be taken for a fill
REPEATED_SHARE = 0.3  # of the known voxels from which one repeated value is worth a word
STRAY_SHARE = 0.01  # of implausible values that are dropped; more, and it is another kind of map
SOLVENT_SHARE = 0.3  # of the box: a molecule fills less of it


@dataclass(frozen=True)
class ResolutionMap:
    """Local resolution in our conventions.

    Attributes
    ----------
    resolution : Volume, Å inside the mask, 0 outside
    mask : ndarray, shape (z, y, x), bool; where the resolution is known
    background : value that stood for unknown; None where there was none, or it was NaN
    note : what was taken for background, in plain words
    warnings : plain sentences about what is doubtful
    """

    resolution: Volume
    mask: np.ndarray
    background: float | None
    note: str
    warnings: tuple[str, ...] = ()

    @property
    def values(self) -> np.ndarray:
        """Resolutions inside the mask, Å; shape (n,)."""
        return self.resolution.data[self.mask]


def read_resolution(
    volume: Volume,
    *,
    mask: np.ndarray | Volume | None = None,
    background: str | float = "auto",
    name: str = "the map",
) -> ResolutionMap:
    """Find where a local-resolution map of any package knows something.

    Parameters
    ----------
    volume : resolution in Å, shape (z, y, x), with any background; NaN is one
    mask : on the same grid, above 0.5 inside; what is outside is dropped as well
    background : "auto", which takes 0 and below, NaN, 99.9 and above, and the one value that covers
        most of the box's faces with all that is connected to them; or the value itself, with 0,
        NaN and 99.9 and above
    name : of the map, for messages

    Raises
    ------
    InputError : the values cannot be resolutions in Å, or nothing is left
    SettingError : a background that is no number
    """
    fill = _read_background(background)
    data = volume.data
    with np.errstate(invalid="ignore"):
        known = np.isfinite(data) & (data != 0) & (data < PLAUSIBLE[1])
    warned: list[str] = []
    if fill is None:
        fill = _border_value(data)
        if fill is not None and np.isfinite(fill):
            filled = _is_value(data, fill)
            if PLAUSIBLE[0] <= fill < PLAUSIBLE[1]:  # it may be a true value inside the molecule
                reached = ~fill_holes(~filled)  # from the faces of the box
                filled, enclosed = reached, int(np.count_nonzero(filled & ~reached))
                if enclosed > STRAY_SHARE * (known & ~filled).sum():
                    warned.append(
                        f"{enclosed} voxels that the background does not reach also hold"
                        f" its value, {fill:.4g} Å, and are kept as resolutions"
                    )
            known &= ~filled
    else:
        if not _is_value(data, fill).any():
            warned.append(f"no voxel of {name} holds the background given, {fill:g}")
        known &= ~_is_value(data, fill)
    note = _describe(data, fill, background != "auto")
    if mask is not None:
        known &= check_mask(as_volume(mask, volume), volume)
    known, dropped = _drop_implausible(data, known, name)
    warned += dropped
    values = data[known]
    _check_not_a_mask(values, name)
    warned += _doubts(values, known, volume, given=mask is not None)
    resolution = volume.with_data(np.where(known, data, np.float32(0)))
    shown = float(fill) if fill is not None and np.isfinite(fill) else None
    return ResolutionMap(resolution, known, shown, note, tuple(warned))


def _read_background(background: str | float) -> float | None:
    if background == "auto":
        return None
    with suppress(TypeError, ValueError):
        if np.isfinite(float(background)):
            return float(background)
    raise SettingError(f"background {background!r} is neither auto nor a finite number")


def _border_value(data: np.ndarray) -> float | None:
    """The value of most of the voxels on the six faces of the box, if there is one."""
    faces = [data[(slice(None),) * axis + (end,)].ravel() for axis in range(3) for end in (0, -1)]
    border = np.concatenate(faces)
    if np.isnan(border).mean() >= BORDER_SHARE:
        return float("nan")
    border = border[np.isfinite(border)]
    if not border.size:
        return None
    # a value of more than half of them is their median; of float32 its sums may be infinite
    value = float(np.median(border.astype(float)))
    return value if _is_value(border, value).mean() >= BORDER_SHARE else None


def _is_value(data: np.ndarray, value: float) -> np.ndarray:
    if np.isnan(value):
        return np.isnan(data)
    with np.errstate(invalid="ignore"):
        return np.abs(data - np.float32(value)) <= SAME * abs(value)


def _describe(data: np.ndarray, fill: float | None, given: bool) -> str:
    """What was taken for background, with its share of the box."""
    finite = np.isfinite(data)
    unknown = {
        "NaN or infinite": float((~finite).mean()),
        "0": float((data == 0).mean()),
        f"{PLAUSIBLE[1]} Å and above": float((finite & (data >= PLAUSIBLE[1])).mean()),
    }
    if fill is not None and np.isfinite(fill) and fill != 0 and fill < PLAUSIBLE[1]:
        unknown[f"{fill:g}"] = float(_is_value(data, fill).mean())
    said = [f"{name} ({share:.1%} of the box)" for name, share in unknown.items() if share > 0]
    how = f"background ({fill:g} given)" if given else "background"
    return f"{how}: {', '.join(said) or 'none'}"


def as_volume(mask: np.ndarray | Volume, like: Volume) -> Volume:
    """A mask, ndarray (z, y, x), with the voxels of another map."""
    return mask if isinstance(mask, Volume) else Volume(mask, like.voxel_size)


def _drop_implausible(
    data: np.ndarray, known: np.ndarray, name: str
) -> tuple[np.ndarray, list[str]]:
    """Leave out a few stray values; many mean that this is no local-resolution map."""
    count = int(known.sum())
    if not count:
        raise InputError(
            f"{name} has no voxel with a resolution between {PLAUSIBLE[0]:g} and"
            f" {PLAUSIBLE[1]:g} Å that is not background; check the map, the mask and"
            " background="
        )
    values = data[known]
    negative, small = float((values < 0).mean()), float((values < PLAUSIBLE[0]).mean())
    if negative > STRAY_SHARE:
        raise InputError(
            f"{name} looks like a density, not a local-resolution map:"
            f" {negative:.0%} of its values are negative; give resolutions in Å"
        )
    if small > STRAY_SHARE:
        raise InputError(
            f"{name} is no local-resolution map in Å: {small:.0%} of its values are"
            f" below {PLAUSIBLE[0]:g} (a density, or frequencies in 1/Å?); give"
            " resolutions in Å"
        )
    if not small:
        return known, []
    known = known & (data >= PLAUSIBLE[0])
    return known, [
        f"left out: {counted(count - int(known.sum()), 'voxel')} with values below "
        f"{PLAUSIBLE[0]:g} Å"
    ]


def _check_not_a_mask(values: np.ndarray, name: str) -> None:
    if float(values.min()) == float(values.max()) == 1.0:
        raise InputError(
            f"{name} looks like a mask: every value in it is 0 or 1; give resolutions in Å"
        )


def _doubts(values: np.ndarray, known: np.ndarray, volume: Volume, given: bool) -> list[str]:
    said = []
    nyquist = 2 * volume.voxel_size
    beyond = float((values < nyquist * (1 - 1e-3)).mean())
    if beyond > STRAY_SHARE:
        said.append(
            f"{beyond:.0%} of the values are better than {nyquist:.2f} Å, which voxels of"
            f" {volume.voxel_size:g} Å cannot hold: check the voxel size"
        )
    sample = values[:: max(1, values.size // 200_003)]
    repeated, counts = np.unique(sample, return_counts=True)
    most = int(counts.argmax())
    others = np.delete(counts, most)
    # maps of discrete steps repeat too, but then their other values repeat as often
    alone = others.size and counts[most] > 5 * others.max()
    if alone and counts[most] > REPEATED_SHARE * sample.size:
        said.append(
            f"{counts[most] / sample.size:.0%} of the values are exactly"
            f" {repeated[most]:.4g} Å: where that stands for unknown, give it as"
            " --background"
        )
    share = float(known.mean())
    if not given and share > SOLVENT_SHARE:
        said.append(
            f"{share:.0%} of the box have a resolution, so solvent is probably among them:"
            " give --mask to keep to the molecule"
        )
    return said
