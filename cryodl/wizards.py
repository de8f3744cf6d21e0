"""Wizards of the forms: buttons that fill parameters in."""

from pwem.wizards.wizard import ColorScaleWizardBase, EmWizard

from cryodl.protocols import CryodlProtEnhance
from cryodl.viewers import CryodlLocalClassesViewer, CryodlResolutionViewer
from cryodl.viewers.maps import read_volume
from cryodl.viewers.results import RunResults

# Of the noise in a map's solvent.
MOST = 2_000_003  # voxels that are looked at
FILLED = 0.05  # share of equal voxels from which they are taken for what a mask has left
CLIP, ROUNDS = 3.0, 30
LEAST = 0.15  # share of voxels with noise; what a mask leaves of less is mostly molecule


class CryodlColorScaleWizard(ColorScaleWizardBase):
    """Bring back the colour scale that fits the run, the one of the pictures it has written.

    The dialog of the base class is not opened: it colours with other tables than ours, so that
    what it previews is not what is drawn.
    """

    _targets = ColorScaleWizardBase.defineTargets(CryodlResolutionViewer, CryodlLocalClassesViewer)

    def show(self, form, *params):
        lowest, highest = RunResults(form.protocol.protocol).scale_ends()
        form.setVar("lowest", lowest)
        form.setVar("highest", highest)


class CryodlNoiseWizard(EmWizard):
    """Measure mean and standard deviation of the noise in the solvent of the map to enhance."""

    _targets = [(CryodlProtEnhance, ["noiseMean", "noiseStd"])]

    def show(self, form, *params):
        try:
            mean, deviation = solvent_noise(self._density(form.protocol))
        except ValueError as error:
            form.showWarning(
                f"The noise cannot be measured: {error}. Choose the automatic normalization, or a "
                "map that no mask has cut."
            )
            return
        form.setVar("noiseMean", float(f"{mean:.6g}"))
        form.setVar("noiseStd", float(f"{deviation:.6g}"))

    @staticmethod
    def _density(protocol):
        """Return the map that is enhanced, the mean of half maps where these are used."""
        halves = protocol.getHalves()
        volumes = halves if len(halves) == 2 else [protocol.getShownVolume()]
        if volumes[0] is None:
            raise ValueError("no volume is chosen yet")
        maps = [read_volume(volume).data for volume in volumes]
        if any(data.shape != maps[0].shape for data in maps):
            raise ValueError("the half maps differ in size")
        return sum(maps) / len(maps)


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
