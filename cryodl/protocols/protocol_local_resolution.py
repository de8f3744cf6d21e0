"""Local resolution of one map, from the map alone."""

import pyworkflow.protocol.params as params
from pyworkflow import BETA

from cryodl.plugin import Plugin

from .maps import add_mask, add_volume, describe_inputs
from .protocol_base import CryodlProtResolutionBase

RANGES = ("auto", "low", "high")
SHARPEN_NONE, SHARPEN_AUTO, SHARPEN_BFACTOR = range(3)


class CryodlProtLocalResolution(CryodlProtResolutionBase):
    """Estimate the local resolution of a single map with deep learning.

    No half maps and no parameters are needed. A network reads the texture around every voxel, in
    the manner of DeepRes, and also says how sure it is. It judges what the map looks like: a map
    that was not sharpened reads worse than its half maps would say, so either sharpen it before or
    let it be flattened here.
    """

    _label = "local resolution"
    _devStatus = BETA
    _command = "localres"

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        self._defineDeviceParams(form)
        form.addSection(label="Input")
        add_volume(
            form,
            "inputVolume",
            "Input volume",
            "The map to judge, best sharpened and not masked.",
            important=True,
        )
        add_mask(
            form,
            "Mask",
            "Local resolution is given inside this mask. Left empty, a mask is found in the "
            "map and becomes an output.",
        )
        form.addParam(
            "range",
            params.EnumParam,
            default=0,
            choices=["automatic", "2.5 - 13.0 Å", "1.5 - 6.0 Å"],
            display=params.EnumParam.DISPLAY_HLIST,
            label="Resolution range",
            help="The range in which the network was trained. Automatic chooses by the sampling "
            "rate: the finer one where it holds less than 2.5 Å.",
        )
        form.addParam(
            "sharpen",
            params.EnumParam,
            default=SHARPEN_NONE,
            choices=["as it is", "flattened", "with a B-factor"],
            display=params.EnumParam.DISPLAY_HLIST,
            label="Judge the map",
            help="*As it is*: what the map shows now.\n"
            "*Flattened*: its radial spectrum is first given the course that atoms have, up to the "
            "claimed resolution; for maps that were not sharpened.\n"
            "*With a B-factor*: sharpened or blurred before it is judged.",
        )
        form.addParam(
            "claimed",
            params.FloatParam,
            allowsNull=True,
            condition=f"sharpen=={SHARPEN_AUTO}",
            label="Claimed resolution (Å)",
            help="Resolution of the whole map, such as its FSC says. Left empty, the median of a "
            "first look is taken.",
        )
        form.addParam(
            "bFactor",
            params.FloatParam,
            default=-50,
            condition=f"sharpen=={SHARPEN_BFACTOR}",
            label="B-factor (Å²)",
            help="Negative values sharpen.",
        )
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
        values = {
            "map": self._enginePath("map"),
            "range": RANGES[self.range.get()],
            "sharpen": self._sharpen(),
            "claimed": self._claimed(),
            "batch-size": self.batchSize.get(),
            **self._voxelSize("map"),
        }
        if "mask" in self._engineInputs():
            values["mask"] = self._enginePath("mask")
        return values

    def _sharpen(self):
        choice = self.sharpen.get()
        if choice == SHARPEN_BFACTOR:
            return self.bFactor.get()
        return "auto" if choice == SHARPEN_AUTO else "none"

    def _claimed(self):
        return self.claimed.get() if self.sharpen.get() == SHARPEN_AUTO else None

    def _sources(self):
        return [self.inputVolume] + ([self.Mask] if self.Mask.get() is not None else [])

    def getShownVolume(self):
        return self.inputVolume.get()

    # --------------------------- info -------------------------------------
    def _validate(self):
        volume, mask = self.inputVolume.get(), self.Mask.get()
        errors = self._validateDevice()
        if volume is None:
            return errors  # Scipion itself says that it is missing
        volumes = [("Input volume", volume)] + ([("Mask", mask)] if mask is not None else [])
        claimed = self._claimed()
        if claimed is not None and not 0.5 <= claimed <= 100:
            errors.append(f"Claimed resolution: {claimed:g} Å is not between 0.5 and 100 Å.")
        if self.batchSize.get() < 1:
            errors.append(f"Tiles at a time: {self.batchSize.get()} is less than 1.")
        return errors + describe_inputs(volumes, "the input volume")

    def _warnings(self):
        volume = self.inputVolume.get()
        if volume is not None and volume.getSamplingRate() and volume.getSamplingRate() > 4:
            return [
                f"At {volume.getSamplingRate():g} Å/pixel the map cannot show more than "
                f"{2 * volume.getSamplingRate():g} Å, near the end of the trained range (13 Å)."
            ]
        return []

    def _summary(self):
        lines = super()._summary()
        stats = self.getStats()
        if stats:
            lines.insert(1, f"Typical uncertainty: ± {stats['uncertainty_median']:.2f} Å (90 %)")
            if stats.get("guinier_bfactor") is not None:
                lines.append(f"Guinier B-factor: {stats['guinier_bfactor']:.0f} Å²")
            if stats.get("sharpen_resolution") is not None:
                lines.append(f"Flattened up to {stats['sharpen_resolution']:.2f} Å")
        return lines

    def _methods(self):
        stats = self.getStats()
        if not stats:
            return []
        mask = "a given mask" if stats["mask"] == "given" else "an automatic mask"
        treated = {
            SHARPEN_NONE: "as it was",
            SHARPEN_AUTO: f"after its radial spectrum was flattened up to "
            f"{stats.get('sharpen_resolution') or 0:.2f} Å",
            SHARPEN_BFACTOR: f"after a B-factor of {self.bFactor.get():g} Å² was applied",
        }[self.sharpen.get()]
        return [
            f"The local resolution of {self.getObjectTag('inputVolume')} was estimated {treated} "
            f"with cryodl (network {stats['bundle']}, in the manner of "
            f"[RamirezAportela2019]) inside {mask}: median {stats['median']:.2f} Å, "
            f"2.5 and 97.5 % percentiles {stats['percentiles']['2.5']:.2f} and "
            f"{stats['percentiles']['97.5']:.2f} Å."
        ]

    def _citations(self):
        return ["RamirezAportela2019"]
