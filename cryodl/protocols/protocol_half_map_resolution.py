"""Local resolution from two half maps: where signal meets noise."""

import pyworkflow.protocol.params as params
from pwem.objects import Volume, VolumeMask
from pyworkflow import BETA

from cryodl.methods import half_map_resolution_options
from cryodl.methods.options import by_name
from cryodl.plugin import Plugin
from cryodl.protocols.inputs import HalfMapInputs
from cryodl.protocols.many import SINGLE_OR_SET, OneOrMany
from cryodl.protocols.maps import (
    add_choice,
    add_mask,
    add_option,
    add_volume,
    describe_inputs,
    given,
    sentence,
    volume_of,
    write_above,
)
from cryodl.protocols.protocol_base import MASK, RESOLUTION, CryodlProtResolutionBase

THRESHOLD = 0.5  # of a mask, that of the engine
MONOGENIC, LOCAL_FSC, SINUSOID = range(3)
METHODS = ("monogenic", "localfsc", "sinusoid")
OPTIONS = by_name(half_map_resolution_options.OPTIONS)
NAMES = ("monogenic amplitudes", "local FSC", "a local sinusoid model")
CITATIONS = ("Vilas2018", "Cardone2013", "Kucukelbir2014")


class CryodlProtHalfMapResolution(HalfMapInputs, OneOrMany, CryodlProtResolutionBase):
    """Estimate the local resolution from half maps, as MonoRes, blocres and ResMap do.

    *Monogenic*: the frequency at which the map's local amplitude sinks into the noise, which is
    known from the difference of the half maps, or from outside the mask of a single map.
    *Local FSC*: Fourier shell correlation of the half maps in a window around every voxel.
    *Sinusoid*: the wavelength up to which a local sinusoid is likelier than noise alone.
    None moves when a map is sharpened or blurred.

    *When to use it*: whenever half maps exist; local resolution by half maps is the reference. Give
    a mask that leaves a few Å of solvent around the molecule.

    *How to read it*: monogenic and sinusoid give the finest wave that stands out from the noise at
    that voxel; local FSC gives where the half maps agree in a window around it, and is smoother.

    *Pitfalls*: half maps that were masked or filtered differ only by what that has left. A single
    map needs solvent that no mask has cut. Values at the border of a mask are less certain.
    """

    _label = "half-map local resolution"
    _devStatus = BETA
    _command = "localres"
    _possibleOutputs = {RESOLUTION: Volume, MASK: VolumeMask}
    _many = "associatedHalves"
    _labels = {"map": "Volume", "exclude": OPTIONS["exclude"].label}

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        form.addSection(label="Input")
        add_choice(
            form, "method", OPTIONS["method"], METHODS, ["monogenic", "local FSC", "sinusoid"],
            "Local FSC is as blocres.",
        )  # fmt: skip
        self._defineHalfParams(
            form,
            "Without half maps the noise is taken from outside the mask (not for local FSC).",
            "The full map; its half maps come with it. Or a set of such maps, also one that is "
            "still being filled.",
            "First half map, not masked.",
            SINGLE_OR_SET,
        )
        add_volume(
            form,
            "fullMap",
            "Volume",
            "A single map, not masked: the noise is taken from its solvent.",
            condition="not useHalfVolumes",
            allowsNull=True,
            important=True,
        )
        add_mask(
            form,
            "mask",
            "Local resolution is given inside it. Left empty, a mask "
            "is found; in a single map by the network of single-map resolution.",
        )
        add_volume(
            form,
            "maskExcl",
            OPTIONS["exclude"].label,
            sentence(OPTIONS["exclude"]),
            kind="VolumeMask",
            condition="not useHalfVolumes",
            expertLevel=params.LEVEL_ADVANCED,
            allowsNull=True,
        )
        form.addParam(
            "maskThreshold",
            params.FloatParam,
            default=THRESHOLD,
            expertLevel=params.LEVEL_ADVANCED,
            label="Mask threshold",
            help="Value of the mask above which a voxel belongs to the molecule; lower takes in "
            "more of a soft edge.",
        )
        group = form.addGroup("Resolution")
        add_option(group, "minRes", OPTIONS["min_resolution"])
        add_option(group, "maxRes", OPTIONS["max_resolution"])
        add_option(
            form,
            "significance",
            OPTIONS["significance"],
            expertLevel=params.LEVEL_ADVANCED,
            condition=f"method!={LOCAL_FSC}",
        )
        add_option(
            form,
            "window",
            OPTIONS["window"],
            expertLevel=params.LEVEL_ADVANCED,
            condition=f"method=={LOCAL_FSC}",
        )
        form.addParallelSection(threads=Plugin.defaultThreads(), mpi=0)

    # --------------------------- engine -----------------------------------
    def convertInputStep(self):
        super().convertInputStep()
        if self.mask.get() is not None and self._cuts():
            write_above(self._convertedPath("mask"), self.maskThreshold.get())

    def _isWritten(self, name, volume):
        return (name == "mask" and self._cuts()) or super()._isWritten(name, volume)

    def _cuts(self):
        return self.maskThreshold.get() != THRESHOLD

    def _full(self):
        if not self.useHalfVolumes.get():
            return volume_of(self.fullMap)
        return self._withHalves() if self.hasHalfVolumesFile.get() else None

    def _withHalves(self):
        return self._volume()

    def isOfMany(self):
        come_with = self.useHalfVolumes.get() and self.hasHalfVolumesFile.get()
        return come_with and super().isOfMany()

    def _engineInputs(self):
        inputs = dict(zip(("half1", "half2"), self._halves()))
        if self._full() is not None:
            inputs["map"] = self._full()
        excluded = {} if self.useHalfVolumes.get() else given(exclude=self.maskExcl)
        return {**inputs, **given(mask=self.mask), **excluded}

    def _engineParams(self):
        return {
            **self._enginePaths(),
            "method": METHODS[self.method.get()],
            "min-resolution": self.minRes.get(),
            "max-resolution": self.maxRes.get(),
            "significance": None if self.method.get() == LOCAL_FSC else self.significance.get(),
            "window": self.window.get() if self.method.get() == LOCAL_FSC else None,
            "device": "cpu",  # a network may be asked for the mask, and the form has no GPU
        }

    def _sources(self):
        used = self._halfPointers() if self.useHalfVolumes.get() else [self.fullMap, self.maskExcl]
        return [*used, self.mask]

    def getShownVolume(self):
        return self._full() or volume_of(self.halfMap1)

    # --------------------------- info -------------------------------------
    def _validate(self):
        return self._eachVolume(self._validateVolumes) + self._validateRange()

    def _validateVolumes(self):
        missing = self._describeMissingHalves()
        if missing:
            return missing
        if not self.useHalfVolumes.get():
            if self.method.get() == LOCAL_FSC:
                return ["Local FSC needs half maps: choose another method, or give them."]
            if self.fullMap.get() is None:
                return ["Volume: choose one."]
        volumes = self._labelled()
        return describe_inputs(volumes, volumes[0][0].lower())

    def _validateRange(self):
        errors, threshold = self._validateFields(), self.maskThreshold.get()
        if threshold is not None and not 0 <= threshold < 1:
            errors.append(f"Mask threshold: {threshold:g} is not at least 0 and below 1.")
        low, high = self.minRes.get(), self.maxRes.get()
        if low is not None and high is not None and low >= high:
            errors.append(
                f"Resolution Range: High ({low:g} Å) must be smaller than Low ({high:g} Å)."
            )
        return errors

    def _methodsOf(self, stats):
        return [
            f"The local resolution was estimated by {NAMES[self.method.get()]} with cryodl "
            f"[{CITATIONS[self.method.get()]}]: median {stats['median']:.2f} Å in "
            f"{stats['voxels']} voxels."
        ]

    def _citations(self):
        return [CITATIONS[self.method.get()]] if self.method.get() is not None else []
