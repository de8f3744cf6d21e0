"""Samples for the networks that judge a whole map, from structures and simulated experiments."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cryodl.compute.device import predict_one
from cryodl.features.local_spectrum import spectral_descriptor
from cryodl.maps.mask import automatic_mask, reapply_mask
from cryodl.maps.volume import Volume
from cryodl.methods.resolution_class.prepare import Molecule, cut_to_molecule, features_and_weight
from cryodl.networks.bundle import load_bundle
from cryodl.networks.classifiers import build_head, build_resolution_dnn, build_trunk, evidence_size
from cryodl.networks.configs import CLASS_CNN, CLASS_DNN
from cryodl.simulation.experiment_config import COARSEST_SAMPLING
from cryodl.simulation.experiment_set import StoredExperiment
from cryodl.simulation.filters import (
    EDGE,
    bin_frequencies,
    frequency_bins,
    larger_voxels,
    on_voxels,
    raised_cosine,
)
from cryodl.simulation.model_map import uniform_maps
from cryodl.simulation.structure import Structure
from cryodl.training.losses import BinnedResolutionLoss, ResolutionError, start_from

TRAINING: dict[str, Any] = {
    "voxel_size": 1.0,
    "best": 1.95,  # Å, of clean maps, drawn evenly in the logarithm
    "worst": 23.0,
    "clean": 0.3,  # share of structures among what samples are made of
    "box": 64,  # voxels, of clean maps; sometimes larger
    "at_once": 3,  # clean maps of one structure
    "coarse": 0.6,  # share of experiments as from coarser voxels
    "window": 104,  # voxels, of which a large map is described in training
    "samples": 30_000,  # made before the training begins, unless time ends first
    "batch": 64,
    "label_width": 0.8,  # bins, of the soft label
    "learning_rate": 1e-3,
    "warm_up": 100,
    "epoch": 100,
    "patience": 25,
    "monitor": "val_loss",
    "validation": 60,  # samples
}
WIDTH = CLASS_DNN["inputs"] + evidence_size(CLASS_CNN)  # numbers of a sample, for both networks
LEAST_SPREAD = 1e-3  # of a number of the samples, below which it is noise
NETWORKS = {"cnn": CLASS_CNN, "dnn": CLASS_DNN}

_backbones: dict[str, Any] = {}  # in each process, the one it makes samples with


def make_samples(initial, config, item, rng) -> list[tuple[np.ndarray, np.ndarray]]:
    """Samples (x, y) of one structure or experiment, as `SampleStream` wants them.

    initial : bundle of single-map resolution that the CNN's backbone is taken from
    config : dict, see TRAINING;  item : Structure or StoredExperiment
    x : ndarray, what the dense network and the CNN's head read: the description of a map, and the
        mean evidence in it;  y : ndarray (2,), resolution in Å, and 1
    """
    maps = clean_maps if isinstance(item, Structure) else experiment_maps
    samples = []
    for data, resolution in maps(item, config, rng):
        inside = automatic_mask(Volume(data, config["voxel_size"]))
        molecule = cut_to_molecule(data, inside, config["voxel_size"])
        part = _part(molecule, config, rng)
        descriptor = spectral_descriptor(molecule.normalised[part], molecule.inside[part])
        x = np.concatenate([descriptor, mean_evidence(initial, molecule, part)])
        samples.append((x, np.array([resolution, 1], np.float32)))
    return samples


def backbone_of(initial):
    """The CNN's backbone with the weights of a bundle, once in each process.

    Raises BundleError where the bundle is not of single-map resolution.
    """
    if initial not in _backbones:
        backbone = build_trunk(CLASS_CNN)
        start_from(backbone, load_bundle(initial).model)
        _backbones[initial] = backbone
    return _backbones[initial]


def mean_evidence(initial, molecule: Molecule, part=(slice(None),) * 3) -> np.ndarray:
    """Mean evidence of the backbone in a molecule, or in a part of it (even voxels), ndarray
    (evidence,)."""
    half = tuple(
        slice(*(end if end is None else end // 2 for end in (s.start, s.stop))) for s in part
    )
    features, weight = (values[half] for values in features_and_weight(molecule))
    evidence = predict_one(backbone_of(initial), features)
    return np.einsum("zyxc,zyx->c", evidence, weight) / max(weight.sum(), 1e-6)


def part_of(x: np.ndarray, network: str) -> np.ndarray:
    """What "dnn" or the CNN's head reads of samples (n, numbers)."""
    return x[:, : CLASS_DNN["inputs"]] if network == "dnn" else x


