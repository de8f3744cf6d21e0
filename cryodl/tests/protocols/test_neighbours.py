"""Beside other plugins' own protocols: RELION's local resolution, and what is made of it here.

Run where they are installed: pytest -m neighbours, with scipion-em-relion on PYTHONPATH or beside
cryodl, and RELION's programs on the PATH.
"""

import os
import shutil
import unittest
from importlib.metadata import version
from importlib.util import find_spec

import numpy as np
import pytest
from pwem import Domain
from pwem.objects import Volume
from pwem.protocols import ProtRefine3D
from pyworkflow.tests import BaseTest, setupTestProject
from pyworkflow.viewer import DESKTOP_TKINTER

from cryodl import protocols
from cryodl.protocols import (
    CryodlProtCompareResolution,
    CryodlProtHalfMapResolution,
    CryodlProtImportResolution,
    CryodlProtLocalFilter,
    CryodlProtOversharpening,
    CryodlProtValidateMap,
)
from cryodl.protocols.maps import read_grid, read_header
from cryodl.tests.scipion_maps import import_volumes, run_here, write_map, write_molecule

SHAPE, VOXEL = (64, 64, 64), 1.5  # RELION wants cubes
HAS_RELION = bool(find_spec("relion") and shutil.which("relion_postprocess"))


class StandInForARefinement(ProtRefine3D):
    """What RELION's protocol asks for: a volume with half maps."""

    _label = "stand-in for a refinement"

    def _insertAllSteps(self):
        self._insertFunctionStep(self.createOutputStep)

    def createOutputStep(self):
        paths = [self._getExtraPath(f"half{i}_class001_unfil.mrc") for i in (1, 2)]
        full = self._getExtraPath("full.mrc")
        write_molecule(full, SHAPE, VOXEL, (0, 0, 0))
        molecule = read_grid(full)[0]
        for seed, path in enumerate(paths):
            noise = np.random.default_rng(seed).normal(0, 0.2, SHAPE)
            write_map(path, molecule + noise, VOXEL, (0, 0, 0))
        volume = Volume(location=full)
        volume.setSamplingRate(VOXEL)
        volume.setHalfMaps(paths)
        self._defineOutputs(outputVolume=volume)


@pytest.mark.neighbours
@unittest.skipUnless(HAS_RELION, "scipion-em-relion or RELION's programs are not installed")
class TestRelion(BaseTest):
    @classmethod
    def setUpClass(cls):
        program = shutil.which("relion_postprocess")
        os.environ.setdefault("RELION_HOME", os.path.dirname(os.path.dirname(program)))
        from relion.protocols import ProtRelionLocalRes

        setupTestProject(cls)
        refined = run_here(cls, cls.newProtocol(StandInForARefinement))
        cls.volume = refined.outputVolume
        relion = cls.newProtocol(ProtRelionLocalRes, locResSamp=20)
        relion.protRefine.set(refined)
        cls.relion = run_here(cls, relion).outputVolume
        halves = cls.newProtocol(CryodlProtHalfMapResolution)
        halves.associatedHalves.set(cls.volume)
        cls.ours = run_here(cls, halves).resolution_Volume

    def test_its_output_is_the_filtered_map_and_the_resolution_lies_beside(self):
        self.assertTrue(self.relion.getFileName().endswith("_locres_filtered.mrc"))

    def run_with(self, kind, **pointers):
        protocol = self.newProtocol(kind)
        if hasattr(protocol, "useGpu"):
            protocol.useGpu.set(False)
        for name, given in pointers.items():
            getattr(protocol, name).set(given)
        self.assertEqual(protocol._validate(), [])
        return run_here(self, protocol)

    def resolutions(self):
        """The resolution that RELION has written, shape (z, y, x), Å."""
        path = self.relion.getFileName().replace("_filtered", "")
        return read_grid(path)[0]

    def test_import(self):
        run = self.run_with(
            CryodlProtImportResolution, inputResolution=self.relion, inputVolume=self.volume
        )
        values = read_grid(run.resolution_Volume.getFileName())[0]
        known = values > 0
        self.assertGreater(known.sum(), 1000)
        np.testing.assert_allclose(values[known], self.resolutions()[known], rtol=1e-5)

    def test_compare(self):
        run = self.run_with(
            CryodlProtCompareResolution,
            inputResolutions=[self.ours, self.relion],
            inputVolume=self.volume,
        )
        ours, relion = run.getStats()["maps"]
        self.assertLess(abs(ours["common"]["median"] - relion["common"]["median"]), 3)
        self.assertIn("relion", relion["name"])

    def test_filter(self):
        run = self.run_with(
            CryodlProtLocalFilter, inputVolume=self.volume, inputResolution=self.relion
        )
        self.assertEqual(read_header(run.outputVolume.getFileName()).shape, SHAPE)
        known = self.resolutions()
        cutoffs = run.getStats()["cutoffs"]
        self.assertTrue(known.min() - 0.5 <= min(cutoffs) <= max(cutoffs) <= known.max() + 0.5)

    def test_oversharpening(self):
        run = self.newProtocol(CryodlProtOversharpening, useHalfVolumes=False, useGpu=False,
            lastB=-50.0, stepB=50.0)  # fmt: skip
        run.inputVolume.set(self.volume)
        run.inputResolution.set(self.relion)
        self.assertEqual(run._validate(), [])
        run_here(self, run)
        self.assertTrue(os.path.exists(run.outputVolume.getFileName()))

    def test_validate_map_finds_it_by_what_the_project_knows(self):
        run = self.run_with(CryodlProtValidateMap, inputVolume=self.volume)
        compared = run.readStats("compare/stats.json")["maps"]
        names = [one["name"] for one in compared]
        self.assertIn("relion", " ".join(names).lower())
        self.assertIn("half-map local resolution", names)
        (relion,) = (one for one in compared if "relion" in one["name"].lower())
        known = self.resolutions()
        self.assertTrue(known.min() <= relion["own"]["median"] <= known.max())


