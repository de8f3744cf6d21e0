"""Local-resolution maps of several packages on one scale."""

from itertools import count

import pyworkflow.protocol.params as params
from pwem.objects import Volume
from pyworkflow import BETA
from pyworkflow.protocol import Protocol

from cryodl.methods.options import CLAIMED
from cryodl.protocols.inputs import describe_model, describe_resolution, resolution_of
from cryodl.protocols.maps import (
    add_mask,
    add_option,
    add_volume,
    describe_inputs,
    describe_problems,
    given,
    run_name,
    volume_of,
)
from cryodl.protocols.protocol_base import CryodlProtBase


class CryodlProtCompareResolution(CryodlProtBase):
    """Compare any number of local-resolution maps of one density.

    Medians and percentiles of each, where a claimed resolution stands among them, where they agree
    (consensus) and where they do not (disagreement), also for each chain of a model.

    *When to use it*: where two packages or two treatments of a map disagree, and before you report
    a local resolution that rests on one method.

    *How to read it*: all figures count only the voxels that all maps know. The consensus is the
    median of the maps at every voxel, the disagreement the largest minus the smallest. A rank
    correlation near 1 means that the maps agree on which parts are better.

    *Pitfalls*: methods measure different things: what a map looks like, where its signal meets the
    noise, or where half maps agree. A model must lie in the map: where Scipion does not know the
    map's origin, set it with *assign Orig & Sampling*.
    """

    _label = "compare local resolutions"
    _devStatus = BETA
    _command = "compare"
    _pending = "The maps are not compared yet."
    _possibleOutputs = {"consensus_Volume": Volume, "disagreement_Volume": Volume}

    def _defineParams(self, form):
        form.addSection(label="Input")
        form.addParam(
            "inputResolutions",
            params.MultiPointerParam,
            pointerClass="Volume",
            important=True,
            minNumObjects=2,
            label="Local resolution maps",
            help="Two or more, of any package, of the same density.",
        )
        add_volume(
            form, "inputVolume", "Density map", "Drawn beneath the colours.", allowsNull=True
        )
        add_mask(
            form,
            "Mask",
            "What is outside is left out. Left empty, the voxels known to all are compared.",
        )
        add_volume(
            form,
            "inputModel",
            "Atomic model",
            "For statistics of each of its chains.",
            kind="AtomStruct",
            allowsNull=True,
        )
        add_option(
            form,
            "claimed",
            CLAIMED,
            "Its rank among the local resolutions is told.",
        )

    def _maps(self):
        return {f"res{i}": resolution_of(p) for i, p in enumerate(self.inputResolutions)}

    def _engineInputs(self):
        return {**self._maps(), **given(map=self.inputVolume, mask=self.Mask)}

    def _engineParams(self):
        paths = self._enginePaths()
        values = {
            "res": [paths.pop(name) for name in self._maps()],
            "name": self._names(),
            "claimed": self.claimed.get(),
            **paths,
        }
        if self.inputModel.get() is not None:
            values["model"] = self.inputModel.get().getFileName()
        return values

    def _like(self):
        return volume_of(self.inputVolume) or next(iter(self._maps().values()))

    def _names(self):
        """Labels of the runs that the maps come from, told apart where they are the same."""
        labels, names = [self._runName(pointer) for pointer in self.inputResolutions], []
        for label in labels:
            numbered = (f"{label} {number}" for number in count(1))
            taken = {*names, *labels}
            names.append(
                label if labels.count(label) == 1 else next(n for n in numbered if n not in taken)
            )
        return names

    def _runName(self, pointer):
        """What the run is called that a pointer leads to, or to whose output."""
        given = pointer.getObjValue()
        if not isinstance(given, Protocol):
            given = self.getProject().getProtocol(given.getObjParentId())
        return run_name(given)

    def _sources(self):
        return [*self.inputResolutions, self.inputVolume, self.Mask, self.inputModel]

    def _makeOutputs(self):
        like, names = self._like(), ("consensus", "disagreement")
        return {f"{name}_Volume": self._register(f"{name}.mrc", Volume, like) for name in names}

    def _validate(self):
        maps = list(self._maps().values())
        if len(maps) == 1:  # without any Scipion itself says so
            return ["Local resolution maps: choose two or more."]
        errors = describe_inputs([(f"Map {i + 1}", m) for i, m in enumerate(maps)], "map 1")
        for number, volume in enumerate(maps, 1):
            errors += describe_resolution(f"Map {number}", volume)
        for name, pointer in (("Density map", self.inputVolume), ("Binary Mask", self.Mask)):
            if pointer.get() is not None:  # the engine brings maps to the density's grid
                errors += describe_problems(name, volume_of(pointer))
        return errors + describe_model(self.inputModel) + self._validateFields()

    def _summaryOf(self, stats):
        lines = [f"In the {stats['voxels']} voxels known to all:"]
        for entry in stats["maps"]:
            common = entry["common"]
            lines.append(f"{entry['name']}: *{common['median']:.2f} ± {common['sd']:.2f} Å*")
        return lines + self.warningLines()

    def _methodsOf(self, stats):
        return ["Local resolutions were compared with cryodl."]
