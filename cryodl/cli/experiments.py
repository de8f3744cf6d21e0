"""`cryodl experiments`: a set of simulated experiments, to train networks on."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

from cryodl.cli.training import count

KINDS = "particles", "density"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("structures", metavar="STRUCTURES",
        help="folder of PDB or mmCIF files, or a packed set (.npz)")  # fmt: skip
    add("-o", "--output", metavar="SET", required=True,
        help="folder to write; experiments that it holds are kept")  # fmt: skip
    add("--kind", choices=KINDS, default="particles",
        help="reconstructed from particles and deposited in every way, or half maps made of a "
        "density on 1 Å voxels, which 'cryodl train' reads")  # fmt: skip
    add("--count", metavar="N", type=count, default=500, help="experiments in the set")
    add("--resolution", metavar="BEST,WORST", type=_span, default=(2.2, 11.0),
        help="range of their resolutions, Å")  # fmt: skip
    add("--config", metavar="FILE",
        help="JSON object of ingredients, numbers or [low, high]")  # fmt: skip
    add("--workers", metavar="N", type=count, default=1, help="processes that simulate")
    add("--seed", metavar="N", type=int, default=0, help="of everything drawn")


def run(args: argparse.Namespace) -> None:
    from cryodl.cli.common import Progress
    from cryodl.errors import OutputError, SettingError
    from cryodl.simulation.experiment_config import read_config
    from cryodl.simulation.experiment_set import count_experiments
    from cryodl.training.structures import load_structures

    if args.seed < 0:
        raise SettingError(f"--seed {args.seed} is below 0; give a whole number from 0 up")
    if Path(args.output).is_file():
        raise OutputError(f"{args.output} is a file: give the name of a folder")
    config = read_config(args.config)[0] if args.config else None
    structures, skipped = load_structures(args.structures)
    for message in skipped:
        print(f"skipped: {message}")
    least, made = _maker(args, structures, config)
    print(f"{args.count} experiments on {least} structures", flush=True)
    done = 0
    try:
        with closing(made), Progress() as progress:
            for done, _ in enumerate(made, 1):  # noqa: B007
                progress("experiments", done, args.count)
    except KeyboardInterrupt:
        kept = count_experiments(args.output, args.count)
        raise KeyboardInterrupt(
            f"{kept} of {args.count} experiments are kept in {args.output}: the same command makes "
            "the others"
        ) from None
    print(f"wrote {done} experiments to {args.output}, which holds {args.count}")


def _maker(args, structures, config):
    """How many structures are large enough, and what makes the experiments one by one."""
    from cryodl.errors import SettingError

    if args.kind == "particles":
        from cryodl.simulation.particle_experiment import LEAST_ATOMS
        from cryodl.simulation.reconstruction_set import make_reconstructions as make
    else:
        from cryodl.simulation.experiment_set import LEAST_ATOMS
        from cryodl.simulation.experiment_set import make_experiment_set as make
    large = [s for s in structures if len(s) >= LEAST_ATOMS]
    if not large:
        raise SettingError(f"no structure has the {LEAST_ATOMS} atoms that an experiment needs")
    return len(large), make(
        large, args.output, count=args.count, seed=args.seed, config=config,
        resolution=args.resolution, workers=args.workers,
    )  # fmt: skip


def _span(text: str) -> tuple[float, float]:
    try:
        best, worst = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not BEST,WORST in Å, as 2.2,11") from None
    if not 0.5 <= best < worst <= 40:
        raise argparse.ArgumentTypeError(f"{text} is not a range between 0.5 and 40 Å")
    return best, worst
