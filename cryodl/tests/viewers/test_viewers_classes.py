"""The viewers of local classes, of whole maps' classes and of compared local resolutions."""

import json
import os
from unittest import mock

import mrcfile
import numpy as np
from matplotlib.colors import to_hex
from pwem import Domain
from pyworkflow.utils import makePath
from pyworkflow.viewer import DESKTOP_TKINTER

from cryodl.protocols import (
    CryodlProtCompareResolution,
    CryodlProtLocalClasses,
    CryodlProtResolutionClass,
)
from cryodl.report.classes import LABELS, class_colours
from cryodl.tests.viewers.viewer_case import VOXEL, ViewerCase, write_map
from cryodl.viewers import (
    CryodlCompareViewer,
    CryodlLocalClassesViewer,
    CryodlResolutionClassViewer,
)


class TestLocalClasses(ViewerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.classes = np.where(cls.inside, np.clip(np.floor(cls.resolution), 1, 10), 0)
        cls.run_ = cls.finished_run(
            CryodlProtLocalClasses, uncertainty=False, further={"classes.mrc": cls.classes}
        )

    def test_its_own_viewer_is_found(self):
        found = Domain.findViewers(self.run_, DESKTOP_TKINTER)
        self.assertEqual(found[0], CryodlLocalClassesViewer)
        viewer = self.viewer(self.run_)
        shown = [name for name, _ in viewer._definition.iterAllParams() if name.startswith("doSh")]
        entries = set(viewer._getVisualizeDict()) - {"doShowUncertainty"}
        self.assertEqual(sorted(shown), sorted(entries))

    def test_classes_are_an_output_on_the_grid(self):
        with mrcfile.open(self.run_.classes_Volume.getFileName()) as mrc:
            np.testing.assert_array_equal(mrc.data, self.classes)
        self.assertAlmostEqual(self.run_.classes_Volume.getSamplingRate(), VOXEL)

    def test_bars_count_the_voxels_of_each_class(self):
        view = self.show(self.viewer(self.run_), "doShowClassHistogram")
        (bars,) = view.getFigure().axes[0].containers
        share = [100 * np.mean(self.classes[self.inside] == number) for number in range(1, 11)]
        np.testing.assert_allclose([bar.get_height() for bar in bars], share)

    def test_slices_have_ten_colours_and_a_key_of_ten_steps(self):
        panels, key = self.panels(self.show(self.viewer(self.run_), "doShowClassSlices"))
        self.assertEqual([label.get_text() for label in key.get_yticklabels()], list(LABELS))
        image = panels[4].images[-1]
        for number, colour in class_colours():
            self.assertEqual(to_hex(image.cmap(image.norm(number))), colour)
        plane = int(panels[4].get_title().split(":")[0]) - 1
        self.assertTrue(set(np.unique(image.get_array().compressed())) <= set(range(1, 11)))
        shown = image.get_array().count()
        self.assertEqual(shown, np.count_nonzero(self.inside[plane]))

    def test_chimerax_is_given_the_classes_and_ten_steps(self):
        with mock.patch.dict(os.environ, {"PATH": ""}):
            self.message(self.show(self.viewer(self.run_), "doShowClassChimera"))
        with open(self.run_.getExtraFile("chimerax_classes.cxc"), encoding="utf-8") as file:
            script = file.read()
        self.assertIn("chimerax_classes.mrc", script)
        self.assertIn("colorTreatment distinct", script)
        for (_, colour), label in zip(class_colours(), LABELS):
            self.assertIn(f"{colour}:{label} ", script)

    def test_the_other_pictures_are_there_too(self):
        viewer = self.viewer(self.run_)
        self.assertEqual(len(self.panels(self.show(viewer, "doShowVolumeColorSlices"))[0]), 9)


class TestResolutionClass(ViewerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_ = cls.newProtocol(CryodlProtResolutionClass, claimed=6.0)
        cls.run_.inputVolumes.set([cls.volume, cls.volume])
        cls.proj.saveProtocol(cls.run_)

    def finish(self):
        makePath(self.run_._getExtraPath())
        entries = [
            {
                "map": "molecule.mrc",
                "class": "medium",
                "probabilities": {"high": 0.2, "medium": 0.7, "low": 0.1},
                "resolution": 6.2,
                "interval": [5.1, 8.4],
                "claimed": 6.0,
                "verdict": "agrees",
                "warnings": [],
            },
            {
                "map": "molecule.mrc",
                "class": "high",
                "probabilities": {"high": 0.9, "medium": 0.1, "low": 0.0},
                "resolution": 3.4,
                "interval": [3.1, 4.0],
                "claimed": 6.0,
                "verdict": "better",
                "warnings": ["a word"],
            },
        ]
        with open(self.run_.getExtraFile("classes.json"), "w") as file:
            json.dump(entries, file)

    def test_probabilities_and_table(self):
        viewer = self.viewer(self.run_)
        self.assertIn("run it again", self.message(self.show(viewer, "doShowTable")))
        self.finish()
        self.assertIsInstance(viewer, CryodlResolutionClassViewer)
        bars, estimates = self.show(viewer, "doShowProbabilities").getFigure().axes
        widths = [[bar.get_width() for bar in kind] for kind in bars.containers]
        np.testing.assert_allclose(widths, [[20, 90], [70, 10], [10, 0]])
        texts = [t.get_text() for t in self.show(viewer, "doShowTable").getFigure().texts]
        for text in ("medium", "70.0", "6.20", "5.10 - 8.40", "high", "3.40", "agrees"):
            self.assertIn(text, texts)
        summary = "\n".join(self.run_._summary())
        self.assertIn("*medium* (5 - 10 Å, 70 %), 6.20 Å (5.10 - 8.40 Å); it agrees with", summary)
        self.assertIn("it looks better than the claimed 6 Å\nWarning: a word", summary)
        viewer.firstMap.set(2)
        bars, _ = self.show(viewer, "doShowProbabilities", "_second").getFigure().axes
        self.assertEqual(len(bars.get_yticks()), 1)
        viewer.firstMap.set(3)
        self.assertIn("between 1 and 2", self.message(self.show(viewer, "doShowTable")))


class TestCompare(ViewerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        runs = [cls.finished_run(), cls.finished_run()]
        cls.maps = [cls.resolution, np.where(cls.inside, cls.resolution + 1, 0).astype("f4")]
        write_map(runs[1].getExtraFile("resolution.mrc"), cls.maps[1])
        cls.run_ = cls.newProtocol(CryodlProtCompareResolution, claimed=5.0)
        cls.run_.inputResolutions.set([run.resolution_Volume for run in runs])
        cls.run_.inputVolume.set(cls.volume)
        cls.proj.saveProtocol(cls.run_)
        makePath(cls.run_._getExtraPath())
        written = {
            "consensus.mrc": np.mean(cls.maps, axis=0),
            "disagreement.mrc": cls.maps[1] - cls.maps[0],
            "mask.mrc": cls.inside,
        }
        for name, data in written.items():
            write_map(cls.run_.getExtraFile(name), data)
        stats = {
            "voxels": int(cls.inside.sum()),
            "claimed": 5.0,
            "maps": [cls.figures(f"map {i}", m[cls.inside]) for i, m in enumerate(cls.maps)],
            "pairs": [
                {
                    "first": "map 0",
                    "second": "map 1",
                    "median_difference": 1.0,
                    "rank_correlation": 1.0,
                }
            ],
        }
        with open(cls.run_.getExtraFile("stats.json"), "w") as file:
            json.dump(stats, file)
        cls.run_.createOutputStep()

    @staticmethod
    def figures(name, values):
        common = {
            "median": float(np.median(values)),
            "sd": float(values.std()),
            "percentiles": {
                q: float(np.percentile(values, float(q))) for q in ("2.5", "50", "97.5")
            },
            "claimed_percentile": float(100 * np.mean(values < 5)),
        }
        return {"name": name, "common": common}

    def test_viewer_is_found_and_every_entry_has_its_function(self):
        viewer = self.viewer(self.run_)
        self.assertIsInstance(viewer, CryodlCompareViewer)
        shown = [name for name, _ in viewer._definition.iterAllParams() if name.startswith("doSh")]
        self.assertEqual(sorted(shown), sorted(viewer._getVisualizeDict()))

    def test_table_says_the_figures(self):
        texts = [
            t.get_text() for t in self.show(self.viewer(self.run_), "doShowTable").getFigure().texts
        ]
        for shown in self.maps:
            self.assertIn(f"{np.median(shown[self.inside]):.2f}", texts)
        self.assertIn("Better than 5 Å (%)", texts)
        self.assertIn("map 1 - map 0: +1.00 Å, rank correlation 1.00", texts)

    def test_histograms_of_both(self):
        view = self.show(self.viewer(self.run_), "doShowResHistogram")
        labels = [text.get_text() for text in view.getFigure().legends[0].get_texts()]
        medians = [np.median(shown[self.inside]) for shown in self.maps]
        for number, median in enumerate(medians):
            self.assertIn(f"map {number}: {median:.2f}", labels[number])
        self.assertIn("claimed 5.00 Å", labels)

    def test_slices_of_all_maps_with_consensus_and_disagreement(self):
        view = self.show(self.viewer(self.run_, sliceAxis=0), "doShowVolumeColorSlices")
        axes = view.getFigure().axes
        panels = [a for a in axes if a.images and a.images[-1].get_extent()[1] > 2]
        keys = [a.get_ylabel() for a in axes if a.get_ylabel()]
        self.assertEqual(
            keys, ["map 0 (Å)", "map 1 (Å)", "Consensus (Å)", "Largest − smallest (Å)"]
        )
        self.assertEqual(len(panels), 16)
        first, _, consensus, apart = (panels[i].images[-1].get_array() for i in (1, 5, 9, 13))
        np.testing.assert_allclose((consensus - first).compressed(), 0.5, atol=1e-5)
        np.testing.assert_allclose(apart.compressed(), 1.0, atol=1e-5)

    def test_disagreement_alone(self):
        panels, key = self.panels(self.show(self.viewer(self.run_), "doShowDisagreement"))
        self.assertEqual(key.get_ylabel(), "Largest − smallest (Å)")
        self.assertEqual(key.get_ylim()[0], 0)
        self.assertEqual(len(panels), 9)
        panels, key = self.panels(self.show(self.viewer(self.run_), "doShowConsensus"))
        self.assertEqual(key.get_ylabel(), "Consensus (Å)")

    def test_chimerax_colours_the_density_by_consensus(self):
        with mock.patch.dict(os.environ, {"PATH": ""}):
            self.message(self.show(self.viewer(self.run_), "doShowChimera"))
        with open(self.run_.getExtraFile("chimerax_consensus.cxc"), encoding="utf-8") as file:
            self.assertIn("chimerax_consensus.mrc", file.read())

    def test_a_run_that_has_not_finished(self):
        viewer = self.viewer(self.newProtocol(CryodlProtCompareResolution))
        for name in viewer._getVisualizeDict():
            self.assertIn("run it again", self.message(self.show(viewer, name)))


del ViewerCase  # or it would be collected here too
