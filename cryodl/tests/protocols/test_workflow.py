"""Chains: after other packages' protocols, through a queue, and from a template."""

import os
import stat

import mrcfile
import numpy as np
from pwem.objects import AtomStruct, Volume
from pwem.protocols import EMProtocol, ProtOrigSampling
from pyworkflow.tests import BaseTest, setupTestProject

from cryodl.protocols import (
    CryodlProtCompareResolution,
    CryodlProtImportResolution,
    CryodlProtLocalFilter,
    CryodlProtOversharpening,
)
from cryodl.protocols.maps import read_grid, read_header
from cryodl.tests.scipion_maps import (
    StandInForMonoRes,
    StandInForResMap,
    import_volumes,
    local_resolution,
    run_here,
    wait_for,
    write_map,
    write_molecule,
)

SHAPE, VOXEL, ORIGIN = (32, 40, 36), 1.5, (-30.0, 15.0, 6.0)


class TestWorkflow(BaseTest):
    @classmethod
    def setUpClass(cls):
        setupTestProject(cls)
        path = cls.getOutputPath("molecule.mrc")
        write_molecule(path, SHAPE, VOXEL, ORIGIN)
        cls.expected = local_resolution(read_grid(path)[0])
        cls.volume = import_volumes(cls, path, VOXEL, ORIGIN).outputVolume

    def run_here(self, kind):
        protocol = self.newProtocol(kind)
        protocol.fullMap.set(self.volume)
        return run_here(self, protocol)

    def fresh(self, protocol):
        """The protocol as its own process has left it."""
        host = protocol.getHostConfig()
        protocol = self.proj.getProtocol(protocol.getObjId())
        protocol.setHostConfig(host)
        self.proj._updateProtocol(protocol, checkPid=False)
        return protocol

    def check(self, protocol):
        written = {name for name, _ in protocol.iterOutputAttributes()}
        self.assertEqual(written, set(protocol.getPossibleOutputs()))
        resolution = protocol.resolution_Volume
        with mrcfile.open(resolution.getFileName()) as mrc:
            data = np.array(mrc.data)
            origin = [float(mrc.header.origin[axis]) for axis in "xyz"]
        np.testing.assert_allclose(data, self.expected, atol=1e-5)
        np.testing.assert_allclose(origin, ORIGIN, atol=1e-3)
        np.testing.assert_allclose(resolution.getShiftsFromOrigin(), ORIGIN)
        with mrcfile.open(protocol.outputMask.getFileName()) as mrc:
            np.testing.assert_array_equal(mrc.data > 0, self.expected > 0)
        median = float(np.median(self.expected[self.expected > 0]))
        self.assertAlmostEqual(protocol.median_res_init.get(), median, places=3)

    def test_imports_what_monores_writes(self):
        before = self.run_here(StandInForMonoRes)
        protocol = self.newProtocol(CryodlProtImportResolution)
        protocol.inputResolution.set(before.resolution_Volume)
        protocol.inputVolume.set(self.volume)
        self.launchProtocol(protocol)
        self.check(protocol)
        parents = self.proj.getSourceParents(protocol.resolution_Volume)
        self.assertIn(before.resolution_Volume.getObjId(), [p.getObjId() for p in parents])

    def test_imports_what_resmap_writes_through_a_queue(self):
        before = self.run_here(StandInForResMap)
        spool = self.getOutputPath("queue")
        host = self.proj.getHostConfig("localhost")
        fake_queue(host, spool)
        protocol = self.newProtocol(CryodlProtImportResolution)
        protocol.inputResolution.set(before.outputVolume)
        protocol.inputVolume.set(self.volume)
        protocol._useQueue.set(True)
        protocol.setQueueParams(("short", {"JOB_TIME": "1"}))
        protocol.setHostConfig(host)
        self.proj.launchProtocol(protocol, wait=False)
        wait_for(lambda: self.fresh(protocol).isFinished())
        protocol = self.fresh(protocol)
        self.check(protocol)
        with open(os.path.join(spool, "submitted")) as file:
            self.assertIn("short", file.read())

    def test_origin_and_sampling_of_scipion_reach_the_engine_and_every_output(self):
        """The file says 1.5 Å and ORIGIN; Scipion 1.6 Å and elsewhere, where the model lies, too.

        The local resolution has the middle of the box, which Scipion gives where nobody has said.
        """
        rate, origin = 1.6, (100.0, -50.0, 20.0)
        assigned = self.newProtocol(ProtOrigSampling, setSampling=True, samplingRate=rate,
            setOrigCoord=True, **dict(zip("xyz", origin)))  # fmt: skip
        assigned.inVolume.set(self.volume)
        self.launchProtocol(assigned)
        shown = assigned.outputVolume
        maps = {}
        for name, more in (("first", 0), ("second", 0.5)):
            path = self.getOutputPath(f"{name}.mrc")
            data = np.where(self.expected > 0, self.expected + more, 0)
            write_map(path, data, VOXEL, (0, 0, 0))
            maps[name] = Volume(location=path)
            maps[name].setSamplingRate(rate)
        maps["second"].setOrigin()  # Scipion's default
        model = self.getOutputPath("model.pdb")
        x, y, z = (o + rate * n / 2 for o, n in zip(origin, reversed(SHAPE)))
        with open(model, "w") as file:
            file.write(f"ATOM      1  CA  ALA A   1    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00\n")
        given = self.newProtocol(EMProtocol)
        self.proj.saveProtocol(given)
        given._defineOutputs(model=AtomStruct(filename=model), **maps)
        compared = self.newProtocol(CryodlProtCompareResolution)
        compared.inputResolutions.set([given.first, given.second])
        compared.inputVolume.set(shown)
        compared.inputModel.set(given.model)
        filtered = self.newProtocol(CryodlProtLocalFilter)
        filtered.inputVolume.set(shown)
        filtered.inputResolution.set(given.first)
        for protocol in (compared, filtered):
            run_here(self, protocol)
            self.assertEqual(protocol.getStats()["warnings"], [])
            for _, output in protocol.iterOutputAttributes():
                header = read_header(output.getFileName())
                self.assertAlmostEqual(header.voxel_size, rate, places=4)
                np.testing.assert_allclose(header.origin, origin, atol=1e-3)
                np.testing.assert_allclose(output.getShiftsFromOrigin(), origin)
                self.assertAlmostEqual(output.getSamplingRate(), rate)
        self.assertEqual(list(compared.getStats()["maps"][0]["chains"]), ["A"])

    def test_what_relion_hands_out_stands_for_the_resolution_beside_it(self):
        """It hands out the filtered map; without the other, that is refused before the run."""
        path = self.getOutputPath("relion_locres_filtered.mrc")
        data = np.random.default_rng(0).normal(0, 1, SHAPE)
        write_map(path, data, VOXEL, ORIGIN)
        given = Volume(location=path)
        given.setSamplingRate(VOXEL)
        others = {"inputVolume": self.volume, "useHalfVolumes": False}
        runs = {
            CryodlProtImportResolution: "inputResolution",
            CryodlProtLocalFilter: "inputResolution",
            CryodlProtOversharpening: "inputResolution",
            CryodlProtCompareResolution: "inputResolutions",
        }
        for kind, name in runs.items():
            with self.subTest(kind):
                run = self.newProtocol(kind)
                if hasattr(run, "useGpu"):
                    run.useGpu.set(False)
                for key, value in others.items():
                    if hasattr(run, key):
                        getattr(run, key).set(value)
                many = name.endswith("s")
                getattr(run, name).set([given, self.volume] if many else given)
                text = "\n".join(run._validate())
                self.assertIn("is a density and no local resolution in Å: 5", text)
                self.assertIn("relion_locres_filtered.mrc", text)
                beside = self.getOutputPath("relion_locres.mrc")
                write_map(beside, self.expected, VOXEL, (0, 0, 0))
                found = [v.getFileName() for v in run._engineInputs().values()]
                self.assertIn(beside, found)
                self.assertNotIn("relion_locres", "\n".join(run._validate()))
                os.remove(beside)

    def test_density_is_refused_as_a_resolution(self):
        protocol = self.newProtocol(CryodlProtImportResolution)
        protocol.inputResolution.set(self.volume)
        self.proj.launchProtocol(protocol, wait=True)
        failed = self.fresh(protocol)
        self.assertTrue(failed.isFailed())
        self.assertNotIn("Traceback", failed.getErrorMessage())
        self.assertIn("resolution", failed.getErrorMessage())
        self.assertFalse(os.path.exists(failed._getExtraPath("resolution.mrc")))


def fake_queue(host, spool):
    """Give a host a queue whose `sbatch` notes what it is given and runs it."""
    os.makedirs(spool)
    sbatch = os.path.join(spool, "sbatch")
    with open(sbatch, "w") as file:
        file.write(
            "#!/bin/sh\n"
            f'cat "$1" >> {spool}/submitted\n'
            f'setsid sh "$1" > {spool}/log 2>&1 &\n'
            "echo Submitted batch job 4711\n"
        )
    os.chmod(sbatch, os.stat(sbatch).st_mode | stat.S_IXUSR)
    queue = host.queueSystem
    queue.name.set("SLURM")
    queue.submitCommand.set(f"{sbatch} %(JOB_SCRIPT)s")
    queue.submitTemplate.set("#!/bin/sh\n# partition %(JOB_QUEUE)s\n%(JOB_COMMAND)s")
    queue.cancelCommand.set("true %(JOB_ID)s")
    queue.checkCommand.set("echo running %(JOB_ID)s")
    queue.queues, queue.queuesDefault = {"short": {}}, {}
