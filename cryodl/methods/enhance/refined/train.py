"""Training of the network that corrects filtered half maps, from experiments from particles."""

from __future__ import annotations


def train(run, experiments, validation, half_precision=False):
    """Train on experiments from particles, of folders; returns the Bundle.

    run : training.run.Run;  experiments, validation : folders, the second None for a tenth of all
    half_precision : compute in bfloat16
    """
    from functools import partial

    from cryodl.methods.enhance.refined import samples as refined_samples
    from cryodl.methods.enhance.refined.export import make_bundle
    from cryodl.methods.enhance.refined.training_network import TRAINING, compiled_network
    from cryodl.simulation.reconstruction_set import open_reconstructions
    from cryodl.training.fit import in_half_precision
    from cryodl.training.stream import SampleStream
    from cryodl.training.structures import hold_out

    config = run.config(TRAINING)
    found = open_reconstructions(experiments)
    if validation:
        others = open_reconstructions(validation)
    else:
        found, others = hold_out(found)
    kept = run.output.with_name(run.output.name + ".prepared")
    run.say(f"filtering {len(found)} experiments to train on, {len(others)} to validate on")
    items = refined_samples.prepare_all(found, kept / "training", run.say)
    held = refined_samples.prepare_all(others, kept / "validation", run.say)
    start, name = run.initial_network()
    make = partial(refined_samples.samples, config=config)
    with in_half_precision(half_precision), \
            SampleStream(make, items, run.seed, workers=run.workers) as stream:  # fmt: skip
        best = run.fit(
            compiled_network(config, start),
            lambda step: stream.batches(
                config["batch"], buffer=config["buffer"], reuse=config["reuse"], start=step
            ),
            refined_samples.validation_crops(held, config), config,
        )  # fmt: skip
    return make_bundle(
        best, config, held, run.output, initial=name,
        data=f"{len(items)} reconstructions from particles, filtered by what their half maps hold",
        **run.history(),
    )  # fmt: skip
