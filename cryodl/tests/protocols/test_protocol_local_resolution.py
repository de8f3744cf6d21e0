"""The local resolution protocol in a real project, on a map that is neither cubic nor at 0."""

import json
import os

import mrcfile
import numpy as np
from pwem.objects import Transform, Volume, VolumeMask
from pwem.protocols import ProtImportMask, ProtImportVolumes
from pyworkflow.protocol import MODE_RESUME
from pyworkflow.tests import BaseTest, setupTestProject

from cryodl.plugin import Plugin
from cryodl.protocols import CryodlProtLocalResolution
from cryodl.protocols.maps import read_header
from cryodl.tests.scipion_maps import wait_for, write_molecule

SHAPE, VOXEL, ORIGIN = (40, 48, 56), 1.2, (12.0, -24.0, 36.0)  # z, y, x; Å; x, y, z in Å


class TestLocalResolution(BaseTest):
    @classmethod
    def setUpClass(cls):
        setupTestProject(cls)
        cls.map_file = cls.getOutputPath("molecule.mrc")
        cls.mask_file = cls.getOutputPath("mask.mrc")
        write_molecule(cls.map_file, SHAPE, VOXEL, ORIGIN, mask_path=cls.mask_file)
        cls.volume = cls.import_volume(cls.map_file, VOXEL)
        mask = cls.newProtocol(ProtImportMask, maskPath=cls.mask_file, samplingRate=VOXEL)
        cls.launchProtocol(mask)
        cls.mask = mask.outputMask
        cls.run_ = cls.newProtocol(CryodlProtLocalResolution, useGpu=False)
        cls.run_.inputVolume.set(cls.volume)
        cls.run_.Mask.set(cls.mask)
        cls.launchProtocol(cls.run_)

    @classmethod
    def import_volume(cls, path, voxel_size):
        protocol = cls.newProtocol(
            ProtImportVolumes,
            filesPath=path,
            samplingRate=voxel_size,
            setOrigCoord=True,
            # the form asks where the coordinates' origin lies in the box
            x=-ORIGIN[0],
            y=-ORIGIN[1],
            z=-ORIGIN[2],
        )
        cls.launchProtocol(protocol)
        return protocol.outputVolume

    def unsaved(self, **values):
        protocol = self.newProtocol(CryodlProtLocalResolution, useGpu=False, **values)
        protocol.inputVolume.set(self.volume)
        return protocol

    def test_outputs_lie_on_the_input_grid(self):
        outputs = {
            "resolution_Volume": Volume,
            "uncertainty_Volume": Volume,
            "outputMask": VolumeMask,
        }
        for name, kind in outputs.items():
            output = getattr(self.run_, name)
            self.assertIsInstance(output, kind)
            self.assertAlmostEqual(output.getSamplingRate(), VOXEL)
            np.testing.assert_allclose(output.getShiftsFromOrigin(), ORIGIN)
            with mrcfile.open(output.getFileName()) as mrc:
                self.assertEqual(mrc.data.shape, SHAPE)
                self.assertAlmostEqual(float(mrc.voxel_size.x), VOXEL, places=4)
                written = [float(mrc.header.origin[axis]) for axis in "xyz"]
            np.testing.assert_allclose(written, ORIGIN, atol=1e-3)

    def test_values_are_resolutions_inside_the_mask_alone(self):
        with mrcfile.open(self.run_.resolution_Volume.getFileName()) as mrc:
            resolution = np.array(mrc.data)
        with mrcfile.open(self.mask_file) as mrc:
            inside = mrc.data > 0.5
        self.assertTrue(np.all(resolution[~inside] == 0))
        self.assertGreater(resolution[inside].min(), 2.0)
        self.assertLess(resolution[inside].max(), 16.0)
        self.assertAlmostEqual(
            self.run_.median_res_init.get(), float(np.median(resolution[inside])), places=3
        )
        self.assertAlmostEqual(self.run_.min_res_init.get(), resolution[inside].min(), places=3)
        self.assertAlmostEqual(self.run_.max_res_init.get(), resolution[inside].max(), places=3)

    def test_figures_survive_in_the_project(self):
        stored = self.proj.getProtocol(self.run_.getObjId())
        self.assertAlmostEqual(stored.median_res_init.get(), self.run_.median_res_init.get())

    def test_relations_lead_back_to_the_inputs(self):
        parents = self.proj.getSourceParents(self.run_.resolution_Volume)
        self.assertEqual(
            {parent.getObjId() for parent in parents},
            {self.volume.getObjId(), self.mask.getObjId()},
        )

    def test_log_shows_progress_and_options_can_be_run_again(self):
        with open(self.run_.getStdoutLog(), encoding="utf-8") as log:
            self.assertIn("predict: 100 %", log.read())
        with open(self.run_._getExtraPath("run.json"), encoding="utf-8") as file:
            options = json.load(file)
        self.assertEqual((options["device"], options["range"]), ("cpu", "auto"))
        self.assertEqual(options["threads"], Plugin.defaultThreads())
        self.assertNotIn("voxel-size", options)  # the header says the same

    def test_summary_and_methods_tell_the_figures(self):
        summary = "\n".join(self.run_._summary())
        self.assertIn(f"{self.run_.median_res_init.get():.2f} Å", summary)
        self.assertIn("consider 'Judge the map: flattened'", summary)  # a warning of this map
        self.assertIn("a given mask", self.run_._methods()[0])
        self.assertEqual(self.run_._citations(), ["RamirezAportela2019"])

    def test_a_run_is_stopped_and_fails_and_is_continued(self):
        protocol = self.unsaved(sharpen=1, claimed=5.0)
        self.proj.launchProtocol(protocol, wait=False)
        options = protocol._getExtraPath("run.json")
        wait_for(lambda: os.path.exists(options))
        self.proj.stopProtocol(protocol)
        stopped = self.proj.getProtocol(protocol.getObjId())
        self.assertTrue(stopped.isAborted())
        results = protocol._getExtraPath("resolution.mrc")
        self.assertFalse(os.path.exists(results))
        self.assertFalse(hasattr(stopped, "resolution_Volume"))

        away = f"{self.volume.getFileName()}.away"
        os.rename(self.volume.getFileName(), away)
        stopped.runMode.set(MODE_RESUME)
        self.proj.launchProtocol(stopped, wait=True)
        failed = self.proj.getProtocol(protocol.getObjId())
        self.assertTrue(failed.isFailed())
        self.assertIn(self.volume.getFileName(), failed.getErrorMessage())

        os.rename(away, self.volume.getFileName())
        failed.runMode.set(MODE_RESUME)
        self.launchProtocol(failed)
        self.assertEqual(failed.getStats()["sharpen_resolution"], 5.0)
        self.assertTrue(os.path.exists(results))
        left = [n for n in os.listdir(protocol._getExtraPath()) if n.startswith(".")]
        self.assertEqual(left, [])  # nothing half-written


