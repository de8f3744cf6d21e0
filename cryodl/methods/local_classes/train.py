"""Training of local classes: from maps and their local resolutions to a bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cryodl.errors import counted
from cryodl.methods.options import Option, declared
from cryodl.methods.training_options import training_options
from cryodl.training.run import Run, print_line

if TYPE_CHECKING:
    from cryodl.networks.bundle import Bundle

OPTIONS = (
    Option("pairs", help="tab-separated table with the columns map and resolution: maps and their "
        "local resolutions, of MonoRes, ResMap or any package", metavar="TABLE"),
    Option("experiments", help="set of simulated experiments that hold labels, instead of pairs",
        metavar="SET"),
    Option("labels", "monogenic", "of the experiments: as MonoRes or as ResMap",
        choices=("monogenic", "sinusoid")),
    Option("label_first", help="run the estimator on the half maps of experiments, until N of each "
        "set have labels", kind=int, least=1, metavar="N"),
    Option("validation", help="likewise, of other molecules; without it every fifth map is held "
        "out", metavar="TABLE_OR_SET"),
    Option("network", "default", "paper: the published U-Net", choices=("default", "paper")),
    *training_options(),
)  # fmt: skip


@declared(OPTIONS)
def train_local_classes(
    output: str | Path,
    *,
    pairs: str | Path | None = None,
    experiments: str | Path | None = None,
    labels: str = "monogenic",
    label_first: int | None = None,
    validation: str | Path | None = None,
    network: str = "default",
    steps: int = 20000,
    minutes: float | None = None,
    epoch: int = 200,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    workers: int = 1,
    seed: int = 0,
    initial: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    log: Callable[[str], object] | None = print_line,
) -> Bundle:
    """Train ten classes of local resolution and write the network as a bundle.

    What `cryodl train local-classes` does.

    Parameters
    ----------
    output : folder to write the bundle to
    pairs : tab-separated table with the columns map and resolution (files; paths as seen from the
        table's folder): maps and their local resolutions, of any package
    experiments : set of simulated experiments that hold labels, instead of pairs
    labels : of the experiments, "monogenic" (as MonoRes) or "sinusoid" (as ResMap)
    label_first : run the estimator on the half maps until so many experiments have labels
    validation : table or set of other molecules; None holds out every fifth map
    network : "default" or "paper" (the published U-Net)
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
    from cryodl.errors import SettingError
    from cryodl.training.structures import hold_out

    source = pairs or experiments
    if not source or (pairs and experiments):
        raise SettingError("maps to train on: give one of pairs= and experiments=")

    def open_items(place):
        return _items(place, run, labels if experiments else None, label_first)

    items = open_items(source)
    if validation:
        held_out = open_items(validation)
    else:
        items, held_out = hold_out(items, every=5)
    run.say(f"{counted(len(items), 'map')} to train on, {len(held_out)} to validate on")
    prepare_device("auto")
    if network == "paper":
        from cryodl.methods.local_classes.published import train_paper

        return train_paper(run, items, held_out)
    from cryodl.methods.local_classes import samples
    from cryodl.methods.local_classes.export import make_bundle
    from cryodl.training.losses import compiled_network
    from cryodl.training.stream import SampleStream

    config = run.config(samples.TRAINING)
    validated = samples.validation_samples(config, held_out, seed + 999)
    start, name = run.initial_network()
    make = partial(samples.make_samples, config)
    with SampleStream(make, items, seed, workers=workers) as stream:
        best = run.fit(
            compiled_network(config, start),
            lambda step: stream.batches(
                config["batch"], buffer=config["buffer"], reuse=config["reuse"], start=step
            ),
            validated, config,
        )  # fmt: skip
    kind = "pairs" if pairs else "simulated experiments"
    bundle = make_bundle(
        best, config, held_out, run.output, labels="the user's" if pairs else labels,
        data=f"{len(items)} {kind} of {Path(source).name}", initial=name, **run.history(),
    )  # fmt: skip
    figures = bundle.spec["metrics"]
    run.say(
        f"wrote {output}: {figures['exact']:.1%} of {figures['maps']} maps' blocks in the label's "
        f"class, {figures['within_one']:.1%} within one; log and curves in {run.folder}"
    )
    return bundle


def _items(place, run: Run, label: str | None, label_first: int | None):
    """Pairs of a table, or where there is a label the experiments of a set that hold it."""
    from cryodl.methods.local_classes import samples

    if label is None:
        return samples.read_pairs(place)
    if label_first:
        from cryodl.simulation.experiment_set import open_experiment_set

        for experiment in samples.add_labels(open_experiment_set(place), label, label_first):
            run.say(f"labelled {experiment.folder}")
    return samples.labelled_experiments(place, label)
