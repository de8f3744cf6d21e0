"""The enhance protocol and its viewer, in a real project."""

import json
import os
import re
from unittest import mock

import mrcfile
import numpy as np
from pwem.objects import Volume
from pyworkflow.tests import BaseTest, setupTestProject

from cryodl.protocols import CryodlProtEnhance
from cryodl.tests.scipion_maps import import_volumes, write_map, write_molecule
from cryodl.tests.viewers.viewer_case import ViewerCase
from cryodl.viewers import CryodlEnhanceViewer

SHAPE, VOXEL, ORIGIN = (44, 48, 52), 1.2, (-30.0, 15.0, 6.0)  # z, y, x; Å; x, y, z in Å


class TestEnhance(BaseTest):
    show = ViewerCase.show
    viewer = ViewerCase.viewer
    tearDown = ViewerCase.tearDown

    @classmethod
    def setUpClass(cls):
        setupTestProject(cls)
        files = [cls.getOutputPath(f"{name}.mrc") for name in ("full", "half1", "half2")]
        cls.inside = write_molecule(files[0], SHAPE, VOXEL, ORIGIN)
        with mrcfile.open(files[0]) as mrc:
            density = np.array(mrc.data)
        rng = np.random.default_rng(1)
        for path in files[1:]:
            write_map(path, density + rng.normal(0, 0.05, SHAPE), VOXEL, ORIGIN)
        write_map(cls.getOutputPath("small.mrc"), cls.inside[:30], VOXEL, ORIGIN)
        cls.volume = import_volumes(cls, files[0], VOXEL, ORIGIN, files[1:]).outputVolume

    def enhance(self, **values):
        protocol = self.newProtocol(CryodlProtEnhance, useGpu=False, **values)
        protocol.inputVolume.set(self.volume)
        return protocol

    def plain(self, name="full.mrc"):
        volume = Volume(location=self.getOutputPath(name))
        volume.setSamplingRate(VOXEL)
        return volume

    # --------------------------- form -------------------------------------
    def test_half_maps_are_taken_from_the_volume_where_it_has_them(self):
        options = self.enhance()._engineParams()
        self.assertEqual(
            [options[name] for name in ("half1", "half2")], self.volume.getHalfMaps().split(",")
        )
        self.assertNotIn("map", options)
        without = self.enhance()
        without.inputVolume.set(self.plain())
        self.assertEqual(without._validate(), [])
        self.assertEqual(without._engineParams()["map"], self.getOutputPath("full.mrc"))
        self.assertIn("no half maps", without._warnings()[0])
        alone = self.enhance(useHalfMapsInsteadVol=False)
        self.assertEqual(alone._engineParams()["map"], self.volume.getFileName())
        self.assertEqual(alone._warnings(), [])

    def test_half_maps_given_apart(self):
        protocol = self.enhance(halfMapsAttached=False)
        (line,) = protocol._validate()
        self.assertIn("give both", line)
        protocol.inputHalf1.set(self.plain("half1.mrc"))
        protocol.inputHalf2.set(self.plain("half2.mrc"))
        self.assertEqual(protocol._validate(), [])
        self.assertEqual(protocol._engineParams()["half2"], self.getOutputPath("half2.mrc"))
        self.assertEqual(protocol.getShownVolume().getFileName(), self.getOutputPath("half1.mrc"))

    def test_options_of_the_form(self):
        options = self.enhance(
            normalization=1, noiseMean=0.1, noiseStd=0.2, modelType=2, performCleaningStep=True,
            sizeFraction_CC=0.1,
        )._engineParams()  # fmt: skip
        expected = {
            "normalisation": "stats", "noise-mean": 0.1, "noise-std": 0.2, "model": "highres",
            "clean": 0.1,
        }  # fmt: skip
        self.assertEqual({name: options[name] for name in expected}, expected)
        plain = self.enhance()._engineParams()
        for name in ("clean", "noise-mean", "mask", "protect"):
            self.assertNotIn(name, plain)
        masked = self.enhance(normalization=2)
        masked.inputMask.set(self.plain())
        self.assertEqual(masked._engineParams()["mask"], self.getOutputPath("full.mrc"))

    def test_what_filters_cannot_take_is_refused_before_the_run(self):
        self.assertEqual(self.enhance(modelType=3)._validate(), [])
        self.assertEqual(self.enhance(modelType=3, useHalfMapsInsteadVol=False)._validate(), [])
        self.assertEqual(self.enhance(modelType=4, useHalfMapsInsteadVol=False)._validate(), [])
        (line,) = self.enhance(modelType=3, performCleaningStep=True, thorough=True)._validate()
        self.assertIn("no use for Remove small components?, Average over 24 rotations:", line)

    # --------------------------- run --------------------------------------
    def test_a_run_from_half_maps_with_local_resolution_and_its_viewer(self):
        run = self.enhance(compareResolution=True, performCleaningStep=True)
        self.assertEqual(run._validate(), [])
        self.launchProtocol(run)
        for name in ("Volume", "support_Volume"):
            output = getattr(run, name)
            self.assertAlmostEqual(output.getSamplingRate(), VOXEL)
            np.testing.assert_allclose(output.getShiftsFromOrigin(), ORIGIN)
            with mrcfile.open(output.getFileName()) as mrc:
                self.assertEqual(mrc.data.shape, SHAPE)
                written = [float(mrc.header.origin[axis]) for axis in "xyz"]
            np.testing.assert_allclose(written, ORIGIN, atol=1e-3)
        with mrcfile.open(run.Volume.getFileName()) as mrc:
            enhanced = np.array(mrc.data)
        with mrcfile.open(self.volume.getFileName()) as mrc:
            correlation = np.corrcoef(mrc.data.ravel(), enhanced.ravel())[0, 1]
        self.assertGreater(correlation, 0.4)
        parents = {p.getObjId() for p in self.proj.getSourceParents(run.Volume)}
        self.assertEqual(parents, {self.volume.getObjId()})
        with open(run._getExtraPath("run.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["clean"], 0.05)
        # local resolution of both, inside the mask of the input
        found = run.getResolutionStats()
        self.assertEqual(sorted(found), ["after", "before"])
        self.assertEqual(found["before"]["voxels"], found["after"]["voxels"])
        summary = "\n".join(run._summary())
        self.assertIn("*half maps*", summary)
        self.assertIn(f"*{found['after']['median']:.2f} Å* after", summary)
        self.assertIn("[SanchezGarcia2021]", run._methods()[0])
        self.look_at(run, enhanced)

    def look_at(self, run, enhanced):
        viewer = self.viewer(run)
        self.assertIsInstance(viewer, CryodlEnhanceViewer)
        shown = [name for name, _ in viewer._definition.iterAllParams() if name.startswith("doSh")]
        self.assertEqual(sorted(shown), sorted(viewer._getVisualizeDict()))
        figure = self.show(viewer, "doShowVolumeSlices", "_enhance").getFigure()
        panels = [axes for axes in figure.axes if axes.get_title()]
        plane = int(panels[2].get_title().split(":")[0]) - 1
        below = figure.axes[len(panels) + 1 + 2]  # behind the input's panels and their key
        drawn = np.asarray(below.images[-1].get_array())
        self.assertTrue(np.isin(drawn.astype("f4"), enhanced[plane]).all())
        keys = self.keys(self.show(viewer, "doShowAudit", "_enhance"))
        self.assertEqual(keys, ["Input", "Enhanced", "Halves agree", "Removed / added"])
        bars = self.show(viewer, "doShowResHistogram", "_enhance").getFigure().axes[0]
        heights = [bar.get_height() for group in bars.containers for bar in group]
        medians = [run.getResolutionStats()[name]["median"] for name in ("before", "after")]
        np.testing.assert_allclose(heights, medians, atol=0.01)
        keys = self.keys(self.show(viewer, "doShowVolumeColorSlices", "_enhance"))
        self.assertEqual(keys, ["Input (Å)", "Enhanced (Å)"])
        with mock.patch.dict(os.environ, {"PATH": ""}):
            self.show(viewer, "doShowChimera")
        with open(run.getExtraFile("chimerax_before_after.cxc"), encoding="utf-8") as file:
            script = file.read()
        for name in ("density.mrc", "enhanced.mrc", "support.mrc"):
            self.assertIn(f'open "{name}"', script)

    def test_chimerax_places_all_maps_where_scipion_does(self):
        """An import leaves the file's origin and gives the volume another: its box's middle."""
        imported = import_volumes(self, self.getOutputPath("full.mrc"), VOXEL)
        run = self.enhance(useHalfMapsInsteadVol=False)
        run.inputVolume.set(imported.outputVolume)
        self.launchProtocol(run)
        with mock.patch.dict(os.environ, {"PATH": ""}):
            self.show(self.viewer(run), "doShowChimera")
        with open(run.getExtraFile("chimerax_before_after.cxc"), encoding="utf-8") as file:
            opened = re.findall(r'open "([^"]+)"', file.read())
        self.assertEqual(len(opened), 2)
        expected = run.Volume.getShiftsFromOrigin()
        self.assertGreater(np.abs(np.subtract(expected, ORIGIN)).max(), 1)
        for name in opened:
            with mrcfile.open(run.getExtraFile(name), header_only=True) as mrc:
                origin = [float(mrc.header.origin[axis]) for axis in "xyz"]
            np.testing.assert_allclose(origin, expected, atol=1e-3)

    @staticmethod
    def keys(view):
        return [axes.get_ylabel() for axes in view.getFigure().axes if axes.get_ylabel()]

    def test_a_run_that_has_not_finished(self):
        viewer = self.viewer(self.enhance())
        self.assertIsNone(viewer.getParam("doShowResHistogram"))
        for name in viewer._getVisualizeDict():
            text = self.show(viewer, name).getMessage()
            self.assertIn("run it again", text)


del ViewerCase  # or it would be collected here too
