"""Training of the resolution of a whole map: from structures and experiments to a bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cryodl.methods.options import Option, declared
from cryodl.methods.training_options import training_options
from cryodl.training.run import Run, print_line

if TYPE_CHECKING:
    from cryodl.networks.bundle import Bundle

OPTIONS = (
    Option("structures", help="folder of PDB or mmCIF files, or a packed set (.npz), for clean "
        "maps", metavar="DIR", required=True),
    Option("validation", help="likewise, for validation; without it every tenth structure is held "
        "out", metavar="DIR"),
    Option("experiments", help="set of simulated experiments; may be given several times",
        metavar="SET", many="repeat"),
    Option("validation_experiments", help="likewise, on other structures, for validation",
        metavar="SET", many="repeat"),
    Option("network", "cnn", "paper_cnn, paper_dnn: as published, of maps at 2.5, 7.5 and 12.5 Å",
        choices=("cnn", "dnn", "paper_cnn", "paper_dnn")),
    Option("samples", help="keep what the networks read of the maps in this file (.npz; and, of "
        "validation, in another next to it), and take what is there: networks can train on it, and "
        "more is made where minutes are given", metavar="FILE"),
    *training_options(steps=3000, epoch=100),
)  # fmt: skip

INITIAL = "cryores-single"  # whose reading of a map the CNN averages
CALIBRATING = 72  # structures and experiments that set the temperature and are measured
COLLECTING = 0.85  # of the minutes go into samples


@declared(OPTIONS)
def train_resolution_class(
    structures: str | Path,
    output: str | Path,
    *,
    validation: str | Path | None = None,
    experiments: Sequence[str | Path] | None = None,
    validation_experiments: Sequence[str | Path] | None = None,
    network: str = "cnn",
    samples: str | Path | None = None,
    steps: int = 3000,
    minutes: float | None = None,
    epoch: int = 100,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    workers: int = 1,
    seed: int = 0,
    initial: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    log: Callable[[str], object] | None = print_line,
) -> Bundle:
    """Train the resolution of a whole map and write the network as a bundle.

    What `cryodl train resolution-class` does.

    Parameters
    ----------
    structures : folder of PDB or mmCIF files, or a packed set (.npz), for clean maps
    output : folder to write the bundle to
    validation : likewise, for validation; None holds out every tenth structure
    experiments, validation_experiments : sets of simulated experiments, to train and validate on
    network : "cnn", "dnn", or as published "paper_cnn", "paper_dnn"
    samples : .npz file to keep what the networks read of the maps, and to take it from
    steps, minutes, epoch, batch_size, learning_rate, workers, seed, initial, resume, overwrite,
    log : as in `train_single_map_resolution`

    Raises
    ------
    CryodlError : one line with what was received and what to do
    """
    run = Run(
        Path(output), network, steps, minutes, epoch, batch_size, learning_rate, workers, seed,
        initial, resume, overwrite, log,
    )  # fmt: skip
    from functools import partial

    from cryodl.compute.device import prepare_device
    from cryodl.simulation.experiment_set import open_experiment_set
    from cryodl.training.structures import split_structures

    models, held_out, skipped = split_structures(structures, validation)
    for message in skipped:
        run.say(f"skipped: {message}")
    prepare_device("auto")
    if network.startswith("paper"):
        from cryodl.methods.resolution_class.published import train_paper

        return train_paper(run, models, held_out)
    from cryodl.methods.resolution_class import samples as making
    from cryodl.methods.resolution_class.export import make_bundle
    from cryodl.training.stream import SampleStream, kept_arrays, kept_samples, repeated_batches

    config, backbone = run.config(making.TRAINING), initial or INITIAL
    making.backbone_of(backbone)  # says at once where it cannot be had
    opened = [e for place in experiments or () for e in open_experiment_set(place)]
    others = [e for place in validation_experiments or () for e in open_experiment_set(place)]
    models, opened, others = _apart(models, opened, held_out, others)
    run.say(
        f"{len(models)} structures and {len(opened)} experiments to train on, "
        f"{len(held_out)} and {len(others)} to validate on"
    )
    items = _mixed(held_out, others)
    kept = Path(samples) if samples else None
    if kept is not None and kept.suffix != ".npz":
        kept = kept.with_name(kept.name + ".npz")
    held, known = kept_arrays(
        kept and kept.with_suffix(".validation.npz"),
        lambda: making.validation_samples(backbone, config, items, seed + 999),
        making.WIDTH,
    )
    # Structures and experiments by their share, each kind evenly.
    clean = config["clean"] if opened else 1.0
    weights = [clean / len(models)] * len(models)
    weights += [(1 - clean) / max(len(opened), 1)] * len(opened)
    make = partial(making.make_samples, backbone, config)
    with SampleStream(make, [*models, *opened], seed, workers=workers, weights=weights) as stream:
        seconds = COLLECTING * 60 * minutes if minutes else None
        x, y = kept_samples(kept, stream, config["samples"], seconds, making.WIDTH)
    run.say(f"{len(y)} samples to train on")
    x, held = (making.part_of(each, network) for each in (x, held))
    mean, spread = standard = making.standard_of(x)
    x, held = ((each - mean) / spread for each in (x, held))
    best = run.fit(
        making.compiled_classifier(network, config),
        lambda step: repeated_batches(x, y, config["batch"], seed, step), (held, known), config,
        minutes=(1 - COLLECTING) * minutes if minutes else None,
    )  # fmt: skip
    history = run.history()
    if minutes:  # samples were made in most of them
        history["seconds"] = 60 * minutes
    bundle = make_bundle(
        best, network, config, items[:CALIBRATING], run.output, initial=backbone,
        standard=standard, data=_data(structures, models, experiments, opened, len(y)), **history,
    )  # fmt: skip
    for kind, figures in bundle.spec["metrics"].items():
        run.say(
            f"{kind}: class right {figures['class_accuracy']:.1%}, median error "
            f"{figures['median_absolute_error']:.2f} Å, 90 % interval covers "
            f"{figures['coverage']:.1%} of {figures['maps']} maps"
        )
    run.say(f"wrote {output}; log and curves in {run.folder}")
    return bundle


def _apart(structures, experiments, held_out, others):
    """What to train on, without the molecules to validate on; and experiments to validate on."""
    from cryodl.errors import SettingError
    from cryodl.training.structures import molecule_of

    names = {molecule_of(item) for item in (*held_out, *others)}
    left = [s for s in structures if molecule_of(s) not in names]
    unseen = [e for e in experiments if molecule_of(e) in names]
    seen = [e for e in experiments if molecule_of(e) not in names]
    if not left or (experiments and not seen):
        raise SettingError(
            "all structures or experiments to train on are of molecules to validate on: give others"
        )
    return left, seen, others or unseen


def _mixed(structures, experiments):
    """One of each kind in turn, then what is left."""
    paired = [item for pair in zip(structures, experiments) for item in pair]
    short = min(len(structures), len(experiments))
    items = paired + list(structures[short:]) + list(experiments[short:])
    # Pairs of pairs, so that every second item is not all of one kind.
    return [items[i] for k in range(0, len(items), 4) for i in (k, k + 2, k + 1, k + 3)
            if i < len(items)]  # fmt: skip


def _data(folder, structures, sets, experiments, count: int) -> str:
    """What was trained on, for the model card."""
    text = f"clean maps of {len(structures)} structures of {Path(folder).name}"
    if experiments:
        names = " and ".join(dict.fromkeys(Path(place).name for place in sets))
        number = len({experiment.folder for experiment in experiments})
        text += f", {number} simulated experiments of {names}"
    return f"{text}; {count} maps made of them"
