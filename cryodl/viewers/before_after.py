"""What runs that change a map left behind: enhanced, filtered or sharpened, beside the input."""

import os

import numpy as np

from cryodl.report.browser import Layer
from cryodl.report.chimerax import surface_level
from cryodl.report.enhancement import DARKEST, change_row
from cryodl.report.half_map_curves import fill_scan
from cryodl.report.palette import DEFAULT_PALETTE, colour_map, resolution_range
from cryodl.report.slice_grid import Row
from cryodl.viewers.results import Results


class ChangedResults(Results):
    """Of a map that was enhanced, filtered or sharpened.

    Attributes
    ----------
    before, after : Map on one grid
    support : Map of how far both half maps agree; None where there is none
    """

    output = "outputVolume"
    file, called = "", ""  # what the run has written, and its name in the window
    support = None

    @property
    def after(self):
        return self.extra(self.file)

    @property
    def before(self):
        if os.path.exists(self.protocol.getExtraFile("density.mrc")):
            return self.extra("density.mrc")  # the mean of half maps, for example
        if "before" not in self._maps:
            volume = self.protocol.getShownVolume()
            if volume is None:
                raise ValueError("The input is gone from the project.")
            self._maps["before"] = self.on_grid_of(self.after, volume)
        return self._maps["before"]

    def grid(self):
        return self.after

    def _density(self):
        return self.after

    def layers(self):
        # grey as far as the molecule reaches, each by its own density
        return [
            self.density_layer(self.called, self.after),
            self.density_layer("Input", self.before),
        ]

    def levels(self):
        """Return the densities at which both surfaces are shown."""
        inside = self.inside()
        return [surface_level(shown.data, inside) for shown in (self.before, self.after)]


class EnhancedResults(ChangedResults):
    """Of an enhanced map.

    change : Map of what was added (above 0) and removed (below)
    """

    output = "Volume"
    file, called = "enhanced.mrc", "Enhanced"
    outlined = False  # by its density the enhanced map has too fine an outline

    def _missing(self, name, finished):
        if finished and "resolution" in name:
            return f"This run has no {name}: local resolution was not asked for in its form."
        return super()._missing(name, finished)

    @property
    def change(self):
        return self.extra("audit.mrc")

    @property
    def support(self):
        there = os.path.exists(self.protocol.getExtraFile("support.mrc"))
        return self.extra("support.mrc") if there else None

    def scale_ends(self):
        if not os.path.exists(self.protocol.getExtraFile(os.path.join("after", "stats.json"))):
            return super().scale_ends()
        inside = self.judged()
        ends = [
            resolution_range(self.resolution(name).data[inside]) for name in ("before", "after")
        ]
        return min(end[0] for end in ends), max(end[1] for end in ends)

    def layers(self):
        layers = [
            self.density_layer(self.called, self.after, (0.0, DARKEST)),
            self.density_layer("Input", self.before),
        ]
        shown, support = self.inside(), self.support
        layers.append(Layer("Removed and added", change_row(self.change.data)))
        if support is not None:
            row = Row(support.data, colour_map(DEFAULT_PALETTE), 0, 1, "Halves agree", True, shown)
            layers.append(Layer("Halves agree", row))
        if self.scale_ends() != super().scale_ends():
            for name, called in (("before", "Resolution before"), ("after", "Resolution after")):
                layers.append(self.resolution_layer(called, self.resolution(name), self.judged()))
        return layers

    def surface(self):
        """Return the density at which the enhanced map is shown."""
        return float(self.stats()["surface"])

    def levels(self):
        return [surface_level(self.before.data, self.inside()), self.surface()]

    def inside(self):
        """Return where the enhanced map shows something; everywhere where it is empty."""
        inside = self.after.data > self.surface() / 2
        return inside if inside.any() else np.ones(inside.shape, bool)

    def resolution(self, name):
        """Return the local resolution before or after, as a Map."""
        return self.extra(os.path.join(name, "resolution.mrc"))

    def judged(self):
        """Return where both local resolutions are known: ndarray of bool, shape (z, y, x)."""
        return (self.resolution("before").data > 0) & (self.resolution("after").data > 0)


class FilteredResults(ChangedResults):
    file, called = "filtered.mrc", "Filtered"

    @property
    def resolution(self):
        return self.extra("resolution.mrc")

    def inside(self):
        return self.resolution.data > 0

    def scale_ends(self):
        return resolution_range(self.resolution.data)

    def layers(self):
        return [*super().layers(), self._cutoffs()]

    def _cutoffs(self):
        return self.resolution_layer("Local resolution", self.resolution, self.inside())

    def chart(self, axes, layer, scale):
        """Draw to which resolutions the map was filtered, whichever map is shown."""
        super().chart(axes, self._cutoffs(), scale)


class SharpenedResults(ChangedResults):
    file, called = "sharpened.mrc", "Sharpened"

    def scan(self):
        """Return the figures of the scan; ValueError where there are none."""
        stats = self.stats()
        if not stats:
            raise ValueError(self._missing("its figures", False))
        return stats

    def chart(self, axes, layer, scale):
        self.draw_scan(axes)

    def draw_scan(self, axes):
        """Draw both resolutions against the B-factor."""
        stats = self.scan()
        entries, verdict = stats["scan"], stats["verdict"]
        fill_scan(
            axes,
            [entry["bfactor"] for entry in entries],
            [entry["percentile_20"] for entry in entries],
            medians=[entry["median"] for entry in entries],
            snr=stats["snr_percentile_20"],
            best=stats["best_bfactor"],
            found=stats["crossing"] or stats["criterion"] == "correlation",
            sharpened=verdict and verdict["percentile_20"],
        )
