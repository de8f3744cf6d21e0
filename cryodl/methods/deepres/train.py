"""Training of local resolution as DeepRes gives it: from a folder of structures to a bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cryodl.methods.options import Option, declared
from cryodl.methods.training_options import training_options
from cryodl.training.run import Run, print_line

if TYPE_CHECKING:
    from cryodl.networks.bundle import Bundle

OPTIONS = (
    Option("structures", help="folder of PDB or mmCIF files, or a packed set (.npz)",
        metavar="DIR", required=True),
    Option("validation", help="likewise, for validation; without it every tenth structure is held "
        "out", metavar="DIR"),
    Option("range", "low", "low: 2.5-13 Å on a 1 Å grid; high: 1.5-6 Å on a 0.5 Å grid",
        choices=("low", "high")),
    Option("network", "default", "paper: DeepRes as published", choices=("default", "paper")),
    Option("crop", help="voxels along a training crop, at most the box's (low 96, high 64); large "
        "crops last, as in use a network sees no borders", kind=int, least=1, metavar="N"),
    Option("validation_boxes", 32, "simulated boxes to validate on", int, least=1, metavar="N"),
    Option("average", help="end with a mean of the trained weights and the initial ones, of which "
        "it has this share; forgets less of what was learnt before", kind=float, above=0, below=1,
        metavar="SHARE"),
    *training_options(),
)  # fmt: skip


@declared(OPTIONS)
def train_local_resolution(
    structures: str | Path,
    output: str | Path,
    *,
    validation: str | Path | None = None,
    range: str = "low",
    network: str = "default",
    crop: int | None = None,
    validation_boxes: int = 32,
    average: float | None = None,
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
    """Train local resolution of a map, in the manner of DeepRes, and write it as a bundle.

    What `cryodl train local-resolution` does.

    Parameters
    ----------
    structures : folder of PDB or mmCIF files, or a packed set (.npz)
    output : folder to write the bundle to
    validation : likewise, for validation; None holds out every tenth structure
    range : "low" (2.5-13 Å on a 1 Å grid) or "high" (1.5-6 Å on a 0.5 Å grid)
    network : "default" or "paper" (DeepRes as published)
    crop : voxels along a training crop, at most the box's; None for those of the range
    validation_boxes : simulated, to validate on
    average : share of the initial weights in a mean with the trained ones, or None
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
    from cryodl.compute.device import prepare_device
    from cryodl.errors import SettingError
    from cryodl.methods.deepres import samples
    from cryodl.training.structures import split_structures

    if average and not initial:
        raise SettingError(f"average={average:g} needs a network to average with: give initial=")
    config = {**run.config(samples.TRAINING[range]), "validation": validation_boxes}
    if average:
        config["average"] = average
    if crop:
        if crop % 4 or crop > config["box"]:
            raise SettingError(
                f"crop={crop} is not a multiple of 4 up to the box's {config['box']} voxels"
            )
        config["crop"] = crop
    run.say("reading structures")
    models, held_out, skipped = split_structures(structures, validation)
    for message in skipped:
        run.say(f"skipped: {message}")
    run.say(
        f"{len(models)} structures to train on, {len(held_out)} to validate on, "
        f"{len(skipped)} skipped"
    )
    prepare_device("auto")
    data = f"{len(models)} structures of {Path(structures).name}"
    if network == "paper":
        from cryodl.methods.deepres.published import train_paper

        return train_paper(run, config, models, held_out)
    from cryodl.methods.deepres.export import make_bundle
    from cryodl.training.losses import average_weights, compiled_network

    least = config["atoms"]
    usable = [s for s in held_out if len(s) >= least]
    if not usable or not any(len(s) >= least for s in models):
        raise SettingError(f"no structure has the {least} atoms that training needs")
    boxes = samples.fixed_boxes(usable, config, seed + 999, validation_boxes)
    start, name = run.initial_network()
    with samples.BoxStream(models, config, seed, workers=workers) as stream:
        best = run.fit(
            compiled_network(config, start),
            lambda step: samples.batches(stream, start=step), boxes, config,
        )  # fmt: skip
    if average:
        best = average_weights(best, config, start, average)
    bundle = make_bundle(
        best, config, held_out, run.output, data=data, initial=name, boxes=validation_boxes,
        **run.history(),
    )  # fmt: skip
    figures = bundle.spec["metrics"]
    run.say(
        f"wrote {output}: mean absolute error {figures['mean_absolute_error']:.2f} Å, "
        f"90 % interval covers {100 * figures['coverage']:.0f} % of validation voxels; "
        f"log and curves in {run.folder}"
    )
    return bundle
