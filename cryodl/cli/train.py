"""`cryodl train local-resolution`: from a folder of structures to a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", choices=["local-resolution"],
                        help="local-resolution")  # fmt: skip
    parser.add_argument(
        "--structures", metavar="DIR", required=True,
        help="folder of PDB or mmCIF files, or a packed set (.npz)",
    )  # fmt: skip
    parser.add_argument(
        "--validation", metavar="DIR",
        help="likewise, for validation; without it every tenth structure is held out",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="BUNDLE", required=True, help="folder to write")
    parser.add_argument(
        "--range", choices=["low", "high"], default="low",
        help="low: 2.5-13 Å on a 1 Å grid; high: 1.5-6 Å on a 0.5 Å grid",
    )  # fmt: skip
    parser.add_argument("--network", choices=["default", "paper"], default="default",
                        help="paper: DeepRes as published")  # fmt: skip
    parser.add_argument("--steps", metavar="N", type=_count, default=20000, help="of training")
    parser.add_argument("--minutes", metavar="M", type=float,
                        help="end the run, learning rate annealed, after M minutes")  # fmt: skip
    parser.add_argument("--epoch", metavar="N", type=_count, default=200,
                        help="steps between validations and checkpoints")  # fmt: skip
    parser.add_argument("--batch-size", metavar="N", type=_count, help="boxes in a step")
    parser.add_argument("--crop", metavar="N", type=_count,
                        help="voxels along a training crop, at most the box's 64; large crops "
                        "last, as in use a network sees no borders")  # fmt: skip
    parser.add_argument("--learning-rate", metavar="R", type=float, help="at its highest")
    parser.add_argument("--validation-boxes", metavar="N", type=_count, default=32,
                        help="simulated boxes to validate on")  # fmt: skip
    parser.add_argument("--workers", metavar="N", type=int, default=1,
                        help="processes that simulate")  # fmt: skip
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of everything drawn")
    parser.add_argument("--initial", metavar="BUNDLE", help="start from this bundle's weights")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--overwrite", action="store_true", help="replace a bundle that exists")


def run(args: argparse.Namespace) -> None:
    from ..engine.bundles import load_bundle
    from ..engine.device import prepare_device
    from ..engine.errors import OutputError, SettingError
    from ..engine.training.structures import load_structures, split_structures

    output = Path(args.output)
    work = output.with_name(output.name + ".training")
    if output.exists() and not args.overwrite:
        raise OutputError(f"{output} exists: give another name, or --overwrite")
    if args.minutes is not None and args.minutes <= 0:
        raise SettingError(f"--minutes {args.minutes:g} is not a positive number")
    config = _config(args)
    print("reading structures", flush=True)
    structures, skipped = load_structures(args.structures)
    if args.validation:
        validation, more = load_structures(args.validation)
        skipped += more
    else:
        structures, validation = split_structures(structures)
    for message in skipped:
        print(f"skipped: {message}")
    print(
        f"{len(structures)} structures to train on, {len(validation)} to validate on, "
        f"{len(skipped)} skipped",
        flush=True,
    )
    prepare_device("auto")
    if args.network == "paper":
        from ..engine.training.paper import train_paper

        train_paper(config, structures, validation, output, args)
        return
    from ..engine.training.dataset import BoxStream, fixed_boxes
    from ..engine.training.finish import make_bundle
    from ..engine.training.fit import fit, read_state

    usable = [s for s in validation if len(s) >= config["atoms"]]
    if not usable or not any(len(s) >= config["atoms"] for s in structures):
        raise SettingError(f"no structure has the {config['atoms']} atoms that training needs")
    boxes = fixed_boxes(usable, config, args.seed + 999, config["validation"])
    initial = load_bundle(args.initial).model if args.initial else None
    stream = BoxStream(structures, config, args.seed, workers=args.workers)
    try:
        best = fit(
            config, stream, boxes, work, steps=args.steps, minutes=args.minutes,
            resume=args.resume, initial=initial, verbose=_verbosity(),
        )  # fmt: skip
    finally:
        stream.close()
    _draw_curves(work)
    state = read_state(work)
    bundle = make_bundle(
        best, config, validation, output, data=_data(args, structures), seconds=state["seconds"],
        steps=state["step"], initial=args.initial, boxes=config["validation"],
    )  # fmt: skip
    figures = bundle.spec["metrics"]
    print(
        f"wrote {output}: mean absolute error {figures['mean_absolute_error']:.2f} Å, "
        f"90 % interval covers {100 * figures['coverage']:.0f} % of validation voxels; "
        f"log and curves in {work}"
    )


def _data(args, structures) -> str:
    return f"{len(structures)} structures of {Path(args.structures).name}"


def _config(args):
    from ..engine.errors import SettingError
    from ..engine.training.config import TRAINING

    config = {**TRAINING[args.range], "seed": args.seed, "epoch": args.epoch}
    config["validation"] = args.validation_boxes
    if args.batch_size:
        config["batch"] = args.batch_size
    if args.learning_rate:
        config["learning_rate"] = args.learning_rate
    if args.crop:
        if args.crop % 4 or args.crop > config["box"]:
            raise SettingError(
                f"--crop {args.crop} is not a multiple of 4 up to the box's {config['box']} voxels"
            )
        config["crop"] = args.crop
    return config


def _draw_curves(work):
    from ..report.curves import draw_learning_curves

    draw_learning_curves(work / "log.csv", work / "learning_curves.png")


def _verbosity() -> int:
    """Keras's progress bar on a terminal, a line per epoch in a log."""
    import sys

    return 1 if sys.stdout.isatty() else 2


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return value
