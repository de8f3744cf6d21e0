"""The windows of an FSC, with its cones, and of a mask that was found."""

import os

from cryodl.protocols import CryodlProtFindMask, CryodlProtFsc
from cryodl.protocols.protocol_base import MASK
from cryodl.report.browser import Layer
from cryodl.report.figure import draw_table
from cryodl.report.slice_grid import Row
from cryodl.viewers.base import CryodlViewerBase, define_axis, define_entry
from cryodl.viewers.results import Results, why_missing

DRAWN_DPI = 300  # of the pictures that the engine has written


class CryodlFscViewer(CryodlViewerBase):
    """Show the FSC of half maps, and in which directions it is better or worse."""

    _label = "FSC viewer"
    _targets = [CryodlProtFsc]

    def _defineParams(self, form):
        form.addSection(label="FSC")
        define_entry(
            form, "doShowFsc", "Show the FSC", "Unmasked, masked, and corrected for the mask."
        )
        if self.protocol.directional.get():
            define_entry(
                form,
                "doShowDirections",
                "Show the resolution in all directions",
                "The resolution in cones of 20 degrees, and the worst axes.",
            )
        define_entry(form, "doShowTable", "Show the table", "Resolutions, and the worst axes.")

    def _results(self):
        stats = self.protocol.getStats()
        if not stats:
            raise ValueError(why_missing(self.protocol, "its curves"))
        return stats

    def _shows(self):
        shows = {"doShowFsc": self._show_curve, "doShowTable": self._show_table}
        if self.protocol.directional.get():
            shows["doShowDirections"] = self._show_directions
        return shows

    def _show_curve(self, stats):
        return self._picture("FSC", "fsc.png")

    def _show_directions(self, stats):
        return self._picture("Resolution in all directions", "directional.png")

    def _picture(self, window, name):
        """Show a picture that the run has written, in its own size."""
        from matplotlib.pyplot import imread

        path = self.protocol.getExtraFile(name)
        if not os.path.exists(path):
            raise ValueError(why_missing(self.protocol, name))
        pixels, plotter = imread(path), self._plotter(window)
        figure = plotter.getFigure()
        figure.set_size_inches(pixels.shape[1] / DRAWN_DPI, pixels.shape[0] / DRAWN_DPI)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(pixels, aspect="auto", interpolation="antialiased")
        axes.set_axis_off()
        return [plotter]

    def _show_table(self, stats):
        rows = []
        for kind, suffix in (("corrected", ""), ("masked", "_masked"), ("unmasked", "_unmasked")):
            found = [stats[f"resolution_{t}{suffix}"] for t in ("0.143", "0.5")]
            rows.append([kind, *("none" if r is None else f"{r:.2f}" for r in found)])
        notes = [f"Warning: {line}" for line in stats["warnings"]]
        for worst in stats.get("directional", {}).get("worst", []):
            axis = ", ".join(f"{value:.2f}" for value in worst["axis"])
            there = worst["resolution"]
            notes.append(f"Along ({axis}): {f'{there:.2f} Å' if there else 'no signal'}")
        columns = ["FSC", "at 0.143 (Å)", "at 0.5 (Å)"]
        return self._drawn("Resolutions", draw_table, columns, rows, notes=notes)


class MaskResults(Results):
    """Of a mask that was found."""

    output = MASK

    def _density(self):
        return self.on_grid_of(self.mask, self.protocol.getShownVolume())

    def inside(self):
        return self.mask.data > 0.5

    def layers(self):
        row = Row(self.mask.data, "gray_r", 0.0, 1.0, "Mask", True)
        return [self.density_layer("Map", self.density(required=True)), Layer("Mask", row)]

    def chart(self, axes, layer, scale):
        super().chart(axes, self.layers()[0], scale)


class CryodlMaskViewer(CryodlViewerBase):
    """Show the outline of a mask on the map that it was found in."""

    _label = "mask viewer"
    _targets = [CryodlProtFindMask]
    _chimera = ""

    def _defineParams(self, form):
        form.addSection(label="Mask")
        define_axis(form)
        define_entry(form, "doShowMask", "Show the mask on the volume", "Its outline on the map.")

    def _results(self):
        return MaskResults(self.protocol)

    def _shows(self):
        return {"doShowMask": self._show_mask}

    def _show_mask(self, results):
        shown, inside = results.density(required=True), results.inside()
        return self._row("Mask", shown, results.layers()[0].row, inside, outline=inside)
