"""What a local-resolution run left behind, as its viewer reads it."""

import os

import numpy as np

from cryodl.protocols.maps import is_mrc, plain_path
from cryodl.report.palette import resolution_range
from cryodl.report.slices import density_limits
from cryodl.viewers.maps import read_volume


class RunResults:
    """Maps and figures of a run, each read when it is first asked for.

    Attributes
    ----------
    resolution, mask : Map on one grid; resolution in Å, the mask non-zero inside the molecule
    """

    def __init__(self, protocol):
        self.protocol = protocol
        self._read = {}

    @property
    def resolution(self):
        return self.extra("resolution.mrc")

    @property
    def mask(self):
        return self.extra("mask.mrc")

    def uncertainty(self):
        """Return the uncertainty in Å. Raises ValueError where the run has none."""
        if not self.has_uncertainty():
            raise ValueError("This run has no uncertainty map: its method does not estimate one.")
        return self.extra("uncertainty.mrc")

    def has_uncertainty(self):
        return os.path.exists(self.protocol.getExtraFile("uncertainty.mrc"))

    def stats(self):
        return self.protocol.getStats()

    def inside(self):
        """Return where the molecule is: ndarray of bool, shape (z, y, x)."""
        return self.mask.data != 0

    def known(self, shown):
        """Return where a map in Å says something: ndarray of bool, shape (z, y, x)."""
        return self.inside() & np.isfinite(shown.data) & (shown.data > 0)

    def density(self, required=False):
        """Return the map that was judged, on the grid of the resolution; None where there is none.

        Raises ValueError where it is required, and says why there is none.
        """
        try:
            return self._density()
        except ValueError:
            if required:
                raise
            return None

    def background(self):
        """Return the density behind coloured slices, as options of draw_slice_grid."""
        density = self.density()
        if density is None:
            return {}
        return {
            "density": density.data,
            "density_ends": density_limits(density.data, self.inside()),
        }

    def scale_ends(self):
        """Return the ends in Å of the colour key that shows this run well.

        They are those of the pictures that the run itself has written.
        """
        percentiles = self.stats().get("percentiles")
        if not percentiles:
            return 0.0, 10.0
        # so many of each that the 2.5 and 97.5 % of them are these very values
        return resolution_range(np.repeat([percentiles["2.5"], percentiles["97.5"]], 100))

    # --------------------------- files ------------------------------------
    def extra(self, name):
        """Return a map that the run has written, on the grid of the resolution."""
        if name not in self._read:
            path = self.protocol.getExtraFile(name)
            output = getattr(self.protocol, "resolution_Volume", None)
            if output is None or not os.path.exists(path):
                raise ValueError(f"This run has not written {name} yet; let it finish.")
            self._read[name] = read_volume(output, path)
        return self._read[name]

    def _density(self):
        changed = self.protocol.getExtraFile("density.mrc")
        if os.path.exists(changed):  # sharpened, for example, before it was judged
            return self.extra("density.mrc")
        shown = self.protocol.getShownVolume()
        source = getattr(self.protocol, "inputResolution", None)
        imported = source.get() if source is not None else None
        if shown is None or (imported is not None and plain_path(shown) == plain_path(imported)):
            raise ValueError("This run has no density map; give it one as its input to see it.")
        if not is_mrc(plain_path(shown)):
            raise ValueError(
                f"{plain_path(shown)} is no MRC file and cannot be shown here: convert it to MRC "
                "and import it again."
            )
        density = read_volume(shown)
        resolution = self.resolution
        if density.data.shape != resolution.data.shape:
            raise ValueError(
                f"{plain_path(shown)} does not lie on the grid of the resolution map: it has "
                f"changed since the run."
            )
        return density
