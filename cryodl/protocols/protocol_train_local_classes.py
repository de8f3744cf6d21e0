"""A network for local resolution classes, trained on a user's own maps and their resolutions."""

import math
import os
import re

import pyworkflow.protocol.params as params
from pwem.objects import SetOfVolumes, Volume
from pyworkflow import BETA
from pyworkflow.object import RELATION_SOURCE, Pointer

from cryodl.methods.options import Option, by_name
from cryodl.methods.training_options import OPTIONS as TRAINING_OPTIONS
from cryodl.objects import CryodlNetwork
from cryodl.protocols.inputs import (
    OwnMaps,
    add_network,
    as_resolution,
    describe_resolution,
    flat,
    is_item,
    volumes_of,
)
from cryodl.protocols.maps import (
    add_option,
    describe_mismatch,
    describe_problems,
)
from cryodl.protocols.protocol_base import CryodlProtBase

FROM_MONORES, FROM_RESMAP, FROM_A_RUN, FROM_NOTHING = range(4)
INITIAL = {FROM_MONORES: "unet-monores", FROM_RESMAP: "unet-resmap"}
TABLE = "pairs.tsv"
NETWORK = "network"  # the folder that is written
OPTIONS = by_name(TRAINING_OPTIONS)
TRAINING = {"learningRate": "learning_rate", "batchSize": "batch_size", "seed": "seed"}


