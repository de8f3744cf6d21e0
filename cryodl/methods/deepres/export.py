"""The bundle of local resolution: a trained network, calibrated and measured on simulated boxes."""

from __future__ import annotations

from cryodl.checks.input import trained_on
from cryodl.features.local_spectrum import CHANNELS
from cryodl.maps.normalise import FLOOR, WINDOW
from cryodl.methods.deepres.samples import fixed_boxes
from cryodl.networks.backbone import build_unet3d
from cryodl.training.export import (
    accuracy,
    band_table,
    calibrate,
    collect,
    model_card,
    with_weights,
    write_bundle,
)

CALIBRATION_SEED, MEASURE_SEED = 2001, 2002  # other boxes than those the run was validated on


def make_bundle(weights, config, structures, path, *, boxes=60, **origin):
    """Calibrate a trained network on validation structures and write its bundle.

    weights : path of best.weights.h5 as `fit` leaves it
    config : dict, see `TRAINING`
    structures : list of Structure, none of them trained on: one half calibrates, the other measures
    path : folder to write
    boxes : simulated, of either half
    origin : data, seconds, steps and initial, as of `write_bundle`
    """
    network = config["network"]
    model = with_weights(build_unet3d(network), build_unet3d(network, with_logits=True), weights)
    usable = [s for s in structures if len(s) >= config["atoms"]]
    others = usable[1::2] or usable  # a single structure has to do for both
    judged = []
    for half, seed in ((usable[::2], CALIBRATION_SEED), (others, MEASURE_SEED)):
        x, y = fixed_boxes(half, config, seed, boxes)
        judged.append(collect(model, x, y, config["limits"]))
    calibration = calibrate(*judged[0])
    truth, mean, sd = judged[1]
    kinds = ["clean", "masked"] if config.get("emptied") else ["clean"]
    local = network["channels"] == CHANNELS  # see `methods.deepres.prepare`
    return write_bundle(
        path, model, config, card, method="local-resolution", network=network,
        normalisation="local_features" if local else "whole_features",
        parameters={"window": WINDOW, "floor": FLOOR} if local else {"level": False},
        citation="RamirezAportela2019", metrics=accuracy(truth, mean, sd, calibration),
        range=config["range"], resolution_limits=config["limits"], calibration=calibration,
        trained=trained_on(config["voxel_size"], kinds), **origin,
    )  # fmt: skip


def card(spec) -> str:
    """Text of the model card."""
    metrics, share = spec["metrics"], spec["training"]["config"].get("average")
    best, worst = spec["resolution_limits"]
    measured = [
        "On simulated boxes, clean ones and experiments, of validation structures that were not "
        "trained on, within the range of the network; half of the structures set the interval, the "
        "other half are measured here:",
        "",
        f"- mean absolute error {metrics['mean_absolute_error']:.2f} Å, "
        f"median {metrics['median_absolute_error']:.2f} Å, bias {metrics['bias']:+.2f} Å, "
        f"over {metrics['voxels']:,} voxels;",
        f"- the 90 % interval covers {metrics['coverage']:.1%}.",
        "",
        *band_table(metrics["bands"]),
        "",
        "The tests of the paper and the real maps are in benchmarks/. Not for tomograms, nor for "
        "maps whose voxel size is wrong; an unsharpened map reads worse by design.",
    ]
    return model_card(
        spec,
        f"Local resolution between {best:g} and {worst:g} Å, on a grid of {spec['voxel_size']:g} Å "
        "(aspect resolution in the sense of DeepRes, Ramírez-Aportela et al. 2019; see "
        "docs/methods.rst).",
        measured,
        data="; maps simulated as they were needed",
        started=f", with which it is averaged (share {share:g})" if share else "",
    )
