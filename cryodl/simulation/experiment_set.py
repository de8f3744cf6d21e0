"""A set of simulated experiments on disk: what the experiment-trained networks learn from.

A folder holds one folder for each experiment, with a .npy file for each map (float16, masks uint8;
z, y, x, on one grid of 1 Å) and experiment.json with what was drawn and measured. Single files, so
that a reader loads only the maps it needs, and a later step can add one (a target, another
estimator's labels) without touching the rest. Boxes are cut to the molecule and some solvent.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.compute.parallel import Workers
from cryodl.errors import InputError
from cryodl.files.folder import whole_file
from cryodl.files.reading import read_array, read_json
from cryodl.files.record import write_json
from cryodl.maps.crop import box_around
from cryodl.simulation.experiment_config import full_config, is_number
from cryodl.simulation.simulated_experiment import MAPS, simulate_experiment

VOXEL_SIZE = 1.0  # Å
SOLVENT = 16  # Å kept around the molecule
LARGEST = 192  # voxels; of larger molecules a part is taken
LEAST_ATOMS = 1000  # a smaller structure is a fragment, not a specimen
RECORD = "experiment.json"
# What differs from experiment_config's defaults. Resolutions are drawn evenly in their logarithm
# from RESOLUTION: most depositions lie at its better end.
CONFIG: dict[str, Any] = {
    "voxel_size": VOXEL_SIZE,
    "turn": 1.0,
    "margin": [16.0, 24.0],
    "resampled": 0.4,
    "native_voxel": [1.05, 2.0],
}
RESOLUTION = 2.2, 11.0  # Å

_structures: list = []


@dataclass(frozen=True)
class StoredExperiment:
    """One experiment of a set.

    folder : where its files are
    info : {"structure", "seed", "config", "measured"}
    """

    folder: Path
    info: dict[str, Any]

    def load(self, name: str) -> np.ndarray:
        """A map by its name (simulated_experiment.MAPS, or what was added); (z, y, x), float32.

        Densities are in units of their standard deviation in the molecule's neighbourhood (half
        maps in one unit), resolutions in Å, masks 0 or 1.
        """
        path = self.folder / f"{name}.npy"
        if not path.is_file():
            raise InputError(f"experiment {self.folder} holds no {name}: add it to the set first")
        data = read_array(path)
        if data.ndim == 3 and data.size and data.dtype.kind in "fbiu":
            with np.errstate(over="ignore"):
                data = data.astype(np.float32)
            if np.isfinite(data).all():
                return data
        raise InputError(f"'{path}' is damaged: it holds no map; make the experiment again")

    def has(self, name: str) -> bool:
        return (self.folder / f"{name}.npy").is_file()

    def add(self, name: str, data: np.ndarray) -> None:
        """Store one more map on the experiment's grid, in half precision (masks in bytes)."""
        data = np.asarray(data)
        path = self.folder / f"{name}.npy"
        with whole_file(path, overwrite=True) as part, open(part, "wb") as file:
            np.save(file, data.astype(np.uint8 if data.dtype == bool else np.float16))

    @property
    def resolution(self) -> float:
        """Å, at which the FSC of the half maps falls to 0.143."""
        return float(self.info["config"]["resolution"])

    @property
    def shown_resolution(self) -> float:
        """Å, that its map shows: where someone wanted it smooth, the filter's, for nothing finer is
        left in it."""
        drawn = self.info["config"]
        if not (drawn.get("low_passed") and drawn.get("over_filtered")):
            return self.resolution
        return max(self.resolution, self.resolution * drawn["low_pass"] * drawn["over_filter"])


def open_experiment_set(folder: str | Path) -> list[StoredExperiment]:
    """The complete experiments of a set, in order.

    Raises InputError where there is none.
    """
    paths = sorted(Path(folder).glob(f"*/{RECORD}"))
    found = [StoredExperiment(path.parent, read_record(path, check_record)) for path in paths]
    if not found:
        raise InputError(
            f"'{folder}' is not a set of experiments: make one with 'cryodl experiments'"
        )
    if "deposition" in found[0].info:
        raise InputError(
            f"'{folder}' holds experiments from particles, each on voxels of its own: make a set "
            "on 1 Å voxels with 'cryodl experiments --kind density'"
        )
    return found


