"""Mean and standard deviation of the noise in a map's solvent, for the forms that ask for them."""

MOST = 2_000_003  # voxels that are looked at
FILLED = 0.05  # share of equal voxels from which they are taken for what a mask has left
CLIP, ROUNDS = 3.0, 30
LEAST = 0.15  # share of voxels with noise; what a mask leaves of less is mostly molecule


def solvent_noise(data):
    """Measure the noise of a map that is not filled by its molecule.

    The density of solvent spreads evenly about its mean, and the molecule lies above: what exceeds
    the mean by more than three standard deviations of what lies below it is left out, again and
    again. Voxels that a mask has filled with one value are no noise.

    Parameters
    ----------
    data : ndarray, shape (z, y, x)

    Returns
    -------
    (mean, standard deviation) : floats, in the unit of the map

    Raises
    ------
    ValueError
        The map was masked so closely that it shows no solvent.
    """
    import numpy as np

    flat = np.asarray(data).reshape(-1)
    values = flat[:: max(1, flat.size // MOST)]
    found, counts = np.unique(values, return_counts=True)
    fill = found[np.argmax(counts)] if counts.max() > FILLED * len(values) else np.nan
    noisy = values[values != fill]
    if len(noisy) < LEAST * len(values):
        raise ValueError("the map has no noise in its solvent")
    kept = noisy = noisy.astype(np.float64)
    for _ in range(ROUNDS):
        middle = np.median(kept)
        below = kept[kept <= middle]
        spread = np.sqrt(np.mean((below - middle) ** 2))
        inside = noisy[np.abs(noisy - middle) <= CLIP * spread]
        if len(inside) == len(kept) or len(inside) < LEAST * len(values):
            break
        kept = inside
    if len(kept) < LEAST * len(values) or not kept.std() > 0:
        raise ValueError("the map has no noise in its solvent")
    return float(kept.mean()), float(kept.std())
