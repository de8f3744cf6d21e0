"""Sets of volumes in and out: each by itself, also as they arrive, and where one of them fails."""

import os
import threading
import time

import numpy as np
from pwem.objects import SetOfVolumes, Transform, Volume, VolumeMask
from pwem.protocols import EMProtocol
from pyworkflow.protocol.constants import MODE_RESUME
from pyworkflow.tests import BaseTest, setupTestProject

from cryodl.protocols import (
    CryodlProtEnhance,
    CryodlProtFindMask,
    CryodlProtHalfMapResolution,
    CryodlProtLocalResolution,
    CryodlProtResolutionClass,
)
from cryodl.protocols.maps import read_grid, read_header
from cryodl.tests.scipion_maps import run_here, wait_for, write_map, write_molecule
from cryodl.viewers.results import RunResults

SHAPE, VOXEL = (32, 32, 32), 1.5
ORIGINS = [(-24.0, 3.0, 6.0), (10.0, 0.0, 0.0), (0.0, 0.0, 5.0)]


def make_set(case, volumes, growing=False):
    """A set as the output of a protocol that may still be filling it."""
    source = case.newProtocol(EMProtocol)
    case.proj.saveProtocol(source)
    source.makePathsAndClean()
    made = source._createSetOfVolumes()
    made.setSamplingRate(VOXEL)
    for volume in volumes:
        made.append(volume)
    made.setStreamState(made.STREAM_OPEN if growing else made.STREAM_CLOSED)
    source._defineOutputs(outputVolumes=made)
    made.write()
    made.close()
    return source.outputVolumes


