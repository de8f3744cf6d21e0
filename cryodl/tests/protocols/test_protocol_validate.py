"""Validate map in a real project: all parts, what the project has of the map, and the page."""

import os
import re
import shlex
import webbrowser

import numpy as np
from pwem import Domain
from pwem.objects import AtomStruct
from pwem.protocols import EMProtocol
from pyworkflow.tests import BaseTest, setupTestProject
from pyworkflow.viewer import DESKTOP_TKINTER

from cryodl.protocols import CryodlProtValidateMap
from cryodl.protocols.maps import read_grid
from cryodl.tests.protocols.test_sets import make_set
from cryodl.tests.scipion_maps import (
    StandInForMonoRes,
    import_volumes,
    run_here,
    write_map,
    write_molecule,
)

SHAPE, VOXEL, ORIGIN = (40, 40, 40), 1.5, (-30.0, 15.0, 6.0)


class WithFilteredMap(StandInForMonoRes):
    """Hands out a map filtered by its local resolution, too."""

    def createOutputStep(self):
        super().createOutputStep()
        self.hand_out("outputVolume", read_grid(self.fullMap.get().getFileName())[0])


class TestValidateMap(BaseTest):
    @classmethod
    def setUpClass(cls):
        setupTestProject(cls)
        cls.files = [cls.getOutputPath(f"{name}.mrc") for name in ("full", "half1", "half2")]
        write_molecule(cls.files[0], SHAPE, VOXEL, ORIGIN)
        data = read_grid(cls.files[0])[0]
        for seed, path in enumerate(cls.files[1:]):
            noise = np.random.default_rng(seed).normal(0, 0.1, SHAPE)
            write_map(path, data + noise, VOXEL, ORIGIN)
        cls.volume = import_volumes(cls, cls.files[0], VOXEL, ORIGIN, cls.files[1:]).outputVolume

    def opened(self, run):
        """The file that Analyze Results opens in a browser, which notes what it is given."""
        noted = self.getOutputPath("opened")
        program = self.getOutputPath("browser")
        with open(program, "w") as file:
            file.write(f'#!/bin/sh\necho "$1" > {shlex.quote(noted)}\n')
        os.chmod(program, 0o755)
        browser = webbrowser.GenericBrowser([program, "%s"])
        webbrowser.register("noting", None, browser, preferred=True)
        viewer = Domain.findViewers(run, DESKTOP_TKINTER)[0](project=self.proj, protocol=run)
        (view,) = viewer._visualize(run)
        view.show()
        with open(noted) as file:
            return file.read().strip()[len("file://") :]

    def test_all_parts_and_the_local_resolutions_of_the_project(self):
        other = self.newProtocol(WithFilteredMap)
        other.setObjLabel("MonoRes, first try")
        other.fullMap.set(self.volume)
        run_here(self, other)
        model = self.getOutputPath("model.pdb")
        middle = np.array(ORIGIN) + VOXEL * 20
        with open(model, "w") as file:
            places = middle + np.random.default_rng(0).normal(0, 4, (9, 3))
            for i, (x, y, z) in enumerate(places, 1):
                atom = f"ATOM  {i:5d}  CA  ALA A{i:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00\n"
                file.write(atom)
        given = self.newProtocol(EMProtocol)
        self.proj.saveProtocol(given)
        given._defineOutputs(model=AtomStruct(filename=model))
        run = self.newProtocol(CryodlProtValidateMap, useGpu=False, claimed=5.0)
        run.inputVolume.set(self.volume)
        run.inputModel.set(given.model)
        self.assertEqual(run._validate(), [])
        run_here(self, run)
        stats = run.getStats()
        self.assertEqual(stats["parts"]["preflight"]["result"], "done")
        names = [one["name"] for one in run.readStats("compare/stats.json")["maps"]]
        self.assertEqual(names[2:], ["MonoRes_ first try"])
        self.assertEqual(
            {name for name, _ in run.iterOutputAttributes()}, set(run.getPossibleOutputs())
        )
        self.assertAlmostEqual(run.q_score.get(), run.readStats("quality/stats.json")["q_score"])
        for name in ("resolution_Volume", "network_resolution_Volume", "consensus_Volume"):
            output = getattr(run, name)
            self.assertEqual(read_grid(output.getFileName())[0].shape, SHAPE)
            np.testing.assert_allclose(output.getShiftsFromOrigin(), ORIGIN)
        self.assertEqual(run.outputFSC.getSize(), 3)
        found = run.readStats("fsc/stats.json")["resolution_0.143"]
        self.assertAlmostEqual(run.global_res.get(), found)
        self.assertRegex(run._summary()[0], r"How good is it\? \*.* by the half maps")
        self.assertIn("Cardone2013", run._citations())
        page = self.opened(run)
        self.assertEqual(page, os.path.abspath(run._getExtraPath("report.html")))
        with open(page, encoding="utf-8") as file:
            self.assertIn("MonoRes_ first try", file.read())

    def test_a_set_gives_a_page_each_and_a_table(self):
        volumes = []
        for number in (1, 2):
            volume = self.volume.clone()
            volume.setObjId(number)
            volume.setObjLabel(f"class {number}")
            volume.setHalfMaps([])
            volumes.append(volume)
        run = self.newProtocol(CryodlProtValidateMap, useGpu=False)
        run.inputVolume.set(make_set(self, volumes))
        self.assertEqual(run._validate(), [])
        run_here(self, run)
        names = [item.getObjLabel() for item in run.resolution_Volumes]
        self.assertEqual(names, ["class 1", "class 2"])
        table = self.opened(run)
        with open(table, encoding="utf-8") as file:
            pages = re.findall(r'"(volume_\d+/report.html)"', file.read())
        self.assertEqual(len(pages), 2)
        for page in pages:
            self.assertTrue(os.path.exists(os.path.join(os.path.dirname(table), page)))
        said = "\n".join(run.summary())
        self.assertIn("class 2: How good is it? *about", said)
