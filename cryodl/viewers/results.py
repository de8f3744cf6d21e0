"""What a run left behind, as its viewer reads it: maps and figures, each when first asked for."""

import os
import re

import numpy as np

from cryodl.protocols.inputs import resolution_of
from cryodl.protocols.maps import is_mrc, plain_path
from cryodl.report.browser import DENSITY, RESOLUTION, Browser, Layer, draw_density_bars
from cryodl.report.classes import ENDS, TICKS, class_colour_map
from cryodl.report.histogram import fill_axes
from cryodl.report.palette import (
    DEFAULT_PALETTE,
    UNCERTAINTY_PALETTE,
    colour_map,
    resolution_range,
)
from cryodl.report.slice_grid import AXES, Row
from cryodl.report.slices import crop_box, density_limits, molecule_centre
from cryodl.viewers.maps import read_volume

ADDED = "\x1b\\[[0-9;]*m|Protocol failed: "  # by Scipion, for terminals and logs


def why_missing(protocol, name):
    """Say why a run has no file of that name, and what to do."""
    if protocol.isFailed():
        return f"This run failed: {re.sub(ADDED, '', protocol.getErrorMessage())}"
    if protocol.isAborted():
        return "This run was stopped before it had results: continue it, or run it again."
    if protocol.isActive():
        return f"This run still works and has not written {name} yet."
    return f"This run has not written {name}: run it again."


class Results:
    """Maps and figures of any run. ValueError says why there is nothing to show.

    A subclass names the protocol's output whose sampling rate and origin all maps share, and says
    where the molecule is, and which density map lies behind it.
    """

    output = ""
    outlined = True  # the molecule, on densities in the results window

    def __init__(self, protocol):
        self.protocol = protocol
        self._maps = {}

    def stats(self):
        return self.protocol.getStats()

    def extra(self, name):
        """Return a map that the run has written, as a Map."""
        if name not in self._maps:
            path = self.protocol.getExtraFile(name)
            output = self.protocol.getOutput(self.output)
            if output is None or not os.path.exists(path):
                raise ValueError(self._missing(name, output is not None))
            self._maps[name] = read_volume(output, path)
        return self._maps[name]

    def _missing(self, name, finished):
        return why_missing(self.protocol, name)

    def on_grid_of(self, other, volume):
        """Return an input of the run, a Volume of Scipion, as a Map on the grid of another Map."""
        path = plain_path(volume)
        if not is_mrc(path):
            raise ValueError(
                f"{path} is no MRC file and cannot be shown here: convert it to MRC and import it "
                "again."
            )
        shown = read_volume(volume, like=self.protocol.getOutput(self.output))
        if shown.data.shape != other.data.shape:
            raise ValueError(f"{path} does not lie on the grid of the run: it has changed since.")
        return shown

    def inside(self):
        """Return where the molecule is: ndarray of bool, shape (z, y, x)."""
        return self.mask.data != 0

    @property
    def mask(self):
        return self.extra("mask.mrc")

    def density(self, required=False):
        """Return the density map as a Map; None where there is none and none is required."""
        try:
            return self._density()
        except ValueError:
            if required:
                raise
            return None

    def background(self):
        """Return the density behind coloured slices, as options of the drawings."""
        density = self.density()
        if density is None:
            return {}
        return {
            "density": density.data,
            "density_ends": density_limits(density.data, self.inside()),
        }

    # --------------------------- for the results window -------------------
    def layers(self):
        """Return the maps of the run as Layers, the most telling first."""
        raise NotImplementedError

    def scale_ends(self):
        """Return the ends in Å of the colour key of all local resolutions."""
        return 0.0, 10.0

    def grid(self):
        """Return a Map on the grid of all layers."""
        return self.extra("mask.mrc")

    def depth(self, axis):
        return self.grid().data.shape[AXES.index(axis)]

    def middle(self, axis):
        """Return the plane through the middle of the molecule."""
        return molecule_centre(self.inside())[AXES.index(axis)]

    def chart(self, axes, layer, scale):
        """Draw on axes what stands beside the slices: the histogram of the first map."""
        if layer.kind == DENSITY:
            draw_density_bars(axes, layer)
            return
        values = layer.row.values[layer.row.inside].astype(float)
        if not values.size:
            return
        row = layer.row
        own = layer.kind != RESOLUTION
        fill_axes(
            axes,
            values,
            row.vmin if own else scale.low,
            row.vmax if own else scale.high,
            claimed=None if own else self.claimed(),
            colours=row.colours if own else scale.map(),
        )
        axes.set_xlabel(row.label)
        axes.legend(
            frameon=False, loc="lower left", bbox_to_anchor=(-0.12, 1.0), handlelength=1.2,
            borderpad=0.1, labelspacing=0.2,
        )  # fmt: skip

    def claimed(self):
        stats = self.protocol.getStats()
        return stats.get("claimed") if isinstance(stats, dict) else None

    def browser(self, figure, title):
        """Return a Browser of the layers on a figure."""
        grid, inside = self.grid(), self.inside()
        density = self.density()
        return Browser(
            figure,
            voxel_size=grid.voxel_size,
            origin=grid.origin,
            box=crop_box(inside),
            inside=inside,
            background=None if density is None else self.density_layer("Map", density),
            outlined=self.outlined,
            chart=self.chart,
            title=title,
        )

    def density_layer(self, name, shown, ends=None):
        low, high = ends or density_limits(shown.data, self.inside())
        row = Row(shown.data, "gray_r", low, high, "Density", ends is not None)
        return Layer(name, row, DENSITY)

    def resolution_layer(self, name, shown, known):
        row = Row(
            shown.data, colour_map(DEFAULT_PALETTE), *self.scale_ends(), f"{name} (Å)", True, known
        )
        return Layer(name, row, RESOLUTION)

    @staticmethod
    def width_layer(name, shown, known, low=None):
        """Return a Layer of a map in Å that is no resolution, such as its uncertainty."""
        values = shown.data[known]
        ends = resolution_range(values) if (values > 0).any() else (0.0, 0.5)
        ends = (ends[0] if low is None else low, ends[1])
        row = Row(shown.data, colour_map(UNCERTAINTY_PALETTE), *ends, f"{name} (Å)", True, known)
        return Layer(name, row)


