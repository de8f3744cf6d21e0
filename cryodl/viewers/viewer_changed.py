"""The windows of maps that were filtered or sharpened: before and after, and the B-factors."""

import os

from cryodl.protocols import CryodlProtLocalFilter, CryodlProtOversharpening
from cryodl.report.enhancement import write_before_after_view
from cryodl.report.figure import draw_table, style
from cryodl.viewers.base import CryodlViewerBase, define_axis, define_entry
from cryodl.viewers.before_after import FilteredResults, SharpenedResults
from cryodl.viewers.maps import plain_file

PLANES = 5


class ChangedViewer(CryodlViewerBase):
    """What both share: slices of the input and the result, and both surfaces in ChimeraX."""

    def _defineParams(self, form):
        form.addSection(label="Before and after")
        define_axis(form)
        define_entry(
            form,
            "doShowVolumeSlices",
            "Show slices before and after",
            "The input and the result at the same planes.",
        )
        define_entry(
            form,
            "doShowChimera",
            "Show both maps in ChimeraX",
            "The result as a surface, the input as a mesh over it.",
        )

    def _shows(self):
        return {"doShowVolumeSlices": self._show_slices, "doShowChimera": self._show_chimera}

    def _show_slices(self, results):
        rows = [layer.row for layer in results.layers()[:2]]
        rows = [row._replace(label=name) for row, name in zip(rows, (results.called, "Input"))]
        return self._rows("Before and after", rows[::-1], results.after, results.inside(), PLANES)

    def _show_chimera(self, results):
        script = os.path.abspath(self.protocol.getExtraFile("chimerax_before_after.cxc"))
        levels = results.levels()
        maps = zip(("input", "result"), (results.before, results.after))
        files = [plain_file(self.protocol.getExtraFile(f"chimerax_{n}.mrc"), m) for n, m in maps]
        write_before_after_view(
            script,
            before=files[0],
            after=files[1],
            before_level=levels[0],
            after_level=levels[1],
        )
        return self._chimera_views(script)


class CryodlFilterViewer(ChangedViewer):
    """Show a map before and after it was low-passed to its local resolution."""

    _label = "local filter viewer"
    _targets = [CryodlProtLocalFilter]

    def _results(self):
        return FilteredResults(self.protocol)


class CryodlOversharpeningViewer(ChangedViewer):
    """Show local resolution against the B-factor, and the sharpened map beside its input."""

    _label = "oversharpening viewer"
    _targets = [CryodlProtOversharpening]

    def _defineParams(self, form):
        form.addSection(label="B-factors")
        for name, label, text in (
            (
                "doShowCurve",
                "Show local resolution against the B-factor",
                "How the map looks after each sharpening (aspect), and what its half maps hold "
                "(signal to noise). Where both meet, it looks as good as it is; beyond, better.",
            ),
            ("doShowTable", "Show the table", "Both percentiles of every B-factor."),
        ):
            define_entry(form, name, label, text)
        super()._defineParams(form)

    def _results(self):
        return SharpenedResults(self.protocol)

    def _shows(self):
        shows = {"doShowCurve": self._show_curve, "doShowTable": self._show_table}
        return {**shows, **super()._shows()}

    def _show_curve(self, results):
        plotter = self._plotter("Local resolution against the B-factor")
        figure = plotter.getFigure()
        figure.set_size_inches(6.4, 4.0)
        with style():
            results.draw_scan(figure.add_axes((0.15, 0.12, 0.82, 0.72)))
            figure.draw_without_rendering()  # texts are made now, in this package's sizes
        return [plotter]

    def _show_table(self, results):
        stats = results.scan()
        columns = ["B-factor (Å²)", "Aspect, 20 % (Å)", "Aspect, median (Å)"]
        rows = [
            [f"{e['bfactor']:.0f}", f"{e['percentile_20']:.2f}", f"{e['median']:.2f}"]
            for e in stats["scan"]
        ]
        notes = [
            f"Signal to noise, 20 %: {stats['snr_percentile_20']:.2f} Å",
            f"Recommended: {stats['best_bfactor']:.0f} Å²",
        ]
        plotter = self._plotter("B-factors")
        draw_table(plotter.getFigure(), columns, rows, notes=notes, title=self._title())
        return [plotter]
