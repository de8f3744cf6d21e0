"""The resolution class of whole maps: an objective word on what a map is claimed to be."""

import json
import os

import pyworkflow.protocol.params as params
from pwem.objects import SetOfVolumes, Volume
from pyworkflow import BETA
from pyworkflow.object import Float, String

from cryodl.methods.resolution_class.options import CLAIMED, MODEL
from cryodl.plugin import Plugin
from cryodl.protocols.inputs import OwnMaps, flat, volumes_of
from cryodl.protocols.maps import (
    add_choice,
    add_option,
    describe_problems,
    describe_value,
    plain_path,
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


class CryodlProtResolutionClass(OwnMaps, CryodlProtBase):
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
    _possibleOutputs = {"outputVolume": Volume, "outputVolumes": SetOfVolumes}

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
            pointerClass="Volume, SetOfVolumes",
            important=True,
            minNumObjects=1,
            label="Input Volumes",
            help="Any number of volumes and sets of volumes, best not masked. Sampling rates and "
            "sizes may differ.",
        )
        add_choice(form, "model", MODEL, MODELS, ["3D CNN", "DNN"])
        add_option(
            form,
            "claimed",
            CLAIMED,
            "Whether each map agrees is told.",
        )
        self._defineNetworkParam(form)
        self._defineThoroughParam(form)
        form.addParallelSection(threads=Plugin.defaultThreads(), mpi=0)

    # --------------------------- engine -----------------------------------
    def _engineInputs(self):
        volumes = flat(volumes_of(self.inputVolumes))
        return {f"map{i + 1}": volume for i, volume in enumerate(volumes)}

    def _engineParams(self):
        return {
            "map": [self._enginePath(name) for name in self._engineInputs()],
            "model": MODELS[self.model.get()],
            "bundle": self.networkFolder.get() or None,
            "claimed": self.claimed.get(),
            "thorough": self.thorough.get(),
        }

    def _sources(self):
        return [pointer for pointer in self.inputVolumes if pointer.get() is not None]

    def _runEngine(self, command, options, output, name="run"):
        """Run a command that writes one file and no folder."""
        given = {**options, "json": os.path.join(output, "classes.json"), "overwrite": True}
        self._callEngine(command, {**given, **self._deviceParams(), **self._threadParams()}, name)

    def createOutputStep(self):
        found, groups, outputs = iter(self.getStats()), volumes_of(self.inputVolumes), {}
        for number, (name, (given, volumes)) in enumerate(zip(_names(groups), groups), 1):
            judged = [self._judged(volume, next(found)) for volume in volumes]
            many = isinstance(given, SetOfVolumes)
            outputs[name] = self._asSet(given, judged, number) if many else judged[0]
        self._defineWithSources(outputs)
        first = self.getStats()[0]
        self.resolution_class.set(first["class"])
        self.global_res.set(first["resolution"])
        self._store(self.resolution_class, self.global_res)

    def getPossibleOutputs(self):
        """Return the outputs that this run will have, one for each input."""
        groups = volumes_of(self.inputVolumes)
        if groups:
            kinds = [SetOfVolumes if isinstance(one, SetOfVolumes) else Volume for one, _ in groups]
            self._possibleOutputs = dict(zip(_names(groups), kinds))
        return self._possibleOutputs

    @staticmethod
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

    def _asSet(self, given, volumes, number):
        result = self._createSetOfVolumes(suffix=str(number))
        result.copyInfo(given)
        for volume in volumes:
            result.append(volume)
        return result

    # --------------------------- info -------------------------------------
    def getStats(self):
        """Return what was found, a dict for each map in their order; [] before the run, and where
        it failed by some of them."""
        path = self.getExtraFile("classes.json")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        return [] if any("error" in entry for entry in found) else found

    def getMapNames(self):
        """Return what each map is called in pictures and summary."""
        volumes = self._engineInputs().values()
        names = [os.path.basename(plain_path(volume)) for volume in volumes]
        labels = [volume.getObjLabel() for volume in volumes]
        return [label or name for label, name in zip(labels, names)]

    def _validate(self):
        errors = self._validateDevice() + self._validateNetworkFolder()
        errors += describe_value(CLAIMED, self.claimed.get())
        inputs = self._engineInputs()
        for number, volume in enumerate(inputs.values(), 1):
            errors += describe_problems(f"Volume {number}", volume)
        return errors

    def _summary(self):
        stats = self.getStats()
        if not stats:
            return ["The maps are not judged yet."]
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

    def _methods(self):
        stats = self.getStats()
        if not stats:
            return []
        network = "3D CNN" if MODELS[self.model.get()] == "cnn" else "dense network"
        found = "; ".join(
            f"{name}: {entry['class']}, {entry['resolution']:.2f} Å (90 % interval "
            f"{entry['interval'][0]:.2f} - {entry['interval'][1]:.2f} Å)"
            for name, entry in list(zip(self.getMapNames(), stats))[:SHOWN]
        )
        return [
            f"The resolution of {len(stats)} map(s) was judged from the maps alone by a {network} "
            f"with cryodl, in the manner of [Avramov2019]: {found}."
        ]

    def _citations(self):
        return ["Avramov2019"]


def _names(groups):
    """Names of the outputs of inputs, as of `volumes_of`; numbered where there are several."""
    names = [
        "outputVolumes" if isinstance(one, SetOfVolumes) else "outputVolume" for one, _ in groups
    ]
    several = len(groups) > 1
    return [f"{name}{number}" if several else name for number, name in enumerate(names, 1)]
