"""The form that shows a training: its curves, and how well the network does on maps held out."""

import os

import pyworkflow.protocol.params as params

from cryodl.protocols import CryodlProtTrainLocalClasses
from cryodl.report.curves import fill_learning_curves
from cryodl.report.figure import draw_table
from cryodl.viewers.base import CryodlViewerBase


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
            form.addParam(name, params.LabelParam, important=True, label=label, help=text)

    def _results(self):
        return self.protocol

    def _shows(self):
        return {"doShowCurves": self._show_curves, "doShowTable": self._show_table}

    def _show_curves(self, protocol):
        path = os.path.join(protocol.getTrainingFolder(), "log.csv")
        if not os.path.exists(path):
            raise ValueError("The training has not come to its first validation yet.")
        plotter = self._plotter("Learning curves")
        fill_learning_curves(plotter.getFigure(), path, title=self._title())
        return [plotter]

    def _show_table(self, protocol):
        figures = protocol.getStats().get("metrics")
        if not figures:
            raise ValueError("The network is not trained yet; let the run finish.")
        rows = [
            ["Voxels in the right class (%)", f"{100 * figures['exact']:.1f}"],
            ["Voxels within one class (%)", f"{100 * figures['within_one']:.1f}"],
        ]
        plotter = self._plotter("Maps held out")
        draw_table(plotter.getFigure(), ["On maps held out", ""], rows, title=self._title())
        return [plotter]