class TestSets(BaseTest):
    @classmethod
    def setUpClass(cls):
        setupTestProject(cls)
        cls.files = [cls.getOutputPath(f"map{i}.mrc") for i in range(3)]
        for i, path in enumerate(cls.files):
            write_molecule(path, SHAPE, VOXEL, ORIGINS[i], seed=i)

    def volume(self, i, path=None, halves=()):
        volume = Volume(location=path or self.files[i])
        volume.setSamplingRate(VOXEL)
        volume.setObjLabel(f"map number {i}")
        origin = Transform()
        origin.setShifts(*ORIGINS[i])
        volume.setOrigin(origin)
        if halves:
            volume.setHalfMaps(halves)
        return volume

    def run_with(self, kind, given, pointer="inputVolume", **values):
        run = self.newProtocol(kind, **values)
        if hasattr(run, "useGpu"):
            run.useGpu.set(False)
        getattr(run, pointer).set(given)
        self.assertEqual(run._validate(), [])
        return run

    def check(self, many, names, kind=Volume):
        """A closed set of files on the grids of the inputs, called like these."""
        self.assertIsInstance(many, SetOfVolumes)
        self.assertTrue(many.isStreamClosed())
        items = [item.clone() for item in many]
        self.assertEqual([item.getObjLabel() for item in items], names)
        for item in items:
            self.assertIs(type(item), kind)
            origin = ORIGINS[int(item.getObjLabel()[-1])]
            header = read_header(item.getFileName())
            self.assertEqual((header.shape, round(header.voxel_size, 4)), (SHAPE, VOXEL))
            np.testing.assert_allclose(header.origin, origin, atol=1e-3)
            np.testing.assert_allclose(item.getShiftsFromOrigin(), origin)
        return items

    def test_one_that_fails_leaves_the_others_and_is_tried_again(self):
        """Of three maps the second is empty; once it is mended, it alone is computed."""
        empty = self.getOutputPath("empty.mrc")
        write_map(empty, np.zeros(SHAPE), VOXEL, ORIGINS[1])
        given = make_set(self, [self.volume(0), self.volume(1, empty), self.volume(2)])
        run = self.run_with(CryodlProtLocalResolution, given)
        self.launchProtocol(run)
        items = self.check(run.resolution_Volumes, ["map number 0", "map number 2"])
        self.assertEqual(len({item._median_res_init.get() for item in items}), 2)
        self.check(run.outputMasks, ["map number 0", "map number 2"], VolumeMask)
        said = "\n".join(run.summary())
        self.assertIn("*2* of 3 volumes done", said)
        self.assertIn("map number 0: Median local resolution: *", said)
        self.assertRegex(said, "Failed: map number 1: .*(one value|constant|empty)")
        (parent,) = self.proj.getSourceParents(run.resolution_Volumes)
        self.assertEqual(parent.getObjId(), given.getObjId())

        self.assertEqual(run.getVolumeNames(), {1: "map number 0", 3: "map number 2"})
        for number in (1, 3):  # as the results window shows them
            run.setShown(number)
            results = RunResults(run)
            self.assertEqual(results.resolution.origin, ORIGINS[number - 1])
            self.assertEqual(results.density(required=True).origin, ORIGINS[number - 1])
        run.setShown(None)
        before = [os.stat(item.getFileName()).st_mtime_ns for item in items]
        write_molecule(empty, SHAPE, VOXEL, ORIGINS[1], seed=1)
        run.runMode.set(MODE_RESUME)
        self.launchProtocol(run)
        items = self.check(run.resolution_Volumes, [f"map number {i}" for i in range(3)])
        after = [os.stat(item.getFileName()).st_mtime_ns for item in items]
        self.assertEqual(after[::2], before)
        self.assertNotIn("Failed", "\n".join(run.summary()))

    def test_a_set_is_worked_on_while_it_grows(self):
        for kind, output, item in (
            (CryodlProtFindMask, "outputMasks", VolumeMask),
            (CryodlProtResolutionClass, "outputVolumes", Volume),
        ):
            given = make_set(self, [self.volume(0)], growing=True)
            if kind is CryodlProtResolutionClass:
                run = self.run_with(kind, [given], "inputVolumes")
            else:
                run = self.run_with(kind, given)
            self.assertTrue(run.worksInStreaming())
            filling = (given.getFileName(), run, output)
            arriving = threading.Thread(target=self.fill, args=filling)
            arriving.start()
            run_here(self, run)
            arriving.join()
            self.check(getattr(run, output), ["map number 0", "map number 1"], item)
            self.assertEqual(self.states, [SetOfVolumes.STREAM_OPEN, 1])
        names = [line.split(":")[0] for line in run._summary() if line.startswith("map number")]
        self.assertEqual(names, ["map number 0", "map number 1"])
        run.runMode.set(MODE_RESUME)  # nothing is left to judge
        before = os.stat(run._getExtraPath("classes.json")).st_mtime_ns
        self.launchProtocol(run)
        self.check(run.outputVolumes, ["map number 0", "map number 1"])
        self.assertEqual(os.stat(run._getExtraPath("classes.json")).st_mtime_ns, before)

    def fill(self, path, run, output):
        """Once the first is done, add another one and close the set."""
        wait_for(lambda: hasattr(run, output) and getattr(run, output).getSize() == 1)
        time.sleep(4)  # nothing is left to do, and the set is still open: the run waits
        made = getattr(run, output)
        self.states = [made.getStreamState(), made.getSize()]
        made = SetOfVolumes(filename=path)
        made.loadAllProperties()
        made.enableAppend()
        made.append(self.volume(1))
        made.setStreamState(made.STREAM_CLOSED)
        made.write()
        made.close()

    def test_half_maps_of_a_set(self):
        volumes = []
        for i in range(2):
            data = read_grid(self.files[i])[0]
            halves = [self.getOutputPath(f"half{i}{j}.mrc") for j in (1, 2)]
            for j, path in enumerate(halves):
                noise = np.random.default_rng(9 * i + j).normal(0, 0.1, SHAPE)
                write_map(path, data + noise, VOXEL, ORIGINS[i])
            volumes.append(self.volume(i, halves=halves))
        given = make_set(self, volumes)
        for kind, pointer, values, output in (
            (CryodlProtEnhance, "inputVolume", {"modelType": 3}, "Volumes"),
            (CryodlProtHalfMapResolution, "associatedHalves", {}, "resolution_Volumes"),
        ):
            run = run_here(self, self.run_with(kind, given, pointer, **values))
            self.check(getattr(run, output), ["map number 0", "map number 1"])

    def test_bad_sets_are_told_before_the_run(self):
        run = self.newProtocol(CryodlProtFindMask, useGpu=False)
        run.inputVolume.set(make_set(self, []))
        self.assertEqual(run._validate(), ["Input Volume: the set is empty."])
        run.inputVolume.set(make_set(self, [self.volume(0), self.volume(1, "gone.mrc")]))
        (line,) = run._validate()
        self.assertIn("map number 1: Input Volume: the file gone.mrc is missing", line)