class CryodlProtTrainLocalClasses(OwnMaps, CryodlProtBase):
    """Train a network for local resolution classes on your own maps and their local resolutions.

    Give maps, and the local resolution of each as MonoRes, ResMap, blocres or this plugin have
    estimated it from half maps. The network learns to give the same from a map alone; *local
    resolution classes* takes it.

    *When to use it*: where the networks that come with the plugin do poorly on maps like yours, and
    you have the local resolution of ten or more of them.

    *How to read it*: some maps are held out. The summary says how many of their voxels fall into
    the right class, at the start of the training and at its end. A few per cent more are no gain.

    *Pitfalls*: maps of one molecule teach that molecule alone. A short training may end before it
    has become better than its start: the run then says so and fails.
    """

    _label = "train local classes"
    _devStatus = BETA
    _command = "train local-classes"
    _possibleOutputs = {"outputNetwork": CryodlNetwork}

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        form.addSection(label="Input")
        for name, label, text in (
            ("inputVolumes", "Maps", "Volumes or sets of volumes; ten or more teach something."),
            (
                "inputResolutions",
                "Local resolutions",
                "Outputs of MonoRes, ResMap, blocres, or of this plugin's half-map local "
                "resolution. Each belongs to the map that it was computed from where the project "
                "knows it; else to the one in the same place of the list above.",
            ),
        ):
            form.addParam(
                name,
                params.MultiPointerParam,
                pointerClass="Volume, SetOfVolumes",
                important=True,
                minNumObjects=1,
                maxNumObjects=10000,
                label=label,
                help=text,
            )
        form.addSection(label="Training")
        add_network(
            form,
            "startFrom",
            "Start from",
            ["as MonoRes", "as ResMap", "a training run", "nothing"],
            FROM_A_RUN,
            "A network that is trained on needs fewer maps and less time than one that starts "
            "from nothing: take the one whose labels are most like yours.",
            "Output of another run of this protocol.",
        )
        add_option(
            form, "minutes", OPTIONS["minutes"], "They are counted from the end of the first "
            "step. Two processor cores train on from a network of this plugin in half an hour.",
            default=30, allowsNull=False,
        )  # fmt: skip
        form.addParam(
            "networkName",
            params.StringParam,
            default=NETWORK,
            label="Name of the network",
            help="By it *local resolution classes* and its figures call the network: letters, "
            "digits, dashes.",
        )
        for name, more in (
            ("steps", "The training ends earlier where it has made so many."),
            ("learningRate", "Left empty, the one that suits the network."),
            ("batchSize", "Left empty, as many as suit the network."),
            ("seed", "Which maps are held out, and in what order they come."),
        ):
            option = OPTIONS[TRAINING.get(name, name)]
            add_option(form, name, option, more, expertLevel=params.LEVEL_ADVANCED)

    # --------------------------- inputs -----------------------------------
    def getPairs(self):
        """Return (map, local resolution) volumes that belong together; [] where none do."""
        volumes = flat(volumes_of(self.inputVolumes))
        resolutions, known = self._knownPairs(volumes)
        if all(volume is not None for volume in known):
            return list(zip(known, resolutions))
        return list(zip(volumes, resolutions)) if len(volumes) == len(resolutions) else []

    def _knownPairs(self, volumes):
        """Return all resolutions, and for each the volume it was computed from, or None."""
        resolutions: list = []
        known: list = []
        project = self.getProject()
        relations = [] if project is None else project.mapper.getRelationsByName(RELATION_SOURCE)
        for pointer in self.inputResolutions:
            found = [as_resolution(one) for one in flat(volumes_of([pointer]))]
            # the id of an item says nothing outside its set
            items = isinstance(pointer.get(), SetOfVolumes) or is_item(pointer)
            resolutions += found
            known += [None if items else self._mapOf(one, volumes, relations) for one in found]
        return resolutions, known

    def _mapOf(self, resolution, volumes, relations):
        """Return the one of the volumes that a resolution was computed from, or None.

        Volumes are known by their files: the items of every set are counted from 1.
        """
        parents = set()
        for row in relations:
            if row["object_child_id"] == resolution.getObjId():
                parent = Pointer(self.getProject().mapper.selectById(row["object_parent_id"]))
                parent.setExtended(row["object_parent_extended"])
                if isinstance(parent.get(), Volume):
                    parents.add(parent.get().getLocation())
        found = [volume for volume in volumes if volume.getLocation() in parents]
        return found[0] if len(found) == 1 else None

    def _engineInputs(self):
        inputs = {}
        for number, (volume, resolution) in enumerate(self.getPairs(), 1):
            inputs[f"map{number}"], inputs[f"resolution{number}"] = volume, resolution
        return inputs

    def _engineParams(self):
        return {
            "pairs": self.getExtraFile(TABLE),
            "initial": self._initial(),
            "minutes": self.minutes.get(),
            "steps": self.steps.get(),
            "learning-rate": self.learningRate.get(),
            "batch-size": self.batchSize.get(),
            "seed": self.seed.get(),
            # a run that was stopped and is continued
            "resume": os.path.exists(os.path.join(self.getTrainingFolder(), "checkpoint.keras")),
        }

    def getTrainingFolder(self):
        """Return the folder of log and checkpoints, beside the network's."""
        return f"{self.getNetworkFolder()}.training"

    def getNetworkFolder(self):
        """Return the folder of the network, called as the network is."""
        return self.getExtraFile(self._name())

    def _name(self):
        return self.networkName.get() or NETWORK

    def _state(self):
        """Return how far the training has come, {} where it does not say."""
        return self.readStats(os.path.join(f"{self._name()}.training", "state.json"))

    def _options(self, method):
        return (*TRAINING_OPTIONS, Option("pairs", label="Maps"))

    def _initial(self):
        if self.startFrom.get() == FROM_A_RUN:
            return self.inputNetwork.get().getFileName()
        return INITIAL.get(self.startFrom.get())

    def _sources(self):
        pointers = [*self.inputVolumes, *self.inputResolutions]
        if self.startFrom.get() == FROM_A_RUN:
            pointers.append(self.inputNetwork)
        return pointers

    # --------------------------- steps ------------------------------------
    def runStep(self):
        self._writeTable()
        self._runEngine(self._command, self._engineParams(), self.getNetworkFolder())
        state = self._state()
        if not state.get("best", 0) < state.get("start", math.inf):
            raise RuntimeError(
                f"No step of this training was useful: the error on maps held out is "
                f"{state['start']:.3g} at the start and {state['best']:.3g} at best. Give it more "
                "minutes or more maps, or another network to start from."
            )

    def _writeTable(self):
        """Write which resolution belongs to which map, as the command reads it."""
        lines = ["map\tresolution"]
        for number in range(1, len(self.getPairs()) + 1):
            names = f"map{number}", f"resolution{number}"
            lines.append("\t".join(os.path.abspath(self._enginePath(name)) for name in names))
        with open(self.getExtraFile(TABLE), "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    def _makeOutputs(self):
        return {"outputNetwork": CryodlNetwork(self.getNetworkFolder())}

    # --------------------------- info -------------------------------------
    def getStats(self):
        """Return what the network says of itself; {} before the run."""
        return self.readStats(os.path.join(self._name(), "spec.json"))

    def _validate(self):
        counts = [
            len(flat(volumes_of(pointers)))
            for pointers in (self.inputVolumes, self.inputResolutions)
        ]
        if not all(counts):
            return []  # Scipion itself says which are empty
        pairs = self.getPairs()
        if not pairs:
            return [
                f"{counts[0]} maps and {counts[1]} local resolutions do not make pairs: give one "
                "of each, in the same order."
            ]
        misplaced = self._describeMisplaced(pairs)
        if misplaced:
            return misplaced
        if len(pairs) < 2:
            return ["One pair is not enough: some maps are held out to test the network."]
        errors = self._validateFields()
        for number, (volume, resolution) in enumerate(pairs, 1):
            names = f"Map {number}", f"Local resolution {number}"
            found = describe_problems(names[0], volume) + describe_problems(names[1], resolution)
            found = found or describe_mismatch(names[1], resolution, names[0].lower(), volume)
            errors += found or describe_resolution(names[1], resolution)
        if self.startFrom.get() == FROM_A_RUN:
            network = self.inputNetwork.get()
            if network is None:
                errors.append("Trained network: choose one, or start from another.")
            else:
                errors += self._describeNetwork("Trained network", network.getFileName())
        name = self.networkName.get() or ""
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
            errors.append(f"Name of the network: '{name}' has other than letters, digits, dashes.")
        return errors

    def _describeMisplaced(self, pairs):
        """Return lines about pairs that contradict what the project knows."""
        files = [volume.getLocation() for volume, _ in pairs]
        for number, (volume, resolution) in enumerate(pairs, 1):
            if volume.getLocation() == resolution.getLocation():
                return [
                    f"Local resolution {number} is map {number} itself: give what MonoRes, ResMap "
                    "or another package has estimated of it."
                ]
        for number, file in enumerate(files, 1):
            if file in files[: number - 1]:
                return [
                    f"Local resolutions {files.index(file) + 1} and {number} are both of the map "
                    f"{file[1]}: give one of them."
                ]
        _, known = self._knownPairs([volume for volume, _ in pairs])
        for number, (own, file) in enumerate(zip(known, files), 1):
            if own is not None and own.getLocation() != file:
                return [
                    f"Local resolution {number} was computed from the map {own.getFileName()}, and "
                    f"in the same place of the maps is {file[1]}: give both in the same order."
                ]
        return []

    def _summary(self):
        lines = [f"Pairs of map and local resolution: {len(self.getPairs())}"]
        figures = self.getStats().get("metrics")
        if not figures:
            return [*lines, "The network is not trained yet."]
        return [
            *lines,
            f"On maps held out: *{figures['exact']:.0%}* of the voxels in the right class, "
            f"*{figures['within_one']:.0%}* within one",
            *self._gain(),
            f"Network: *{self.networkName.get()}* in {self.getNetworkFolder()}",
        ]

    def _gain(self):
        """Return a line on what was reached beside the start."""
        state = self._state()
        if "start" not in state:
            return []
        return [
            f"Error on maps held out: {state['start']:.3g} at the start, *{state['best']:.3g}* at "
            f"best, after {state['step']} steps"
        ]

    def _methods(self):
        figures = self.getStats().get("metrics")
        if not figures:
            return []
        return [
            f"A U-Net for local resolution classes, in the manner of [Avramov2019], was trained on "
            f"{len(self.getPairs())} maps with cryodl; on maps held out it puts "
            f"{figures['exact']:.0%} of the voxels into the right class and "
            f"{figures['within_one']:.0%} within one."
        ]

    def _citations(self):
        return ["Avramov2019"]
