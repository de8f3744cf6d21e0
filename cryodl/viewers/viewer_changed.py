"""The windows of maps that were enhanced, filtered or sharpened: before and after."""

import os

from cryodl.protocols import CryodlProtEnhance, CryodlProtLocalFilter, CryodlProtOversharpening
from cryodl.protocols.protocol_enhance import AFTER, BEFORE
from cryodl.report.enhancement import (
    DARKEST,
    PLANES,
    before_after_rows,
    draw_resolution_change,
    write_before_after_view,
)
from cryodl.report.figure import draw_table, style
from cryodl.viewers.base import CryodlViewerBase, define_axis, define_entry
from cryodl.viewers.before_after import EnhancedResults, FilteredResults, SharpenedResults
from cryodl.viewers.maps import plain_file

NAMES = {BEFORE: "Input", AFTER: "Enhanced"}


class ChangedViewer(CryodlViewerBase):
    """What all share: slices of the input and the result, and both surfaces in ChimeraX."""

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
        maps = {"input": results.before, "result": results.after}
        if results.support is not None:
            maps["support"] = results.support
        files = {
            name: plain_file(self.protocol.getExtraFile(f"chimerax_{name}.mrc"), shown)
            for name, shown in maps.items()
        }
        write_before_after_view(
            script, before=files["input"], after=files["result"], before_level=levels[0],
            after_level=levels[1], support=files.get("support"),
        )  # fmt: skip
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
        return self._drawn("B-factors", draw_table, columns, rows, notes=notes)


class CryodlEnhanceViewer(ChangedViewer):
    """Show a map before and after, where density was added and removed, and if it looks better."""

    _label = "enhanced map viewer"
    _targets = [CryodlProtEnhance]

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        form.addSection(label="Enhanced map")
        group = form.addGroup("Slices")
        define_axis(group)
        define_entry(
            group,
            "doShowVolumeSlices",
            "Show slices before and after",
            "The input and the enhanced map at the same planes.",
        )
        define_entry(
            group,
            "doShowAudit",
            "Show what was added and removed",
            "Density without evidence in the input, density of the input that is gone and, from "
            "half maps, how far both agree, at the same planes.",
        )
        if self.protocol.getResolutionStats():
            group = form.addGroup("Local resolution")
            define_entry(
                group,
                "doShowResHistogram",
                "Show local resolution before and after",
                "Medians, and histograms inside the same mask. It tells how a map looks.",
            )
            define_entry(
                group,
                "doShowVolumeColorSlices",
                "Show coloured slices before and after",
                "Local resolution at the same planes with one key.",
            )
        group = form.addGroup("ChimeraX")
        define_entry(
            group,
            "doShowChimera",
            "Show both maps in ChimeraX",
            "The enhanced map as a surface, the input as a mesh. From half maps, the surface is "
            "green where both agree and purple where they do not.",
        )

    def _results(self):
        return EnhancedResults(self.protocol)

    def _shows(self):
        return {
            **super()._shows(),
            "doShowAudit": self._show_audit,
            "doShowResHistogram": self._show_resolution,
            "doShowVolumeColorSlices": self._show_colour_slices,
        }

    # --------------------------- pictures ---------------------------------
    def _show_slices(self, results):
        inside = results.inside()
        rows = before_after_rows(results.before.data, results.after.data, None, None, inside)
        return self._over_after("Before and after", rows, results, inside)

    def _show_audit(self, results):
        support, inside = results.support, results.inside()
        rows = before_after_rows(
            results.before.data,
            results.after.data,
            results.change.data,
            None if support is None else support.data,
            inside,
        )
        return self._over_after("Added and removed", rows, results, inside)

    def _over_after(self, window, rows, results, inside):
        density = {"density": results.after.data, "density_ends": (0.0, DARKEST)}
        return self._rows(window, rows, results.after, inside, PLANES, **density)

    def _show_resolution(self, results):
        values = {NAMES[name]: results.resolution(name) for name in (BEFORE, AFTER)}
        inside = results.judged()
        return self._drawn(
            "Local resolution before and after",
            draw_resolution_change,
            {name: shown.data[inside] for name, shown in values.items()},
        )

    def _show_colour_slices(self, results):
        rows = [
            results.resolution_layer(NAMES[n], results.resolution(n), results.judged()).row
            for n in (BEFORE, AFTER)
        ]
        window = "Local resolution before and after"
        return self._over_after(window, rows, results, results.judged())