class RunResults(Results):
    """Of a local resolution.

    Attributes
    ----------
    resolution, mask : Map on one grid; resolution in Å, the mask non-zero inside the molecule
    """

    output = "resolution_Volume"

    @property
    def resolution(self):
        return self.extra("resolution.mrc")

    def uncertainty(self):
        """Return the uncertainty in Å as a Map."""
        if not self.has_uncertainty():
            raise ValueError("This run has no uncertainty map: its method does not estimate one.")
        return self.extra("uncertainty.mrc")

    def has_uncertainty(self):
        return os.path.exists(self.protocol.getExtraFile("uncertainty.mrc"))

    def known(self, shown):
        """Return where a map in Å says something: ndarray of bool, shape (z, y, x)."""
        return self.inside() & np.isfinite(shown.data) & (shown.data > 0)

    def scale_ends(self):
        """Return the ends in Å of the colour key of the pictures that the run has written."""
        percentiles = self.stats().get("percentiles")
        if not percentiles:
            return 0.0, 10.0
        # so many of each that the 2.5 and 97.5 % of them are these very values
        return resolution_range(np.repeat([percentiles["2.5"], percentiles["97.5"]], 100))

    def layers(self):
        shown = self.resolution
        layers = [self.resolution_layer("Local resolution", shown, self.known(shown))]
        density = self.density()
        if density is not None:
            layers.append(self.density_layer("Map", density))
        if self.has_uncertainty():
            shown = self.uncertainty()
            layers.append(self.width_layer("Uncertainty", shown, self.known(shown)))
        if os.path.exists(self.protocol.getExtraFile("classes.mrc")):
            shown = self.extra("classes.mrc")
            row = Row(shown.data, class_colour_map(DEFAULT_PALETTE), *ENDS, "Class (Å)", True,
                self.known(shown))  # fmt: skip
            layers.append(Layer("Classes", row, ticks=TICKS))
        return layers

    def _density(self):
        if os.path.exists(self.protocol.getExtraFile("density.mrc")):
            return self.extra("density.mrc")  # sharpened, for example, before it was judged
        shown = self.protocol.getShownVolume()
        source = getattr(self.protocol, "inputResolution", None)
        imported = source.get() if source is not None else None
        if shown is None or (imported is not None and plain_path(shown) == plain_path(imported)):
            raise ValueError("This run has no density map; give it one as its input to see it.")
        return self.on_grid_of(self.resolution, shown)


class ComparisonResults(Results):
    """Of a comparison of local resolutions.

    Attributes
    ----------
    consensus, disagreement : Map in Å on one grid, 0 outside of the voxels known to all
    mask : Map, 1 where all maps know the resolution
    """

    output = "consensus_Volume"

    @property
    def consensus(self):
        return self.extra("consensus.mrc")

    @property
    def disagreement(self):
        return self.extra("disagreement.mrc")

    def stats(self):
        stats = super().stats()
        if not stats:
            raise ValueError(self._missing("its figures", False))
        return stats

    def layers(self):
        known = self.inside()
        shown = [("Consensus", self.consensus), *zip(self.names(), self.maps())]
        layers = [self.resolution_layer(name, one, known) for name, one in shown]
        layers.insert(1, self.width_layer("Largest − smallest", self.disagreement, known, 0.0))
        density = self.density()
        return layers if density is None else [*layers, self.density_layer("Map", density)]

    def names(self):
        return [entry["name"] for entry in self.stats()["maps"]]

    def maps(self):
        """Return the maps that were compared, as Maps on the grid of the consensus."""
        if "maps" not in self._maps:
            pointers = self.protocol.inputResolutions
            self._maps["maps"] = [self._compared(resolution_of(pointer)) for pointer in pointers]
        return self._maps["maps"]

    def _compared(self, volume):
        if volume is None:
            raise ValueError("A map that was compared is gone from the project.")
        shown = self.on_grid_of(self.consensus, volume)
        return shown._replace(data=np.where(self.inside(), shown.data, 0))

    def scale_ends(self):
        """Return the ends in Å of one colour key for all maps and their consensus."""
        inside = self.inside()
        return resolution_range(
            np.concatenate([m.data[inside] for m in [*self.maps(), self.consensus]])
        )

    def _density(self):
        volume = self.protocol.inputVolume.get()
        if volume is None:
            raise ValueError("This comparison has no density map.")
        return self.on_grid_of(self.consensus, volume)
