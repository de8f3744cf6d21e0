"""`cryodl train resolution-class`: from structures and experiments to a classifier's bundle."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from cryodl.cli.training import add_training_options, conclude, training_folders, verbosity

INITIAL = "cryores-single"  # whose reading of a map the CNN averages
CALIBRATING = 72  # structures and experiments that set the temperature and are measured
COLLECTING = 0.85  # of the minutes go into samples


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--structures", metavar="DIR", required=True,
        help="folder of PDB or mmCIF files, or a packed set (.npz), for clean maps")  # fmt: skip
    add("--validation", metavar="DIR",
        help="likewise, for validation; without it every tenth structure is held out")  # fmt: skip
    add("--experiments", metavar="SET", action="append", default=[],
        help="set of simulated experiments; may be given several times")  # fmt: skip
    add("--validation-experiments", metavar="SET", action="append", default=[],
        help="likewise, on other structures, for validation")  # fmt: skip
    add("--network", choices=["cnn", "dnn", "paper_cnn", "paper_dnn"], default="cnn",
        help="paper_cnn, paper_dnn: as published, of maps at 2.5, 7.5 and 12.5 Å")  # fmt: skip
    add("--samples", metavar="FILE",
        help="keep what the networks read of the maps in this file (.npz; and, of validation, in "
        "another beside it), and take what is there: networks can "
        "train on it, and more is made where --minutes are given")  # fmt: skip
    add_training_options(parser, steps=3000, epoch=100)


def run(args: argparse.Namespace) -> None:
    from cryodl.compute.device import prepare_device
    from cryodl.errors import SettingError
    from cryodl.simulation.experiment_set import open_experiment_set
    from cryodl.training.structures import hold_out, load_structures, molecule_of

    output, work = training_folders(args)
    structures, skipped = load_structures(args.structures)
    if args.validation:
        held_out, more = load_structures(args.validation)
        skipped += more
    else:
        structures, held_out = hold_out(structures)
    for message in skipped:
        print(f"skipped: {message}")
    prepare_device("auto")
    if args.network.startswith("paper"):
        from cryodl.methods.resolution_class.published import train_paper_class

        train_paper_class(args.network, structures, held_out, output, args)
        return
    from cryodl.methods.resolution_class.export import make_class_bundle
    from cryodl.methods.resolution_class.samples import (
        WIDTH,
        compiled_classifier,
        make_samples,
        part_of,
        standard_of,
        trunk_of,
        validation_samples,
    )
    from cryodl.training.fit import fit
    from cryodl.training.state import read_state
    from cryodl.training.stream import SampleStream, kept_arrays, kept_samples, repeated_batches

    config, initial = _config(args), args.initial or INITIAL
    trunk_of(initial)  # says at once where it cannot be had
    experiments = [e for place in args.experiments for e in open_experiment_set(place)]
    others = [e for place in args.validation_experiments for e in open_experiment_set(place)]
    # Experiments of the molecules that are held out are no experiments to train on.
    names = {molecule_of(item) for item in (*held_out, *others)}
    structures = [s for s in structures if molecule_of(s) not in names]
    unseen = [e for e in experiments if molecule_of(e) in names]
    experiments = [e for e in experiments if molecule_of(e) not in names]
    others = others or unseen
    if not structures or (args.experiments and not experiments):
        raise SettingError(
            "all structures or experiments to train on are of molecules to validate on: give others"
        )
    print(
        f"{len(structures)} structures and {len(experiments)} experiments to train on, "
        f"{len(held_out)} and {len(others)} to validate on",
        flush=True,
    )
    items = _mixed(held_out, others)
    kept = Path(args.samples) if args.samples else None
    if kept is not None and kept.suffix != ".npz":
        kept = kept.with_name(kept.name + ".npz")
    held, known = kept_arrays(
        kept and kept.with_suffix(".validation.npz"),
        lambda: validation_samples(initial, config, items, args.seed + 999),
        WIDTH,
    )
    # Structures and experiments by their share, each kind evenly.
    clean = config["clean"] if experiments else 1.0
    weights = [clean / len(structures)] * len(structures)
    weights += [(1 - clean) / max(len(experiments), 1)] * len(experiments)
    stream = SampleStream(
        partial(make_samples, initial, config), [*structures, *experiments], args.seed,
        workers=args.workers, weights=weights,
    )  # fmt: skip
    try:
        seconds = COLLECTING * 60 * args.minutes if args.minutes else None
        x, y = kept_samples(kept, stream, config["samples"], seconds, WIDTH)
    finally:
        stream.close()
    print(f"{len(y)} samples to train on", flush=True)
    x, held = (part_of(samples, args.network) for samples in (x, held))
    mean, spread = standard = standard_of(x)
    x, held = ((samples - mean) / spread for samples in (x, held))
    best = fit(
        compiled_classifier(args.network, config),
        lambda step: repeated_batches(x, y, config["batch"], args.seed, step),
        (held, known), work, config, steps=args.steps,
        minutes=(1 - COLLECTING) * args.minutes if args.minutes else None,
        resume=args.resume, verbose=verbosity(),
    )  # fmt: skip
    conclude(work)
    bundle = make_class_bundle(
        best, args.network, config, items[:CALIBRATING], output,
        data=_data(args, structures, experiments) + f"; {len(y)} maps made of them",
        seconds=60 * args.minutes if args.minutes else read_state(work)["seconds"],
        steps=read_state(work)["step"],
        initial=initial, standard=standard,
    )  # fmt: skip
    for kind, figures in bundle.spec["metrics"].items():
        print(
            f"{kind}: class right {figures['class_accuracy']:.1%}, median error "
            f"{figures['median_absolute_error']:.2f} Å, 90 % interval covers "
            f"{figures['coverage']:.1%} of {figures['maps']} maps"
        )
    print(f"wrote {output}; log and curves in {work}")


def _mixed(structures, experiments):
    """One of each kind in turn, then what is left."""
    paired = [item for pair in zip(structures, experiments) for item in pair]
    short = min(len(structures), len(experiments))
    items = paired + list(structures[short:]) + list(experiments[short:])
    # Pairs of pairs, so that every second item is not all of one kind.
    return [items[i] for k in range(0, len(items), 4) for i in (k, k + 2, k + 1, k + 3)
            if i < len(items)]  # fmt: skip


def _data(args, structures, experiments) -> str:
    text = f"clean maps of {len(structures)} structures of {Path(args.structures).name}"
    if experiments:
        names = " and ".join(dict.fromkeys(Path(place).name for place in args.experiments))
        number = len({experiment.folder for experiment in experiments})
        text += f", {number} simulated experiments of {names}"
    return text


def _config(args):
    from cryodl.methods.resolution_class.samples import TRAINING

    config = {**TRAINING, "seed": args.seed, "epoch": args.epoch}
    if args.batch_size:
        config["batch"] = args.batch_size
    if args.learning_rate:
        config["learning_rate"] = args.learning_rate
    return config
