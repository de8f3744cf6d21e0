"""Beside other plugins' own protocols: their local resolutions, and what is made of them here.

Run where they are installed: pytest -m neighbours, with scipion-em-relion on PYTHONPATH or beside
cryodl, and RELION's programs on the PATH.
"""

import os
import shutil
import sys
import unittest
from importlib.metadata import version
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

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
    CryodlProtTrainLocalClasses,
    CryodlProtValidateMap,
)
from cryodl.protocols.maps import read_grid, read_header
from cryodl.tests.scipion_maps import (
    StandInForMonoRes,
    import_volumes,
    local_resolution,
    run_here,
    write_map,
    write_molecule,
)

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

    def test_training(self):
        path = self.getOutputPath("another.mrc")
        write_molecule(path, SHAPE, VOXEL, (0, 0, 0), seed=1)
        another = import_volumes(self, path, VOXEL).outputVolume
        judged = self.newProtocol(StandInForMonoRes)
        judged.fullMap.set(another)
        judged = run_here(self, judged).resolution_Volume
        run = self.newProtocol(CryodlProtTrainLocalClasses, startFrom=3, steps=2, batchSize=1,
            minutes=5)  # fmt: skip
        run.inputVolumes.set([self.volume, another])
        run.inputResolutions.set([self.relion, judged])
        self.assertEqual(run._validate(), [])
        files = [resolution.getFileName() for _, resolution in run.getPairs()]
        self.assertTrue(files[0].endswith("relion_locres.mrc"), files)
        network = run_here(self, run).outputNetwork
        self.assertTrue(os.path.isfile(os.path.join(network.getFileName(), "spec.json")))

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
            self.assertTrue(viewers, name)
            self.assertTrue(viewers[0].__module__.startswith("cryodl."), (name, viewers))
        self.assertEqual(version("numpy"), "1.26.1")  # which pyworkflow pins


def own_class(package, name):
    """A protocol's class; MonoRes's by its file, as Xmipp's package asks for its programs."""
    if package != "xmipp3":
        return Domain.getProtocols()[name]
    folder = Path(find_spec(package).origin).parent / "protocols"
    spec = spec_from_file_location("monores", folder / "protocol_resolution_monogenic_signal.py")
    module = module_from_spec(spec)
    sys.modules["monores"] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


# package, class, its input, what its program writes, the output, and its background
OTHERS = (
    ("resmap", "ProtResMap", "volumeHalf1", ["outResmapVol"], "outputVolume", 100.0),
    ("bsoft", "BsoftProtBlocres", "inputVolume", ["resolutionMap"], "resolution_Volume", 0.0),
    ("xmipp3", "XmippProtMonoRes", "fullMap",
     ["monoresResolutionMap.mrc", "monoresResolutionChimera.mrc"], "resolution_Volume", 0.0),
)  # fmt: skip


@pytest.mark.neighbours
class TestWithoutTheirPrograms(BaseTest):
    """After the protocol classes of ResMap, blocres and MonoRes: a stand-in writes their files.

    The files follow their conventions, and the output is made by their own step.
    """

    @classmethod
    def setUpClass(cls):
        missing = [package for package, *_ in OTHERS if not find_spec(package)]
        if missing:
            raise unittest.SkipTest(f"{', '.join(missing)} of Scipion's plugins are not installed")
        setupTestProject(cls)
        cls.volumes, cls.expected, cls.given = [], [], []
        for seed, (package, kind, *others) in enumerate(OTHERS):
            path = cls.getOutputPath(f"molecule{seed}.mrc")
            write_molecule(path, SHAPE, VOXEL, (0, 0, 0), seed=seed)
            cls.volumes.append(import_volumes(cls, path, VOXEL).outputVolume)
            cls.expected.append(local_resolution(read_grid(path)[0]))
            protocol = cls.newProtocol(own_class(package, kind))
            cls.given.append(cls.judged(protocol, cls.volumes[-1], cls.expected[-1], *others))

    @classmethod
    def judged(cls, protocol, volume, expected, pointer, names, output, background):
        """The output of a protocol whose program has no part in it."""
        for name in {pointer, "volumeHalf1", "volumeHalf2"}:
            if hasattr(protocol, name):
                getattr(protocol, name).set(volume)
        cls.proj.saveProtocol(protocol)
        protocol.makePathsAndClean()
        protocol._createFilenameTemplates()
        for name in names:
            own = name.endswith(".mrc")
            path = protocol._getExtraPath(name) if own else protocol._getFileName(name)
            write_map(path, np.where(expected > 0, expected, background), VOXEL, (0, 0, 0))
        protocol.createOutputStep()
        cls.proj._storeProtocol(protocol)
        return getattr(protocol, output)

    def run_with(self, kind, values=(), **pointers):
        run = self.newProtocol(kind, **dict(values))
        for name, given in pointers.items():
            getattr(run, name).set(given)
        self.assertEqual(run._validate(), [])
        return run_here(self, run)

    def test_import(self):
        for volume, given, expected in zip(self.volumes, self.given, self.expected):
            run = self.run_with(
                CryodlProtImportResolution, inputResolution=given, inputVolume=volume
            )
            values = read_grid(run.resolution_Volume.getFileName())[0]
            np.testing.assert_allclose(values, expected, atol=1e-5)

    def test_compare(self):
        """Different molecules, whose local resolutions are equal where both have any."""
        run = self.run_with(CryodlProtCompareResolution, inputResolutions=self.given)
        medians = [one["common"]["median"] for one in run.getStats()["maps"]]
        np.testing.assert_allclose(medians, medians[0], atol=1e-3)

    def test_filter(self):
        for volume, given in zip(self.volumes, self.given):
            run = self.run_with(CryodlProtLocalFilter, inputVolume=volume, inputResolution=given)
            self.assertLess(max(run.getStats()["cutoffs"]), 8.5)

    def test_training(self):
        """In any order: the project knows which belong together."""
        values = {"startFrom": 3, "steps": 2, "batchSize": 1, "minutes": 5}
        run = self.run_with(
            CryodlProtTrainLocalClasses, values,
            inputVolumes=self.volumes, inputResolutions=self.given[::-1],
        )  # fmt: skip
        pairs = {(v.getObjId(), r.getObjId()) for v, r in run.getPairs()}
        expected = {(v.getObjId(), r.getObjId()) for v, r in zip(self.volumes, self.given)}
        self.assertEqual(pairs, expected)
        self.assertTrue(os.path.isfile(os.path.join(run.outputNetwork.getFileName(), "spec.json")))
