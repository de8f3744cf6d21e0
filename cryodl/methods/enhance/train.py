"""Training of post-processing: from simulated experiments, or half maps and models, to a bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cryodl.errors import counted
from cryodl.methods.options import Option, declared
from cryodl.methods.training_options import HALF_PRECISION, training_options
from cryodl.training.run import Run, print_line

if TYPE_CHECKING:
    from cryodl.networks.bundle import Bundle

OPTIONS = (
    Option("experiments", help="folder of simulated experiments (cryodl experiments); targets that "
        "are missing are added to it", metavar="SET"),
    Option("validation", help="likewise, on other structures; without it every tenth experiment is "
        "held out", metavar="SET"),
    Option("pairs", help="tab-separated table with the columns half1, half2 and model (files; "
        "paths as seen from the table's folder): trains on these, too", metavar="TABLE"),
    Option("model", "tight", "how close to mask; highres: close, from maps of 4 Å and better",
        choices=("tight", "wide", "highres")),
    Option("network", "default", "half-maps: the one of the model refined, from experiments from "
        "particles; paper: DeepEMhancer as published", choices=("default", "half-maps", "paper")),
    Option("validation_count", 40, "experiments to validate on", int, least=1, metavar="N"),
    *training_options(epoch=150),
    HALF_PRECISION,
)  # fmt: skip


@declared(OPTIONS)
def train_enhance(
    output: str | Path,
    *,
    experiments: str | Path | None = None,
    validation: str | Path | None = None,
    pairs: str | Path | None = None,
    model: str = "tight",
    network: str = "default",
    validation_count: int = 40,
    steps: int = 20000,
    minutes: float | None = None,
    epoch: int = 150,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    workers: int = 1,
    seed: int = 0,
    initial: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    half_precision: bool = False,
    log: Callable[[str], object] | None = print_line,
) -> Bundle:
    """Train post-processing of maps, in the manner of DeepEMhancer, and write it as a bundle.

    What `cryodl train postprocess` does.

    Parameters
    ----------
    output : folder to write the bundle to
    experiments : folder of simulated experiments; targets that are missing are added to it
    validation : likewise, on other structures; None holds out every tenth experiment
    pairs : tab-separated table with the columns half1, half2 and model, to train on
    model : "tight", "wide" (how close to mask) or "highres" (close, from maps of 4 Å and better)
    network : "default", "half-maps" (of the model "refined", from experiments from particles) or
        "paper" (DeepEMhancer as published)
    validation_count : experiments to validate on
    steps, minutes, epoch, batch_size, learning_rate, workers, seed, initial, resume, overwrite,
    half_precision, log : as in `train_single_map_resolution`

    Raises
    ------
    CryodlError : one line with what was received and what to do
    """
    run = Run(
        Path(output), network, steps, minutes, epoch, batch_size, learning_rate, workers, seed,
        initial, resume, overwrite, log,
    )  # fmt: skip
    import numpy as np

    from cryodl.compute.device import prepare_device

    prepare_device("auto")
    if network == "half-maps":
        from cryodl.errors import SettingError
        from cryodl.methods.enhance.refined.train import train

        if not experiments or pairs:
            raise SettingError("network='half-maps' learns from experiments= alone")
        return train(run, experiments, validation, half_precision)
    from cryodl.methods.enhance.samples import make_samples, whole_sample
    from cryodl.methods.enhance.training_network import TRAINING, compiled_network

    config = run.config(TRAINING[model])
    items, held_out, data = _items(run.output, experiments, pairs, validation, config)
    held_out = held_out[:validation_count]
    run.say(f"{counted(len(items), 'experiment')} to train on, {len(held_out)} to validate on")
    if network == "paper":
        from cryodl.methods.enhance.published import train_paper

        return train_paper(run, config, items, held_out, data)
    from functools import partial

    from cryodl.methods.enhance.export import make_bundle
    from cryodl.training.fit import in_half_precision
    from cryodl.training.stream import SampleStream

    run.say("making validation samples")
    held = [sample for sample in (whole_sample(e, config) for e in held_out) if sample]
    start, name = run.initial_network()
    make = partial(make_samples, config=config)
    with in_half_precision(half_precision), \
            SampleStream(make, items, seed, workers=workers) as stream:  # fmt: skip
        best = run.fit(
            compiled_network(config, start),
            lambda step: stream.batches(config["batch"], buffer=config["buffer"], start=step),
            tuple(np.stack(part).astype(np.float32) for part in zip(*held)), config,
        )  # fmt: skip
    bundle = make_bundle(
        best, config, held, run.output, data=data, initial=name, **run.history()
    )  # fmt: skip
    figures = bundle.spec["metrics"]
    run.say(
        f"wrote {output}: correlation with the target {figures['correlation']:.3f} in the median "
        f"of {figures['experiments']} validation experiments; log and curves in {run.folder}"
    )
    return bundle


def _items(output, experiments, pairs, validation, config):
    """Experiments to train on and to validate on, and words for the model card."""
    from cryodl.errors import InputError, SettingError
    from cryodl.simulation.experiment_set import open_experiment_set
    from cryodl.training.structures import hold_out

    if not experiments and not pairs:
        raise SettingError("nothing to train on: give experiments=, pairs=, or both")
    best, worst = config["limits"]
    found, words = [], []
    if experiments:
        found = [e for e in open_experiment_set(experiments) if e.resolution <= worst]
        words.append(f"{len(found)} simulated experiments of {best:g} to {worst:g} Å")
    if pairs:
        from cryodl.methods.enhance.samples import store_pairs

        folder = output.with_name(output.name + ".pairs")
        stored = store_pairs(pairs, folder, config["voxel_size"])
        words.append(f"{len(stored)} pairs of half maps with models")
        found += stored
    if validation:
        held = [e for e in open_experiment_set(validation) if e.resolution <= worst]
    elif found:
        found, held = hold_out(found)
    else:
        held = []
    if not found or not held:
        raise InputError(
            f"no experiment of {worst:g} Å or better to {'validate' if found else 'train'} on"
        )
    return found, held, " and ".join(words)