@pytest.mark.neighbours
class TestCoexistence(BaseTest):
    """Our protocols and viewers are found as ours beside whatever other plugins are installed."""

    def test_protocols_viewers_and_pins(self):
        others = {"relion", "xmipp3", "bsoft", "resmap", "eman2", "chimera", "phenix"}
        installed = others & set(Domain.getPlugins())
        if len(installed) < 3:
            self.skipTest(f"of other plugins only {sorted(installed)} are installed")
        found = Domain.getProtocols()
        ours = [name for name in protocols.__all__ if not name.endswith("Base")]
        labels = [found[name]._label for name in ours]
        self.assertEqual(len(labels), len(set(labels)), labels)
        for name in ours:
            kind = getattr(protocols, name)
            self.assertIs(found[name], kind)
            viewers = Domain.findViewers(kind(), DESKTOP_TKINTER)
            self.assertTrue(viewers[0].__module__.startswith("cryodl."), (name, viewers))
        self.assertEqual(version("numpy"), "1.26.1")  # which pyworkflow pins


# package, class, its input, the name of its output's file, the output, and its background
OTHERS = (
    ("resmap", "ProtResMap", "volumeHalf1", "outResmapVol", "outputVolume", 100.0),
    ("bsoft", "BsoftProtBlocres", "inputVolume", "resolutionMap", "resolution_Volume", 0.0),
)


@pytest.mark.neighbours
class TestWithoutTheirPrograms(BaseTest):
    """After the protocol classes of ResMap and blocres: a stand-in writes their programs' file.

    The file follows their conventions, and the output is made by their own step.
    """

    def test_chains(self):
        setupTestProject(type(self))
        path = self.getOutputPath("molecule.mrc")
        inside = write_molecule(path, SHAPE, VOXEL, (0, 0, 0))
        truth = np.broadcast_to(np.linspace(3, 6, SHAPE[2], dtype="f4"), SHAPE)
        volume = import_volumes(self, path, VOXEL).outputVolume
        given = []
        for package, kind, pointer, name, output, background in OTHERS:
            if not find_spec(package):
                self.skipTest(f"scipion-em-{package} is not installed")
            protocol = self.newProtocol(Domain.getProtocols()[kind])
            for half in {pointer, "volumeHalf1", "volumeHalf2"}:
                if hasattr(protocol, half):
                    getattr(protocol, half).set(volume)
            self.proj.saveProtocol(protocol)
            protocol.makePathsAndClean()
            protocol._createFilenameTemplates()
            write_map(protocol._getFileName(name), np.where(inside, truth, background), VOXEL,
                (0, 0, 0))  # fmt: skip
            protocol.createOutputStep()
            self.proj._storeProtocol(protocol)
            given.append(getattr(protocol, output))
            run = self.newProtocol(CryodlProtImportResolution)
            run.inputResolution.set(given[-1])
            run.inputVolume.set(volume)
            self.assertEqual(run._validate(), [])
            values = read_grid(run_here(self, run).resolution_Volume.getFileName())[0]
            np.testing.assert_allclose(values, np.where(inside, truth, 0), atol=1e-5)
        run = self.newProtocol(CryodlProtCompareResolution)
        run.inputResolutions.set(given)
        self.assertEqual(run._validate(), [])
        first, second = run_here(self, run).getStats()["maps"]
        self.assertAlmostEqual(first["common"]["median"], second["common"]["median"], places=3)
        run = self.newProtocol(CryodlProtLocalFilter)
        run.inputVolume.set(volume)
        run.inputResolution.set(given[0])
        self.assertEqual(run._validate(), [])
        self.assertLess(max(run_here(self, run).getStats()["cutoffs"]), 6.5)