def read_record(path: Path, check: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """The record of an experiment as `check` gives it.

    Raises InputError where it cannot be read, or `check` raises InputError or ValueError.
    """
    try:
        return check(read_json(path), path)
    except (InputError, ValueError) as error:
        raise InputError(
            f"the record {path} of an experiment is damaged ({error}): delete its folder, and it "
            "will be made again"
        ) from None


def check_record(info: Any, path: Path) -> dict[str, Any]:
    """The record of an experiment, if it says what is read of it.

    Raises InputError where it does not.
    """
    if not isinstance(info, dict) or not isinstance(info.get("config"), dict):
        raise InputError(f"{path} holds no config")
    if not isinstance(info.get("structure"), str) or not isinstance(info.get("measured"), dict):
        raise InputError(f"{path} does not say its structure and what was measured")
    numbers = {
        "resolution": info["config"].get("resolution"),
        "voxel_size": info.get("voxel_size", VOXEL_SIZE),
    }
    if "fall_off" in info["measured"]:
        numbers["fall_off"] = info["measured"]["fall_off"]
    for name, value in numbers.items():
        if not is_number(value) or not 0 < value < 1e6:
            raise InputError(f"{path} gives its {name} as {value!r:.40}")
    if not isinstance(info.get("molecule", ""), str):
        raise InputError(f"{path} gives its molecule as {info['molecule']!r:.40}")
    drawn = info["config"]
    filtered = drawn.get("low_passed") and drawn.get("over_filtered")
    for name in ("low_pass", "over_filter") if filtered else ():
        if not is_number(drawn.get(name)):
            raise InputError(f"{path} gives its {name} as {drawn.get(name)!r:.40}")
    return {"voxel_size": VOXEL_SIZE, **info}


def make_experiment_set(
    structures,
    folder: str | Path,
    *,
    count: int,
    seed: int = 0,
    config: dict[str, Any] | None = None,
    resolution: tuple[float, float] = RESOLUTION,
    workers: int = 1,
) -> Generator[Path, None, None]:
    """Simulate a set, yielding each experiment's folder as it is done; those there are kept.

    structures : list of Structure; experiment i is made on one of them
    count : experiments
    config : ingredients that replace CONFIG's (see experiment_config.py)
    resolution : (best, worst) Å, drawn evenly in the logarithm
    workers : processes
    """
    if not structures:
        raise InputError("no structures to simulate experiments on were given")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = {**CONFIG, **(config or {})}
    full_config(config)  # before any worker starts
    yield from make_set(structures, folder, count, seed, workers, _make, config, resolution)


def make_set(
    structures,
    folder: Path,
    count: int,
    seed: int,
    workers: int,
    make: Callable[..., Path],
    *options,
) -> Generator[Path, None, None]:
    """Make the experiments of a set that are not there, yielding each folder as it is done.

    make : function of a module, called with a structure, the experiment's folder, the seeds (of the
        set, of the experiment), and `options`
    """
    order = np.random.default_rng([seed, 1]).permutation(len(structures))
    folders = [folder / f"{i:05d}" for i in range(count)]
    jobs = [
        (int(order[i % len(order)]), place, (seed, i), make, options)
        for i, place in enumerate(folders)
        if not (place / RECORD).is_file()
    ]
    if workers < 2:
        _start_worker(structures)
        yield from map(_work, jobs)
        return
    with Workers(workers, _start_worker, (structures,)) as pool:
        yield from pool.map(_work, jobs)


def count_experiments(folder: str | Path, count: int) -> int:
    """How many of the first so many experiments of a set are complete."""
    return sum((Path(folder) / f"{i:05d}" / RECORD).is_file() for i in range(count))


def _start_worker(structures) -> None:
    global _structures
    _structures = structures


def _work(job) -> Path:
    which, folder, seeds, make, options = job
    return make(_structures[which], folder, seeds, *options)


def _make(structure, folder: Path, seeds: tuple[int, int], config, limits) -> Path:
    (seed, number), (best, worst) = seeds, limits
    share = np.random.default_rng([seed, 2, number]).random()
    resolution = float(best * (worst / best) ** share)
    config = {**config, "resolution": resolution}
    extent = float(np.ptp(structure.positions, axis=0).max())
    if extent + 2 * SOLVENT > LARGEST * VOXEL_SIZE:
        config["box"] = LARGEST
    single = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    made = simulate_experiment(structure, config, single)
    cut = _around(made.mask)
    folder.mkdir(exist_ok=True)
    stored = StoredExperiment(folder, {})
    half_unit = 1 / max(float((made.half1[cut] + made.half2[cut]).std()) / 2, 1e-30)
    for name in MAPS:
        data = getattr(made, name)[cut]
        if name in ("half1", "half2"):
            data = data * np.float32(half_unit)
        elif name == "map":
            data = (data - np.median(data)) / max(float(data.std()), 1e-30)
        stored.add(name, data)
    info = {
        "structure": structure.name,
        "seed": single,
        "config": made.drawn,
        "measured": made.measured,
        "voxel_size": made.voxel_size,
        "first_voxel": [int(s.start) for s in cut],
    }
    # Last, since an experiment without its record counts as unfinished.
    with whole_file(folder / RECORD, overwrite=True) as part:
        write_json(part, info, indent=1)
    return folder


def _around(mask):
    """Slices of even lengths that hold the mask and the solvent around it."""
    part = box_around(mask, round(SOLVENT / VOXEL_SIZE))
    starts = [s.start // 4 * 4 for s in part]
    return tuple(slice(a, a + (s.stop - a) // 4 * 4) for a, s in zip(starts, part))
