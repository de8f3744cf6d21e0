"""Training of the check that doubts wrong voxel sizes, from simulated experiments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cryodl.checks.voxel_size import (
    FACTORS,
    GRID,
    SMALLEST,
    VOXELS,
    predict,
    read_features,
    sealed_weights,
    with_bfactor,
    wrongness,
)
from cryodl.compute.parallel import Workers
from cryodl.files.folder import whole_file
from cryodl.maps.mask import coarse_mask, resample_with_mask
from cryodl.maps.volume import Volume
from cryodl.methods.options import OUTPUT, OVERWRITE, Option, declared, option
from cryodl.methods.training_options import OPTIONS as TRAINING
from cryodl.training.augment import LEAST_SAMPLING, draw_input, rough_mask
from cryodl.training.run import print_line

OPTIONS = (
    Option("experiments", help="folder that 'cryodl experiments' wrote", metavar="SET",
        required=True),
    Option("validation", help="likewise, on other structures; sets the threshold and measures",
        metavar="SET", required=True),
    OUTPUT._replace(help="weights to write, .npz", metavar="FILE"),
    Option("count", 9, "inputs made of every experiment", int, least=1, metavar="N"),
    option(TRAINING, "workers", default=2, least=1, help="processes that make inputs"),
    option(TRAINING, "seed"),
    OVERWRITE._replace(help="replace a file that exists"),
)  # fmt: skip

RANGE = 0.68, 1.47  # factors by which voxel sizes are changed
RIGHT = 0.35  # share of inputs whose voxel size is right
EACH = 3  # inputs of every map drawn
FALSE = 0.03  # of right voxel sizes that may be called wrong on the data trained on
HIDDEN = 64, 48
EPOCHS = 150
DROPOUT = 0.2
B_FACTORS = 60.0  # Å², SD of the B-factors applied to features
WIDTH = 0.04  # of the soft label, in the factor's logarithm


@declared(OPTIONS)
def train_voxel_size(
    experiments: str | Path,
    validation: str | Path,
    output: str | Path,
    *,
    count: int = 9,
    workers: int = 2,
    seed: int = 0,
    overwrite: bool = False,
    log: Callable[[str], object] | None = print_line,
) -> dict[str, float]:
    """Train the check that doubts wrong voxel sizes, and write its weights.

    What `cryodl train voxel-size` does.

    Parameters
    ----------
    experiments, validation : sets of simulated experiments on different structures; the latter
        sets the threshold and measures
    output : .npz file to write
    count : inputs made of every experiment
    workers : processes that make inputs;  seed : of everything drawn
    overwrite : replace a file that exists
    log : called with each line of progress; None is silent

    Returns figures: how often right and wrong voxel sizes draw a warning.

    Raises
    ------
    CryodlError : one line with what was received and what to do
    """
    from cryodl.compute.device import prepare_device
    from cryodl.errors import OutputError
    from cryodl.simulation.experiment_set import open_experiment_set

    say = log or (lambda line: None)
    output = Path(output)
    if output.exists() and not overwrite:
        raise OutputError(f"{output} exists: give another name, or overwrite=True")
    sets = [open_experiment_set(folder) for folder in (experiments, validation)]
    prepare_device("auto")
    trained, measured = (
        all_samples(each, count, seed + number, workers) for number, each in enumerate(sets)
    )
    say(f"{len(trained[0])} inputs to train on, {len(measured[0])} to measure on")
    figures = fit_and_measure(trained, measured, output, seed)
    for name, value in figures.items():
        say(f"{name}: {value:.3f}")
    say(f"wrote {output}")
    return figures


def samples(experiment, rng, count=3):
    """Features and factors of `count` inputs of an experiment.

    Of every map drawn there are EACH inputs, the first with its own voxel size.

    Returns (features, factors): ndarrays (count, NUMBERS) and (count,).
    """
    features, factors = [], []
    for number in range(count):
        if number % EACH == 0:
            density, inside = draw_input(experiment, rng)
            volume, molecule = own_voxels(density, inside, experiment.resolution, rng)
        factor = float(np.exp(rng.uniform(*np.log(RANGE)))) if number % EACH else 1.0
        given = Volume(volume.data, factor * volume.voxel_size)
        near = coarse_mask(given) if rng.random() < 0.25 else rough_mask(molecule, rng)
        # of less nothing is said in use either
        if np.count_nonzero(near) * given.voxel_size**3 >= SMALLEST:
            features.append(read_features(given, near))
            factors.append(factor)
    return np.array(features, np.float32), np.array(factors)


def own_voxels(density, molecule, resolution, rng):
    """A map of the set on voxels such as people have: Volume and ndarray (z, y, x), bool.

    Otherwise those with wrong voxel sizes would be the only ones whose features are read after
    resampling, and what that leaves behind would tell them.
    """
    finest, coarsest = VOXELS
    voxel = finest * (min(coarsest, resolution / LEAST_SAMPLING) / finest) ** rng.random()
    return resample_with_mask(Volume(density, GRID), molecule, voxel)


def all_samples(experiments, count, seed, workers=2):
    """Features (n, NUMBERS), factors (n,) and numbers (n,) of all experiments, made by so many
    processes."""
    jobs = [(e, (seed, i), count) for i, e in enumerate(experiments)]
    with Workers(workers) as pool:
        made = list(pool.map(_samples, jobs, chunksize=4))
    numbers = [np.full(len(factors), i) for i, (_, factors) in enumerate(made)]
    features, factors = zip(*(pair for pair in made if len(pair[1])))
    return np.concatenate(features), np.concatenate(factors), np.concatenate(numbers)


def _samples(job):
    experiment, seed, count = job
    return samples(experiment, np.random.default_rng(seed), count)


def fit_and_measure(trained, validation, path, seed=0):
    """Train, set the threshold on each half of the validation, measure on the other, and write.

    trained, validation : (features, factors, numbers of their experiments); the halves are of
        experiments, and the threshold that is written is the mean of theirs
    path : of the .npz file
    Returns figures: how often right and wrong voxel sizes draw a warning.
    """
    weights = fit_scale(*trained[:2], seed=seed)
    features, factors, numbers = validation
    wrong = wrongness(predict(features, weights))
    warned, thresholds = np.zeros(len(factors), bool), []
    for half in (0, 1):
        setting = numbers % 2 == half
        thresholds.append(float(np.quantile(wrong[setting & (factors == 1)], 1 - FALSE)))
        warned[~setting] = wrong[~setting] >= thresholds[-1]
    weights["threshold"] = float(np.mean(thresholds))
    logarithm = np.abs(np.log(factors))
    figures = {"threshold": weights["threshold"],
               "right ones warned of": float(warned[factors == 1].mean())}  # fmt: skip
    for low, high in ((0.1, 0.15), (0.15, 0.2), (0.2, 0.26), (0.26, 0.4)):
        own = (logarithm >= low) & (logarithm < high)
        if own.any():
            name = f"wrong by {np.expm1(low):.0%} to {np.expm1(high):.0%} warned of"
            figures[name] = float(warned[own].mean())
    with whole_file(path, overwrite=True) as part, open(part, "wb") as file:
        np.savez(file, **sealed_weights(weights))
    return figures


def fit_scale(features, factors, *, seed=0):
    """Train on features (n, NUMBERS) and factors (n,); returns what `checks.voxel_size` reads."""
    import keras

    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    mean, sd = features.mean(axis=0), features.std(axis=0) + 1e-3
    model = keras.Sequential([keras.Input((features.shape[1],))])
    for width in HIDDEN:
        model.add(keras.layers.Dense(width, activation="relu"))
        model.add(keras.layers.Dropout(DROPOUT))
    model.add(keras.layers.Dense(len(FACTORS)))
    rate = keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * (len(features) // 64 + 1))
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=0.02),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    right = factors == 1
    weight = np.where(right, RIGHT / right.mean(), (1 - RIGHT) / (1 - right.mean()))
    logarithm = np.log(FACTORS)
    label = np.exp(-0.5 * ((np.log(factors)[:, None] - logarithm) / WIDTH) ** 2)
    label /= label.sum(axis=1, keepdims=True)
    for _ in range(EPOCHS):
        changed = with_bfactor(features, rng.normal(0, B_FACTORS, len(features)))
        x = (changed - mean) / sd + rng.normal(0, 0.05, features.shape)
        model.fit(x, label, sample_weight=weight, batch_size=64, epochs=1, verbose=0)
    stored = {"mean": mean, "sd": sd, "layers": len(HIDDEN) + 1}
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    for number, layer in enumerate(dense):
        stored[f"kernel{number}"], stored[f"bias{number}"] = layer.get_weights()
    return stored
