"""All that can be said of a map, on one page."""

import os
from pathlib import Path

import pyworkflow.protocol.params as params
from pwem.objects import AtomStruct, SetOfFSCs, Volume, VolumeMask
from pyworkflow import BETA
from pyworkflow.object import Float

from cryodl.methods.options import CLAIMED
from cryodl.plugin import Plugin
from cryodl.protocols.inputs import (
    OneMapInput,
    as_resolution,
    describe_halves,
    describe_model,
    describe_resolution,
    half_maps_of,
)
from cryodl.protocols.many import volume_name
from cryodl.protocols.maps import (
    add_option,
    add_volume,
    describe_inputs,
    is_mrc,
    negative_share,
    plain_path,
    run_name,
    same_box,
    volume_of,
)
from cryodl.protocols.protocol_base import MASK, RESOLUTION, CryodlProtBase
from cryodl.protocols.protocol_fsc import read_curves

FSC, LOCAL_FSC, NETWORK, COMPARED, QUALITY = "fsc", "localfsc", "cryores", "compare", "quality"
CITED = {
    FSC: ("Rosenthal2003", "Chen2013", "Tan2017"),
    LOCAL_FSC: ("Cardone2013",),
    NETWORK: ("Dai2023",),
    QUALITY: ("Pintilie2020",),
}
NETWORK_VOLUME, CONSENSUS = "network_resolution_Volume", "consensus_Volume"
OUTSIDE = 0.02  # share of negative values from which a related volume is no local resolution
BY_CLASS = ("ProtResMap",)  # protocols whose local resolution is called like any volume
PAGE, TABLE = "report.html", "summary.html"
MAPS = ("map", "mask", "half1", "half2")  # that the command is given beside local resolutions


