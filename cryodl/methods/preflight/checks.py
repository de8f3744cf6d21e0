"""What makes a submission faulty, each check with what it was seen by and what to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cryodl.checks.finest import finest_possible
from cryodl.errors import InputError
from cryodl.filters.shells import correlate, power_spectrum, shell_frequencies, transform
from cryodl.half_maps.alignment import best_place, have_signal, mirrored, misfit, shifted, unlike
from cryodl.half_maps.pair import identical
from cryodl.maps.inputs import other_than_density
from cryodl.maps.mask import existing_mask
from cryodl.maps.mrc import header_voxel_size, read_header, read_values
from cryodl.maps.volume import Volume, in_plain_units

OK, WARNING, FAULT = "ok", "warning", "fault"
PRIMARY, HALVES, MASK = "primary map", ("half map 1", "half map 2"), "mask"
MODES = {0: "int8", 1: "int16", 2: "float32", 6: "uint16", 12: "float16"}
FURTHEST = 1e5  # Å, of an origin: no box lies further away
APART = 0.01  # of a voxel, by which places may differ
BALL = 0.9  # of the ball that fits into the box, within which half maps are full
CONSTANT = 0.1  # share of it with one and the same value, from which a map is masked
SHORT = 1.1  # times two voxels, from which a spectrum that ends is that of a filter
SHARPENED = -50.0  # Å², fall-off of noise below which it was sharpened; refinement leaves -30 to 30
ALIKE = 0.6  # mean FSC with the half maps' sum, over shells with signal, of a map made of them
BETTER = 0.1  # by which it must rise when a map is mirrored or shifted, to say that it was
SAME = 0.999  # FSC in every shell of a map with a copy of itself
MUCH, ANY = 0.5, 0.143  # FSC of the half maps from which a shell has much signal, and any


INDEPENDENT, HAND = "independent half maps", "hand of the half maps"
KIND = "half maps of one kind"
NO_PAIR = {INDEPENDENT, HAND, KIND}  # checks without which two half maps are none of one refinement


class Check(NamedTuple):
    """name : what was looked at;  verdict : "ok", "warning" or "fault"
    evidence : what was seen;  remedy : what to do, "" for nothing"""

    name: str
    verdict: str
    evidence: str
    remedy: str = ""


class File(NamedTuple):
    """path, volume : of a map, whose values may be NaN or infinite;  header : as it is stored
    stored : Å, voxel size that the header says, 0 for none"""

    path: Path
    volume: Volume
    header: Any
    stored: float

    @property
    def origin(self) -> np.ndarray:
        """x y z in Å as the header has it where that is no place, else where the map lies."""
        held = np.array([float(self.header["origin"][axis]) for axis in "xyz"])
        return held if not _is_place(held) else np.array(self.volume.origin)


def read_file(path: str | Path, voxel_size: float | None = None) -> File:
    """voxel_size : Å, where the header is wrong.  Raises InputError where it is no map."""
    size = header_voxel_size(path)
    if not size and voxel_size is None:
        why = f"'{path}' says no voxel size: give the true one as voxel_size="
        raise InputError(why) if size == 0 else InputError(f"'{path}' cannot be read as a map")
    return File(Path(path), read_values(path, voxel_size), read_header(path), size or 0.0)


def _is_place(origin: np.ndarray) -> bool:
    return bool(np.isfinite(origin).all() and np.abs(origin).max() <= FURTHEST)


def check_grids(files: dict[str, File], voxel_size: float | None = None) -> list[Check]:
    """Same box, voxel size and origin of all.  voxel_size : Å, the true one where it is given"""
    first = files[PRIMARY]
    size = voxel_size or first.stored
    found = []
    for title, value, differs, remedy in (
        ("box", lambda f: f.volume.size, lambda f: f.volume.shape != first.volume.shape,
         "deposit maps of one box, as refinement wrote them"),
        ("voxel size", lambda f: f"{f.stored:.5g} Å",
         lambda f: abs(f.stored / size - 1) > 1e-3,
         f"give all maps the true voxel size (--fix writes copies with {voxel_size:g} Å)"
         if voxel_size else
         "give all maps the true voxel size (--fix writes copies with that of most)"),
        ("origin", lambda f: "({:.5g}, {:.5g}, {:.5g}) Å".format(*f.origin),
         lambda f: not np.abs(f.origin - first.origin).max() <= APART * first.volume.voxel_size,
         "give all maps one origin (--fix writes copies with that of the primary map)"),
    ):  # fmt: skip
        other = [name for name, file in files.items() if differs(file)]
        if other:
            named = dict.fromkeys((PRIMARY, *other))
            said = "; ".join(f"{name}: {value(files[name])}" for name in named)
            found.append(Check(f"one {title}", FAULT, said, remedy))
        else:
            found.append(Check(f"one {title}", OK, value(first)))
    odd = [name for name, file in files.items() if not _is_place(file.origin)]
    if odd:
        said = "; ".join("{}: ({:.4g}, {:.4g}, {:.4g}) Å".format(n, *files[n].origin) for n in odd)
        found.append(Check("plausible origin", FAULT, said, "give the maps an origin near their "
            "model's (--fix writes copies with that of another map, or 0)"))  # fmt: skip
    return found


def check_values(files: dict[str, File]) -> list[Check]:
    """Numbers that are densities, and none cut off."""
    found = []
    for name, file in files.items():
        data = file.volume.data
        bad = int(data.size - np.isfinite(data).sum())
        if bad:
            why = ", as values above 65,504 become in float16" if np.isinf(data).any() else ""
            found.append(Check(f"values of the {name}", FAULT, f"{bad} of {data.size} voxels are "
                f"infinite or no numbers{why}", "write the map again in float32"))  # fmt: skip
            continue
        wrong = _no_densities(file.volume) if name != MASK else ""
        if wrong:
            found.append(Check(f"values of the {name}", FAULT, wrong, "give the map itself, as "
                "it was refined"))  # fmt: skip
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


def _no_densities(volume: Volume) -> str:
    """Why finite values are no map; "" where they are."""
    if volume.data.min() == volume.data.max():
        return f"all voxels hold {volume.data.flat[0]:.4g}"
    try:
        in_plain_units(volume)
    except InputError as error:
        return str(error).removeprefix("the map has ").split("; mend")[0]
    other = other_than_density(volume)
    return f"it holds {other}" if other else ""


def comparable(files: dict[str, File]) -> bool:
    """Whether all maps have one box, and values that can be compared."""
    shapes = {file.volume.shape for file in files.values()}
    return len(shapes) == 1 and all(
        np.isfinite(file.volume.data).all() and (name == MASK or not _no_densities(file.volume))
        for name, file in files.items()
    )


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
        spread = float(data.max()) - float(data.min()) or 1.0
        mean = data.mean(dtype=np.float64)
        for field, value in (("dmin", data.min()), ("dmax", data.max()), ("dmean", mean)):
            if not abs(float(header[field]) - float(value)) <= 1e-3 * spread:
                odd.append(f"{field} {float(header[field]):.4g}, not {float(value):.4g}")
        if odd:
            found.append(Check(f"header of the {name}", WARNING, "; ".join(odd),
                "--fix writes a copy with a complete header"))  # fmt: skip
        else:
            found.append(Check(f"header of the {name}", OK, f"complete, {MODES[mode]}"))
    return found


@dataclass(frozen=True)
class Spectra:
    """Transforms of the primary map and its half maps, each made once.

    shape : (z, y, x);  voxel_size : Å;  primary, first, second : as `transform` gives them
    """

    shape: tuple[int, ...]
    voxel_size: float
    primary: np.ndarray
    first: np.ndarray
    second: np.ndarray

    @classmethod
    def of(cls, primary: Volume, first: Volume, second: Volume) -> Spectra:
        spectra = (transform(each.data) for each in (primary, first, second))
        return cls(primary.shape, primary.voxel_size, *spectra)

    @cached_property
    def signal(self) -> np.ndarray:
        """FSC of the half maps; ndarray (shells,)."""
        return self.fsc(self.first, self.second)

    @cached_property
    def counts(self) -> np.ndarray:
        """Coefficients in each shell; ndarray (shells,)."""
        return correlate((self.first, self.second), self.shape)[0]

    def fsc(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return correlate((one, other), self.shape)[1]


def check_halves(first: Volume, second: Volume, spectra: Spectra) -> list[Check]:
    """Independent, of one hand, unmasked, unfiltered and unsharpened."""
    same = identical(first, second)
    found = [Check(INDEPENDENT, FAULT, "they differ by nothing but a scale",
        "deposit the two half maps of the refinement, not one of them twice") if same else
        Check(INDEPENDENT, OK, "they differ")]  # fmt: skip
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
            found.append(Check(f"unfiltered {name}", OK, f"its spectrum reaches {end:.2f} Å, "
                f"two voxels of {2 * half.voxel_size:.2f} Å within {SHORT - 1:.0%}"))  # fmt: skip
    if not same:
        falls = [noise_fall_off(each, spectra) for each in (spectra.first, spectra.second)]
        said = "noise falls off with B = " + ", ".join(f"{fall:.0f} Å² ({name})"
            for fall, name in zip(falls, HALVES))  # fmt: skip
        bad = min(falls) < SHARPENED
        found.append(Check("unsharpened half maps", FAULT if bad else OK, said,
            "deposit the half maps before any B-factor was applied" if bad else ""))  # fmt: skip
        found.append(_hand_of_halves(first, second, spectra))
        other = unlike(first, second)
        found.append(Check(KIND, OK, "their power goes alike by frequency") if other is None else
            Check(KIND, FAULT, other.evidence, other.remedy))  # fmt: skip
    return found


def noise_fall_off(half: np.ndarray, spectra: Spectra) -> float:
    """B-factor (Å²) with which the noise of a half map falls off; negative where it rises.

    Its noise is what its FSC with the other one leaves of its power, whatever their scales are.
    """
    power = power_spectrum(half, spectra.shape) * (1 - spectra.signal.clip(0, 0.99))
    s = shell_frequencies(spectra.shape, spectra.voxel_size)
    part = (s > 0.3 * s[-1]) & (s < 0.9 * s[-1]) & (power > 0)
    if part.sum() < 3:
        return 0.0
    return float(-2 * np.polyfit(s[part] ** 2, np.log(power[part]), 1)[0])


def _hand_of_halves(first: Volume, second: Volume, spectra: Spectra) -> Check:
    found = misfit(first, second)
    if found:
        return Check(HAND, FAULT, found.evidence, found.remedy)
    if have_signal(spectra.signal, spectra.counts):
        return Check(HAND, OK, "mirrored, they have less signal in common")
    return Check(HAND, FAULT, "they have no signal in common, mirrored or not",
        "give the two half maps of one refinement")  # fmt: skip


def check_primary(spectra: Spectra) -> Check:
    """Whether the primary map is made of the half maps: filters, sharpening and masks pass.

    Shells with much signal tell whether it is; all with any, whether it is turned or moved.
    """
    name = "primary map made of the half maps"
    primary, counts, signal = spectra.primary, spectra.counts, spectra.signal
    full = (spectra.first + spectra.second) / 2
    sign, shift = best_place(full, primary, spectra.shape)
    much, any_signal = _down_to(signal, MUCH), _down_to(signal, ANY)
    for number, half in enumerate((spectra.first, spectra.second), 1):
        if float(spectra.fsc(primary, half)[1:].min()) > SAME:
            return Check(name, FAULT, f"it is half map {number}, or a filtered copy of it",
                "give the map of both half maps")  # fmt: skip
    lying = spectra.fsc(primary, shifted(full, shift, spectra.shape))
    curves = [spectra.fsc(primary, full), sign * lying]
    turned_curves = [s * spectra.fsc(primary, each)
        for each, (s, _) in mirrored(full, primary, spectra.shape)]  # fmt: skip
    curves.append(max(turned_curves, key=lambda fsc: _mean(fsc, counts, much)))
    here, moved, turned = (_mean(curve, counts, much) for curve in curves)
    fine = [_mean(curve, counts, any_signal) for curve in curves]
    said = f"its FSC with their sum is {here:.2f} where they have signal"
    if turned >= ALIKE and fine[2] > max(fine[:2]) + BETTER:
        return Check(name, FAULT, f"{said}, and {turned:.2f} when it is mirrored: it has the other "
            "hand", "deposit half maps of the hand of the primary map")  # fmt: skip
    if moved >= ALIKE and fine[1] > fine[0] + BETTER and sign < 0:
        return Check(name, FAULT, f"{said}: the contrast of the one or the other is inverted",
            "multiply the map whose molecule is dark by -1")  # fmt: skip
    if moved >= ALIKE and fine[1] > fine[0] + BETTER:
        by = ", ".join(f"{step:.0f}" for step in reversed(shift))
        return Check(name, FAULT, f"{said}, and {moved:.2f} when they are shifted by ({by}) voxels",
            "deposit half maps that lie on the primary map")  # fmt: skip
    if here >= ALIKE:
        return Check(name, OK, said)
    return Check(name, FAULT, f"{said}, shifted {moved:.2f} and mirrored {turned:.2f} at best: it "
        "is not made of them", "give the half maps of this map")  # fmt: skip


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


def mended(files: dict[str, File], voxel_size: float | None = None) -> dict[str, Volume]:
    """Copies with the origin of the primary map, or of the first that has a possible one, and the
    voxel size that is given, or of most; densities stay."""
    size = voxel_size
    if size is None:
        sizes = Counter(round(file.stored, 4) for file in files.values())
        size = sizes.most_common(1)[0][0]
    places = [file.volume for file in files.values() if _is_place(file.origin)]
    grid = Volume(np.zeros((1, 1, 1)), size) if not places else places[0]
    first = files[PRIMARY].volume
    return {
        name: replace(grid, data=file.volume.data, voxel_size=size, header_spacing=None)
        for name, file in files.items()
        if file.volume.shape == first.shape and np.isfinite(file.volume.data).all()
    }


def plain(file: File) -> Volume:
    return in_plain_units(file.volume)
