"""What a comparison of local resolutions left behind, as its viewer reads it."""

import numpy as np

from cryodl.protocols.maps import is_mrc, plain_path
from cryodl.report.palette import resolution_range
from cryodl.report.slices import density_limits
from cryodl.viewers.maps import read_volume


class ComparisonResults:
    """Maps and figures of a run, each read when it is first asked for.

    Attributes
    ----------
    consensus, disagreement : Map in Å on one grid, 0 outside of the voxels known to all
    mask : Map, 1 where all maps know the resolution
    """

    def __init__(self, protocol):
        self.protocol = protocol
        self._read = {}

    @property
    def consensus(self):
        return self._extra("consensus.mrc")

    @property
    def disagreement(self):
        return self._extra("disagreement.mrc")

    @property
    def mask(self):
        return self._extra("mask.mrc")

    def _extra(self, name):
        if name not in self._read:
            output = getattr(self.protocol, "consensus_Volume", None)
            if output is None:
                raise ValueError(f"This run has not written {name} yet; let it finish.")
            self._read[name] = read_volume(output, self.protocol.getExtraFile(name))
        return self._read[name]

    def inside(self):
        """Return where all maps know the resolution: ndarray of bool, shape (z, y, x)."""
        return self.mask.data != 0

    def maps(self):
        """Return the maps that were compared, as Maps on the grid of the consensus.

        Raises ValueError where one cannot be read any more, or does not lie there.
        """
        if "maps" not in self._read:
            pointers = self.protocol.inputResolutions
            self._read["maps"] = [self._compared(pointer.get()) for pointer in pointers]
        return self._read["maps"]

    def _compared(self, volume):
        if volume is None:
            raise ValueError("A map that was compared is gone from the project.")
        shown = self._on_grid(volume)
        return shown._replace(data=np.where(self.inside(), shown.data, 0))

    def _on_grid(self, volume):
        path = plain_path(volume)
        if not is_mrc(path):
            raise ValueError(f"{path} is no MRC file and cannot be shown here.")
        shown = read_volume(volume)
        if shown.data.shape != self.consensus.data.shape:
            raise ValueError(f"{path} does not lie on the grid of the consensus: it has changed.")
        return shown

    def names(self):
        return [entry["name"] for entry in self.stats()["maps"]]

    def stats(self):
        """Return the figures of the run. Raises ValueError where it has not finished."""
        stats = self.protocol.getStats()
        if not stats:
            raise ValueError("This run has not written its figures yet; let it finish.")
        return stats

    def scale_ends(self):
        """Return the ends in Å of one colour key for all maps and their consensus."""
        inside = self.inside()
        return resolution_range(
            np.concatenate([m.data[inside] for m in [*self.maps(), self.consensus]])
        )

    def density(self):
        """Return the density map as a Map, None where none was given or it cannot be shown."""
        volume = self.protocol.inputVolume.get()
        if volume is None:
            return None
        try:
            return self._on_grid(volume)
        except ValueError:
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
