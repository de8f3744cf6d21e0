"""The forms that show resolution classes: of voxels, of whole maps, and the training for them."""

import os

import pyworkflow.protocol.params as params

from cryodl.protocols import (
    CryodlProtLocalClasses,
    CryodlProtResolutionClass,
    CryodlProtTrainLocalClasses,
)
from cryodl.report.classes import (
    CLASSES,
    ENDS,
    LABELS,
    TICKS,
    class_colour_map,
    class_colours,
    draw_class_bars,
    draw_probabilities,
)
from cryodl.report.curves import fill_learning_curves
from cryodl.report.figure import draw_table
from cryodl.viewers.base import CryodlViewerBase, define_entry
from cryodl.viewers.results import why_missing
from cryodl.viewers.viewer_resolution import COLOUR_SETS, CryodlResolutionViewer

MOST = 30  # maps in one picture


class CryodlLocalClassesViewer(CryodlResolutionViewer):
    """Show the class of every voxel, and all that other local resolutions show."""

    _label = "local resolution classes viewer"
    _targets = [CryodlProtLocalClasses]

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        form.addSection(label="Classes")
        for name, label, text in (
            ("doShowClassHistogram", "Show the class histogram", "Which share each class holds."),
            (
                "doShowClassSlices",
                "Show slices in ten colours",
                "Across the slice axis of the other section, over the map in faint grey.",
            ),
            (
                "doShowClassChimera",
                "Show the map in ten colours in ChimeraX",
                "With a key of ten steps. The map to colour is chosen in the other section.",
            ),
        ):
            define_entry(form, name, label, text)
        super()._defineParams(form)

    def _shows(self):
        return {
            **super()._shows(),
            "doShowClassHistogram": self._show_class_bars,
            "doShowClassSlices": self._show_class_slices,
            "doShowClassChimera": self._show_class_chimera,
        }

    def _palette(self):
        return COLOUR_SETS[self.colorMap.get()]

    # --------------------------- pictures ---------------------------------
    def _show_class_bars(self, results):
        classes = results.extra("classes.mrc")
        return self._drawn(
            "Local resolution classes", draw_class_bars, classes.data, palette=self._palette()
        )

    def _show_class_slices(self, results):
        classes = results.extra("classes.mrc")
        return self._slices(
            f"Local resolution classes along {self._axis()}",
            classes,
            results.inside(),
            colours=class_colour_map(self._palette()),
            vmin=ENDS[0],
            vmax=ENDS[1],
            label="Local resolution (Å)",
            ticks=TICKS,
            known=results.known(classes),
            **results.background(),
        )

    # --------------------------- ChimeraX ---------------------------------
    def _show_class_chimera(self, results):
        return self._scene(
            results,
            results.extra("classes.mrc"),
            vmin=1.0,
            vmax=float(len(LABELS)),
            colours=class_colours(self._palette()),
            labels=LABELS,
            name="classes",
        )


class CryodlResolutionClassViewer(CryodlViewerBase):
    """Show how sure the network is of each map's class, and its estimate of the resolution."""

    _label = "resolution class viewer"
    _targets = [CryodlProtResolutionClass]

    def _defineParams(self, form):
        form.addSection(label="Resolution class")
        for name, label, text in (
            (
                "doShowProbabilities",
                "Show the probabilities",
                "A bar for each map, and beside it the estimate with its 90 % interval.",
            ),
            ("doShowTable", "Show the table", "Class, probabilities, estimate, and agreement."),
        ):
            define_entry(form, name, label, text)
        form.addParam(
            "firstMap",
            params.IntParam,
            default=1,
            label="First map",
            help=f"Number of the map to begin with, in the order of the input. A picture holds "
            f"{MOST} maps.",
        )

    def _results(self):
        stats = self.protocol.getStats()
        if not stats:
            raise ValueError(why_missing(self.protocol, "the classes of its maps"))
        first = self.firstMap.get()
        if first is None or not 1 <= first <= len(stats):
            raise ValueError(f"First map: {first} is not between 1 and {len(stats)}.")
        part = slice(first - 1, first - 1 + MOST)
        return list(zip(self.protocol.getMapNames(), stats))[part]

    def _shows(self):
        return {
            "doShowProbabilities": self._show_probabilities,
            "doShowTable": self._show_table,
        }

    def _show_probabilities(self, results):
        return self._drawn(
            "Probabilities of resolution classes",
            draw_probabilities,
            [name for name, _ in results],
            [entry["probabilities"] for _, entry in results],
            resolutions=[entry["resolution"] for _, entry in results],
            intervals=[entry["interval"] for _, entry in results],
            claimed=self.protocol.claimed.get(),
        )

    def _show_table(self, results):
        columns = ["Map", "Class", *(f"{name} (%)" for name in CLASSES)]
        columns += ["Estimate (Å)", "90 % interval (Å)"]
        claimed = any(entry["verdict"] for _, entry in results)
        if claimed:
            columns.append(f"Claimed {results[0][1]['claimed']:g} Å")
        rows = []
        for name, entry in results:
            low, high = entry["interval"]
            shares = [f"{100 * entry['probabilities'][kind]:.1f}" for kind in CLASSES]
            found = [
                f"{entry['resolution']:.2f}",
                f"{low:.2f} - {high:.2f}" if low < high else "or better",
            ]
            verdict = [entry["verdict"]] if claimed else []
            rows.append([name, entry["class"], *shares, *found, *verdict])
        return self._drawn("Resolution classes", draw_table, columns, rows)


class CryodlTrainingViewer(CryodlViewerBase):
    """Show how a network learnt, also while it still does."""

    _label = "training viewer"
    _targets = [CryodlProtTrainLocalClasses]

    def _defineParams(self, form):
        form.addSection(label="Training")
        for name, label, text in (
            (
                "doShowCurves",
                "Show the learning curves",
                "Of the maps trained on and of those held out, also while the training runs.",
            ),
            ("doShowTable", "Show what it reached", "On the maps held out."),
        ):
            define_entry(form, name, label, text)

    def _results(self):
        return self.protocol

    def _shows(self):
        return {"doShowCurves": self._show_curves, "doShowTable": self._show_table}

    def _show_curves(self, protocol):
        path = os.path.join(protocol.getTrainingFolder(), "log.csv")
        if not os.path.exists(path):
            raise ValueError(why_missing(protocol, "its learning curves"))
        return self._drawn("Learning curves", fill_learning_curves, path)

    def _show_table(self, protocol):
        figures = protocol.getStats().get("metrics")
        if not figures:
            raise ValueError(why_missing(protocol, "its network"))
        rows = [
            ["Voxels in the right class (%)", f"{100 * figures['exact']:.1f}"],
            ["Voxels within one class (%)", f"{100 * figures['within_one']:.1f}"],
        ]
        return self._drawn("Maps held out", draw_table, ["On maps held out", ""], rows)
