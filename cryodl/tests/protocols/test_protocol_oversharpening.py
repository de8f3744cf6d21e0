"""The oversharpening protocol, in a real project."""

import mrcfile
import numpy as np
from pwem.objects import Volume
from pyworkflow.tests import BaseTest, setupTestProject

from cryodl.protocols import CryodlProtOversharpening
from cryodl.tests.scipion_maps import import_volumes, write_map, write_molecule

SHAPE, VOXEL, ORIGIN = (40, 42, 44), 1.5, (-30.0, 15.0, 6.0)


class TestOversharpening(BaseTest):
    @classmethod
    def setUpClass(cls):
        setupTestProject(cls)
        inside = write_molecule(cls.getOutputPath("map.mrc"), SHAPE, VOXEL, ORIGIN)
        write_map(cls.getOutputPath("res.mrc"), np.where(inside, 4.0, 0.0), VOXEL, ORIGIN)
        write_map(cls.getOutputPath("small.mrc"), inside[:30], VOXEL, ORIGIN)
        files = [cls.getOutputPath(f"{name}.mrc") for name in ("map", "res")]
        cls.imported = [import_volumes(cls, file, VOXEL).outputVolume for file in files]

    def volume(self, name, sampling=VOXEL):
        volume = Volume(location=self.getOutputPath(name))
        volume.setSamplingRate(sampling)
        return volume

    def scan(self, **values):
        values = {"useHalfVolumes": False, "useGpu": False, **values}
        protocol = self.newProtocol(CryodlProtOversharpening, **values)
        protocol.inputVolume.set(self.imported[0])
        protocol.inputResolution.set(self.imported[1])
        return protocol

    def test_sharpened_volume_and_its_bfactor(self):
        run = self.scan(lastB=-60.0, stepB=60.0)
        run.sharpenedMap.set(self.imported[0])
        self.assertEqual(run._validate(), [])
        self.launchProtocol(run)
        stats = run.getStats()
        self.assertEqual([entry["bfactor"] for entry in stats["scan"]], [0, -60])
        self.assertEqual(run.best_bfactor.get(), stats["best_bfactor"])
        self.assertEqual(run.outputVolume.getSamplingRate(), VOXEL)
        with mrcfile.open(run.outputVolume.getFileName()) as mrc:
            self.assertEqual(mrc.data.shape, SHAPE)
        summary = "\n".join(run._summary())
        self.assertIn("Recommended B-factor", summary)
        self.assertIn("The sharpened map is", summary)
        self.assertIn("RamirezAportela2019", run._methods()[0])

    def test_bfactors_of_the_form(self):
        self.assertEqual(self.scan()._bfactors(), [-25.0 * i for i in range(9)])
        self.assertIsNone(self.scan()._engineParams()["bfactors"])
        run = self.scan(firstB=-20.0, lastB=-100.0, stepB=-30.0)
        self.assertEqual(run._bfactors(), [-20, -50, -80, -100])
        self.assertEqual(run._engineParams()["bfactors"], "-20,-50,-80,-100")
