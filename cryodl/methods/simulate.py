"""A simulated experiment on an atomic model: made and written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryodl.files.folder import check_output, whole_folder
from cryodl.files.record import sealed, write_json

if TYPE_CHECKING:
    from cryodl.simulation.simulated_experiment import SimulatedExperiment
    from cryodl.simulation.structure import Structure


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
