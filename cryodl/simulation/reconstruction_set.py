"""Experiments from particles on disk: a folder each, of MRC files that any program opens.

half1, half2, signal, model, mask and belt lie on the reconstruction's grid (particle_experiment),
map is deposited, on a grid of its own, with its true resolutions snr and aspect (deposition.py).
half1, half2 and signal are in one unit, that of the signal inside the molecule. Densities are in
half precision (mode 12), masks in bytes; map keeps every bit, since rounding is noise that a
low-passed map has not. atoms.cif holds the resting atoms. experiment.json holds
what was drawn and measured, and tells a finished experiment.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.errors import InputError
from cryodl.files.atomic_models import write_atoms
from cryodl.files.folder import cannot_write, whole_folder
from cryodl.files.record import write_json
from cryodl.maps.mrc import read_values, write_map
from cryodl.maps.volume import Volume
from cryodl.simulation import deposition_config
from cryodl.simulation.deposition import Deposited, Source, deposit
from cryodl.simulation.experiment_config import is_number
from cryodl.simulation.experiment_set import RECORD, make_set, read_record
from cryodl.simulation.particle_config import full_config
from cryodl.simulation.particle_experiment import (
    LEAST_ATOMS,
    MAPS,
    Reconstruction,
    simulate_particles,
)

ATOMS = "atoms.cif"
NUMBERS = "voxel_size", "apix", "box", "resolution", "fsc_masked_relion"  # all above 0
TRIES, CLOSE = 3, 0.05
LARGEST_ATOMS = 60_000  # of larger structures a part is taken before they are placed


@dataclass(frozen=True)
class StoredReconstruction:
    """One experiment of a set.

    folder : where its files are;  info : what its record holds
    """

    folder: Path
    info: dict[str, Any]

    @property
    def length(self) -> float:
        """Å, of the box; 0 where the record does not say it."""
        box = self.info.get("box") or self.info.get("measured", {}).get("box") or 0
        return float(box) * float(self.info.get("voxel_size") or self.info.get("apix") or 0)

    def has(self, name: str) -> bool:
        return any(path.is_file() for path in self._paths(name))

    def volume(self, name: str) -> Volume:
        """A map by its name (particle_experiment.MAPS, or another file's); float32.

        Raises InputError where there is none.
        """
        for path in self._paths(name):
            if path.is_file():
                return read_values(path)
        raise InputError(f"experiment {self.folder} holds no {name}.mrc")

    def atoms(self) -> Path | None:
        """The file of its atoms, in the frame of its half maps; None where it has none."""
        paths = (self.folder / f"{ATOMS}{ending}" for ending in ("", ".gz"))
        return next((path for path in paths if path.is_file()), None)

    def _paths(self, name: str):
        return (self.folder / f"{name}{ending}" for ending in (".mrc", ".mrc.gz"))


def open_reconstructions(folder: str | Path) -> list[StoredReconstruction]:
    """The finished experiments of a set, or the one that a folder is.

    Raises InputError where there is none.
    """
    folder = Path(folder)
    paths = [folder / RECORD] if (folder / RECORD).is_file() else sorted(folder.glob(f"*/{RECORD}"))
    found = []
    for path in paths:
        stored = StoredReconstruction(path.parent, read_record(path, check_info))
        if stored.has("half1") and stored.has("signal"):
            found.append(stored)
    if not found:
        raise InputError(
            f"'{folder}' holds no experiment from particles: make some with 'cryodl experiments'"
        )
    return found


def check_info(info: Any, path: object = None) -> dict[str, Any]:
    """The record of an experiment, if what is read of it is what it should be.

    Other programs' records may lack all of it. Raises ValueError where it says something else.
    """
    if not isinstance(info, dict):
        raise ValueError("it holds no object")
    if not isinstance(info.get("measured", {}), dict):
        raise ValueError("what was measured is no object")
    words = info.get("deposition", [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError("its deposition is no list of words")
    for name in NUMBERS:
        value = info.get(name, info.get("measured", {}).get(name) if name == "box" else None)
        if value is not None and not (is_number(value) and 0 <= value < 1e6):
            raise ValueError(f"its {name} is {value!r:.40}")
    return info


def make_reconstructions(
    structures,
    folder: str | Path,
    *,
    count: int,
    seed: int = 0,
    config: dict[str, Any] | None = None,
    resolution: tuple[float, float] | None = None,
    workers: int = 1,
) -> Generator[Path, None, None]:
    """Simulate a set, yielding each experiment's folder as it is done; those there are kept.

    structures : list of Structure; experiment i is made on one of them
    config : ingredients that replace those of particle_config.py; as "deposition", a dict of those
        of deposition_config.py
    resolution : (best, worst) Å, drawn evenly in the logarithm
    workers : processes
    """
    structures = [s for s in structures if len(s) >= LEAST_ATOMS]
    if not structures:
        raise InputError(f"no structure has the {LEAST_ATOMS} atoms that an experiment needs")
    folder = Path(folder)
    config = dict(config or {})
    deposition = config.pop("deposition", None)
    if resolution is not None:
        config.setdefault("resolution", list(resolution))
    full_config(config)  # before any worker starts
    deposition_config.full_config(deposition)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    yield from make_set(structures, folder, count, seed, workers, _make, config, deposition)


def store(made: Reconstruction, deposited: Deposited, folder: Path) -> None:
    """Write an experiment into a folder of its own, which is there whole or not at all.

    Raises OutputError where it cannot be written.
    """
    info = {
        "structure": made.measured["structure"],
        "seed": made.measured["seed"],
        "voxel_size": made.voxel_size,
        "origin": made.origin,
        "resolution": made.resolution,
        "config": made.drawn,
        "measured": made.measured,
        "deposition": deposited.words,
        "deposition_config": deposited.drawn,
        "deposition_finest": deposited.finest,
    }
    with whole_folder(folder, overwrite=True) as work:
        for name in MAPS:
            volume = made.volume(name)
            if name != "belt" or volume.data.any():
                write_map(work / f"{name}.mrc", volume, kind=_kind(volume.data))
        for name in ("map", "snr", "aspect"):
            volume = getattr(deposited, name)
            write_map(work / f"{name}.mrc", volume, kind=_kind(volume.data, exact=name == "map"))
        write_atoms(work / ATOMS, made.atoms.positions, made.atoms.elements)
        write_json(work / RECORD, info, indent=1)


def _kind(data: np.ndarray, exact: bool = False) -> str:
    """What holds it: masks in bytes, and densities of common scales in half precision."""
    if data.dtype == bool:
        return "int8"
    if exact:
        with np.errstate(over="ignore"):
            return "float16" if np.array_equal(data, data.astype(np.float16)) else "float32"
    fits = np.abs(data).max() < 6e4 and data.std() > 1e-2
    return "float16" if fits else "float32"


def _make(structure, folder: Path, seeds: tuple[int, int], config, deposition) -> Path:
    single = int(np.random.SeedSequence(seeds).generate_state(1)[0])
    for again in range(TRIES):  # until the FSC is as drawn, which some specimens do not reach
        made = simulate_particles(_part(structure, single), config, single + again)
        if abs(made.measured["fsc_resolution"] / made.resolution - 1) < CLOSE:
            break
    store(made, deposit(Source.of(made), deposition, single), folder)
    return folder


def _part(structure, seed: int):
    """The structure, or of a very large one a ball around one of its atoms."""
    if len(structure) <= LARGEST_ATOMS:
        return structure
    rng = np.random.default_rng([seed, 9])
    centre = structure.positions[rng.integers(len(structure))]
    distance = np.linalg.norm(structure.positions - centre, axis=1)
    near = np.argsort(distance)[:LARGEST_ATOMS]
    return replace(
        structure,
        positions=structure.positions[near],
        elements=structure.elements[near],
        chains=structure.chains[near],
    )
