"""Finished runs for the tests of viewers: their results are made here and not by the engine."""

import json
import os

import mrcfile
import numpy as np
from pwem import Domain
from pyworkflow.tests import BaseTest, setupTestProject
from pyworkflow.utils import makePath
from pyworkflow.viewer import DESKTOP_TKINTER, MessageView

from cryodl.protocols import CryodlProtImportResolution, CryodlProtLocalResolution
from cryodl.tests.scipion_maps import import_volumes, write_molecule

SHAPE, VOXEL, ORIGIN = (40, 48, 56), 1.2, (12.0, -24.0, 36.0)  # z, y, x; Å; x, y, z in Å
PICTURES = os.environ.get("CRYODL_TEST_PICTURES")  # a folder: keeps what the tests drew


def write_map(path, data, *, axes=(1, 2, 3), origin=ORIGIN):
    """Write data, shape (z, y, x); axes : (mapc, mapr, maps), how the file stores them."""
    stored = data.transpose([3 - axis for axis in reversed(axes)])
    with mrcfile.new(path, np.ascontiguousarray(stored, np.float32), overwrite=True) as mrc:
        for name, axis in zip("xyz", (2, 1, 0)):
            mrc.header.cella[name] = VOXEL * data.shape[axis]
            mrc.header["m" + name] = data.shape[axis]
            mrc.header.origin[name] = origin["xyz".index(name)]
        mrc.header.mapc, mrc.header.mapr, mrc.header.maps = axes


class ViewerCase(BaseTest):
    """Runs whose results are made here and not by the engine."""

    @classmethod
    def setUpClass(cls):
        """The first class makes the project, the others of this process use it, too."""
        if hasattr(ViewerCase, "proj"):
            os.chdir(cls.outputPath)
        else:
            ViewerCase._make_project()

    @classmethod
    def _make_project(cls):
        setupTestProject(cls)
        cls.map_file = cls.getOutputPath("molecule.mrc")
        cls.inside = write_molecule(cls.map_file, SHAPE, VOXEL, ORIGIN)
        cls.volume = import_volumes(cls, cls.map_file, VOXEL, ORIGIN).outputVolume
        distance = np.linalg.norm(np.indices(SHAPE) - np.reshape(SHAPE, (3, 1, 1, 1)) / 2, axis=0)
        x = np.arange(SHAPE[2])[None, None]  # so that no two axes can be taken for each other
        cls.resolution = np.where(cls.inside, 3 + 0.15 * distance + 0.01 * x, 0).astype("f4")

    @classmethod
    def finished_run(
        cls, kind=CryodlProtLocalResolution, *, axes=(1, 2, 3), uncertainty=True, further=None
    ):
        """A run of a protocol that writes a local resolution.

        further : its other maps, by the names of their files
        """
        run = cls.newProtocol(kind)
        run.inputVolume.set(cls.volume)
        further = further or {}
        if kind is CryodlProtImportResolution:
            run.inputResolution.set(cls.volume)
        cls.proj.saveProtocol(run)
        makePath(run._getExtraPath())
        write_map(run.getExtraFile("resolution.mrc"), cls.resolution, axes=axes)
        write_map(run.getExtraFile("mask.mrc"), cls.inside, axes=axes)
        if uncertainty:
            write_map(run.getExtraFile("uncertainty.mrc"), 0.1 * cls.resolution, axes=axes)
        for name, data in further.items():
            write_map(run.getExtraFile(name), data, axes=axes)
        values = cls.resolution[cls.inside]
        stats = {
            "median": float(np.median(values)),
            "min": float(values.min()),
            "max": float(values.max()),
            "voxels": int(values.size),
            "uncertainty_median": float(np.median(0.1 * values)),
            "global_resolution": 4.5,
            "percentiles": {q: float(np.percentile(values, float(q))) for q in ("2.5", "97.5")},
        }
        with open(run.getExtraFile("stats.json"), "w") as file:
            json.dump(stats, file)
        run.createOutputStep()
        return run

    def tearDown(self):
        from matplotlib import pyplot

        pyplot.close("all")

    def viewer(self, run, **values):
        viewer = Domain.findViewers(run, DESKTOP_TKINTER)[0](project=self.proj, protocol=run)
        viewer.setProtocol(run)
        for name, value in values.items():
            getattr(viewer, name).set(value)
        return viewer

    def show(self, viewer, name, keep=""):
        (view,) = viewer._getVisualizeDict()[name](name)
        if PICTURES and not isinstance(view, MessageView) and hasattr(view, "savefig"):
            view.savefig(os.path.join(PICTURES, f"{name}{keep}.png"))
        return view

    def panels(self, view):
        """Return the axes with images, their topmost image first; and the key's axes."""
        *panels, key = view.getFigure().axes
        return panels, key

    def message(self, view):
        self.assertIsInstance(view, MessageView)
        self.assertNotIn("Traceback", view.getMessage())
        return view.getMessage()
