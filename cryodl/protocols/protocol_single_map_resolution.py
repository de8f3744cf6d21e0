"""Local resolution, global resolution and mask of a single map, without any parameter."""

from pyworkflow import BETA
from pyworkflow.object import Float

from cryodl.methods.options import CLAIMED
from cryodl.protocols.inputs import OneMapInput
from cryodl.protocols.maps import add_option
from cryodl.protocols.protocol_base import CryodlProtResolutionBase


class CryodlProtSingleMapResolution(OneMapInput, CryodlProtResolutionBase):
    """Estimate mask, global and local resolution of a single map with deep learning.

    Neither half maps nor a mask are needed, and it does not matter whether the map was sharpened: a
    network in the manner of CryoRes has learnt from simulated experiments, whose signal and noise
    are known, where in a map signal ends.

    *When to use it*: for a deposited map without half maps, and as a second word on a resolution
    that is claimed. Where half maps exist, *half-map local resolution* is the reference; how a map
    looks is told by *local resolution*.

    *How to read it*: the global resolution is that of the whole map, as an FSC would have it. Look
    at the mask first: local resolution means little where the mask holds solvent.

    *Pitfalls*: maps binned to voxels of 2 to 3 Å read too coarse, by 2 to 6 Å. A claimed resolution
    is drawn beside the estimate and changes nothing.
    """

    _label = "single-map resolution"
    _devStatus = BETA
    _command = "localres"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.global_res = Float()

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        self._defineDeviceParams(form)
        form.addSection(label="Input")
        self._defineMapParams(
            form,
            "One map: sharpened or not, masked or not. Best is one that no mask has cut.",
            "Local resolution is given inside this mask. Left empty, the network's own mask is "
            "taken.",
        )
        add_option(
            form,
            "claimed",
            CLAIMED,
            "Drawn in the histogram and told beside the estimate. It changes no result.",
        )
        self._defineNetworkParams(form)

    # --------------------------- engine -----------------------------------
    def _engineParams(self):
        return {
            **self._mapParams(),
            "method": "cryores",
            "claimed": self.claimed.get(),
            **self._networkParams(),
        }

    def _figures(self):
        return {**super()._figures(), "global_res": self.getStats()["global_resolution"]}

    # --------------------------- info -------------------------------------
    def _validate(self):
        return self._validateFields() + self._validateMap()

    def _summaryOf(self, stats):
        lines = super()._summaryOf(stats)
        lines.insert(0, f"Global resolution: *{stats['global_resolution']:.2f} Å*")
        if stats.get("uncertainty_median") is not None:
            lines.insert(2, f"Typical uncertainty: ± {stats['uncertainty_median']:.2f} Å (90 %)")
        return lines

    def _methodsOf(self, stats):
        mask = "a given mask" if stats["mask"] == "given" else "its own mask"
        return [
            f"The resolution of {self.getObjectTag('inputVolume')} was estimated from the map "
            f"alone with cryodl (network {stats['bundle']}, in the manner of [Dai2023]): "
            f"{stats['global_resolution']:.2f} Å for the whole map and a median local resolution "
            f"of {stats['median']:.2f} Å inside {mask}."
        ]

    def _citations(self):
        return ["Dai2023"]
