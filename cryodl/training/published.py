"""What the trainings of published networks share: steps until the end, and a bundle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cryodl.networks.bundle import save_bundle


def train_steps(batches: Iterable, train: Callable, args, *, most: int | None = None):
    """Train until the steps or the minutes that were asked for are over.

    batches : of (x, y)
    train : train(x, y) makes a step and returns the loss
    args : with steps, minutes (or None) and epoch, after so many steps each a line is printed
    most : steps at most, whatever was asked for

    Returns {"seed", "steps", "seconds"}, for a bundle's spec.
    """
    began, step = time.monotonic(), 0
    last = args.steps if most is None else min(args.steps, most)
    for x, y in batches:
        loss = train(x, y)
        step += 1
        if step % args.epoch == 0:
            print(f"step {step}: loss {float(loss):.3f}", flush=True)
        if step >= last or (args.minutes and time.monotonic() - began > 60 * args.minutes):
            break
    return {"seed": args.seed, "steps": step, "seconds": round(time.monotonic() - began)}


def save_published(
    output, model, method: str, network: Mapping[str, Any], normalisation: str, citation: str,
    training: Mapping[str, Any], metrics: Mapping[str, Any], *,
    parameters: Mapping[str, Any] | None = None, **more,
) -> None:  # fmt: skip
    """Write the bundle of a published network.

    method : of ours that it stands beside;  normalisation, parameters : what is done to its input
    more : entries of the spec besides the common ones
    """
    spec = {
        "name": output.name,
        "method": f"{method}-paper",
        "network": network,
        "voxel_size": 1.0,
        "normalisation": {"name": normalisation, "parameters": parameters or {}},
        "training": training,
        "metrics": metrics,
        "licence": "GPL-3.0-or-later",
        "citation": citation,
    }
    save_bundle(output, model, {**spec, **more}, overwrite=True)
