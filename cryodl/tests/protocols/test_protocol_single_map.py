"""Single-map resolution in a real project, and as an input of the comparison."""

import json

import mrcfile
import numpy as np
from pwem.objects import Volume, VolumeMask
from pyworkflow.tests import BaseTest, setupTestProject

from cryodl.protocols import CryodlProtCompareResolution, CryodlProtSingleMapResolution
from cryodl.tests.scipion_maps import import_volumes, write_map, write_molecule

SHAPE, VOXEL, ORIGIN = (44, 48, 52), 1.2, (-30.0, 15.0, 6.0)  # z, y, x; Å; x, y, z in Å


class TestSingleMap(BaseTest):
    @classmethod
    def setUpClass(cls):
        setupTestProject(cls)
        path = cls.getOutputPath("molecule.mrc")
        cls.inside = write_molecule(path, SHAPE, VOXEL, ORIGIN)
        write_map(cls.getOutputPath("small.mrc"), cls.inside[:30], VOXEL, ORIGIN)
        cls.volume = import_volumes(cls, path, VOXEL, ORIGIN).outputVolume

    def estimate(self, **values):
        protocol = self.newProtocol(CryodlProtSingleMapResolution, useGpu=False, **values)
        protocol.inputVolume.set(self.volume)
        return protocol

    def test_outputs_and_comparison(self):
        run = self.estimate(claimed=5.0)
        self.assertEqual(run._validate(), [])
        self.launchProtocol(run)
        kinds = {
            "resolution_Volume": Volume,
            "uncertainty_Volume": Volume,
            "outputMask": VolumeMask,
        }
        maps = {}
        for name, kind in kinds.items():
            output = getattr(run, name)
            self.assertIsInstance(output, kind)
            self.assertAlmostEqual(output.getSamplingRate(), VOXEL)
            np.testing.assert_allclose(output.getShiftsFromOrigin(), ORIGIN)
            with mrcfile.open(output.getFileName()) as mrc:
                maps[name] = np.array(mrc.data)
            self.assertEqual(maps[name].shape, SHAPE)
        inside = maps["outputMask"] > 0
        self.assertTrue(np.all(maps["resolution_Volume"][~inside] == 0))
        known = maps["resolution_Volume"][inside]
        self.assertAlmostEqual(run.median_res_init.get(), float(np.median(known)), places=3)
        self.assertEqual(run.global_res.get(), run.getStats()["global_resolution"])
        stored = self.proj.getProtocol(run.getObjId())
        self.assertEqual(stored.global_res.get(), run.global_res.get())
        with open(run._getExtraPath("run.json"), encoding="utf-8") as file:
            options = json.load(file)
        self.assertEqual((options["method"], options["claimed"]), ("cryores", 5.0))
        self.assertIn(f"Global resolution: *{run.global_res.get():.2f} Å*", run._summary()[0])
        self.assertIn("[Dai2023]", run._methods()[0])
        self.compare(run, inside)

    def compare(self, run, inside):
        """Its resolution is an input of the comparison like any other."""
        path = self.getOutputPath("other.mrc")
        write_map(path, np.where(inside, 6.0, 0.0), VOXEL, ORIGIN)
        imported = import_volumes(self, path, VOXEL)
        compared = self.newProtocol(CryodlProtCompareResolution)
        compared.inputResolutions.set([run.resolution_Volume, imported.outputVolume])
        compared.Mask.set(run.outputMask)
        self.assertEqual(compared._validate(), [])
        self.launchProtocol(compared)
        (first, second) = compared.getStats()["maps"]
        self.assertEqual(first["name"], "single-map resolution")
        self.assertAlmostEqual(first["common"]["median"], run.median_res_init.get(), places=2)
        self.assertAlmostEqual(second["common"]["median"], 6.0, places=3)
