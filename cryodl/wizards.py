"""Wizards of the forms: buttons that fill parameters in."""

from pwem.wizards.wizard import ColorScaleWizardBase, EmWizard

from cryodl.protocols import CryodlProtEnhance
from cryodl.protocols.noise import solvent_noise
from cryodl.viewers import CryodlLocalClassesViewer, CryodlResolutionViewer
from cryodl.viewers.maps import read_volume
from cryodl.viewers.results import RunResults


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
