"""A simulated experiment on an atomic model: made and written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryodl.errors import OutputError, SettingError
from cryodl.files.folder import whole_folder
from cryodl.files.places import check_file, check_output, resolved
from cryodl.files.record import sealed, write_json
from cryodl.methods.options import declared
from cryodl.methods.simulate_options import MAP_OPTIONS, OPTIONS

if TYPE_CHECKING:
    from cryodl.maps.volume import Volume
    from cryodl.simulation.model_map import SimulatedMap
    from cryodl.simulation.simulated_experiment import SimulatedExperiment
    from cryodl.simulation.structure import Structure


@declared(OPTIONS)
def run_simulated_experiment(
    structure: Structure | str | Path,
    resolution: float | None = None,
    voxel_size: float | None = None,
    *,
    output: str | Path | None = None,
    config: dict[str, Any] | str | Path | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    device: bool = False,
) -> SimulatedExperiment:
    """Simulate half maps, a deposited map and their true local resolutions.

    Parameters
    ----------
    structure : a PDB or mmCIF file, or a Structure
    resolution : Å, at which the FSC of the half maps falls to 0.143; None has it drawn
    voxel_size : Å; None has it drawn
    output : folder for half1.mrc, half2.mrc, map.mrc, mask.mrc, fsc_mask.mrc, model.mrc,
        aspect.mrc, snr.mrc and experiment.json; None writes nothing
    config : ingredients, numbers or [low, high], or a JSON file of them; an earlier run's
        experiment.json repeats it
    seed : of everything drawn; None takes that of an earlier run's experiment.json, else 0
    overwrite : replace results of an earlier run
    device : transform on the accelerator

    Returns
    -------
    SimulatedExperiment : ndarrays (z, y, x) and what was drawn

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    from cryodl.maps.mrc import write_map
    from cryodl.simulation.experiment_config import read_config
    from cryodl.simulation.simulated_experiment import MAPS, simulate_experiment
    from cryodl.simulation.structure import read_structure

    if output is not None:
        check_output(Path(output), overwrite)
    ingredients: dict[str, Any] = {}
    if isinstance(config, (str, Path)):
        ingredients, earlier = read_config(config)
        seed = earlier if seed is None else seed
    elif config:
        ingredients = dict(config)
    asked = {"resolution": resolution, "voxel_size": voxel_size}
    ingredients.update({key: value for key, value in asked.items() if value is not None})
    if isinstance(structure, (str, Path)):
        structure = read_structure(structure)
    made = simulate_experiment(structure, ingredients, seed or 0, device=device)
    if output is None:
        return made
    with whole_folder(output, overwrite=overwrite) as work:
        for name in MAPS:
            write_map(work / f"{name}.mrc", made.volume(name))
        write_map(work / "fsc_mask.mrc", made.volume("mask").with_data(made.fsc_mask()))
        record = {"seed": seed or 0, "config": made.drawn, "measured": made.measured}
        name = "experiment.json"
        write_json(work / name, sealed(record, name, work), indent=1)
    return made


@declared(MAP_OPTIONS)
def run_simulated_map(
    structure: str | Path,
    resolution: float | Sequence[float],
    voxel_size: float,
    *,
    output: str | Path,
    noise: float = 0.0,
    b_factor: float = 0.0,
    blur: float = 0.0,
    random_phases: float | None = None,
    margin: float = 15.0,
    truth: str | Path | None = None,
    mask: str | Path | None = None,
    seed: int | None = None,
    overwrite: bool = False,
) -> tuple[SimulatedMap, int]:
    """Simulate the map of an atomic model, and write it.

    Parameters
    ----------
    structure : PDB or mmCIF file
    resolution : low-pass cut-off, Å, or one for each chain in turn
    voxel_size : Å
    output : file of the map;  truth, mask : files of the true resolution and of the mask, or None
    noise : standard deviation of white noise; the map at 3 Å has a maximum of 1
    b_factor : of every atom, Å²;  blur : applied to the finished map, Å²; below 0 it sharpens
    random_phases : Å, beyond which phases are random
    margin : around the molecule, Å
    seed : of all that is random; None is 0
    overwrite : replace maps that exist

    Returns
    -------
    the simulated map, and the number of its atoms

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    import numpy as np

    from cryodl.maps.mrc import write_map
    from cryodl.simulation.model_map import simulate_map
    from cryodl.simulation.structure import read_structure

    outputs = [Path(path) for path in (output, truth, mask) if path]
    for path in outputs:
        check_file(path, overwrite, structure)
    if len({resolved(path) for path in outputs}) < len(outputs):
        raise OutputError("map, truth and mask cannot be one file: give each a name of its own")
    atoms = read_structure(structure)
    cutoffs = [float(value) for value in np.atleast_1d(resolution)]
    with np.errstate(all="ignore"):  # looked at below
        made = simulate_map(
            atoms, cutoffs, voxel_size, noise=noise, b_factor=b_factor, blur=blur,
            random_phases=random_phases, margin=margin, seed=seed or 0,
        )  # fmt: skip
    if not np.isfinite(made.volume.data).all():
        raise SettingError(
            f"with noise={noise:g} and blur={blur:g} the densities are beyond what a map can hold: "
            "give smaller numbers"
        )
    inside = made.distance <= 3
    maps: list[tuple[str | Path, Volume]] = [(output, made.volume)]
    if truth:
        maps.append((truth, made.volume.with_data(np.where(inside, made.truth, 0))))
    if mask:
        maps.append((mask, made.volume.with_data(inside.astype(np.float32))))
    for number, (place, volume) in enumerate(maps):
        try:
            write_map(place, volume, overwrite=overwrite)
        except OutputError:  # as of a full disk, which is to hold all of them or none
            for written, _ in maps[:number]:
                resolved(written).unlink(missing_ok=True)
            raise
    return made, len(atoms)
