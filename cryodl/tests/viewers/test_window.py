"""Scipion's real windows on a display that nobody sees: they open, and they show what they must."""

import os
import shutil
import unittest

import numpy as np

from cryodl.tests.viewers.show_window import take_pictures, virtual_display
from cryodl.tests.viewers.viewer_case import PICTURES, ViewerCase

FORMS = (
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
    "CryodlProtOversharpening",
    "CryodlProtFsc",
    "CryodlProtFindMask",
    "CryodlProtValidateMap",
)


@unittest.skipUnless(shutil.which("Xvfb"), "Xvfb is not installed: no window can be opened")
class TestWindow(ViewerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_ = cls.finished_run()
        number = cls.run_.getObjId()
        targets = [("project", number), ("viewer", number), *(("form", name) for name in FORMS)]
        cls.files = {target: cls.file_of(*target) for target in targets}
        with virtual_display():
            cls.done = take_pictures(cls.proj.path, [(*key, out) for key, out in cls.files.items()])

    @classmethod
    def file_of(cls, kind, protocol):
        return os.path.join(PICTURES or cls.getOutputPath(), f"window_{kind}_{protocol}.png")

    def test_no_network_library_is_imported(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        self.assertIn("LOADED\n", self.done.stdout)

    def picture(self, kind, protocol):
        """The window's picture, shape (rows, columns, 3)."""
        from PIL import Image

        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        with Image.open(self.files[kind, protocol]) as image:
            return np.asarray(image.convert("RGB")).astype(int)

    def assert_shows(self, picture, *, width, height):
        self.assertGreater(picture.shape[1], width)
        self.assertGreater(picture.shape[0], height)
        # Rows of text and frames, not an empty or half-drawn window.
        written = (picture.std(axis=(1, 2)) > 8).mean()
        self.assertGreater(written, 0.3)

    def test_forms(self):
        for name in FORMS:
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