class CryodlProtValidateMap(OneMapInput, CryodlProtBase):
    """Judge a map by all that applies, and write one page of it.

    With half maps their Fourier shell correlation (FSC), in all directions too, local FSC, and a
    check before deposition; of any map the local resolution that a network finds in it; with a
    model its Q-scores, correlation and map-model FSC; and how local resolutions of other packages
    that the project has of this map compare. One part that fails leaves the others.

    *When to use it*: before a map is published, deposited or interpreted, and for all maps of a
    classification to see which of them hold what they claim.

    *How to read it*: *Analyze Results* opens the page. Its first four lines say how good the map
    is, where, how it stands among others, and what is wrong; the page can be sent as it is.

    *Pitfalls*: half maps must not be masked or filtered. A network's local resolution is a second
    word where half maps exist. Give the claimed resolution, or the fit of the model is judged at
    the resolution of the half maps.
    """

    _label = "validate map"
    _devStatus = BETA
    _command = "report"
    _pending = "The map is not validated yet."
    _possibleOutputs = {
        RESOLUTION: Volume,
        NETWORK_VOLUME: Volume,
        CONSENSUS: Volume,
        MASK: VolumeMask,
        "outputFSC": SetOfFSCs,
        "outputStructure": AtomStruct,
    }

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.global_res = Float()
        self.median_res_init = Float()
        self.q_score = Float()

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        self._defineDeviceParams(form)
        form.addSection(label="Input")
        self._defineMapParams(
            form,
            "The map to validate. Half maps that come with it are used.",
            "Left empty, a mask is found by a rule.",
        )
        for name, label in (("halfMap1", "Half map 1"), ("halfMap2", "Half map 2")):
            add_volume(
                form, name, label, "Where none come with the volume. Neither masked nor filtered.",
                allowsNull=True, expertLevel=params.LEVEL_ADVANCED,
            )  # fmt: skip
        add_volume(
            form,
            "inputModel",
            "Atomic model",
            "Fitted into the map; its fit is judged, too.",
            kind="AtomStruct",
            allowsNull=True,
        )
        add_option(form, "claimed", CLAIMED, "Whether the map holds it is told.")
        form.addParam(
            "findResolutions",
            params.BooleanParam,
            default=True,
            label="Compare local resolutions of the project?",
            help="Local resolutions that the project has of this volume, of RELION, MonoRes, "
            "ResMap or any other protocol, are compared with those of this run.",
        )
        form.addParam(
            "inputResolutions",
            params.MultiPointerParam,
            pointerClass="Volume",
            allowsNull=True,
            expertLevel=params.LEVEL_ADVANCED,
            label="Further local resolution maps",
            help="Such as imported ones, of which the project does not know the volume.",
        )
        form.addParallelSection(threads=Plugin.defaultThreads(), mpi=0)

    # --------------------------- inputs -----------------------------------
    def _halves(self):
        given = [volume_of(p) for p in (self.halfMap1, self.halfMap2) if p.get() is not None]
        return given or half_maps_of(self._volume())

    def _resolutions(self):
        """Return the local resolutions to compare with, by the names of their runs."""
        pointers = [] if self.isOfMany() else list(self.inputResolutions)
        given = [(p.getObjValue(), as_resolution(volume_of(p))) for p in pointers]
        if self.findResolutions.get() and not self.isOfMany():
            given += [(found, as_resolution(found.clone())) for found in self._related()]
        named, taken = {}, set()
        for source, volume in given:
            if plain_path(volume) not in taken:
                taken.add(plain_path(volume))
                name = self._nameOf(source)
                named[f"{name} {len(named) + 1}" if name in (*MAPS, *named) else name] = volume
        return named

    def _nameOf(self, source):
        run = self.getProject().getProtocol(source.getObjParentId() or source.getObjId())
        return "".join(c if c.isalnum() or c in " -_" else "_" for c in run_name(run)).strip()

    def _related(self):
        """Return outputs of other runs that are local resolutions of the volume, or its halves."""
        volume = self._volume()
        given = [p.get() for p in (self.inputVolume, self.halfMap1, self.halfMap2)]
        known = [one for one in given if one is not None and one.hasObjId()]
        children = [child for one in known for child in self.getProject().getSourceChilds(one)]
        return [
            child
            for child in children
            if isinstance(child, Volume)
            and child.getObjParentId() != self.getObjId()
            and self._isResolution(child, volume)
        ]

    def _isResolution(self, child, volume):
        if isinstance(child, VolumeMask) or not os.path.exists(plain_path(child)):
            return False
        stands_for = as_resolution(child.clone())
        beside = plain_path(stands_for) != plain_path(child)
        made_by = self.getProject().getProtocol(child.getObjParentId()).getClassName()
        called = child.getLastName() == RESOLUTION or made_by in BY_CLASS
        if not (beside or called) or not is_mrc(plain_path(stands_for)):
            return False
        return same_box(stands_for, volume) and negative_share(plain_path(stands_for)) < OUTSIDE

    def _engineInputs(self):
        inputs = super()._engineInputs()
        inputs.update(zip(("half1", "half2"), self._halves()))
        return {**inputs, **self._resolutions()}

    def _convertedPath(self, name):
        if name in MAPS:
            return super()._convertedPath(name)
        return self.getExtraFile(os.path.join("inputs", "resolutions", f"{name}.mrc"))

    def _isWritten(self, name, volume):
        # a local resolution gets the name of its run, by which the page calls it
        return name not in MAPS or super()._isWritten(name, volume)

    def _engineParams(self):
        values = self._enginePaths()
        others = [values.pop(name) for name in self._resolutions()]
        if self.inputModel.get() is not None:
            values["model"] = self.inputModel.get().getFileName()
        if others:
            values["resolution-map"] = others
        return {**values, "claimed": self.claimed.get()}

    def _sources(self):
        others = (self.halfMap1, self.halfMap2, self.inputModel, *self.inputResolutions)
        return [*super()._sources(), *others]

    # --------------------------- outputs ----------------------------------
    def _makeOutputs(self):
        like, outputs = self._volume(), {}
        best = LOCAL_FSC if self._has(LOCAL_FSC) else NETWORK
        wanted = {RESOLUTION: (best, "resolution"), MASK: (best, "mask")}
        if best == LOCAL_FSC:
            wanted[NETWORK_VOLUME] = (NETWORK, "resolution")
        wanted[CONSENSUS] = (COMPARED, "consensus")
        for output, (part, name) in wanted.items():
            if self._has(part):
                kind = type(self)._possibleOutputs[output]
                outputs[output] = self._register(os.path.join(part, f"{name}.mrc"), kind, like)
        if self._has(FSC) and not self.isOfMany():
            outputs["outputFSC"] = read_curves(self, os.path.join(FSC, "fsc.csv"))
        if self._has(QUALITY):
            model = self.getExtraFile(os.path.join(QUALITY, "model.cif"))
            outputs["outputStructure"] = AtomStruct(filename=model)
        return outputs

    def _has(self, part):
        """Whether a part was done."""
        return self.getStats().get("parts", {}).get(part, {}).get("result") == "done"

    def _figures(self):
        fsc, network = self._statsOf(FSC), self._statsOf(NETWORK)
        local = self._statsOf(LOCAL_FSC) or network
        return {
            "global_res": fsc.get("resolution_0.143") or network.get("global_resolution"),
            "median_res_init": local.get("median"),
            "q_score": self._statsOf(QUALITY).get("q_score"),
        }

    def _statsOf(self, part):
        return self.readStats(os.path.join(part, "stats.json")) if self._has(part) else {}

    def volumeStep(self, number):
        written = super().volumeStep(number)
        self._writeTable()
        return written

    def _writeTable(self):
        """Write the table of the set's volumes, as far as they are done."""
        from cryodl.report.batch_summary import write_summary

        done, failed = self._done()
        lines = []
        for volume in self._arrived()[0]:
            number = volume.getObjId()
            line = {"name": volume_name(volume), "map": plain_path(volume), "status": "left"}
            if number in failed:
                line.update(status="failed", error=failed[number])
            elif number in done:
                line.update(self._of(number, self._tableLine), status="done")
            lines.append(line)
        path = self._getExtraPath(TABLE)
        write_summary(Path(path), lines, f"{run_name(self)}: all volumes", "Made by cryodl.")

    def _tableLine(self):
        stats = self.getStats()
        folder = os.path.basename(os.path.dirname(self.getExtraFile(PAGE)))
        return {
            "resolution": self._figures()["global_res"],
            "median": self._figures()["median_res_init"],
            "q_score": self._figures()["q_score"],
            "warnings": "; ".join(self.warningLines()),
            "seconds": stats["seconds"]["total"],
            "page": f"{folder}/{PAGE}",
        }

    def getPage(self):
        """Return the path of the page, of a set the table of all."""
        return self._getExtraPath(TABLE if self.isOfMany() else PAGE)

    # --------------------------- info -------------------------------------
    def _validate(self):
        return self._validateFields() + describe_model(self.inputModel) + self._validateMap()

    def _validateVolume(self):
        lines, volume = super()._validateVolume(), self._volume()
        if volume is None or lines:
            return lines
        halves = self._halves()
        if len(halves) == 1:
            return ["Half maps: give both, or neither."]
        volumes = [(f"Half map {i}", half) for i, half in enumerate(halves, 1)]
        others = [] if self.isOfMany() else [volume_of(p) for p in self.inputResolutions]
        others = [(f"Local resolution map {i}", as_resolution(v)) for i, v in enumerate(others, 1)]
        lines = describe_halves(halves) + describe_inputs(
            [("Input Volume", volume), *volumes, *others], "the input volume"
        )
        return lines + [line for other in others for line in describe_resolution(*other)]

    def _summaryOf(self, stats):
        lines = [f"{one['question']} *{one['answer']}*" for one in stats["verdict"]]
        failed = {name: one["error"] for name, one in stats["parts"].items() if one["error"]}
        return lines + [f"Failed: {name}: {error}" for name, error in failed.items()]

    def _methodsOf(self, stats):
        cited = ", ".join(f"[{key}]" for key in self._citations())
        return [f"{self.getObjectTag('inputVolume')} was validated with cryodl {cited}."]

    def _citations(self):
        parts = self.getStats().get("parts", {}) or CITED
        return [key for part, keys in CITED.items() if part in parts for key in keys]
