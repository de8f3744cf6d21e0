"""Scipion's real windows on a display that nobody sees: they open, and they show what they must."""

import os
import shutil
import unittest

import numpy as np

from cryodl.tests.show_window import take_picture, virtual_display
from cryodl.tests.viewer_case import PICTURES, ViewerCase


@unittest.skipUnless(shutil.which("Xvfb"), "Xvfb is not installed: no window can be opened")
class TestWindow(ViewerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_ = cls.finished_run()

    def picture(self, kind, protocol):
        """The window's picture, shape (rows, columns, 3), and what its process had imported."""
        from PIL import Image

        out = os.path.join(PICTURES or self.getOutputPath(), f"window_{kind}_{protocol}.png")
        with virtual_display():
            done = take_picture(kind, self.proj.path, protocol, out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("LOADED\n", done.stdout)  # no network library
        with Image.open(out) as image:
            return np.asarray(image.convert("RGB")).astype(int)

    def assert_shows(self, picture, *, width, height):
        self.assertGreater(picture.shape[1], width)
        self.assertGreater(picture.shape[0], height)
        # Rows of text and frames, not an empty or half-drawn window.
        written = (picture.std(axis=(1, 2)) > 8).mean()
        self.assertGreater(written, 0.3)

    def test_forms(self):
        for name in (
            "CryodlProtLocalResolution",
            "CryodlProtHalfMapResolution",
            "CryodlProtImportResolution",
            "CryodlProtCompareResolution",
            "CryodlProtLocalFilter",
            "CryodlProtEnhance",
            "CryodlProtSingleMapResolution",
            "CryodlProtResolutionClass",
            "CryodlProtLocalClasses",
            "CryodlProtTrainLocalClasses",
        ):
            with self.subTest(name):
                picture = self.picture("form", name)
                self.assert_shows(picture, width=600, height=350)
                red = (picture[..., 0] > 150) & (picture[..., 1:] < 60).all(axis=-1)
                self.assertGreater(red.mean(), 0.01)  # Scipion's section headers

    def test_viewer(self):
        self.assert_shows(self.picture("viewer", self.run_.getObjId()), width=600, height=450)

    def test_project_with_the_summary_of_a_run(self):
        self.assert_shows(self.picture("project", self.run_.getObjId()), width=1200, height=800)


del ViewerCase  # or it would be collected here too
