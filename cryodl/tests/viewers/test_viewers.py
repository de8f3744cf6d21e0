"""The viewer of local-resolution runs in a real project, on a map that is neither cubic nor at 0.

No display: windows are figures here.
"""

import os
import subprocess
import sys

import mrcfile
import numpy as np
from matplotlib.colors import to_hex
from pwem import Domain
from pyworkflow.tests import BaseTest
from pyworkflow.viewer import DESKTOP_TKINTER

from cryodl.protocols import (
    CryodlProtImportResolution,
    CryodlProtLocalResolution,
    CryodlProtSingleMapResolution,
)
from cryodl.report.palette import colour_map, resolution_range
from cryodl.report.slices import crop_box
from cryodl.tests.viewers.viewer_case import ORIGIN, SHAPE, VOXEL, ViewerCase
from cryodl.viewers import CryodlResolutionViewer


class TestPictures(ViewerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_ = cls.finished_run()

    def test_viewer_is_found_for_every_local_resolution_run(self):
        others = [
            self.finished_run(kind)
            for kind in (CryodlProtImportResolution, CryodlProtSingleMapResolution)
        ]
        for run in (self.run_, *others):
            found = Domain.findViewers(run, DESKTOP_TKINTER)
            self.assertEqual(found[0], CryodlResolutionViewer)

    def test_every_entry_of_the_form_has_its_function(self):
        viewer = self.viewer(self.run_)
        shown = [name for name, _ in viewer._definition.iterAllParams() if name.startswith("doSh")]
        self.assertEqual(sorted(shown), sorted(viewer._getVisualizeDict()))
        viewer.setProtocol(self.run_)  # as when its form is opened from the results window
        titles = [section.getLabel() for section in viewer._definition.iterSections()]
        self.assertEqual(len(titles), len(set(titles)), titles)

    def test_scale_begins_as_in_the_pictures_of_the_run(self):
        viewer = self.viewer(self.run_)
        ends = resolution_range(self.resolution[self.inside])
        self.assertEqual((viewer.lowest.get(), viewer.highest.get()), ends)
        self.assertEqual(viewer.getEnumText("colorMap"), "viridis")

    def test_one_slice_shows_the_values_of_its_plane_in_place(self):
        wide, deep = ("x", "y", "z"), {"z": 0, "y": 1, "x": 2}
        for number, axis in enumerate(wide):
            viewer = self.viewer(self.run_, sliceAxis=number, sliceNumber=23)
            view = self.show(viewer, "doShowOneColorslice", "_" + axis)
            ((panel,), key) = self.panels(view)
            image = panel.images[-1]
            shown = image.get_array()
            box = [slice(None) if name == axis else self.cropped()[deep[name]] for name in "zyx"]
            box[deep[axis]] = 22
            expected = self.resolution[tuple(box)]
            np.testing.assert_allclose(shown.filled(0), expected, rtol=1e-6)
            np.testing.assert_array_equal(np.ma.getmaskarray(shown), expected == 0)
            # the place of the plane, and of the first voxel that is drawn
            place = ORIGIN[number] + 22 * VOXEL
            self.assertEqual(panel.get_title(), f"23: {axis} = {place:.1f} Å")
            up, across = [name for name in "zyx" if name != axis]
            left, _, bottom, _ = image.get_extent()
            for name, edge in ((across, left), (up, bottom)):
                first = self.cropped()[deep[name]].start
                self.assertAlmostEqual(edge, ORIGIN["xyz".index(name)] + (first - 0.5) * VOXEL)
            texts = [text.get_text() for text in view.getFigure().texts]
            self.assertIn(f"{across} (Å)", texts)
            self.assertIn(f"{up} (Å)", texts)
            self.assertEqual(key.get_ylabel(), "Local resolution (Å)")

    def cropped(self):
        return crop_box(self.inside)

    def test_the_middle_slice_cuts_the_molecule(self):
        for number, axis in enumerate("xyz"):
            viewer = self.viewer(self.run_, sliceAxis=number)
            ((panel,), _) = self.panels(self.show(viewer, "doShowOneColorslice"))
            plane = int(panel.get_title().split(":")[0]) - 1
            self.assertLess(abs(plane - SHAPE["zyx".index(axis)] / 2), 6)
            self.assertGreater(panel.images[-1].get_array().count(), 100)

    def test_a_slice_that_does_not_exist_is_named(self):
        for number in (0, 49, -2, None):
            viewer = self.viewer(self.run_, sliceAxis=1, sliceNumber=number)
            text = self.message(self.show(viewer, "doShowOneColorslice"))
            self.assertIn(f"Slice number {number} is not between 1 and 48", text)

    def test_colours_and_key_agree(self):
        viewer = self.viewer(self.run_, lowest=3.0, highest=7.0, colorMap=1)
        panels, key = self.panels(self.show(viewer, "doShowVolumeColorSlices"))
        self.assertEqual(len(panels), 9)
        for panel in panels:
            image = panel.images[-1]
            self.assertEqual(image.get_clim(), (3.0, 7.0))
            cividis = colour_map("cividis")
            for value in (3.0, 4.3, 7.0):
                self.assertEqual(
                    to_hex(image.cmap(image.norm(value))), to_hex(cividis((value - 3) / 4))
                )
        self.assertEqual(key.get_ylim(), (3.0, 7.0))
        self.assertEqual([label.get_text() for label in key.get_yticklabels()][::5], ["3.0", "7.0"])

    def test_planes_are_spread_over_the_molecule_in_order(self):
        panels, _ = self.panels(self.show(self.viewer(self.run_), "doShowVolumeSlices"))
        planes = [int(panel.get_title().split(":")[0]) - 1 for panel in panels]
        filled = np.flatnonzero(self.inside.any((1, 2)))
        self.assertEqual(planes, sorted(planes))
        self.assertTrue(set(planes) <= set(filled))
        self.assertLess(np.ptp(np.diff(planes)), 2)
        for panel, plane in zip(panels, planes):
            np.testing.assert_allclose(
                panel.images[-1].get_array().filled(0),
                self.resolution[plane][self.cropped()[1:]],
                rtol=1e-6,
            )

    def test_original_slices_are_the_density(self):
        viewer = self.viewer(self.run_, sliceAxis=0)
        panels, key = self.panels(self.show(viewer, "doShowOriginalVolumeSlices"))
        plane = int(panels[4].get_title().split(":")[0]) - 1
        with mrcfile.open(self.map_file) as mrc:
            expected = mrc.data[:, :, plane][self.cropped()[:2]]
        np.testing.assert_allclose(panels[4].images[-1].get_array(), expected, rtol=1e-6)
        self.assertEqual(key.get_ylabel(), "Density")

    def test_mask_is_outlined_on_the_density(self):
        panels, key = self.panels(self.show(self.viewer(self.run_), "doShowMask"))
        self.assertEqual(key.get_ylabel(), "Density")
        for panel in panels:
            (outline,) = panel.collections
            self.assertGreater(sum(len(path.vertices) for path in outline.get_paths()), 20)

    def test_uncertainty_has_its_own_colours(self):
        viewer = self.viewer(self.run_)
        panels, key = self.panels(self.show(viewer, "doShowUncertainty"))
        self.assertIn("amber", panels[0].images[-1].cmap.name)
        self.assertEqual(key.get_ylabel(), "Uncertainty (Å)")
        self.assertLess(key.get_ylim()[1], 1.5)

    def test_histogram_counts_the_voxels_of_the_mask(self):
        view = self.show(self.viewer(self.run_), "doShowResHistogram")
        axes = view.getFigure().axes[0]
        (bars,) = axes.containers
        self.assertAlmostEqual(sum(bar.get_height() for bar in bars), 100, places=3)
        labels = [text.get_text() for text in view.getFigure().legends[0].get_texts()]
        median = float(np.median(self.resolution[self.inside]))
        self.assertIn(f"median {median:.2f} Å", labels)
        self.assertEqual(axes.get_xlabel(), "Local resolution (Å)")

    def test_radius_shows_what_the_map_was_made_of(self):
        view = self.show(self.viewer(self.run_), "doShowRadius")
        axes = view.getFigure().axes[0]
        radius, median = axes.lines[0].get_data()
        self.assertEqual(axes.get_xlabel(), "Distance from the molecule's centre (Å)")
        # 3 Å + 0.15 Å a voxel, and 0.01 Å for each voxel along x, of which 28 lie in the middle
        outer = radius > 6
        np.testing.assert_allclose(median[outer], 3.28 + 0.125 * radius[outer], atol=0.15)

    def test_a_scale_that_is_none_is_named(self):
        text = self.message(self.show(self.viewer(self.run_, lowest=9.0), "doShowRadius"))
        self.assertIn("the lowest value (9.0) must be below the highest", text)

    def test_permuted_axes_show_the_same(self):
        turned = self.finished_run(axes=(3, 1, 2))
        for axis in range(3):
            arrays = [
                self.panels(self.show(self.viewer(run, sliceAxis=axis), "doShowOneColorslice"))
                for run in (self.run_, turned)
            ]
            for one, other in zip(arrays[0][0], arrays[1][0]):
                self.assertEqual(one.get_title(), other.get_title())
                np.testing.assert_array_equal(
                    one.images[-1].get_array().filled(0), other.images[-1].get_array().filled(0)
                )

    def test_a_run_without_uncertainty_or_density(self):
        run = self.finished_run(CryodlProtImportResolution, uncertainty=False)
        run.inputVolume.set(None)
        viewer = self.viewer(run)
        self.assertIsNone(viewer.getParam("doShowUncertainty"))
        text = self.message(self.show(viewer, "doShowUncertainty"))
        self.assertIn("no uncertainty map", text)
        text = self.message(self.show(viewer, "doShowOriginalVolumeSlices"))
        self.assertIn("no density map", text)
        panels, _ = self.panels(self.show(viewer, "doShowVolumeColorSlices", "_alone"))
        self.assertEqual([len(panel.images) for panel in panels], [1] * len(panels))

    def test_a_run_that_has_not_finished(self):
        run = self.newProtocol(CryodlProtLocalResolution)
        run.inputVolume.set(self.volume)
        self.proj.saveProtocol(run)
        viewer = self.viewer(run)
        for name in viewer._getVisualizeDict():
            text = self.message(self.show(viewer, name))
            self.assertRegex(text, "run it again|no uncertainty")


class TestImports(BaseTest):
    def test_viewers_load_no_engine_and_need_no_xmipp_and_no_display(self):
        code = (
            "import sys; sys.modules['xmippLib'] = None\n"
            "import cryodl.viewers\n"
            "heavy = {'keras', 'tensorflow', 'torch', 'jax', 'cryodl.maps'} & set(sys.modules)\n"
            "sys.exit(', '.join(heavy) or 0)"
        )
        clean = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=clean
        )
        self.assertEqual(run.returncode, 0, run.stderr)
