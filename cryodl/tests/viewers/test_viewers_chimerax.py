"""The ChimeraX scene of a run: what the script opens, where it lies and how it is coloured.

ChimeraX itself is not started: it is a command.
"""

import os
import stat
from unittest import mock

import mrcfile
import numpy as np
from pwem.objects import Transform, Volume
from pyworkflow.viewer import MessageView

from cryodl.protocols import CryodlProtImportResolution
from cryodl.report.palette import palette_colours
from cryodl.tests.viewers.viewer_case import ORIGIN, VOXEL, ViewerCase, write_map
from cryodl.viewers.chimerax import find_program


class TestChimeraX(ViewerCase):
    def setUp(self):
        self.run_ = self.finished_run()
        folder = self.getOutputPath("bin")
        os.makedirs(folder, exist_ok=True)
        self.program = os.path.join(folder, "chimerax")
        with open(self.program, "w") as file:
            file.write("#!/bin/sh\n")
        os.chmod(self.program, os.stat(self.program).st_mode | stat.S_IXUSR)

    def script(self, viewer):
        with mock.patch.dict(os.environ, {"CHIMERAX": self.program}):
            view = self.show(viewer, "doShowChimera")
        self.assertNotIsInstance(view, MessageView, getattr(view, "_msg", ""))
        self.assertTrue(view._cmd.startswith(f'"{self.program}" "'), view._cmd)
        path = view._cmd.split('"')[3]
        self.assertTrue(os.path.isabs(path))
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        names = [line.split('"')[1] for line in lines if line.startswith("open ")]
        return lines, [os.path.join(os.path.dirname(path), name) for name in names]

    def header(self, path):
        with mrcfile.open(path) as mrc:
            return [float(mrc.header.origin[name]) for name in "xyz"], float(mrc.voxel_size.x)

    def test_map_and_resolution_lie_at_the_true_origin(self):
        lines, (map_file, resolution_file) = self.script(self.viewer(self.run_))
        self.assertTrue(os.path.samefile(map_file, self.volume.getFileName()))
        for path in (map_file, resolution_file):
            origin, voxel = self.header(path)
            np.testing.assert_allclose(origin, ORIGIN, atol=1e-3)
            self.assertAlmostEqual(voxel, VOXEL, places=4)

    def test_resolution_is_filled_around_the_mask_and_unchanged_inside(self):
        _, (_, path) = self.script(self.viewer(self.run_))
        with mrcfile.open(path) as mrc:
            filled = np.array(mrc.data)
        np.testing.assert_allclose(filled[self.inside], self.resolution[self.inside])
        rim = filled[~self.inside]
        self.assertGreater(np.count_nonzero(rim), 1000)
        self.assertGreaterEqual(rim[rim > 0].min(), self.resolution[self.inside].min())

    def test_level_lies_between_solvent_and_core(self):
        lines, (map_file, _) = self.script(self.viewer(self.run_))
        level = float(next(line for line in lines if " level " in line).split()[-1])
        with mrcfile.open(map_file) as mrc:
            self.assertGreater(level, np.percentile(mrc.data[~self.inside], 95))
            self.assertLess(level, np.percentile(mrc.data[self.inside], 90))

    def test_surface_and_key_have_the_colours_of_the_form(self):
        viewer = self.viewer(self.run_, lowest=2.0, highest=8.0, colorMap=2, intervals=7)
        lines, _ = self.script(viewer)
        stops = palette_colours(2.0, 8.0, 7, "plasma")
        surface = next(line for line in lines if line.startswith("color sample"))
        key = next(line for line in lines if line.startswith("key "))
        for value, colour in stops:
            self.assertIn(f"{value:g},{colour}", surface)
            self.assertIn(colour, key)

    def test_another_map_on_another_grid_is_coloured(self):
        path = self.getOutputPath("sharpened.mrc")
        with mrcfile.open(self.map_file) as mrc:
            part = np.array(mrc.data[4:36:1, 3:45:1, 5:50:1])
        start = [o + n * VOXEL for o, n in zip(ORIGIN, (5, 3, 4))]
        write_map(path, part, origin=(0, 0, 0))  # as packages leave it that know no origin
        other = Volume(location=path)
        other.setSamplingRate(VOXEL)
        origin = Transform()
        origin.setShifts(*start)
        other.setOrigin(origin)
        viewer = self.viewer(self.run_)
        viewer.chimeraVolume.set(other)
        _, (map_file, _) = self.script(viewer)
        self.assertFalse(os.path.samefile(map_file, path))  # a copy that lies where Scipion says
        np.testing.assert_allclose(self.header(map_file)[0], start, atol=1e-3)
        with mrcfile.open(map_file) as mrc:
            np.testing.assert_array_equal(mrc.data, part)
        # elsewhere: nothing to colour
        origin.setShifts(500, 500, 500)
        with mock.patch.dict(os.environ, {"CHIMERAX": self.program}):
            text = self.message(self.show(viewer, "doShowChimera"))
        self.assertIn("(500.0, 500.0, 500.0)", text)

    def test_without_density_the_mask_is_coloured(self):
        run = self.finished_run(CryodlProtImportResolution)
        run.inputVolume.set(None)
        lines, (map_file, _) = self.script(self.viewer(run))
        with mrcfile.open(map_file) as mrc:
            np.testing.assert_array_equal(mrc.data != 0, self.inside)

    def test_without_chimerax_the_script_is_named(self):
        with mock.patch.dict(os.environ, {"PATH": ""}):
            os.environ.pop("CHIMERAX", None)
            self.assertIsNone(find_program())
            text = self.message(self.show(self.viewer(self.run_), "doShowChimera"))
        path = os.path.abspath(self.run_.getExtraFile("chimerax_resolution.cxc"))
        self.assertTrue(os.path.exists(path))
        self.assertIn(path, text)
        self.assertIn("CHIMERAX", text)

    def test_chimerax_on_the_path_and_in_its_home(self):
        with mock.patch.dict(os.environ, {"PATH": os.path.dirname(self.program)}):
            self.assertEqual(find_program(), self.program)
        home = self.getOutputPath("home")
        os.makedirs(os.path.join(home, "bin"))
        placed = os.path.join(home, "bin", "ChimeraX")
        os.link(self.program, placed)
        with mock.patch.dict(os.environ, {"CHIMERA_HOME": home}):
            self.assertEqual(find_program(), placed)
