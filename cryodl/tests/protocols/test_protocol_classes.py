"""Resolution classes of maps and of voxels, and training for the latter, in a real project."""

import json

import mrcfile
import numpy as np
import pytest
from pwem.objects import SetOfVolumes, Volume
from pwem.protocols import EMProtocol
from pyworkflow.object import Pointer
from pyworkflow.tests import BaseTest, setupTestProject

from cryodl.objects import CryodlNetwork
from cryodl.protocols import (
    CryodlProtLocalClasses,
    CryodlProtResolutionClass,
    CryodlProtTrainLocalClasses,
)
from cryodl.protocols.maps import volume_of
from cryodl.tests.scipion_maps import (
    StandInForMonoRes,
    StandInForResMap,
    import_volumes,
    run_here,
    write_map,
    write_molecule,
)
from cryodl.tests.viewers import viewer_case
from cryodl.viewers import CryodlTrainingViewer

SHAPE, VOXEL, ORIGIN = (44, 48, 52), 1.2, (-30.0, 15.0, 6.0)  # z, y, x; Å; x, y, z in Å


class ClassesCase(BaseTest):
    """Imports several molecules, each with its half maps."""

    count = 2
    tearDown = viewer_case.ViewerCase.tearDown

    @classmethod
    def setUpClass(cls):
        setupTestProject(cls)
        cls.volumes = [cls.import_molecule(seed) for seed in range(cls.count)]

    @classmethod
    def import_molecule(cls, seed):
        files = [cls.getOutputPath(f"m{seed}_{name}.mrc") for name in ("full", "half1", "half2")]
        write_molecule(files[0], SHAPE, VOXEL, ORIGIN, seed=seed)
        with mrcfile.open(files[0]) as mrc:
            density = np.array(mrc.data)
        rng = np.random.default_rng(seed)
        for path in files[1:]:
            write_map(path, density + rng.normal(0, 0.1, SHAPE), VOXEL, ORIGIN)
        return import_volumes(cls, files[0], VOXEL, ORIGIN, files[1:]).outputVolume

    def plain(self, name, sampling=VOXEL):
        volume = Volume(location=self.getOutputPath(name))
        volume.setSamplingRate(sampling)
        return volume