class TestValidation(BaseTest):
    """What is wrong is said before the run, with what to do."""

    @classmethod
    def setUpClass(cls):
        setupTestProject(cls)
        cls.map_file = cls.getOutputPath("molecule.mrc")
        write_molecule(cls.map_file, SHAPE, VOXEL, ORIGIN)

    def errors(self, volume, mask=None, **values):
        protocol = self.newProtocol(CryodlProtLocalResolution, useGpu=False)
        protocol.inputVolume.set(volume)
        if mask is not None:
            protocol.Mask.set(mask)
        for name, value in values.items():
            getattr(protocol, name).set(value)
        return protocol._validate()

    def volume(self, path=None, sampling=VOXEL, kind=Volume):
        volume = kind(location=path or self.map_file)
        volume.setSamplingRate(sampling)
        return volume

    def test_good_input_passes(self):
        mask = self.volume(kind=VolumeMask)
        mask.setOrigin(Transform())
        self.assertEqual(self.errors(self.volume(), mask), [])

    def test_no_gpu(self):
        if Plugin.hasGpu():
            self.skipTest("this machine has a GPU")
        (line,) = self.errors(self.volume(), useGpu=True)
        self.assertIn("set 'Use GPU for execution' to No", line)

    def test_missing_engine_is_said_by_scipion(self):
        Plugin._vars["CRYODL_HOME"] = "/nowhere"
        try:
            protocol = self.newProtocol(CryodlProtLocalResolution, useGpu=False)
            protocol.inputVolume.set(self.volume())
            self.assertIn("CRYODL_HOME=/nowhere", "\n".join(protocol.validate()))
        finally:
            Plugin._vars["CRYODL_HOME"] = ""

    def test_header_with_permuted_axes(self):
        path = self.getOutputPath("permuted.mrc")
        with mrcfile.new(path, np.zeros((3, 4, 5), np.float32), overwrite=True) as mrc:
            mrc.header.mapc, mrc.header.mapr, mrc.header.maps = 3, 2, 1
        self.assertEqual(read_header(path).shape, (5, 4, 3))
