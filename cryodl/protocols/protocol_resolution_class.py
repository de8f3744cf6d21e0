"""The resolution class of whole maps: an objective word on what a map is claimed to be."""

import json
import os

import pyworkflow.protocol.params as params
from pwem.objects import SetOfVolumes, Volume
from pyworkflow import BETA
from pyworkflow.object import Float, String

from cryodl.methods.resolution_class.options import CLAIMED, MODEL
from cryodl.protocols.inputs import OwnMaps
from cryodl.protocols.many import SINGLE_OR_SET, AsTheyArrive, arrived, volume_name
from cryodl.protocols.maps import (
    add_choice,
    add_option,
    describe_problems,
    volume_of,
)
from cryodl.protocols.protocol_base import CryodlProtBase

MODELS = ("cnn", "dnn")
CLASSES = ("high", "medium", "low")
RANGES = {"high": "better than 5 Å", "medium": "5 - 10 Å", "low": "worse than 10 Å"}
VERDICTS = {
    "agrees": "agrees with",
    "worse": "looks worse than",
    "better": "looks better than",
}
SHOWN = 10  # maps in a summary
BATCH, ALL = "batch.json", "classes.json"  # what was found of maps judged together, and of all


class CryodlProtResolutionClass(AsTheyArrive, OwnMaps, CryodlProtBase):
    """Judge the resolution of whole maps from the maps alone.

    Each map is given a class, high (better than 5 Å), medium (5 - 10 Å) or low, with its
    probabilities, an estimate of the resolution with its 90 % interval and, where a resolution is
    claimed, a word on whether the map agrees.

    *When to use it*: for one map or many at once, such as all of a 3D classification, to sort them
    by what they hold or to find the one whose claim is not borne out.

    *How to read it*: trust the class where its probability is above 80 %; else read the interval.
    Classes and estimates are columns of the output set.

    *Pitfalls*: it judges a map as a whole and says nothing of its parts. Masked maps and boxes that
    are mostly empty are less certain. Near 5 and 10 Å two classes share the probability.
    """

    _label = "resolution class"
    _devStatus = BETA
    _command = "classify"
    _tiles = ""
    _pending = "The maps are not judged yet."
    _possibleOutputs = {"outputVolume": Volume, "outputVolumes": SetOfVolumes}
    _batch: dict = {}  # maps that are judged together now, by their names

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # of the first map
        self.resolution_class = String()
        self.global_res = Float()

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        self._defineDeviceParams(form)
        form.addSection(label="Input")
        form.addParam(
            "inputVolumes",
            params.MultiPointerParam,
            pointerClass=SINGLE_OR_SET,
            important=True,
            minNumObjects=1,
            label="Input Volumes",
            help="Any number of volumes and sets of volumes, best not masked, also sets that are "
            "still being filled. Sampling rates and sizes may differ.",
        )
        add_choice(form, "model", MODEL, MODELS, ["3D CNN", "DNN"])
        add_option(
            form,
            "claimed",
            CLAIMED,
            "Whether each map agrees is told.",
        )
        self._defineNetworkParams(form)

    # --------------------------- engine -----------------------------------
    def _given(self):
        """Return the volume or set of each input."""
        return [volume_of(p) for p in self.inputVolumes if p.get() is not None]

    def _arrived(self):
        """Return all maps that are there by now, by their names, and whether more may come."""
        maps, growing = {}, False
        for number, given in enumerate(self._given(), 1):
            if not isinstance(given, SetOfVolumes):
                maps[f"map{number}"] = given
                continue
            volumes, more = arrived(given)
            maps.update({f"map{number}_{one.getObjId()}": one for one in volumes})
            growing = growing or more
        return maps, growing

    def _engineInputs(self):
        return self._batch or self._arrived()[0]

    def _engineParams(self):
        return {
            "map": [self._enginePath(name) for name in self._engineInputs()],
            "model": MODELS[self.model.get()],
            "claimed": self.claimed.get(),
            **self._networkParams(),
        }

    def _sources(self):
        return self.inputVolumes

    def _runEngine(self, command, options, output, name="run"):
        """Run a command that writes one file and no folder."""
        given = {**options, "json": os.path.join(output, BATCH), "overwrite": True}
        self._callEngine(command, {**given, **self._deviceParams(), **self._threadParams()}, name)

    # --------------------------- steps ------------------------------------
    def _insertAllSteps(self):
        self._seen = {entry.get("input") for entry in self.getStats()}  # where it is continued
        self._insertArriving()

    def _stepsOfArrived(self):
        maps, growing = self._arrived()
        names = [name for name in maps if name not in self._seen]
        self._seen.update(names)
        if not names:
            return [], growing
        step = self._insertFunctionStep(
            self.judgeStep, " ".join(names), prerequisites=[], needsGPU=self._onGpu()
        )
        return [step], growing

    def judgeStep(self, names):
        """Judge the maps that have arrived together, and hand them out."""
        maps = self._arrived()[0]
        self._batch = {name: maps[name] for name in names.split()}
        self.convertInputStep()
        self.runStep()
        found = self.readStats(BATCH)
        for (name, volume), entry in zip(self._batch.items(), found):
            entry["input"] = name
            self._handOut(name, _judged(volume, entry))
        self._batch = {}
        known = {entry.get("input"): entry for entry in [*self.getStats(), *found]}
        known = [known[name] for name in maps if name in known]
        with open(self.getExtraFile(ALL), "w", encoding="utf-8") as file:
            json.dump(known, file, indent=2, ensure_ascii=False)
        self.resolution_class.set(known[0]["class"])
        self.global_res.set(known[0]["resolution"])
        self._store(self.resolution_class, self.global_res)

    def _handOut(self, name, judged):
        number = int(name[len("map") :].split("_")[0]) - 1
        given = self._given()[number]
        output = list(self.getPossibleOutputs())[number]
        if isinstance(given, SetOfVolumes):
            self._append(output, judged, given)
        else:
            self._defineWithSources({output: judged})

    def closeStep(self, begun):
        if not self.getStats():
            raise RuntimeError("Input Volumes: the sets hold no volume.")
        super().closeStep(begun)

    def getPossibleOutputs(self):
        """Return the kinds of the outputs, one for each input, by their names."""
        kinds = [SetOfVolumes if isinstance(g, SetOfVolumes) else Volume for g in self._given()]
        names = ["outputVolumes" if kind is SetOfVolumes else "outputVolume" for kind in kinds]
        if len(names) > 1:
            names = [f"{name}{number}" for number, name in enumerate(names, 1)]
        self._possibleOutputs = dict(zip(names, kinds)) or self._possibleOutputs
        return self._possibleOutputs

    # --------------------------- info -------------------------------------
    def getStats(self):
        """Return what was found, a dict for each map in their order; [] before the run."""
        return self.readStats(ALL) or []

    def getMapNames(self):
        """Return what each map that was judged is called in pictures and summary."""
        maps = self._arrived()[0]
        # of an older run all maps were judged, in their order
        names = [entry.get("input", name) for entry, name in zip(self.getStats(), maps)]
        return [volume_name(maps[name]) for name in names]

    def _validate(self):
        errors = self._validateFields()
        maps, growing = self._arrived()
        if self._given() and not maps and not growing:
            return [*errors, "Input Volumes: the set is empty."]
        for number, volume in enumerate(maps.values(), 1):
            errors += describe_problems(f"Volume {number}", volume)
        return errors

    def _summaryOf(self, stats):
        lines = []
        for name, entry in list(zip(self.getMapNames(), stats))[:SHOWN]:
            low, high = entry["interval"]
            sure = f"({low:.2f} - {high:.2f} Å)" if low < high else "or better (Nyquist)"
            kind = entry["class"]
            lines.append(
                f"{name}: *{kind}* ({RANGES[kind]}, {100 * entry['probabilities'][kind]:.0f} %), "
                f"{entry['resolution']:.2f} Å {sure}{self._verdict(entry)}"
            )
            lines += [f"Warning: {line}" for line in entry["warnings"]]
        if len(stats) > SHOWN:
            lines.append(f"... and {len(stats) - SHOWN} more")
        return lines + self._rotationLines(stats[0])

    @staticmethod
    def _verdict(entry):
        if not entry["verdict"]:
            return ""
        return f"; it {VERDICTS[entry['verdict']]} the claimed {entry['claimed']:g} Å"

    def _methodsOf(self, stats):
        network = "3D CNN" if MODELS[self.model.get()] == "cnn" else "dense network"
        found = "; ".join(
            f"{name}: {entry['class']}, {entry['resolution']:.2f} Å (90 % interval "
            f"{entry['interval'][0]:.2f} - {entry['interval'][1]:.2f} Å)"
            for name, entry in list(zip(self.getMapNames(), stats))[:SHOWN]
        )
        maps = "one map" if len(stats) == 1 else f"{len(stats)} maps"
        return [
            f"The resolution of {maps} was judged from the maps alone by a {network} "
            f"with cryodl, in the manner of [Avramov2019]: {found}."
        ]

    def _citations(self):
        return ["Avramov2019"]


def _judged(volume, entry):
    """Return a copy of a volume, of the same file, that carries what was found."""
    judged = Volume()
    judged.copy(volume)
    judged._resolutionClass = String(entry["class"])
    judged._estimatedResolution = Float(entry["resolution"])
    for name in CLASSES:
        probability = Float(entry["probabilities"][name])
        setattr(judged, f"_probability{name.capitalize()}", probability)
    judged._verdict = String(entry["verdict"] or "")  # on the claimed resolution
    return judged
