"""The wizards: found by Scipion for their fields, and they fill in what fits."""

import mrcfile
import numpy as np
from pwem import Domain
from pwem.objects import Volume
from pyworkflow.viewer import DESKTOP_TKINTER

from cryodl.protocols import CryodlProtEnhance
from cryodl.tests.scipion_maps import write_map
from cryodl.tests.viewers.viewer_case import ViewerCase
from cryodl.wizards import CryodlColorScaleWizard, CryodlNoiseWizard, solvent_noise


class StandInForForm:
    """What a wizard is given of Scipion's form window: its protocol, and fields to set."""

    def __init__(self, viewer):
        self.protocol = viewer

    def setVar(self, name, value):
        getattr(self.protocol, name).set(value)

    def showWarning(self, message):
        self.warning = message


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


class TestNoise(ViewerCase):
    def protocol(self, **values):
        protocol = self.newProtocol(CryodlProtEnhance, normalization=1, **values)
        protocol.inputVolume.set(self.volume)
        return protocol

    def test_scipion_finds_it_for_both_numbers(self):
        found = Domain.findWizards(self.protocol(), DESKTOP_TKINTER)
        for name in ("noiseMean", "noiseStd"):
            self.assertIs(found[name], CryodlNoiseWizard)

    def test_it_measures_the_noise_of_the_map(self):
        protocol = self.protocol()
        CryodlNoiseWizard().show(StandInForForm(protocol))
        # what write_molecule adds
        self.assertAlmostEqual(protocol.noiseMean.get(), 0, delta=0.01)
        self.assertAlmostEqual(protocol.noiseStd.get(), 0.02, delta=0.006)
        self.assertEqual(protocol._validateValues(), [])

    def test_half_maps_are_measured_together(self):
        rng = np.random.default_rng(2)
        with mrcfile.open(self.map_file) as mrc:
            density = np.array(mrc.data)
        paths = [self.getOutputPath(f"half{i}.mrc") for i in (1, 2)]
        for path in paths:
            write_map(path, density + rng.normal(3, 0.4, density.shape), 1.2, (0, 0, 0))
        volume = Volume(location=self.map_file)
        volume.setSamplingRate(1.2)
        volume.setHalfMaps(",".join(paths))
        protocol = self.protocol()
        protocol.inputVolume.set(volume)
        CryodlNoiseWizard().show(StandInForForm(protocol))
        self.assertAlmostEqual(protocol.noiseMean.get(), 3, delta=0.05)
        self.assertAlmostEqual(protocol.noiseStd.get(), 0.4 / 2**0.5, delta=0.03)

    def test_a_map_cut_by_a_mask_is_refused(self):
        with mrcfile.open(self.map_file) as mrc:
            density = np.where(self.inside, mrc.data, 0)
        path = self.getOutputPath("cut.mrc")
        write_map(path, density, 1.2, (0, 0, 0))
        volume = Volume(location=path)
        volume.setSamplingRate(1.2)
        protocol = self.protocol()
        protocol.inputVolume.set(volume)
        form = StandInForForm(protocol)
        CryodlNoiseWizard().show(form)
        self.assertIn("no noise in its solvent", form.warning)
        self.assertIsNone(protocol.noiseMean.get())

    def test_noise_is_measured_beside_a_molecule_and_in_any_unit(self):
        rng = np.random.default_rng(0)
        data = rng.normal(0.5, 0.2, (48, 48, 48))
        data[12:30, 10:32, 14:30] += np.abs(rng.normal(1, 1, (18, 22, 16)))
        for scale in (1e-6, 1, 1e6):
            mean, deviation = solvent_noise(scale * data)
            self.assertAlmostEqual(mean / scale, 0.5, delta=0.02)
            self.assertAlmostEqual(deviation / scale, 0.2, delta=0.01)


del ViewerCase  # or it would be collected here too
