"""A set of simulated experiments, to train networks on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from cryodl.errors import OutputError, SettingError, counted
from cryodl.files.places import check_link, resolved
from cryodl.methods.options import MOST_WORKERS, OUTPUT, Option, declared

OPTIONS = (
    Option("structures", help="folder of PDB or mmCIF files, or a packed set (.npz)",
        metavar="STRUCTURES", argument=True, required=True),
    OUTPUT._replace(help="folder to write; experiments that it holds are kept", metavar="SET"),
    Option("kind", "particles", "reconstructed from particles and deposited in every way, or half "
        "maps made of a density on 1 Å voxels, which 'cryodl train' reads",
        choices=("particles", "density")),
    Option("count", 500, "experiments in the set", int, least=1, metavar="N"),
    Option("resolution", (2.2, 11.0), "range of their resolutions", float, 0.5, 40, unit="Å",
        metavar="BEST,WORST", many="commas", each=True),
    Option("config", help="JSON object of ingredients, numbers or [low, high]", metavar="FILE"),
    Option("workers", 1, "processes that simulate", int, 1, MOST_WORKERS, metavar="N"),
    Option("seed", 0, "of everything drawn", int, least=0, metavar="N"),
)  # fmt: skip


@declared(OPTIONS)
def run_experiments(
    structures: str | Path,
    *,
    output: str | Path,
    kind: str = "particles",
    count: int = 500,
    resolution: Sequence[float] = (2.2, 11.0),
    config: str | Path | None = None,
    workers: int = 1,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Simulate experiments into a folder, which may hold some of them already.

    Parameters
    ----------
    structures : folder of PDB or mmCIF files, or a packed set (.npz)
    output : folder to write; experiments that it holds are kept
    kind : "particles", reconstructed from particles and deposited in every way, or "density",
        half maps made of a density on 1 Å voxels
    count : experiments in the set
    resolution : (best, worst), range of their resolutions, Å
    config : JSON file of ingredients, numbers or [low, high]
    workers : processes that simulate
    seed : of everything drawn
    progress, notify : called with (stage, done, total), and with each line worth telling

    Returns
    -------
    dict : "made", the experiments that were simulated now; "count", those in the set; "output"

    Raises
    ------
    CryodlError : one line with what was received and what to do
    KeyboardInterrupt : with a word on what is kept
    """
    from cryodl.simulation.experiment_config import read_config
    from cryodl.simulation.experiment_set import count_experiments
    from cryodl.training.structures import load_structures

    span = ",".join(f"{value:g}" for value in resolution)
    if len(resolution) != 2 or not resolution[0] < resolution[1]:
        raise SettingError(f"resolution={span} is not BEST,WORST in Å, as 2.2,11")
    if resolved(output) == resolved(structures):
        raise OutputError(f"{output} is what is read: give another folder for what is written")
    check_link(Path(output))
    if Path(output).is_file():
        raise OutputError(f"{output} is a file: give the name of a folder")
    say = notify or (lambda line: None)
    ingredients = read_config(config)[0] if config else None
    found, skipped = load_structures(structures)
    for message in skipped:
        say(f"skipped: {message}")
    make, least = _maker(kind)
    large = [structure for structure in found if len(structure) >= least]
    if not large:
        raise SettingError(f"no structure has the {least} atoms that an experiment needs")
    say(f"{counted(count, 'experiment')} on {counted(len(large), 'structure')}")
    done = 0
    made = make(
        large, output, count=count, seed=seed, config=ingredients,
        resolution=tuple(resolution), workers=workers,
    )  # fmt: skip
    try:
        with closing(made):
            for done, _ in enumerate(made, 1):
                if progress:
                    progress("experiments", done, count)
    except KeyboardInterrupt:
        kept = count_experiments(output, count)
        raise KeyboardInterrupt(
            f"{kept} of {count} experiments are kept in {output}: the same command makes the others"
        ) from None
    return {"made": done, "count": count, "output": str(output)}


def _maker(kind: str) -> tuple[Callable[..., Any], int]:
    """What makes the experiments one by one, and the atoms that it needs."""
    if kind == "particles":
        from cryodl.simulation import particle_experiment, reconstruction_set

        return reconstruction_set.make_reconstructions, particle_experiment.LEAST_ATOMS
    from cryodl.simulation import experiment_set

    return experiment_set.make_experiment_set, experiment_set.LEAST_ATOMS


def summary(found: dict[str, Any]) -> list[str]:
    return [
        f"wrote {counted(found['made'], 'experiment')} to {found['output']}, which holds "
        f"{found['count']}"
    ]
