"""The windows of filtered and sharpened maps, FSC and masks; no display: windows are figures."""

import json
import os

import numpy as np
from matplotlib.figure import Figure
from pyworkflow.utils import makePath

from cryodl.protocols import (
    CryodlProtFindMask,
    CryodlProtFsc,
    CryodlProtLocalFilter,
    CryodlProtOversharpening,
)
from cryodl.report.browser import Scale
from cryodl.tests.viewers.viewer_case import ORIGIN, SHAPE, VOXEL, ViewerCase, write_map
from cryodl.viewers.maps import read_map
from cryodl.viewers.viewer_half_maps import MaskResults

SCAN = [{"bfactor": b, "percentile_20": 5 + b / 100, "median": 6 + b / 100} for b in (0.0, -50.0)]


class TestChanged(ViewerCase):
    def made(self, kind, maps, stats, **pointers):
        """A finished run; maps : by the names of their files."""
        run = self.newProtocol(kind, useGpu=False)
        for name, given in pointers.items():
            getattr(run, name).set(given)
        self.proj.saveProtocol(run)
        makePath(run._getExtraPath())
        for name, data in maps.items():
            write_map(run.getExtraFile(name), data)
        with open(run.getExtraFile("stats.json"), "w") as file:
            json.dump({"warnings": ["consider --mask"], **stats}, file)
        if maps:
            run.createOutputStep()
        return run

    def filtered(self):
        maps = {"filtered.mrc": 2 * self.resolution, "resolution.mrc": self.resolution}
        return self.made(CryodlProtLocalFilter, maps, {}, inputVolume=self.volume,
            inputResolution=self.volume)  # fmt: skip

    def sharpened(self):
        maps = {"sharpened.mrc": self.resolution, "mask.mrc": self.inside}
        stats = {
            "scan": SCAN, "best_bfactor": -20.0, "snr_percentile_20": 4.8, "crossing": True,
            "criterion": "crossing", "crossing_bfactor": -20.0, "verdict": None,
        }  # fmt: skip
        return self.made(CryodlProtOversharpening, maps, stats, inputVolume=self.volume,
            useHalfVolumes=False)  # fmt: skip

    def browser(self, run):
        results = self.viewer(run)._results()
        return results, results.browser(Figure(figsize=(13, 5)), "")

    def test_filtered_map_beside_its_input_and_the_cutoffs(self):
        results, browser = self.browser(self.filtered())
        after, before, resolution = results.layers()
        self.assertEqual([after.name, before.name], ["Filtered", "Input"])
        np.testing.assert_allclose(after.row.values, 2 * self.resolution)
        np.testing.assert_allclose(before.row.values, read_map(self.map_file).data)
        np.testing.assert_array_equal(results.inside(), self.resolution > 0)
        self.assertEqual((browser.origin, browser.voxel_size), (ORIGIN, VOXEL))
        browser.show(after, before, "y", results.middle("y"), Scale("viridis", 2, 9))
        self.assertEqual(browser.plot.get_xlabel(), "Local resolution (Å)")

    def test_curve_of_the_b_factor(self):
        run = self.sharpened()
        results, browser = self.browser(run)
        browser.show(*results.layers(), "z", 5, Scale("viridis", 2, 9))
        for axes in (browser.plot, self.show(self.viewer(run), "doShowCurve").getFigure().axes[0]):
            curve = next(one for one in axes.lines if one.get_label() == "aspect, 20 %")
            np.testing.assert_allclose(curve.get_xydata(), [(0, 5), (-50, 4.5)])
        texts = self.show(self.viewer(run), "doShowTable").getFigure().texts
        self.assertIn("Recommended: -20 Å²", [text.get_text() for text in texts])

    def test_every_entry_has_its_function_and_input_and_result_are_seen_in_chimerax(self):
        for run in (self.filtered(), self.sharpened()):
            viewer = self.viewer(run)
            shown = [n for n, _ in viewer._definition.iterAllParams() if n.startswith("doSh")]
            self.assertEqual(sorted(shown), sorted(viewer._getVisualizeDict()))
            self.assertEqual(len(self.show(viewer, "doShowVolumeSlices").getFigure().axes), 12)
            self.show(viewer, "doShowChimera")
            with open(run.getExtraFile("chimerax_before_after.cxc")) as file:
                script = file.read()
            self.assertIn("volume #1 style mesh", script)
            self.assertNotIn("\nvolume #1 hide", script)

    def test_chimerax_takes_the_colours_of_the_results_window(self):
        run = self.finished_run()
        viewer = self.viewer(run)
        viewer.live = Scale("RdYlBu", 3, 9)
        self.show(viewer, "doShowChimera")
        with open(run.getExtraFile("chimerax_resolution.cxc")) as file:
            script = file.read()
        self.assertIn("3,#a50026:", script)
        self.assertIn(":9,#313695", script)

    def test_warnings_are_in_the_words_of_the_form(self):
        self.assertEqual(self.filtered().warningLines(), ["Warning: consider 'Binary Mask'"])

    def test_a_failed_run_says_what_failed(self):
        run = self.made(CryodlProtOversharpening, {}, {}, inputVolume=self.volume)
        os.remove(run.getExtraFile("stats.json"))
        run.setFailed("\x1b[31mProtocol failed: no space is left\x1b[0m")
        for name in self.viewer(run)._getVisualizeDict():
            text = self.message(self.show(self.viewer(run), name))
            self.assertEqual(text, "This run failed: no space is left")

    def test_mask_on_the_map(self):
        run = self.made(CryodlProtFindMask, {"mask.mrc": self.inside}, {}, inputVolume=self.volume)
        viewer = self.viewer(run)
        results = viewer._results()
        self.assertIsInstance(results, MaskResults)
        np.testing.assert_array_equal(results.inside(), self.inside)
        self.assertEqual([layer.name for layer in results.layers()], ["Map", "Mask"])
        self.assertEqual(results.depth("x"), SHAPE[2])
        self.assertEqual(len(self.show(viewer, "doShowMask").getFigure().axes), 10)

    def test_table_of_an_fsc(self):
        values = {"": (4.0, 5.0), "_masked": (3.9, 4.9), "_unmasked": (None, 6.0)}
        stats = {
            f"resolution_{t}{suffix}": value
            for suffix, pair in values.items()
            for t, value in zip(("0.143", "0.5"), pair)
        }
        stats["directional"] = {"worst": [{"axis": [0, 0, 1], "resolution": 6.2}]}
        run = self.made(CryodlProtFsc, {}, stats, associatedHalves=self.volume)
        texts = self.show(self.viewer(run), "doShowTable").getFigure().texts
        shown = [text.get_text() for text in texts]
        for text in ("4.00", "none", "Along (0.00, 0.00, 1.00): 6.20 Å"):
            self.assertIn(text, shown)


del ViewerCase  # or it would be collected here too
