"""A map post-processed by a network, with an account of what was added and removed."""

import math
import os

import pyworkflow.protocol.params as params
from pwem.objects import Volume
from pyworkflow import BETA

from cryodl.methods.enhance import options
from cryodl.methods.enhance.options import MODELS, NORMALISATIONS
from cryodl.methods.options import by_name
from cryodl.protocols.inputs import describe_halves, half_maps_of
from cryodl.protocols.many import SINGLE_OR_SET, OneOrMany
from cryodl.protocols.maps import (
    add_choice,
    add_option,
    add_volume,
    describe_inputs,
    given,
    volume_of,
)
from cryodl.protocols.protocol_base import CryodlProtBase

OPTIONS = by_name(options.OPTIONS)
NORMALISE_AUTO, NORMALISE_STATS, NORMALISE_MASK = range(3)

BEFORE, AFTER = "before", "after"  # folders of the local resolutions, beside the results


class CryodlProtEnhance(OneOrMany, CryodlProtBase):
    """Sharpen and clean a map with deep learning, in the manner of DeepEMhancer.

    A network that has learnt from pairs of experimental-like maps and maps sharpened against their
    models masks, denoises and sharpens at once. What it adds is accounted for: how much density has
    no support in the input and, with half maps, how far both agree after each was enhanced apart.

    *When to use it*: to see and build into a map that is noisy or hard to contour. Give half maps:
    their mean was neither masked nor sharpened. The model *linear* uses filters alone and needs
    half maps; it is the best beyond 4 Å.

    *How to read it*: look at what was added and removed, and at the support: where both halves,
    enhanced apart, agree, the detail is in the data.

    *Pitfalls*: a network may complete what it expects. Interpret such a map beside the one it was
    made from, and refine models against the latter. Ligands, glycans and lipids may be taken for
    noise: protect them with a mask.
    """

    _label = "enhance map"
    _devStatus = BETA
    _command = "enhance"
    _labels = {"protect": "Protect"}
    _tiles = "batch_size"
    _pending = "The map is not enhanced yet."
    _possibleOutputs = {"Volume": Volume, "support_Volume": Volume}

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        self._defineDeviceParams(form)
        form.addSection(label="Input")
        self._defineInputs(form)
        self._defineNormalisation(form)
        add_choice(
            form,
            "modelType",
            OPTIONS["model"],
            MODELS,
            ["tight", "wide", "highRes", "linear", "refined", "automatic"],
            "*automatic* takes *refined*, which comes closest to the molecule, most of all from "
            "half maps; and *tight* where a mask to protect, another normalization or a "
            "cleaning is asked for. *tight* masks closely, in the manner of "
            "DeepEMhancer; try *wide* where it has cut something off, such as glycans and loops.",
        )
        add_volume(
            form,
            "protectMask",
            "Protect",
            "Mask of a ligand, glycan or lipid: inside it the input's own density is kept, "
            "sharpened to match, with a soft border.",
            kind="VolumeMask",
            allowsNull=True,
        )
        form.addParam(
            "performCleaningStep",
            params.BooleanParam,
            default=False,
            expertLevel=params.LEVEL_ADVANCED,
            label="Remove small components?",
            help="Specks that hang together with nothing larger are set to 0.",
        )
        add_option(
            form,
            "sizeFraction_CC",
            OPTIONS["clean"],
            default=0.05,  # the command's own, 0, is the step above that is left out
            condition="performCleaningStep",
            expertLevel=params.LEVEL_ADVANCED,
            label="Relative size (0 - 1)",
        )
        form.addParam(
            "compareResolution",
            params.BooleanParam,
            default=False,
            label="Estimate local resolution before and after?",
            help="With deep learning, as the protocol *local resolution* does, inside one mask. It "
            "tells how the map looks, not what it holds.",
        )
        self._defineNetworkParams(form)

    @staticmethod
    def _defineInputs(form):
        form.addParam(
            "useHalfMapsInsteadVol",
            params.BooleanParam,
            default=True,
            label="Use half maps instead of the volume?",
            help="Yes enhances the mean of the half maps, which no other program has masked or "
            "sharpened yet, and judges the result by how far both agree. A volume without half "
            "maps is enhanced itself.",
        )
        form.addParam(
            "halfMapsAttached",
            params.BooleanParam,
            default=True,
            condition="useHalfMapsInsteadVol",
            label="Are the half maps associated with the volume?",
            help="As after a refinement, or an import with half maps.",
        )
        apart = "useHalfMapsInsteadVol and not halfMapsAttached"
        for name, kind, condition, label, text in (
            (
                "inputVolume",
                SINGLE_OR_SET,
                "not useHalfMapsInsteadVol or halfMapsAttached",
                "Input Volume",
                "The map to enhance, best neither masked nor sharpened. Or a set of such maps, "
                "also one that is still being filled.",
            ),
            ("inputHalf1", "Volume", apart, "Half map 1", "Neither masked nor sharpened."),
            ("inputHalf2", "Volume", apart, "Half map 2", "Of the same refinement."),
        ):
            add_volume(
                form, name, label, text, kind=kind, condition=condition, allowsNull=True,
                important=True,
            )  # fmt: skip

    @staticmethod
    def _defineNormalisation(form):
        add_choice(
            form,
            "normalization",
            OPTIONS["normalisation"],
            NORMALISATIONS,
            ["automatic", "from statistics", "from binary mask"],
            "Densities are scaled by it before the network sees them.",
        )
        add_volume(
            form,
            "inputMask",
            "Binary Mask",
            "1 inside the molecule, 0 in the solvent, on the grid of the volume.",
            kind="VolumeMask",
            condition=f"normalization=={NORMALISE_MASK}",
            allowsNull=True,
        )
        line = form.addLine(
            "Noise",
            condition=f"normalization=={NORMALISE_STATS}",
            help="Mean and standard deviation of the density in the solvent. The wizard measures "
            "both in the map's own.",
        )
        add_option(line, "noiseMean", OPTIONS["noise_mean"])
        add_option(line, "noiseStd", OPTIONS["noise_std"])

    # --------------------------- inputs -----------------------------------
    def getHalves(self):
        """Return the half maps that are enhanced, as volumes; [] where the volume itself is."""
        if not self.useHalfMapsInsteadVol.get():
            return []
        if self.halfMapsAttached.get():
            return half_maps_of(self._volume())
        halves = [volume_of(self.inputHalf1), volume_of(self.inputHalf2)]
        return [half for half in halves if half is not None]

    def getShownVolume(self):
        """Return the volume on whose grid the result lies."""
        return volume_of(self.inputHalf1) if self._apart() else self._volume()

    def _apart(self):
        """Whether the half maps are given each by itself."""
        return self.useHalfMapsInsteadVol.get() and not self.halfMapsAttached.get()

    def isOfMany(self):
        return not self._apart() and super().isOfMany()

    def _engineInputs(self):
        halves = self.getHalves()
        inputs = dict(zip(("half1", "half2"), halves)) or {"map": self._volume()}
        if self.normalization.get() == NORMALISE_MASK:
            inputs.update(given(mask=self.inputMask))
        return {**inputs, **given(protect=self.protectMask)}

    def _sources(self):
        used = [self.inputHalf1, self.inputHalf2] if self._apart() else [self.inputVolume]
        if self.normalization.get() == NORMALISE_MASK:
            used.append(self.inputMask)
        return [*used, self.protectMask]

    def _engineParams(self):
        values = {
            **self._enginePaths(),
            "model": MODELS[self.modelType.get()],
            **self._networkParams(),
            "normalisation": NORMALISATIONS[self.normalization.get()],
        }
        if self.normalization.get() == NORMALISE_STATS:
            values.update({"noise-mean": self.noiseMean.get(), "noise-std": self.noiseStd.get()})
        if self.performCleaningStep.get():
            values["clean"] = self.sizeFraction_CC.get()
        return values

    # --------------------------- steps ------------------------------------
    def _computing(self):
        compares = self.compareResolution.get()
        return super()._computing() + [(self.resolutionStep, self._onGpu())] * compares

    def resolutionStep(self):
        """Estimate the local resolution of the input, and of the result inside the same mask."""
        mask = {}
        for name, path in ((BEFORE, self._inputPath()), (AFTER, self.getExtraFile("enhanced.mrc"))):
            folder = self.getExtraFile(name)
            options = {"map": path, "batch-size": self.batch_size.get(), **mask}
            self._runEngine("localres", options, folder, name)
            mask = {"mask": os.path.join(folder, "mask.mrc")}

    def _inputPath(self):
        """Return the file of the map that was enhanced: the mean of half maps is written."""
        written = self.getExtraFile("density.mrc")
        return written if os.path.exists(written) else self._enginePath("map")

    def _makeOutputs(self):
        like = self.getShownVolume()
        outputs = {"Volume": self._register("enhanced.mrc", Volume, like)}
        if os.path.exists(self.getExtraFile("support.mrc")):
            outputs["support_Volume"] = self._register("support.mrc", Volume, like)
        return outputs

    # --------------------------- info -------------------------------------
    def _validate(self):
        lines = self._validateFields() + self._validateValues()
        missing = self._describeMissing()
        return lines + (missing or self._eachVolume(self._validateVolumes))

    def _validateVolumes(self):
        volumes = self._labelled()
        return describe_halves(self.getHalves()) + describe_inputs(volumes, volumes[0][0].lower())

    def _describeMissing(self):
        if self._apart():
            if len(self.getHalves()) < 2:
                return ["Half maps: give both."]
        elif self.inputVolume.get() is None:
            return ["Input Volume: choose one."]
        if self.normalization.get() == NORMALISE_MASK and self.inputMask.get() is None:
            return ["Binary Mask: choose one, or another normalization."]
        return []

    def _validateValues(self):
        lines = []
        if MODELS[self.modelType.get()] in ("linear", "refined"):
            lines += self._describeFiltering(MODELS[self.modelType.get()])
        if self.normalization.get() == NORMALISE_STATS:
            mean, deviation = self.noiseMean.get(), self.noiseStd.get()
            if mean is None or deviation is None or not (deviation > 0 and abs(mean) < math.inf):
                lines.append(
                    f"Noise: mean {mean} and standard deviation {deviation} cannot be used; let "
                    "the wizard measure them, or choose another normalization."
                )
        return lines

    def _describeFiltering(self, model):
        """Return lines about what the models linear and refined lack and have no use for."""
        unused = {
            OPTIONS["normalisation"].label: self.normalization.get() != NORMALISE_AUTO,
            OPTIONS["protect_mask"].label: self.protectMask.get() is not None,
            "Remove small components?": self.performCleaningStep.get(),
            OPTIONS["bundle"].label: model == "linear" and bool(self.networkFolder.get()),
            OPTIONS["thorough"].label: self.thorough.get(),
        }
        said = [label for label, used in unused.items() if used]
        if not said:
            return []
        return [f"Model: {model} has no use for {', '.join(said)}: leave it as it was at first."]

    def _warnings(self):
        if self.useHalfMapsInsteadVol.get() and not self.getHalves():
            return ["The volume has no half maps: it is enhanced itself, and no support is told."]
        return []

    def _summaryOf(self, stats):
        lines = [
            f"Enhanced from: *{stats['source']}*, model {stats['model']}",
            f"Density added without evidence in the input: *{stats['density_added']:.1%}*",
            f"Clear density of the input that was removed: {stats['density_removed']:.1%}",
        ]
        fsc = stats.get("fsc")
        if fsc:
            before, after = (_resolution(fsc[f"{name}_0.143"]) for name in (BEFORE, AFTER))
            lines.append(f"Half maps agree to: {before} before, {after} after")
        if stats.get("pieces_removed"):
            lines.append(f"Small components removed: {stats['pieces_removed']}")
        found = self.getResolutionStats()
        if len(found) == 2:
            before, after = (found[name]["median"] for name in (BEFORE, AFTER))
            lines.append(f"Median local resolution: {before:.2f} Å before, *{after:.2f} Å* after")
        return lines + self._rotationLines(stats) + self.warningLines()

    def getResolutionStats(self):
        """Return the figures of the local resolutions before and after; {} where not asked for."""
        found = {n: self.readStats(os.path.join(n, "stats.json")) for n in (BEFORE, AFTER)}
        return {name: stats for name, stats in found.items() if stats}

    def _methodsOf(self, stats):
        how = "a linear filter by the FSC of its half maps"
        if stats.get("model") == "refined":
            how = f"{how}, corrected within their resolution by network {stats['bundle']}"
        elif "bundle" in stats:
            how = f"network {stats['bundle']}, in the manner of [SanchezGarcia2021]"
        of = "The mean of the half maps of " if stats["source"] == "half maps" else ""
        given = self.getObjectTag("inputHalf1" if self._apart() else "inputVolume")
        return [
            f"{of}{given} was post-processed with cryodl "
            f"({how}); "
            f"{stats['density_added']:.1%} of its density lies where the input has no evidence "
            f"above its noise, and {stats['density_removed']:.1%} of the input's clear density was "
            "removed."
        ]

    def _citations(self):
        return ["SanchezGarcia2021"]


def _resolution(value):
    return "no frequency" if value is None else f"{value:.2f} Å"
