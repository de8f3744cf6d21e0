"""The form that shows the resolution classes of whole maps: probabilities, estimates, a table."""

import pyworkflow.protocol.params as params

from cryodl.protocols import CryodlProtResolutionClass
from cryodl.report.classes import CLASSES, draw_probabilities
from cryodl.report.figure import draw_table
from cryodl.viewers.base import CryodlViewerBase

MOST = 30  # maps in one picture


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
            form.addParam(name, params.LabelParam, important=True, label=label, help=text)
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
            raise ValueError("This run has not judged its maps yet; let it finish.")
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
        plotter = self._plotter("Probabilities of resolution classes")
        draw_probabilities(
            plotter.getFigure(),
            [name for name, _ in results],
            [entry["probabilities"] for _, entry in results],
            resolutions=[entry["resolution"] for _, entry in results],
            intervals=[entry["interval"] for _, entry in results],
            claimed=self.protocol.claimed.get(),
            title=self._title(),
        )
        return [plotter]

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
            found = [f"{entry['resolution']:.2f}", f"{low:.2f} - {high:.2f}"]
            verdict = [entry["verdict"]] if claimed else []
            rows.append([name, entry["class"], *shares, *found, *verdict])
        plotter = self._plotter("Resolution classes")
        draw_table(plotter.getFigure(), columns, rows, title=self._title())
        return [plotter]
