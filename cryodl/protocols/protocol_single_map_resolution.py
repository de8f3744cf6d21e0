"""Local resolution, global resolution and mask of a single map, without any parameter."""

import pyworkflow.protocol.params as params
from pyworkflow import BETA
from pyworkflow.object import Float

from cryodl.plugin import Plugin

from .maps import add_mask, add_volume, describe_inputs
from .protocol_base import CryodlProtResolutionBase


class CryodlProtSingleMapResolution(CryodlProtResolutionBase):
    """Estimate mask, global and local resolution of a single map with deep learning.

    Neither half maps nor a mask are needed, and it does not matter whether the map was sharpened: a
    network in the manner of CryoRes has learnt from simulated experiments, whose signal and noise
    are known, where in a map signal ends. How a map looks is told by *local resolution* instead.
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
        add_volume(
            form,
            "inputVolume",
            "Input volume",
            "One map: sharpened or not, masked or not. Best is one that no mask has cut.",
            important=True,
        )
        add_mask(
            form,
            "Mask",
            "Local resolution is given inside this mask. Left empty, the network's own mask is "
            "taken.",
        )
        form.addParam(
            "claimed",
            params.FloatParam,
            allowsNull=True,
            label="Claimed resolution (Å)",
            help="Drawn in the histogram and told beside the estimate. It changes no result.",
        )
        self._defineNetworkParam(form, "single-map-resolution")
        form.addParam(
            "batchSize",
            params.IntParam,
            default=1,
            expertLevel=params.LEVEL_ADVANCED,
            label="Tiles at a time",
            help="More keep a large GPU busy and take more memory.",
        )
        form.addParallelSection(threads=Plugin.defaultThreads(), mpi=0)

    # --------------------------- engine -----------------------------------
    def _engineInputs(self):
        inputs = {"map": self.inputVolume.get()}
        if self.Mask.get() is not None:
            inputs["mask"] = self.Mask.get()
        return inputs

    def _engineParams(self):
        return {
            **{name: self._enginePath(name) for name in self._engineInputs()},
            **self._voxelSize("map"),
            "method": "cryores",
            "bundle": self.networkFolder.get() or None,
            "claimed": self.claimed.get(),
            "batch-size": self.batchSize.get(),
        }

    def _sources(self):
        return [self.inputVolume] + ([self.Mask] if self.Mask.get() is not None else [])

    def getShownVolume(self):
        return self.inputVolume.get()

    def createOutputStep(self):
        super().createOutputStep()
        self.global_res.set(self.getStats()["global_resolution"])
        self._store(self.global_res)

    # --------------------------- info -------------------------------------
    def _validate(self):
        volume, mask = self.inputVolume.get(), self.Mask.get()
        errors = self._validateDevice() + self._validateNetworkFolder()
        if volume is None:
            return errors  # Scipion itself says that it is missing
        claimed = self.claimed.get()
        if claimed is not None and not 0.5 <= claimed <= 100:
            errors.append(f"Claimed resolution: {claimed:g} Å is not between 0.5 and 100 Å.")
        if self.batchSize.get() < 1:
            errors.append(f"Tiles at a time: {self.batchSize.get()} is less than 1.")
        volumes = [("Input volume", volume)] + ([("Mask", mask)] if mask is not None else [])
        return errors + describe_inputs(volumes, "the input volume")

    def _summary(self):
        lines, stats = super()._summary(), self.getStats()
        if not stats:
            return lines
        lines.insert(0, f"Global resolution: *{stats['global_resolution']:.2f} Å*")
        if stats.get("uncertainty_median") is not None:
            lines.insert(2, f"Typical uncertainty: ± {stats['uncertainty_median']:.2f} Å (90 %)")
        return lines

    def _methods(self):
        stats = self.getStats()
        if not stats:
            return []
        mask = "a given mask" if stats["mask"] == "given" else "its own mask"
        return [
            f"The resolution of {self.getObjectTag('inputVolume')} was estimated from the map "
            f"alone with cryodl (network {stats['bundle']}, in the manner of [Dai2023]): "
            f"{stats['global_resolution']:.2f} Å for the whole map and a median local resolution "
            f"of {stats['median']:.2f} Å inside {mask}."
        ]

    def _citations(self):
        return ["Dai2023"]