def standard_of(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of each number of samples, by which they are brought to one size."""
    return x.mean(axis=0), x.std(axis=0) + LEAST_SPREAD


def fold(model, standard) -> None:
    """Make a network that was trained on (x - mean) / spread take x itself.

    standard : (mean, spread), as from `standard_of`
    """
    mean, spread = standard
    first = next(layer for layer in model.layers if layer.weights)
    kernel, bias = first.get_weights()
    kernel = kernel / spread[:, None]
    first.set_weights([kernel, bias - mean @ kernel])


def clean_maps(structure, config, rng):
    """Several maps of a structure, each at its own resolution, some with noise; (data, Å)."""
    count = config["at_once"]
    span = np.log(config["worst"] / config["best"])
    resolutions = config["best"] * np.exp(span * rng.random(count))
    noise = np.where(rng.random(count) < 0.6, 0.02 * 100 ** rng.random(count), 0)
    # half of the filters end softly, as many real ones do
    edge = np.where(rng.random(count) < 0.6, EDGE, 0.15 * rng.random(count) / resolutions)
    box = config["box"] + (16 * int(rng.integers(0, 3)) if rng.random() < 0.3 else 0)
    b_factor = rng.uniform(0, 60) if rng.random() < 0.7 else 0.0
    maps = uniform_maps(
        structure, resolutions, box, rng, voxel_size=config["voxel_size"], b_factor=b_factor,
        noise=noise, edge=edge,
    )  # fmt: skip
    return list(zip(maps, resolutions))


def experiment_maps(experiment: StoredExperiment, config, rng):
    """One map of an experiment: as deposited, or the half maps' mean, sharpened and filtered.

    Its label is the resolution of the half maps' FSC; of a deposited one that which it shows.
    """
    resolution = experiment.resolution
    voxels, coarsest = 1.0, resolution / COARSEST_SAMPLING / config["voxel_size"]
    if rng.random() < config["coarse"] and coarsest > 1:
        voxels = rng.uniform(1, coarsest)
    if rng.random() < 0.5:
        shown = experiment.load("map")
        return [(reapply_mask(on_voxels(shown, voxels), shown), experiment.shown_resolution)]
    mean = (experiment.load("half1") + experiment.load("half2")) / 2
    frequencies = bin_frequencies(mean.shape, config["voxel_size"])
    # of a user's own half maps it is not measured, and they are taken as they fall off
    b_factor = experiment.info["measured"].get("fall_off", 0.0) * rng.uniform(0, 1.3)
    held = np.minimum(frequencies, 1 / (0.8 * resolution))
    gain = np.exp(b_factor * held**2 / 4)
    if rng.random() < 0.5:
        end = resolution * rng.uniform(0.8, 1.05)
        gain *= raised_cosine(frequencies, end, rng.uniform(0.02, 0.3) / end)
    return [(filtered(mean, gain, voxels), resolution)]


def filtered(data, gain, voxels: float = 1.0):
    """A map through a radial filter, and as if resampled from a grid of coarser voxels.

    gain : ndarray over `frequency_bins`;  voxels : edge of the coarser ones, in the map's own
    """
    import scipy.fft

    spectrum = scipy.fft.rfftn(data)
    spectrum *= gain.astype(np.float32)[frequency_bins(data.shape)]
    if voxels > 1:
        spectrum *= larger_voxels(data.shape, voxels)
    return scipy.fft.irfftn(spectrum, s=data.shape).astype(np.float32)


def _part(molecule: Molecule, config, rng) -> tuple[slice, ...]:
    """A part of a large molecule, to be quick."""
    size, voxels = config["window"], np.argwhere(molecule.inside[::4, ::4, ::4])
    if max(molecule.inside.shape) <= size or not len(voxels):
        return (slice(None),) * 3
    centre = 4 * voxels[rng.integers(len(voxels))]
    part = []
    for middle, n in zip(centre, molecule.inside.shape):
        start = int(np.clip(middle - size // 2, 0, max(0, n - size))) // 8 * 8
        part.append(slice(start, start + size))
    return tuple(part) if molecule.inside[tuple(part)].any() else (slice(None),) * 3


def validation_samples(initial, config, items, seed):
    """Samples of the first items, in their order; (x, y), float32."""
    rng = np.random.default_rng(seed)
    samples: list = []
    for item in items:
        samples += make_samples(initial, {**config, "at_once": 1}, item, rng)
        if len(samples) >= config["validation"]:
            break
    x, y = zip(*samples)
    return np.stack(x).astype(np.float32), np.stack(y)


def trained_part(network: str):
    """What of "cnn" or "dnn" is trained here: head or all, ending in logits."""
    build = build_head if network == "cnn" else build_resolution_dnn
    return build(NETWORKS[network], with_logits=True)


def compiled_classifier(network: str, config):
    """The part of "cnn" or "dnn" that is trained, ready to fit."""
    keras.utils.set_random_seed(config.get("seed", 0))
    model = trained_part(network)
    model.compile(
        optimizer=keras.optimizers.AdamW(config["learning_rate"], weight_decay=1e-3, clipnorm=1.0),
        loss=BinnedResolutionLoss(NETWORKS[network], config["label_width"], error_weight=0.0),
        metrics=[ResolutionError(NETWORKS[network])],
    )
    return model
