"""The wizard of the viewer's form: found by Scipion, and it fills in what fits the run."""

from pwem import Domain
from pyworkflow.viewer import DESKTOP_TKINTER

from cryodl.tests.viewer_case import ViewerCase
from cryodl.wizards import CryodlColorScaleWizard


class StandInForForm:
    """What a wizard is given of Scipion's form window: its protocol, and fields to set."""

    def __init__(self, viewer):
        self.protocol = viewer

    def setVar(self, name, value):
        getattr(self.protocol, name).set(value)


class TestColourScale(ViewerCase):
    def test_it_brings_back_the_scale_that_fits(self):
        viewer = self.viewer(self.finished_run())
        fitting = viewer.lowest.get(), viewer.highest.get()
        viewer.lowest.set(0)
        viewer.highest.set(99)
        CryodlColorScaleWizard().show(StandInForForm(viewer))
        self.assertEqual((viewer.lowest.get(), viewer.highest.get()), fitting)
        self.assertGreater(fitting[0], 3)

    def test_scipion_finds_it_for_the_scale(self):
        viewer = self.viewer(self.finished_run())
        found = Domain.findWizards(viewer, DESKTOP_TKINTER)
        for name in ("highest", "lowest", "intervals", "colorMap"):
            self.assertIs(found[name], CryodlColorScaleWizard)