class TestResolutionClass(ClassesCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.set_ = import_volumes(cls, cls.getOutputPath("m*_full.mrc"), VOXEL).outputVolumes

    def judge(self, inputs, **values):
        protocol = self.newProtocol(CryodlProtResolutionClass, useGpu=False, **values)
        protocol.inputVolumes.set(inputs)
        return protocol

    def test_a_volume_and_a_set_in_one_go(self):
        run = self.judge([self.volumes[1], self.set_], claimed=12.0)
        self.assertEqual(run._validate(), [])
        self.launchProtocol(run)
        found = run.getStats()
        self.assertEqual(len(found), 3)
        # the same map as a volume and in the set
        self.assertEqual(found[0]["probabilities"], found[2]["probabilities"])
        self.assertEqual(run.resolution_class.get(), found[0]["class"])
        self.assertAlmostEqual(run.global_res.get(), found[0]["resolution"])
        alone, together = run.outputVolume1, run.outputVolumes2
        self.assertIsInstance(together, SetOfVolumes)
        judged = [alone, *(volume.clone() for volume in together)]
        given = [self.volumes[1], *(volume.clone() for volume in self.set_)]
        self.assertEqual(len(judged), 3)
        for volume, source, entry in zip(judged, given, found):
            self.assertEqual(volume.getFileName(), source.getFileName())
            self.assertAlmostEqual(volume.getSamplingRate(), VOXEL)
            self.assertEqual(volume._resolutionClass.get(), entry["class"])
            self.assertAlmostEqual(volume._estimatedResolution.get(), entry["resolution"])
            shares = [getattr(volume, f"_probability{k}").get() for k in ("High", "Medium", "Low")]
            self.assertAlmostEqual(sum(shares), 1, places=3)
            self.assertEqual(volume._verdict.get(), entry["verdict"])
        np.testing.assert_allclose(alone.getShiftsFromOrigin(), ORIGIN)
        self.assertEqual(len(run._summary()) >= 3, True)
        self.assertIn("[Avramov2019]", run._methods()[0])

    def test_headers_that_say_otherwise_and_stacks_are_written_anew(self):
        with mrcfile.open(self.getOutputPath("m0_full.mrc")) as mrc:
            data = np.array(mrc.data)
        path = self.getOutputPath("stack.mrcs")
        mrcfile.new(path, np.stack([data, data[::-1]]), overwrite=True).close()
        second = self.plain("stack.mrcs", 1.4)
        second.setIndex(2)
        run = self.judge([self.plain("m0_full.mrc", 1.3), second, self.plain("m0_full.mrc")])
        self.proj.saveProtocol(run)
        run.makePathsAndClean()
        run.convertInputStep()
        paths = run._engineParams()["map"]
        self.assertEqual(paths[2], self.getOutputPath("m0_full.mrc"))
        for path, rate, expected in zip(paths, (1.3, 1.4), (data, data[::-1])):
            with mrcfile.open(path) as mrc:
                np.testing.assert_array_equal(mrc.data, expected)
                self.assertAlmostEqual(float(mrc.voxel_size.x), rate, places=4)


class TestLocalClasses(ClassesCase):
    def run_here(self, kind, volume):
        """volume : Volume, or the pointer that a form would store"""
        protocol = self.newProtocol(kind)
        if isinstance(volume, Pointer):
            protocol.fullMap.copy(volume)
        else:
            protocol.fullMap.set(volume)
        return run_here(self, protocol)

    def test_train_after_monores_and_resmap_and_predict(self):
        estimated = [
            getattr(self.run_here(kind, volume), kind.output)
            for kind, volume in zip((StandInForMonoRes, StandInForResMap), self.volumes)
        ]
        # from nothing: what a shipped network says has no part in this
        training = self.newProtocol(
            CryodlProtTrainLocalClasses, startFrom=3, steps=2, batchSize=1, minutes=5
        )
        training.inputVolumes.set(self.volumes)
        training.inputResolutions.set(estimated[::-1])
        self.assertEqual(training._validate(), [])
        # the project knows which belong together, whatever their order
        pairs = [(v.getObjId(), r.getObjId()) for v, r in training.getPairs()]
        expected = [(v.getObjId(), r.getObjId()) for v, r in zip(self.volumes, estimated)]
        self.assertEqual(sorted(pairs), sorted(expected))
        self.launchProtocol(training)
        network = training.outputNetwork
        self.assertIsInstance(network, CryodlNetwork)
        self.assertIn("in the right class", "\n".join(training._summary()))
        parents = {p.getObjId() for p in self.proj.getSourceParents(network)}
        self.assertEqual(parents, {p.getObjId() for p in [*self.volumes, *estimated]})

        self.look_at(training)
        self.assertTrue(training._engineParams()["resume"])  # where it is continued

        run = self.newProtocol(CryodlProtLocalClasses, useGpu=False, network=2)
        run.inputVolume.set(self.volumes[0])
        run.inputNetwork.set(network)
        self.assertEqual(run._validate(), [])
        self.launchProtocol(run)
        maps = {}
        for name in ("classes_Volume", "resolution_Volume", "outputMask"):
            output = getattr(run, name)
            self.assertAlmostEqual(output.getSamplingRate(), VOXEL)
            np.testing.assert_allclose(output.getShiftsFromOrigin(), ORIGIN)
            with mrcfile.open(output.getFileName()) as mrc:
                maps[name] = np.array(mrc.data)
            self.assertEqual(maps[name].shape, SHAPE)
        inside = maps["outputMask"] > 0
        found = set(np.unique(maps["classes_Volume"][inside]))
        self.assertTrue(found <= set(range(1, 11)), found)
        self.assertTrue(np.all(maps["classes_Volume"][~inside] == 0))
        median = float(np.median(maps["resolution_Volume"][inside]))
        self.assertAlmostEqual(run.median_res_init.get(), median, places=3)
        with open(run._getExtraPath("run.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["bundle"], network.getFileName())
        self.assertIn("Most frequent class", run._summary()[0])
        self.assertIn("[Avramov2019]", run._methods()[0])
        parents = {p.getObjId() for p in self.proj.getSourceParents(run.classes_Volume)}
        self.assertEqual(parents, {self.volumes[0].getObjId(), network.getObjId()})

    def failed_training(self, resolutions, **values):
        """What a run that fails says, and what its viewer shows for a table."""
        given = {"startFrom": 0, "steps": 1, "batchSize": 1, "minutes": 5, **values}
        training = self.newProtocol(CryodlProtTrainLocalClasses, **given)
        training.inputVolumes.set(self.volumes)
        training.inputResolutions.set(resolutions)
        self.assertEqual(training._validate(), [])
        self.proj.launchProtocol(training, wait=True)
        failed = self.proj.getProtocol(training.getObjId())
        self.proj._updateProtocol(failed, checkPid=False)
        self.assertTrue(failed.isFailed())
        self.assertFalse(hasattr(failed, "outputNetwork"))
        self.assertNotIn("Traceback", failed.getErrorMessage())
        viewer = viewer_case.ViewerCase.viewer(self, failed)
        (view,) = viewer._getVisualizeDict()["doShowTable"]("doShowTable")
        return failed.getErrorMessage(), view

    @pytest.mark.slow
    def test_a_training_without_a_useful_step_fails_and_says_what_to_do(self):
        """It starts from the network whose own answers it is taught, and strides away from it."""
        estimated = []
        for volume in self.volumes:
            run = self.newProtocol(CryodlProtLocalClasses, useGpu=False)
            run.inputVolume.set(volume)
            estimated.append(run_here(self, run).resolution_Volume)
        said, _ = self.failed_training(estimated, learningRate=10.0, steps=8)
        self.assertRegex(said, r"No step of this training was useful: the error on maps held out")
        self.assertIn("Give it more minutes or more maps", said)

    def test_a_training_that_the_engine_refuses_says_why(self):
        """The local resolutions hold no voxel of the molecule."""
        given = self.newProtocol(EMProtocol)
        self.proj.saveProtocol(given)
        names = [f"nothing{number}" for number in range(len(self.volumes))]
        for name in names:
            write_map(self.getOutputPath(f"{name}.mrc"), np.zeros(SHAPE), VOXEL, ORIGIN)
        given._defineOutputs(**{name: self.plain(f"{name}.mrc") for name in names})
        nothing = [getattr(given, name) for name in names]
        said, view = self.failed_training(nothing)
        self.assertRegex(said, r"nothing\d.mrc is constant: every voxel is 0")
        self.assertIn("This run failed", viewer_case.ViewerCase.message(self, view))

    def look_at(self, training):
        viewer = viewer_case.ViewerCase.viewer(self, training)
        self.assertIsInstance(viewer, CryodlTrainingViewer)
        panels = viewer_case.ViewerCase.show(self, viewer, "doShowCurves").getFigure().axes
        self.assertIn("Loss", [axes.get_ylabel() for axes in panels])
        texts = viewer_case.ViewerCase.show(self, viewer, "doShowTable").getFigure().texts
        exact = training.getStats()["metrics"]["exact"]
        self.assertIn(f"{100 * exact:.1f}", [text.get_text() for text in texts])

    def test_maps_and_resolutions_as_forms_point_to_them(self):
        """A form stores the run and the name of its output, of a set also the item."""
        imported = import_volumes(self, self.getOutputPath("m*_half*.mrc"), VOXEL)
        items = [Pointer(imported, extended=f"outputVolumes.{i}") for i in (1, 2, 3)]
        runs = [self.run_here(StandInForMonoRes, item) for item in items]
        estimated = [Pointer(run, extended="resolution_Volume") for run in runs]
        files = [volume_of(item).getFileName() for item in items]
        self.assertEqual(len(set(files)), 3)
        resolutions = [run.resolution_Volume.getFileName() for run in runs]

        training = self.newProtocol(CryodlProtTrainLocalClasses)
        training.inputResolutions.set([estimated[i] for i in (2, 0, 1)])
        expected = [(files[i], resolutions[i]) for i in (2, 0, 1)]
        for maps in (items, [Pointer(imported, extended="outputVolumes")]):
            training.inputVolumes.set(maps)
            pairs = [(v.getFileName(), r.getFileName()) for v, r in training.getPairs()]
            self.assertEqual(pairs, expected)
            self.assertEqual(training._validate(), [])
        training.inputResolutions.set([estimated[0], estimated[1], estimated[0]])
        (line,) = training._validate()
        self.assertIn("Local resolutions 1 and 3 are both of the map", line)
        training.inputVolumes.set(items)
        training.inputResolutions.set(items)  # the maps once more, dropped into the wrong field
        (line,) = training._validate()
        self.assertIn("Local resolution 1 is map 1 itself", line)
        # one comes from nowhere, so that the order counts, and that of the others is another
        training.inputVolumes.set(items)
        training.inputResolutions.set([self.plain("m0_full.mrc"), estimated[2], estimated[1]])
        (line,) = training._validate()
        self.assertIn("Local resolution 2 was computed from the map", line)
        self.assertIn("in the same order", line)

    def test_shipped_networks_are_asked_by_their_methods(self):
        for choice, method in enumerate(("unet-monores", "unet-resmap")):
            run = self.newProtocol(CryodlProtLocalClasses, useGpu=False, network=choice)
            run.inputVolume.set(self.volumes[0])
            options = run._engineParams()
            self.assertEqual((options["method"], options["bundle"]), (method, None))


del ClassesCase  # or it would be collected here too
