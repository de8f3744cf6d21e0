"""The form that shows an enhanced map beside its input, and what is known of the difference."""

import os

from cryodl.protocols import CryodlProtEnhance
from cryodl.protocols.protocol_enhance import AFTER, BEFORE
from cryodl.report.chimerax import surface_level
from cryodl.report.enhancement import (
    DARKEST,
    PLANES,
    before_after_rows,
    draw_resolution_change,
    write_before_after_view,
)
from cryodl.report.palette import DEFAULT_PALETTE, colour_map, resolution_range
from cryodl.report.slice_grid import Row
from cryodl.viewers.base import CryodlViewerBase, define_axis, define_entry
from cryodl.viewers.before_after import EnhancedResults
from cryodl.viewers.maps import plain_file

NAMES = {BEFORE: "Input", AFTER: "Enhanced"}


class CryodlEnhanceViewer(CryodlViewerBase):
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
            "doShowVolumeSlices": self._show_slices,
            "doShowAudit": self._show_audit,
            "doShowResHistogram": self._show_resolution,
            "doShowVolumeColorSlices": self._show_colour_slices,
            "doShowChimera": self._show_chimera,
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
        plotter = self._plotter("Local resolution before and after")
        draw_resolution_change(
            plotter.getFigure(),
            {name: shown.data[inside] for name, shown in values.items()},
            title=self._title(),
        )
        return [plotter]

    def _show_colour_slices(self, results):
        inside = results.judged()
        maps = {name: results.resolution(name) for name in (BEFORE, AFTER)}
        ends = [resolution_range(shown.data[inside]) for shown in maps.values()]
        vmin, vmax = min(end[0] for end in ends), max(end[1] for end in ends)
        rows = [
            Row(
                shown.data,
                colour_map(DEFAULT_PALETTE),
                vmin,
                vmax,
                f"{NAMES[name]} (Å)",
                inside=inside,
            )
            for name, shown in maps.items()
        ]
        return self._over_after("Local resolution before and after", rows, results, inside)

    # --------------------------- ChimeraX ---------------------------------
    def _show_chimera(self, results):
        inside, support = results.inside(), results.support
        script = os.path.abspath(self.protocol.getExtraFile("chimerax_before_after.cxc"))
        write_before_after_view(
            script,
            before=self._file("input", results.before),
            after=self._file("enhanced", results.after),
            before_level=surface_level(results.before.data, inside),
            after_level=results.surface(),
            support=None if support is None else self._file("support", support),
        )
        return self._chimera_views(script)

    def _file(self, name, shown):
        return plain_file(self.protocol.getExtraFile(f"chimerax_{name}.mrc"), shown)
