"""Local resolution of one map, from the map alone."""

import pyworkflow.protocol.params as params
from pyworkflow import BETA

from cryodl.methods.deepres.options import RANGE, SHARPEN
from cryodl.methods.options import CLAIMED
from cryodl.protocols.inputs import OneMapInput
from cryodl.protocols.maps import add_choice, add_option
from cryodl.protocols.protocol_base import CryodlProtResolutionBase

RANGES = ("auto", "low", "high")
SHARPENINGS = ("none", "auto", "B")
SHARPEN_NONE, SHARPEN_AUTO, SHARPEN_BFACTOR = range(3)


class CryodlProtLocalResolution(OneMapInput, CryodlProtResolutionBase):
    """Estimate the local resolution of a single map with deep learning.

    No half maps and no parameters are needed. A network reads the texture around every voxel, in
    the manner of DeepRes, and also says how sure it is.

    *When to use it*: for a map without half maps, to see which parts are worse than others, and
    whether a treatment made a map look better. Where half maps exist, the protocol *half-map local
    resolution* is the reference.

    *How to read it*: the resolution is what the map looks like at that voxel, in Å. The uncertainty
    is half the width of the interval that holds it in 90 % of cases.

    *Pitfalls*: it follows sharpening. A map that was not sharpened reads worse than its half maps
    would say: sharpen it before, or choose *Judge the map: flattened*. An oversharpened map reads
    better than it is; the protocol *oversharpening* tells. Tight masks and interpolation leave
    traces that a network may read as detail; warnings name them.
    """

    _label = "local resolution"
    _devStatus = BETA
    _command = "localres"

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        self._defineDeviceParams(form)
        form.addSection(label="Input")
        self._defineMapParams(
            form,
            "The map to judge, best sharpened and not masked.",
            "Local resolution is given inside this mask. Left empty, a mask is found in the "
            "map and becomes an output.",
            finder=True,
        )
        add_choice(
            form,
            "range",
            RANGE,
            RANGES,
            ["automatic", "2.5 - 13.0 Å", "1.5 - 6.0 Å"],
            "It is the range in which the network was trained.",
        )
        add_choice(
            form,
            "sharpen",
            SHARPEN,
            SHARPENINGS,
            ["as it is", "flattened", "with a B-factor"],
            "\n*Flattened* gives its radial spectrum the course that atoms have, up to the claimed "
            "resolution; for maps that were not sharpened.",
        )
        add_option(
            form,
            "claimed",
            CLAIMED,
            "Left empty, the median of a first look is taken.",
            condition=f"sharpen=={SHARPEN_AUTO}",
        )
        form.addParam(
            "bFactor",
            params.FloatParam,
            default=-50,
            condition=f"sharpen=={SHARPEN_BFACTOR}",
            label="B-factor (Å²)",
            help="Negative values sharpen.",
        )
        self._defineNetworkParams(form)

    # --------------------------- engine -----------------------------------
    def _engineParams(self):
        return {
            **self._mapParams(),
            "range": RANGES[self.range.get()],
            "sharpen": self._sharpen(),
            "claimed": self.claimed.get() if self.sharpen.get() == SHARPEN_AUTO else None,
            **self._networkParams(),
        }

    def _sharpen(self):
        choice = self.sharpen.get()
        if choice == SHARPEN_BFACTOR:
            return self.bFactor.get()
        return "auto" if choice == SHARPEN_AUTO else "none"

    # --------------------------- info -------------------------------------
    def _validate(self):
        return self._validateFields() + self._validateMap()

    def _warnings(self):
        volume = self.inputVolume.get()
        if volume is not None and volume.getSamplingRate() and volume.getSamplingRate() > 4:
            return [
                f"At {volume.getSamplingRate():g} Å/pixel the map cannot show more than "
                f"{2 * volume.getSamplingRate():g} Å, near the end of the trained range (13 Å)."
            ]
        return []

    def _summaryOf(self, stats):
        lines = super()._summaryOf(stats)
        lines.insert(1, f"Typical uncertainty: ± {stats['uncertainty_median']:.2f} Å (90 %)")
        if stats.get("guinier_bfactor") is not None:
            lines.append(f"Guinier B-factor: {stats['guinier_bfactor']:.0f} Å²")
        if stats.get("sharpen_resolution") is not None:
            lines.append(f"Flattened up to {stats['sharpen_resolution']:.2f} Å")
        return lines

    def _methodsOf(self, stats):
        mask = "a given mask" if stats["mask"] == "given" else "an automatic mask"
        treated = {
            SHARPEN_NONE: "as it was",
            SHARPEN_AUTO: f"after its radial spectrum was flattened up to "
            f"{stats.get('sharpen_resolution') or 0:.2f} Å",
            SHARPEN_BFACTOR: f"after a B-factor of {self.bFactor.get() or 0:g} Å² was applied",
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
