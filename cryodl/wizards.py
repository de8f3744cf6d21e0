"""Wizards of the forms: buttons that fill parameters in."""

from pwem.wizards.wizard import ColorScaleWizardBase

from cryodl.viewers import CryodlResolutionViewer
from cryodl.viewers.results import RunResults


class CryodlColorScaleWizard(ColorScaleWizardBase):
    """Bring back the colour scale that fits the run, the one of the pictures it has written.

    The dialog of the base class is not opened: it colours with other tables than ours, so that
    what it previews is not what is drawn.
    """

    _targets = ColorScaleWizardBase.defineTargets(CryodlResolutionViewer)

    def show(self, form, *params):
        lowest, highest = RunResults(form.protocol.protocol).scale_ends()
        form.setVar("lowest", lowest)
        form.setVar("highest", highest)
