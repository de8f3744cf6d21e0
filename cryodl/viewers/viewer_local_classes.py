"""The form that shows local resolution classes: bars, slices and ChimeraX in ten colours."""

import pyworkflow.protocol.params as params

from cryodl.protocols import CryodlProtLocalClasses
from cryodl.report.classes import (
    ENDS,
    LABELS,
    TICKS,
    class_colour_map,
    class_colours,
    draw_class_bars,
)
from cryodl.report.slice_grid import pick_planes
from cryodl.viewers import chimerax
from cryodl.viewers.form import COLOUR_SETS
from cryodl.viewers.maps import read_volume
from cryodl.viewers.viewer_resolution import CryodlResolutionViewer


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
            form.addParam(name, params.LabelParam, important=True, label=label, help=text)
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
        plotter = self._plotter("Local resolution classes")
        draw_class_bars(
            plotter.getFigure(), classes.data, palette=self._palette(), title=self._title()
        )
        return [plotter]

    def _show_class_slices(self, results):
        classes, axis = results.extra("classes.mrc"), self._axis()
        return [
            self._slices(
                results,
                classes,
                pick_planes(results.inside(), axis),
                f"Local resolution classes along {axis}",
                colours=class_colour_map(self._palette()),
                vmin=ENDS[0],
                vmax=ENDS[1],
                label="Local resolution (Å)",
                ticks=TICKS,
                inside=results.known(classes),
                **results.background(),
            )
        ]

    # --------------------------- ChimeraX ---------------------------------
    def _show_class_chimera(self, results):
        chosen = self.chimeraVolume.get()
        script = chimerax.write_scene(
            self.protocol._getExtraPath(),
            results.density() if chosen is None else read_volume(chosen),
            results.extra("classes.mrc"),
            results.mask,
            vmin=1.0,
            vmax=float(len(LABELS)),
            colours=class_colours(self._palette()),
            labels=LABELS,
            name="classes",
        )
        return self._chimera_views(script)
