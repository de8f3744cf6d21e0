"""What an enhanced map's run left behind, as its viewer reads it."""

import os

import numpy as np

from cryodl.protocols.maps import is_mrc, plain_path
from cryodl.viewers.maps import read_volume


class EnhancedResults:
    """Maps and figures of a run, each read when it is first asked for.

    Attributes
    ----------
    before, after, change : Map on one grid: the input, the enhanced map, and what was added (above
        0) and removed (below)
    """

    def __init__(self, protocol):
        self.protocol = protocol
        self._read = {}

    @property
    def after(self):
        return self._extra("enhanced.mrc")

    @property
    def change(self):
        return self._extra("audit.mrc")

    @property
    def before(self):
        if "before" not in self._read:
            self._read["before"] = self._before()
        return self._read["before"]

    def _before(self):
        output = self._output("enhanced.mrc")
        written = self.protocol.getExtraFile("density.mrc")
        if os.path.exists(written):  # the mean of half maps, for example
            return read_volume(output, written)
        given = self.protocol.getShownVolume()
        if given is None:
            raise ValueError("The map that was enhanced is gone from the project.")
        path = plain_path(given)
        if not is_mrc(path):
            raise ValueError(
                f"{path} is no MRC file and cannot be shown here: convert it to MRC and import it "
                "again."
            )
        shown = read_volume(given)
        if shown.data.shape != self.after.data.shape:
            raise ValueError(f"{path} has changed since the run: it does not lie on its grid.")
        return shown

    def support(self):
        """Return how far both halves agree, ndarray (z, y, x); None where there were none."""
        shown = self.support_map()
        return None if shown is None else shown.data

    def support_map(self):
        """Return the same as a Map."""
        there = os.path.exists(self.protocol.getExtraFile("support.mrc"))
        return self._extra("support.mrc") if there else None

    def surface(self):
        """Return the density at which the enhanced map is shown."""
        return float(self.protocol.getStats()["surface"])

    def shown(self):
        """Return where the enhanced map shows something; everywhere where it is empty."""
        inside = self.after.data > self.surface() / 2
        return inside if inside.any() else np.ones(inside.shape, bool)

    def resolution(self, name):
        """Return the local resolution before or after, as a Map. ValueError where there is none."""
        return self._extra(os.path.join(name, "resolution.mrc"))

    def judged(self):
        """Return where both local resolutions are known: ndarray of bool, shape (z, y, x)."""
        return (self.resolution("before").data > 0) & (self.resolution("after").data > 0)

    # --------------------------- files ------------------------------------
    def _output(self, name):
        output = getattr(self.protocol, "Volume", None)
        if output is None:
            raise ValueError(f"This run has not written {name} yet; let it finish.")
        return output

    def _extra(self, name):
        if name not in self._read:
            output, path = self._output(name), self.protocol.getExtraFile(name)
            if not os.path.exists(path):
                raise ValueError(
                    f"This run has no {name}: local resolution was not asked for in its form."
                    if "resolution" in name
                    else f"This run has not written {name}."
                )
            self._read[name] = read_volume(output, path)
        return self._read[name]
