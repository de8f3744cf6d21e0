"""Training of single-map resolution: from a set of simulated experiments to a bundle."""

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
    Option("experiments", help="folder that 'cryodl experiments' wrote, of either kind; of "
        "particles, every sample is deposited anew", metavar="SET", required=True),
    Option("validation", help="likewise, on other structures; without it every tenth is held out",
        metavar="SET"),
    Option("network", "default", "backbone: a larger one, for experiments from particles; paper: "
        "as CryoRes's slides give it", choices=("default", "backbone", "paper")),
    *training_options(steps=6000, epoch=150),
    HALF_PRECISION,
)  # fmt: skip

CHECKED = 80  # experiments that calibrate and measure at the end
DATA = {
    True: "reconstructions from particles, deposited anew for every sample in all the ways that "
    "people deposit",
    False: "simulated experiments: maps as deposited, raw, and with B-factors of -200 to 200 Å², "
    "masked or not",
}


@declared(OPTIONS)
def train_single_map_resolution(
    experiments: str | Path,
    output: str | Path,
    *,
    validation: str | Path | None = None,
    network: str = "default",
    steps: int = 6000,
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
    """Train mask, global and local resolution of a single map, and write the network as a bundle.

    What `cryodl train single-map-resolution` does. Log, checkpoint and learning curves are kept
    next to the bundle, in OUTPUT.training.

    Parameters
    ----------
    experiments : folder that 'cryodl experiments' wrote, of either kind
    output : folder to write the bundle to
    validation : likewise, on other structures; None holds out every tenth experiment
    network : "default", "backbone" (larger, for experiments from particles) or "paper" (CryoRes as
        its slides give it)
    steps, minutes : of training, whichever end first
    epoch : steps between validations and checkpoints
    batch_size, learning_rate : None for those of the method
    workers : processes that make samples; 0 makes them in this one
    seed : of everything drawn
    initial : bundle, name or folder, whose weights it starts from
    resume : go on from the last checkpoint
    overwrite : replace a bundle that exists
    half_precision : compute in bfloat16
    log : called with each line of progress; None is silent

    Raises
    ------
    CryodlError : one line with what was received and what to do
    """
    run = Run(
        Path(output), network, steps, minutes, epoch, batch_size, learning_rate, workers, seed,
        initial, resume, overwrite, log,
    )  # fmt: skip
    from cryodl.compute.device import prepare_device
    from cryodl.errors import InputError
    from cryodl.simulation.reconstruction_set import StoredReconstruction
    from cryodl.training.reconstructions import training_experiments
    from cryodl.training.structures import hold_out

    items = training_experiments(experiments)
    if validation:
        held_out = training_experiments(validation)
    else:
        items, held_out = hold_out(items)
    run.say(f"{counted(len(items), 'experiment')} to train on, {len(held_out)} to validate on")
    prepare_device("auto")
    particles = isinstance(items[0], StoredReconstruction)
    if network == "paper":
        if particles:
            raise InputError(
                f"{experiments} holds experiments from particles, from which the published network "
                "cannot learn: make a set of kind density"
            )
        from cryodl.methods.cryores.published import train_paper

        return train_paper(run, items, held_out)
    from cryodl.methods.cryores import samples
    from cryodl.methods.cryores.export import make_bundle
    from cryodl.training.fit import in_half_precision
    from cryodl.training.stream import SampleStream

    config = samples.TRAINING
    if particles:
        more = samples.BACKBONE_TRAINING if network == "backbone" else samples.PARTICLES
        config = {**config, **more}
    config = run.config(config)
    start, name = run.initial_network()
    make = samples.sample_maker(config)
    with in_half_precision(half_precision), \
            SampleStream(make, items, seed, workers=workers) as stream:  # fmt: skip
        best = run.fit(
            samples.compiled(config, start),
            lambda step: stream.batches(
                config["batch"], buffer=config["buffer"], reuse=config["reuse"], start=step
            ),
            samples.validation_crops(held_out[::2], config, seed + 999, 2), config,
        )  # fmt: skip
    bundle = make_bundle(
        best, config, held_out[:CHECKED], run.output, data=f"{len(items)} {DATA[particles]}",
        initial=name, **run.history(),
    )  # fmt: skip
    figures = bundle.spec["metrics"]
    run.say(
        f"wrote {output}: RMSE {figures['rmse']:.2f} Å, mask IoU {figures['iou']:.2f}, 90 % "
        f"interval covers {100 * figures['coverage']:.0f} % of validation voxels; log and curves "
        f"in {run.folder}"
    )
    return bundle
