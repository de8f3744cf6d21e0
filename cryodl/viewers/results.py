"""What a run left behind, as its viewer reads it: maps and figures, each when first asked for."""

import os

import numpy as np

from cryodl.protocols.maps import is_mrc, plain_path
from cryodl.report.palette import resolution_range
from cryodl.report.slices import density_limits
from cryodl.viewers.maps import read_volume


class Results:
    """Maps and figures of any run. ValueError says why there is nothing to show.

    A subclass names the protocol's output whose sampling rate and origin all maps share, and says
    where the molecule is, and which density map lies behind it.
    """

    output = ""

    def __init__(self, protocol):
        self.protocol = protocol
        self._maps = {}

    def stats(self):
        return self.protocol.getStats()

    def extra(self, name):
        """Return a map that the run has written, as a Map."""
        if name not in self._maps:
            path = self.protocol.getExtraFile(name)
            output = getattr(self.protocol, self.output, None)
            if output is None or not os.path.exists(path):
                raise ValueError(self._missing(name, output is not None))
            self._maps[name] = read_volume(output, path)
        return self._maps[name]

    def _missing(self, name, finished):
        return f"This run has not written {name} yet; let it finish."

    def on_grid_of(self, other, volume):
        """Return an input of the run, a Volume of Scipion, as a Map on the grid of another Map."""
        path = plain_path(volume)
        if not is_mrc(path):
            raise ValueError(
                f"{path} is no MRC file and cannot be shown here: convert it to MRC and import it "
                "again."
            )
        shown = read_volume(volume, like=getattr(self.protocol, self.output, None))
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
            raise ValueError("This run has not written its figures yet; let it finish.")
        return stats

    def names(self):
        return [entry["name"] for entry in self.stats()["maps"]]

    def maps(self):
        """Return the maps that were compared, as Maps on the grid of the consensus."""
        if "maps" not in self._maps:
            pointers = self.protocol.inputResolutions
            self._maps["maps"] = [self._compared(pointer.get()) for pointer in pointers]
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


class EnhancedResults(Results):
    """Of an enhanced map.

    Attributes
    ----------
    before, after, change : Map on one grid: the input, the enhanced map, and what was added (above
        0) and removed (below)
    support : Map of how far both half maps agree; None where there were none
    """

    output = "Volume"

    def _missing(self, name, finished):
        if not finished:
            return super()._missing(name, finished)
        if "resolution" in name:
            return f"This run has no {name}: local resolution was not asked for in its form."
        return f"This run has not written {name}."

    @property
    def after(self):
        return self.extra("enhanced.mrc")

    @property
    def change(self):
        return self.extra("audit.mrc")

    @property
    def before(self):
        after = self.after
        if os.path.exists(self.protocol.getExtraFile("density.mrc")):
            return self.extra("density.mrc")  # the mean of half maps, for example
        if "before" not in self._maps:
            volume = self.protocol.getShownVolume()
            if volume is None:
                raise ValueError("The map that was enhanced is gone from the project.")
            self._maps["before"] = self.on_grid_of(after, volume)
        return self._maps["before"]

    @property
    def support(self):
        there = os.path.exists(self.protocol.getExtraFile("support.mrc"))
        return self.extra("support.mrc") if there else None

    def surface(self):
        """Return the density at which the enhanced map is shown."""
        return float(self.stats()["surface"])

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
