"""Sound and faulty submissions to the EMDB, of three molecules: what `test_preflight` judges."""

import importlib.util
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from cryodl import Volume, write_map
from cryodl.filters.shells import inverse, scale_shells, shell_frequencies, transform
from cryodl.half_maps.fsc import soft_mask
from cryodl.methods.quality.model import read_atoms

TESTS = Path(__file__).resolve().parents[1]
PROTEIN = TESTS / "data" / "1c75.pdb"
LARGE = TESTS.parents[1] / "examples" / "7cec_chain_A.cif.gz"
PARTS = (PROTEIN, 0, None), (LARGE, 0, 900), (LARGE, 2600, 3500)  # atoms from, to
VOXEL, ROOM = 1.5, 9.0
NAMES = "primary.mrc", "half1.mrc", "half2.mrc"


def simulated(path, first, last):
    source = TESTS / "half_maps" / "simulated_half_maps.py"
    spec = importlib.util.spec_from_file_location("simulated_half_maps", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    atoms = read_atoms(path)
    positions = atoms.positions[first:last]
    positions = positions - positions.mean(axis=0)
    shape = tuple(2 * int((np.abs(positions[:, i]).max() + ROOM) / VOXEL) + i for i in (2, 1, 0))
    return module.simulate_half_maps(
        positions, atoms.elements[first:last], np.zeros(len(positions), int), [3.5], VOXEL, shape
    )[:3]


def filtered(volume, gain):
    """A map whose shells are multiplied by a function of their frequency (1/Å)."""
    spectrum = transform(volume.data)
    frequencies = shell_frequencies(volume.shape, volume.voxel_size)
    scale_shells(spectrum, volume.shape, np.maximum(gain(frequencies), 1e-9))
    return volume.with_data(inverse(spectrum, volume.shape))


def low_pass(at):
    return lambda s: 1 / (1 + np.exp((s - 1 / at) / 0.005))


def sharpen(bfactor):
    return lambda s: np.exp(-bfactor * s**2 / 4)


@lru_cache
def submission(number):
    """Primary map, half maps and mask of one of three molecules."""
    half1, half2, inside = simulated(*PARTS[number])
    mean = half1.with_data((half1.data + half2.data) / 2)
    primary = filtered(filtered(mean, sharpen(-60)), low_pass(4.0))
    return primary, half1, half2, soft_mask(inside, VOXEL)


def changed(maps, which, change):
    return [change(one) if i in which else one for i, one in enumerate(maps)]


def placed(volume):
    return replace(volume, origin=(30.0, -12.0, 7.5))


def ball(volume):
    z, y, x = np.ogrid[tuple(slice(0, n) for n in volume.shape)]
    squares = sum((a - (n - 1) / 2) ** 2 for a, n in zip((z, y, x), volume.shape))
    return volume.with_data(volume.data * (squares < (min(volume.shape) / 2) ** 2))


def mirrored(volume):
    return volume.with_data(volume.data[:, :, ::-1])


def masked(weights):
    return lambda volume: volume.with_data(volume.data * weights)


def noise(volume):
    data = np.random.default_rng(5).standard_normal(volume.shape)
    return filtered(volume.with_data(data), low_pass(5.0))


def padded(volume):
    return Volume(np.pad(volume.data, 2), volume.voxel_size)


def overflown(volume):
    return volume.with_data(volume.data * (2e5 / volume.data.max()))  # stored as float16


SOUND = {
    "as refinement writes them": lambda maps, mask: maps,
    "away from the origin": lambda maps, mask: changed(maps, (0, 1, 2), placed),
    "packed": lambda maps, mask: maps,
    "float16": lambda maps, mask: maps,
    "halves on two scales": lambda maps, mask: changed(
        maps, (2,), lambda v: v.with_data(300 * v.data)),
    "with a mask": lambda maps, mask: maps,
    "primary map masked": lambda maps, mask: changed(maps, (0,), masked(mask)),
    "primary map unsharpened": lambda maps, mask: changed(maps, (0,), lambda v: v.with_data(
        (maps[1].data + maps[2].data) / 2)),
    "halves within a ball, as RELION has them": lambda maps, mask: changed(maps, (1, 2), ball),
    "primary map sharpened too far": lambda maps, mask: changed(
        maps, (0,), lambda v: filtered(v, sharpen(-150))),
}  # fmt: skip

FAULTY = {  # with the check that must fail, and what its evidence says
    "masked half": (lambda maps, mask: changed(maps, (1,), masked(mask > 0.5)),
        "unmasked half map 1", "hold one and the same value"),
    "filtered half": (lambda maps, mask: changed(
        maps, (2,), lambda v: filtered(v, low_pass(5.0))),
        "unfiltered half map 2", "its spectrum ends at 4."),
    "shifted origin": (lambda maps, mask: changed(maps, (0,), placed),
        "one origin", "(30, -12, 7.5)"),
    "other hand": (lambda maps, mask: changed(maps, (1, 2), mirrored),
        "primary map made of the half maps", "it has the other hand"),
    "wrong voxel": (lambda maps, mask: changed(maps, (0,), lambda v: replace(v, voxel_size=1.0)),
        "one voxel size", "half map 1: 1.5 Å"),
    "identical halves": (lambda maps, mask: changed(maps, (2,), lambda v: maps[1]),
        "independent half maps", "nothing but a scale"),
    "other box": (lambda maps, mask: changed(maps, (0,), padded),
        "one box", "primary map: "),
    "thresholded": (lambda maps, mask: changed(
        maps, (0,), lambda v: v.with_data(v.data.clip(v.data.std()))),
        "values of the primary map", "none holds less: the map was thresholded"),
    "float16 overflow": (lambda maps, mask: changed(maps, (0,), overflown),
        "values of the primary map", "65,504"),
    "primary map unrelated": (lambda maps, mask: changed(maps, (0,), noise),
        "primary map made of the half maps", "it is not made of them"),
    # beside the twenty
    "one half mirrored": (lambda maps, mask: changed(maps, (2,), mirrored),
        "hand of the half maps", "when one is mirrored"),
    "one half mirrored along z": (lambda maps, mask: changed(
        maps, (2,), lambda v: v.with_data(np.roll(v.data[::-1], 1, 0))),
        "hand of the half maps", "when one is mirrored"),
    "one half inverted": (lambda maps, mask: changed(
        maps, (2,), lambda v: v.with_data(-v.data)),
        "hand of the half maps", "the contrast of half map 2 is inverted"),
    "primary inverted": (lambda maps, mask: changed(
        maps, (0,), lambda v: v.with_data(-v.data)),
        "primary map made of the half maps", "contrast of the one or the other is inverted"),
    "identical halves, of another map": (lambda maps, mask: changed(
        changed(maps, (0,), noise), (2,), lambda v: maps[1]),
        "independent half maps", "nothing but a scale"),
    "one half shifted": (lambda maps, mask: changed(
        maps, (2,), lambda v: v.with_data(np.roll(v.data, 1, 2))),
        "hand of the half maps", "when half map 2 is shifted by (-1, 0, 0) voxels"),
    "half map 1 for the primary": (lambda maps, mask: changed(maps, (0,), lambda v: maps[1]),
        "primary map made of the half maps", "it is half map 1"),
    "primary mirrored along z": (lambda maps, mask: changed(
        maps, (0,), lambda v: v.with_data(v.data[::-1])),
        "primary map made of the half maps", "it has the other hand"),
    "sharpened halves": (lambda maps, mask: changed(
        maps, (1, 2), lambda v: filtered(v, sharpen(-120))),
        "unsharpened half maps", "B = -"),
    "beside the half maps": (lambda maps, mask: changed(
        maps, (0,), lambda v: v.with_data(np.roll(v.data, (3, -4), (0, 2)))),
        "primary map made of the half maps", "shifted by (-4, 0, 3) voxels"),
}  # fmt: skip


def prepare(base, change, folder, kind=""):
    *maps, mask = base
    ending = ".gz" if kind == "packed" else ""
    paths = [folder / f"{name}{ending}" for name in NAMES]
    with np.errstate(over="ignore"):
        for path, volume in zip(paths, change(maps, mask)):
            write_map(path, volume, kind="float16" if kind.startswith("float16") else "float32")
    more = {}
    if kind == "with a mask":
        more["mask"] = folder / "mask.mrc"
        write_map(more["mask"], maps[0].with_data(mask))
    return paths, more
