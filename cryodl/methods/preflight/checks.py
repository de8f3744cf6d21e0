"""What makes a submission faulty, each check with what it was seen by and what to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cryodl.checks.finest import finest_possible
from cryodl.filters.shells import inverse, power_spectrum, shell_frequencies, transform
from cryodl.half_maps.fsc import correlate
from cryodl.half_maps.pair import half_difference, half_sum, have_signal, identical
from cryodl.maps.mask import existing_mask
from cryodl.maps.mrc import read_header, read_values
from cryodl.maps.volume import Volume, in_plain_units

OK, WARNING, FAULT = "ok", "warning", "fault"
PRIMARY, HALVES, MASK = "primary map", ("half map 1", "half map 2"), "mask"
MODES = {0: "int8", 1: "int16", 2: "float32", 6: "uint16", 12: "float16"}
APART = 0.01  # of a voxel, by which places may differ
BALL = 0.9  # of the ball that fits into the box, within which half maps are full
CONSTANT = 0.1  # share of it with one and the same value, from which a map is masked
SHORT = 1.1  # times two voxels, from which a spectrum that ends is that of a filter
SHARPENED = -50.0  # Å², fall-off of noise below which it was sharpened; refinement leaves -30 to 30
ALIKE = 0.6  # mean FSC with the half maps' sum, over shells with signal, of a map made of them
BETTER = 0.1  # by which it must rise when a map is mirrored or shifted, to say that it was
CLEARLY = 1.2  # times the signal of two half maps that they must have when one is mirrored
SAME = 0.999  # FSC in every shell of a map with a copy of itself
MUCH, ANY = 0.5, 0.143  # FSC of the half maps from which a shell has much signal, and any


class Check(NamedTuple):
    """name : what was looked at;  verdict : "ok", "warning" or "fault"
    evidence : what was seen;  remedy : what to do, "" for nothing"""

    name: str
    verdict: str
    evidence: str
    remedy: str = ""


class File(NamedTuple):
    """path, volume : of a map, whose values may be NaN or infinite;  header : as it is stored"""

    path: Path
    volume: Volume
    header: Any


def read_file(path: str | Path) -> File:
    """Raises InputError where it is no map."""
    return File(Path(path), read_values(path), read_header(path))


def check_grids(files: dict[str, File]) -> list[Check]:
    """Same box, voxel size and origin of all."""
    first = files[PRIMARY].volume
    found = []
    for title, value, differs, remedy in (
        ("box", lambda v: v.size, lambda v: v.shape != first.shape,
         "deposit maps of one box, as refinement wrote them"),
        ("voxel size", lambda v: f"{v.voxel_size:.5g} Å",
         lambda v: abs(v.voxel_size / first.voxel_size - 1) > 1e-3,
         "give all maps the true voxel size (--fix writes copies with that of most)"),
        ("origin", lambda v: "({:.5g}, {:.5g}, {:.5g}) Å".format(*v.origin),
         lambda v: max(abs(a - b) for a, b in zip(v.origin, first.origin))
         > APART * first.voxel_size,
         "give all maps one origin (--fix writes copies with that of the primary map)"),
    ):  # fmt: skip
        other = [name for name, file in files.items() if differs(file.volume)]
        if other:
            said = "; ".join(f"{name}: {value(files[name].volume)}" for name in (PRIMARY, *other))
            found.append(Check(f"one {title}", FAULT, said, remedy))
        else:
            found.append(Check(f"one {title}", OK, value(first)))
    return found


def check_values(files: dict[str, File]) -> list[Check]:
    """Numbers, and none cut off."""
    found = []
    for name, file in files.items():
        data = file.volume.data
        bad = int(data.size - np.isfinite(data).sum())
        if bad:
            why = ", as values above 65,504 become in float16" if np.isinf(data).any() else ""
            found.append(Check(f"values of the {name}", FAULT, f"{bad} of {data.size} voxels are "
                f"infinite or no numbers{why}", "write the map again in float32"))  # fmt: skip
            continue
        support = existing_mask(data) if name != MASK else None
        if support is not None and data[~support].max() <= data.min():
            share = 1 - support.mean()
            found.append(Check(f"values of the {name}", FAULT, f"{share:.0%} of the voxels hold "
                f"{data.min():.4g} and none holds less: the map was thresholded",
                "deposit the map before it was thresholded"))  # fmt: skip
        else:
            found.append(Check(f"values of the {name}", OK, f"{data.min():.4g} to "
                f"{data.max():.4g}"))  # fmt: skip
    return found


def check_headers(files: dict[str, File]) -> list[Check]:
    """What a header says of the file. A program that reads the values may mend it."""
    found = []
    for name, file in files.items():
        header, data = file.header, file.volume.data
        odd = []
        if not np.isfinite(data).all():
            continue  # said already
        mode = int(header["mode"])
        if mode not in (0, 1, 2):
            odd.append(f"mode {mode} ({MODES.get(mode, '?')}), which many programs cannot read")
        if bytes(header["map"])[:3] != b"MAP":
            odd.append("no word MAP")
        if int(header["ispg"]) != 1:
            odd.append(f"space group {int(header['ispg'])}, not 1")
        spread = float(np.ptp(data)) or 1.0
        for field, value in (("dmin", data.min()), ("dmax", data.max()), ("dmean", data.mean())):
            if not abs(float(header[field]) - float(value)) <= 1e-3 * spread:
                odd.append(f"{field} {float(header[field]):.4g}, not {float(value):.4g}")
        if odd:
            found.append(Check(f"header of the {name}", WARNING, "; ".join(odd),
                "--fix writes a copy with a complete header"))  # fmt: skip
        else:
            found.append(Check(f"header of the {name}", OK, f"complete, {MODES[mode]}"))
    return found


def check_halves(first: Volume, second: Volume) -> list[Check]:
    """Independent, of one hand, unmasked, unfiltered and unsharpened."""
    same = identical(first, second)
    found = [Check("independent half maps", FAULT, "they differ by nothing but a scale",
        "deposit the two half maps of the refinement, not one of them twice") if same else
        Check("independent half maps", OK, "they differ")]  # fmt: skip
    ball = _ball(first.shape)
    for name, half in zip(HALVES, (first, second)):
        support = existing_mask(half.data)
        share = 0.0 if support is None else 1 - float(support[ball].mean())
        if share > CONSTANT:
            found.append(Check(f"unmasked {name}", FAULT, f"{share:.0%} of the voxels inside the "
                "ball that fits into the box hold one and the same value",
                "deposit the half maps before any mask was applied"))  # fmt: skip
        else:
            found.append(Check(f"unmasked {name}", OK, f"{share:.0%} of the voxels inside the box's"
                " ball hold one value"))  # fmt: skip
        end = finest_possible(half)
        by = end / (2 * half.voxel_size)
        if by > SHORT:
            found.append(Check(f"unfiltered {name}", FAULT, f"its spectrum ends at {end:.2f} Å, and"
                f" two voxels are {2 * half.voxel_size:.2f} Å",
                "deposit the half maps before any low-pass filter"))  # fmt: skip
        else:
            found.append(Check(f"unfiltered {name}", OK, "its spectrum reaches two voxels"))
    if not same:
        fall = noise_fall_off(first, second)
        said = f"the noise (half their difference) falls off with B = {fall:.0f} Å²"
        bad = fall < SHARPENED
        found.append(Check("unsharpened half maps", FAULT if bad else OK, said,
            "deposit the half maps before any B-factor was applied" if bad else ""))  # fmt: skip
        found.append(_hand_of_halves(first, second))
    return found


def noise_fall_off(first: Volume, second: Volume) -> float:
    """B-factor (Å²) with which the noise of half maps falls off; negative where it rises."""
    noise = half_difference(first, second)
    power = power_spectrum(transform(noise.data), noise.shape)
    s = shell_frequencies(noise.shape, noise.voxel_size)
    part = (s > 0.3 * s[-1]) & (s < 0.9 * s[-1]) & (power > 0)
    if part.sum() < 3:
        return 0.0
    return float(-2 * np.polyfit(s[part] ** 2, np.log(power[part]), 1)[0])


def _hand_of_halves(first: Volume, second: Volume) -> Check:
    name = "hand of the half maps"
    signal, counts = _fsc(first, second.data)
    shift = best_shift(second.data, first)
    moved = signal
    if any(shift):
        moved, _ = _fsc(first, np.roll(second.data, shift, (0, 1, 2)))
    turned = max((_fsc(first, data)[0] for data in _mirrored(second.data, first)),
                 key=lambda fsc: _common(fsc, counts))  # fmt: skip
    here, beside, there = (_common(fsc, counts) for fsc in (signal, moved, turned))
    if have_signal(moved, counts) and beside > CLEARLY * max(here, there / CLEARLY):
        by = ", ".join(f"{step}" for step in reversed(shift))
        return Check(name, FAULT, f"they have {beside / max(here, 1):.1f} times as much signal in "
            f"common when half map 2 is shifted by ({by}) voxels",
            "give half maps that lie on each other")  # fmt: skip
    if have_signal(turned, counts) and there > CLEARLY * here:
        return Check(name, FAULT, f"they have {there / max(here, 1):.1f} times as much signal in "
            "common when one is mirrored", "mirror one of the half maps")  # fmt: skip
    if have_signal(signal, counts):
        return Check(name, OK, "mirrored, they have less signal in common")
    return Check(name, FAULT, "they have no signal in common, mirrored or not",
        "give the two half maps of one refinement")  # fmt: skip


def _mirrored(data: np.ndarray, like: Volume) -> list[np.ndarray]:
    """A map mirrored along each axis, where each lies best on another: mirrored along two, it is
    turned, which no shift makes good."""
    mirrored = [np.flip(data, axis) for axis in range(3)]
    return [np.roll(each, best_shift(each, like), (0, 1, 2)) for each in mirrored]


def _common(fsc: np.ndarray, counts: np.ndarray) -> float:
    """Coefficients that two maps have in common, up to the shell where most are."""
    return float(np.cumsum((fsc * counts)[1:]).max())


def check_primary(primary: Volume, first: Volume, second: Volume) -> Check:
    """Whether the primary map is made of the half maps: filters, sharpening and masks pass.

    Shells with much signal tell whether it is; all with any, whether it is turned or moved.
    """
    name = "primary map made of the half maps"
    full = half_sum(first, second).data
    signal = _fsc(first, second.data)[0]
    shift = best_shift(full, primary)
    much, any_signal = _down_to(signal, MUCH), _down_to(signal, ANY)
    for number, half in enumerate((first, second), 1):
        if float(_fsc(primary, half.data)[0][1:].min()) > SAME:
            return Check(name, FAULT, f"it is half map {number}, or a filtered copy of it",
                "give the map of both half maps")  # fmt: skip
    curves = [_fsc(primary, data) for data in (full, np.roll(full, shift, (0, 1, 2)))]
    turned_curves = [_fsc(primary, data) for data in _mirrored(full, primary)]
    curves.append(max(turned_curves, key=lambda curve: _mean(curve[0], curve[1], much)))
    here, moved, turned = (_mean(*curve, much) for curve in curves)
    fine = [_mean(*curve, any_signal) for curve in curves]
    said = f"its FSC with their sum is {here:.2f} where they have signal"
    if turned >= ALIKE and fine[2] > max(fine[:2]) + BETTER:
        return Check(name, FAULT, f"{said}, and {turned:.2f} when it is mirrored: it has the other "
            "hand", "deposit half maps of the hand of the primary map")  # fmt: skip
    if moved >= ALIKE and fine[1] > fine[0] + BETTER:
        by = ", ".join(f"{step}" for step in reversed(shift))
        return Check(name, FAULT, f"{said}, and {moved:.2f} when they are shifted by ({by}) voxels",
            "deposit half maps that lie on the primary map")  # fmt: skip
    if here >= ALIKE:
        return Check(name, OK, said)
    return Check(name, FAULT, f"{said}, shifted {moved:.2f} and mirrored {turned:.2f} at best: it "
        "is not made of them", "give the half maps of this map")  # fmt: skip


def best_shift(data: np.ndarray, other: Volume) -> tuple[int, int, int]:
    """Shift of data, z y x in voxels, at which they lie best on a map."""
    spectra = [transform(values - values.mean()) for values in (data, other.data)]
    cross = spectra[1] * np.conj(spectra[0])
    cross /= np.sqrt(np.abs(cross)) + 1e-20  # half-way to phases alone, so that no shell rules
    peak = np.unravel_index(np.argmax(inverse(cross, data.shape)), data.shape)
    z, y, x = (int(p) if p <= n // 2 else int(p) - n for p, n in zip(peak, data.shape))
    return z, y, x


def _fsc(volume: Volume, data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """FSC, and coefficients in each shell; ndarrays (shells,)."""
    counts, fsc = correlate([transform(values) for values in (volume.data, data)], volume.shape)
    return fsc, counts


def _down_to(fsc: np.ndarray, threshold: float) -> np.ndarray:
    """Shells from the first to where the FSC of half maps falls below, three at least."""
    below = np.flatnonzero(fsc[1:] < threshold)
    return np.arange(1, max(4, below[0] + 1 if len(below) else len(fsc)))


def _mean(fsc: np.ndarray, counts: np.ndarray, shells: np.ndarray) -> float:
    """Of all coefficients of some shells: fine ones count more, where maps are told apart."""
    return float(np.average(fsc[shells], weights=counts[shells]))


def _ball(shape: tuple[int, ...]) -> np.ndarray:
    places = np.ogrid[tuple(slice(0, n) for n in shape)]
    squares = sum((x - (n - 1) / 2) ** 2 for x, n in zip(places, shape))
    return np.asarray(squares < (BALL * min(shape) / 2) ** 2)


def mended(files: dict[str, File]) -> dict[str, Volume]:
    """Copies with the origin of the primary map and the voxel size of most; densities stay."""
    size = Counter(round(file.volume.voxel_size, 4) for file in files.values()).most_common(1)[0][0]
    first = replace(files[PRIMARY].volume, voxel_size=size, header_spacing=None)
    return {
        name: replace(first, data=file.volume.data)
        for name, file in files.items()
        if file.volume.shape == first.shape and np.isfinite(file.volume.data).all()
    }


def plain(file: File) -> Volume:
    return in_plain_units(file.volume)
