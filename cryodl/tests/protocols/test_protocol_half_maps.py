"""Protocols on half maps and on several resolution maps, in a real project."""

from unittest import mock

import mrcfile
import numpy as np
from pwem.objects import Volume, VolumeMask
from pyworkflow.object import Pointer
from pyworkflow.tests import BaseTest, setupTestProject

from cryodl.protocols import (
    CryodlProtCompareResolution,
    CryodlProtEnhance,
    CryodlProtHalfMapResolution,
    CryodlProtLocalFilter,
    CryodlProtOversharpening,
)
from cryodl.protocols.maps import read_grid, read_header, run_name
from cryodl.tests.scipion_maps import import_volumes, write_map, write_molecule

SHAPE, VOXEL, ORIGIN = (48, 52, 56), 1.5, (-30.0, 15.0, 6.0)


class TestHalfMaps(BaseTest):
    @classmethod
    def setUpClass(cls):
        setupTestProject(cls)
        files = [cls.getOutputPath(f"{name}.mrc") for name in ("full", "half1", "half2")]
        cls.inside = write_molecule(files[0], SHAPE, VOXEL, ORIGIN)
        with mrcfile.open(files[0]) as mrc:
            density = np.array(mrc.data)
        rng = np.random.default_rng(1)
        for path in files[1:]:
            write_map(path, density + rng.normal(0, 0.1, SHAPE), VOXEL, ORIGIN)
        cls.volume = import_volumes(cls, files[0], VOXEL, ORIGIN, files[1:]).outputVolume

    def half_map_run(self, **values):
        protocol = self.newProtocol(CryodlProtHalfMapResolution, **values)
        protocol.associatedHalves.set(self.volume)
        return protocol

    def test_oversharpening_recommends_by_the_half_maps(self):
        run = self.newProtocol(
            CryodlProtOversharpening, useHalfVolumes=True, useGpu=False, lastB=-80.0, stepB=80.0
        )
        run.associatedHalves.set(self.volume)
        self.assertEqual(run._validate(), [])
        self.launchProtocol(run)
        stats = run.getStats()
        self.assertEqual(stats["criterion"], "correlation")
        self.assertEqual(run.best_bfactor.get(), stats["correlation_bfactor"])
        self.assertIn(run.best_bfactor.get(), [entry["bfactor"] for entry in stats["scan"]])
        self.assertIn(f"{run.best_bfactor.get():.0f} Å²", run._summary()[0])
        self.assertIn("expected to correlate", run._methods()[0])
        run.criterion.set(1)
        self.assertEqual(run._engineParams()["criterion"], "crossing")

    def test_chain_of_estimate_compare_and_filter(self):
        runs = [self.half_map_run(method=method) for method in (0, 1)]
        for run in runs:
            self.assertEqual(run._validate(), [])
            self.launchProtocol(run)
            np.testing.assert_allclose(run.resolution_Volume.getShiftsFromOrigin(), ORIGIN)
            self.assertFalse(hasattr(run, "uncertainty_Volume"))
            with mrcfile.open(run.resolution_Volume.getFileName()) as mrc:
                self.assertEqual(mrc.data.shape, SHAPE)
                known = mrc.data[mrc.data > 0]
            self.assertAlmostEqual(run.median_res_init.get(), float(np.median(known)), places=2)
            self.assertGreaterEqual(known.min(), 2 * VOXEL - 0.01)

        compared = self.newProtocol(CryodlProtCompareResolution, claimed=5.0)
        compared.inputResolutions.set([run.resolution_Volume for run in runs])
        compared.inputVolume.set(self.volume)
        self.assertEqual(compared._validate(), [])
        self.launchProtocol(compared)
        with mrcfile.open(compared.consensus_Volume.getFileName()) as mrc:
            consensus = np.array(mrc.data)
        maps = []
        for run in runs:
            with mrcfile.open(run.resolution_Volume.getFileName()) as mrc:
                maps.append(np.array(mrc.data))
        both = (maps[0] > 0) & (maps[1] > 0)
        np.testing.assert_allclose(consensus[both], np.mean(maps, axis=0)[both], atol=1e-3)
        summary = "\n".join(compared._summary())
        self.assertIn("half-map local resolution", summary)

        filtered = self.newProtocol(CryodlProtLocalFilter)
        filtered.inputVolume.set(self.volume)
        filtered.inputResolution.set(runs[0].resolution_Volume)
        self.launchProtocol(filtered)
        np.testing.assert_allclose(filtered.outputVolume.getShiftsFromOrigin(), ORIGIN)
        with mrcfile.open(filtered.outputVolume.getFileName()) as mrc:
            after = np.array(mrc.data)
        with mrcfile.open(self.volume.getFileName()) as mrc:
            before = np.array(mrc.data)
        corner = np.s_[:8, :8, :8]  # noise alone
        self.assertLess(after[corner].std(), 0.7 * before[corner].std())
        self.assertGreater(np.corrcoef(after[self.inside], before[self.inside])[0, 1], 0.9)

    def test_methods_of_the_form_and_their_sources(self):
        expected = [
            ("monogenic", "Vilas2018"), ("localfsc", "Cardone2013"), ("sinusoid", "Kucukelbir2014"),
        ]  # fmt: skip
        for number, (method, source) in enumerate(expected):
            run = self.half_map_run(method=number)
            self.assertEqual(run._engineParams()["method"], method)
            self.assertEqual(run._citations(), [source])

    def test_an_area_is_excluded_from_the_noise_of_a_single_map(self):
        area = self.getOutputPath("area.mrc")
        write_map(area, np.zeros(SHAPE) + 1, VOXEL, ORIGIN)
        run = self.half_map_run(useHalfVolumes=False)
        run.fullMap.set(self.volume)
        run.maskExcl.set(VolumeMask(location=area))
        run.maskExcl.get().setSamplingRate(VOXEL)
        self.assertEqual(run._validate(), [])
        self.assertEqual(run._engineParams()["exclude"], area)
        run.maskExcl.get().setSamplingRate(2 * VOXEL)
        self.assertIn("Exclude area has 3 Å/pixel", "\n".join(run._validate()))
        run.useHalfVolumes.set(True)
        self.assertNotIn("exclude", run._engineParams())

    def test_items_of_one_set_are_volumes_of_their_own(self):
        """Scipion hands out all items of a set as one object."""
        imported = import_volumes(self, self.getOutputPath("*.mrc"), VOXEL)
        items = {volume.getFileName(): volume.getObjId() for volume in imported.outputVolumes}
        of = {name: Pointer(imported, extended=f"outputVolumes.{number}")
              for path, number in items.items()
              for name in ("full", "half1", "half2") if name in path}  # fmt: skip

        def named(inputs):
            return {key: volume.getFileName().split("_")[-1] for key, volume in inputs.items()}

        run = self.newProtocol(CryodlProtHalfMapResolution, hasHalfVolumesFile=False)
        run.halfMap1.copy(of["half1"])
        run.halfMap2.copy(of["half2"])
        self.assertEqual(named(run._engineInputs()), {"half1": "half1.mrc", "half2": "half2.mrc"})
        sources = [pointer for pointer in run._sources() if pointer.get() is not None]
        self.assertEqual(sources, [run.halfMap1, run.halfMap2])
        enhanced = self.newProtocol(
            CryodlProtEnhance, useHalfMapsInsteadVol=True, halfMapsAttached=False
        )
        enhanced.inputHalf1.copy(of["half1"])
        enhanced.inputHalf2.copy(of["half2"])
        self.assertEqual(named(enhanced._engineInputs()), named(run._engineInputs()))
        compared = self.newProtocol(CryodlProtCompareResolution)
        compared.inputResolutions.set([of["half2"], of["full"], of["half1"]])
        self.assertEqual(
            list(named(compared._engineInputs()).values()), ["half2.mrc", "full.mrc", "half1.mrc"]
        )
        names = compared._names()
        self.assertEqual(len(set(names)), 3)
        self.assertTrue(all(name.startswith(run_name(imported)) for name in names))
        imported.setObjLabel("cryodl - half-map local resolution")
        self.assertEqual(run_name(imported), "half-map local resolution")

    def test_names_of_runs_are_told_apart(self):
        run = self.newProtocol(CryodlProtCompareResolution)
        labels = ["a", "a", "a 1"]
        with mock.patch.object(run, "_runName", side_effect=lambda pointer: labels[pointer]):
            run.inputResolutions = [0, 1, 2]
            self.assertEqual(run._names(), ["a 2", "a 3", "a 1"])

    def test_any_header_that_says_otherwise_is_corrected(self):
        with mrcfile.open(self.getOutputPath("half2.mrc")) as mrc:
            data = np.array(mrc.data)
        write_map(self.getOutputPath("other_header.mrc"), data, 1.0, ORIGIN)
        run = self.newProtocol(CryodlProtHalfMapResolution, hasHalfVolumesFile=False)
        for pointer, name in ((run.halfMap1, "half1.mrc"), (run.halfMap2, "other_header.mrc")):
            volume = Volume(location=self.getOutputPath(name))
            volume.setSamplingRate(VOXEL)
            pointer.set(volume)
        paths = run._engineParams()
        self.assertEqual(paths["half1"], self.getOutputPath("half1.mrc"))  # as it is
        run.makePathsAndClean()
        run.convertInputStep()
        header = read_header(paths["half2"])
        self.assertAlmostEqual(header.voxel_size, VOXEL, places=4)
        np.testing.assert_array_equal(read_grid(paths["half2"])[0], data)

    def test_a_mask_is_cut_at_the_threshold_and_an_item_of_a_stack_is_found(self):
        """The mask is the second map of a stack, which the engine could not read."""
        with mrcfile.open(self.getOutputPath("half2.mrc")) as mrc:
            data = np.array(mrc.data)
        path = self.getOutputPath("stack.mrcs")
        with mrcfile.new(path, np.stack([0 * data, data]), overwrite=True) as mrc:
            mrc.voxel_size = VOXEL
        mask = VolumeMask(location=(2, path))
        mask.setSamplingRate(VOXEL)
        run = self.half_map_run(maskThreshold=0.2)
        run.mask.set(mask)
        self.assertEqual(run._validate(), [])
        run.makePathsAndClean()
        run.convertInputStep()
        cut, voxel_size, origin = read_grid(run._engineParams()["mask"])
        np.testing.assert_array_equal(cut, data > 0.2)
        self.assertAlmostEqual(voxel_size, VOXEL, places=4)
        np.testing.assert_allclose(origin, self.volume.getShiftsFromOrigin(), atol=1e-3)

    def test_what_is_compared_must_be_there(self):
        path = self.getOutputPath("five.mrc")
        write_map(path, np.full(SHAPE, 5.0), VOXEL, ORIGIN)
        resolution = Volume(location=path)
        resolution.setSamplingRate(VOXEL)
        run = self.newProtocol(CryodlProtCompareResolution)
        run.inputResolutions.set([resolution, resolution])
        self.assertEqual(run._validate(), [])
        parent = self.proj.getProtocol(self.volume.getObjParentId())
        run.inputResolutions.set([resolution, Pointer(parent, extended="nothing")])
        (line,) = run._validate()
        self.assertIn("Map 2: what was chosen is gone", line)
