"""Local resolution from two half maps: where signal meets noise."""

import pyworkflow.protocol.params as params
from pwem.objects import Volume
from pyworkflow import BETA

from cryodl.plugin import Plugin

from .maps import describe_mismatch, describe_problems
from .protocol_base import CryodlProtResolutionBase

MONOGENIC, LOCAL_FSC = range(2)


class CryodlProtHalfMapResolution(CryodlProtResolutionBase):
    """Estimate the local resolution from half maps, as MonoRes and blocres do.

    *Monogenic*: the frequency at which the map's local amplitude sinks into the noise, which is
    known from the difference of the half maps, or from outside the mask of a single map.
    *Local FSC*: Fourier shell correlation of the half maps in a window around every voxel.
    Neither moves when a map is sharpened or blurred.
    """

    _label = "half-map local resolution"
    _devStatus = BETA
    _command = "localres"

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        form.addSection(label="Input")
        form.addParam(
            "method",
            params.EnumParam,
            default=MONOGENIC,
            choices=["monogenic", "local FSC"],
            display=params.EnumParam.DISPLAY_HLIST,
            label="Method",
            help="Monogenic is as MonoRes, local FSC as blocres.",
        )
        form.addParam(
            "useHalfVolumes",
            params.BooleanParam,
            default=True,
            label="Use half volumes?",
            help="Without half maps the noise is taken from outside the mask (monogenic only).",
        )
        form.addParam(
            "hasHalfVolumesFile",
            params.BooleanParam,
            default=True,
            condition="useHalfVolumes",
            label="Are the half volumes associated with a volume?",
            help="As after a refinement, or an import with half maps.",
        )
        self._addVolume(
            form,
            "associatedHalves",
            "useHalfVolumes and hasHalfVolumesFile",
            "Volume with half maps",
            "The full map; its half maps come with it.",
        )
        self._addVolume(
            form,
            "halfMap1",
            "useHalfVolumes and not hasHalfVolumesFile",
            "Half map 1",
            "First half map, not masked.",
        )
        self._addVolume(
            form,
            "halfMap2",
            "useHalfVolumes and not hasHalfVolumesFile",
            "Half map 2",
            "Second half map, of the same refinement.",
        )
        self._addVolume(
            form,
            "fullMap",
            "not useHalfVolumes",
            "Volume",
            "A single map, not masked: the noise is taken from its solvent.",
        )
        form.addParam(
            "mask",
            params.PointerParam,
            pointerClass="VolumeMask",
            allowsNull=True,
            label="Mask",
            help="Local resolution is given inside it. Left empty, a mask is found.",
        )
        group = form.addGroup("Resolution")
        for name, label, default in (
            ("minRes", "Finest (Å)", "Left empty: twice the sampling rate."),
            ("maxRes", "Coarsest (Å)", "Left empty: found by the method."),
        ):
            group.addParam(name, params.FloatParam, allowsNull=True, label=label, help=default)
        form.addParam(
            "significance",
            params.FloatParam,
            default=0.95,
            expertLevel=params.LEVEL_ADVANCED,
            condition=f"method=={MONOGENIC}",
            label="Significance",
            help="Share of the noise's amplitudes that a voxel's own must exceed.",
        )
        form.addParam(
            "window",
            params.FloatParam,
            allowsNull=True,
            expertLevel=params.LEVEL_ADVANCED,
            condition=f"method=={LOCAL_FSC}",
            label="Window (Å)",
            help="Edge of the window. Left empty, seven times the resolution of the whole map.",
        )
        form.addParallelSection(threads=Plugin.defaultThreads(), mpi=0)

    @staticmethod
    def _addVolume(form, name, condition, label, text):
        form.addParam(
            name,
            params.PointerParam,
            pointerClass="Volume",
            allowsNull=True,
            condition=condition,
            important=True,
            label=label,
            help=text,
        )

    # --------------------------- engine -----------------------------------
    def _halves(self):
        """Return the half maps as volumes; fewer than two where the input has none."""
        if not self.useHalfVolumes.get():
            return []
        if not self.hasHalfVolumesFile.get():
            return [p.get() for p in (self.halfMap1, self.halfMap2) if p.get() is not None]
        full = self.associatedHalves.get()
        if full is None or not full.hasHalfMaps():
            return []
        halves = []
        for path in full.getHalfMaps().split(","):
            half = Volume(location=path)
            half.setSamplingRate(full.getSamplingRate())
            halves.append(half)
        return halves

    def _full(self):
        pointer = self.associatedHalves if self.useHalfVolumes.get() else self.fullMap
        if self.useHalfVolumes.get() and not self.hasHalfVolumesFile.get():
            return None
        return pointer.get()

    def _engineInputs(self):
        inputs = dict(zip(("half1", "half2"), self._halves()))
        if self._full() is not None:
            inputs["map"] = self._full()
        if self.mask.get() is not None:
            inputs["mask"] = self.mask.get()
        return inputs

    def _engineParams(self):
        names = self._engineInputs()
        return {
            **{name: self._enginePath(name) for name in names},
            **self._voxelSize("half1" if "half1" in names else "map"),
            "method": "monogenic" if self.method.get() == MONOGENIC else "localfsc",
            "min-resolution": self.minRes.get(),
            "max-resolution": self.maxRes.get(),
            "significance": self.significance.get(),
            "window": self.window.get() if self.method.get() == LOCAL_FSC else None,
        }

    def _sources(self):
        pointers = (self.associatedHalves, self.halfMap1, self.halfMap2, self.fullMap, self.mask)
        used = {id(volume) for volume in self._engineInputs().values()}
        used.add(id(self._full()))
        return [p for p in pointers if p.get() is not None and id(p.get()) in used]

    def getShownVolume(self):
        return self._full() or self.halfMap1.get()

    # --------------------------- info -------------------------------------
    def _validate(self):
        errors, halves = [], self._halves()
        if self.useHalfVolumes.get() and len(halves) != 2:
            if self.hasHalfVolumesFile.get():
                if self.associatedHalves.get() is None:
                    return ["Volume with half maps: choose one."]
                return [
                    "Volume with half maps: this one has none; choose 'No' for associated half "
                    "volumes and give them, or import the volume with its half maps."
                ]
            return ["Half maps: give both."]
        if not self.useHalfVolumes.get():
            if self.method.get() == LOCAL_FSC:
                return ["Local FSC needs half maps: choose monogenic, or give them."]
            if self.fullMap.get() is None:
                return ["Volume: choose one."]
            if self.mask.get() is None:
                return ["Mask: a single map needs one, because its noise is measured outside."]
        volumes = [(f"Half map {i + 1}", half) for i, half in enumerate(halves)]
        if self._full() is not None:
            volumes.append(("Volume", self._full()))
        if self.mask.get() is not None:
            volumes.append(("Mask", self.mask.get()))
        for name, volume in volumes:
            errors += describe_problems(name, volume)
        if not errors:
            for name, volume in volumes[1:]:
                errors += describe_mismatch(name, volume, volumes[0][0].lower(), volumes[0][1])
        if not 0.5 <= self.significance.get() < 1:
            errors.append(f"Significance: {self.significance.get():g} is not from 0.5 to below 1.")
        low, high = self.minRes.get(), self.maxRes.get()
        if low is not None and high is not None and low >= high:
            errors.append(f"Finest ({low:g} Å) must be smaller than coarsest ({high:g} Å).")
        return errors

    def _methods(self):
        stats = self.getStats()
        if not stats:
            return []
        name = "monogenic amplitudes" if self.method.get() == MONOGENIC else "local FSC"
        return [
            f"The local resolution was estimated by {name} with cryodl: median "
            f"{stats['median']:.2f} Å in {stats['voxels']} voxels."
        ]

    def _citations(self):
        return ["Vilas2018"] if self.method.get() == MONOGENIC else ["Cardone2013"]
