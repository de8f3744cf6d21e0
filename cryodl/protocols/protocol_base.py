"""What the protocols share: running the engine, and registering a local-resolution map."""

import json
import os

import pyworkflow.protocol.params as params
from pwem.objects import Transform, Volume, VolumeMask
from pwem.protocols import EMProtocol
from pyworkflow.object import Float
from pyworkflow.utils import makePath

from cryodl.methods.options import BATCH_SIZE, BUNDLE, THOROUGH, as_labels
from cryodl.methods.registry import options_of
from cryodl.plugin import Plugin
from cryodl.protocols.maps import (
    add_option,
    describe_value,
    header_differs,
    is_mrc,
    origin_of,
    plain_path,
    sentence,
    write_plain,
)

# Named as in Xmipp's local resolution protocols, so that workflows can exchange them.
RESOLUTION = "resolution_Volume"
UNCERTAINTY = "uncertainty_Volume"
MASK = "outputMask"


# Choices that the engine proposes, as the forms call them.
CHOICES = {
    "'Judge the map' auto": "'Judge the map: flattened'",
    "'Resolution range' high": "'Resolution range: 1.5 - 6.0 Å'",
    "'Resolution range' low": "'Resolution range: 2.5 - 13.0 Å'",
}


# Inputs by the names of their options, as most forms call them.
LABELS = {
    "map": "Input Volume", "mask": "Binary Mask", "half1": "Half map 1", "half2": "Half map 2",
}  # fmt: skip


class CryodlProtBase(EMProtocol):
    """Run a cryodl command and register what it wrote."""

    _command = ""  # of cryodl
    _labels: dict = {}  # of inputs that this form calls otherwise than LABELS, or that these lack
    _pending = ""  # what the summary says before there are results
    _tiles = "batchSize"  # the parameter of tiles that a network reads at a time

    # --------------------------- form -------------------------------------
    @staticmethod
    def _defineDeviceParams(form):
        """Define GPU or CPU, as hidden parameters that Scipion shows at the top of the form."""
        form.addHidden(
            params.USE_GPU,
            params.BooleanParam,
            default=Plugin.hasGpu(),
            label="Use GPU for execution",
            help="Yes computes on the GPU, No on the processor's cores. A map takes seconds on "
            "either.",
        )
        form.addHidden(
            params.GPU_LIST,
            params.StringParam,
            default="0",
            label="Choose GPU IDs",
            help="Number of the GPU to use, counted from 0. One is enough.",
        )

    def _defineNetworkParams(self, form, folder=True):
        """Define how a network reads a map: averaged over orientations, how many tiles at a time.

        folder : also that of a network which takes the place of the shipped one
        """
        if folder:
            form.addParam(
                "networkFolder",
                params.FolderParam,
                expertLevel=params.LEVEL_ADVANCED,
                label=BUNDLE.label,
                help=sentence(BUNDLE, "The folder holds spec.json and the weights."),
            )
        add_option(form, "thorough", THOROUGH, expertLevel=params.LEVEL_ADVANCED)
        if self._tiles:
            add_option(
                form, self._tiles, BATCH_SIZE, "More keep a large GPU busy and take more memory. "
                "The result does not depend on it.", expertLevel=params.LEVEL_ADVANCED,
            )  # fmt: skip
        form.addParallelSection(threads=Plugin.defaultThreads(), mpi=0)

    def _networkParams(self):
        """Return the options of these, for the command's --params."""
        values = {"bundle": self.networkFolder.get() or None, "thorough": self.thorough.get()}
        if self._tiles:
            values["batch-size"] = getattr(self, self._tiles).get()
        return values

    # --------------------------- steps ------------------------------------
    def _insertAllSteps(self):
        for step, needs_gpu in self._computing():
            self._insertFunctionStep(step, needsGPU=needs_gpu)
        self._insertFunctionStep(self.createOutputStep, needsGPU=False)

    def _computing(self):
        """Return the steps before the outputs: [(method, whether it computes on the GPU)]."""
        return [(self.convertInputStep, False), (self.runStep, self._onGpu())]

    def convertInputStep(self):
        """Write the inputs whose files say anything else than Scipion, and what is no MRC file."""
        for name, volume in self._engineInputs().items():
            if self._isWritten(name, volume):
                path, source = self._convertedPath(name), None
                makePath(os.path.dirname(path))
                if not is_mrc(plain_path(volume)):
                    source = self._getTmpPath(f"{name}.mrc")
                    self._convert(volume, source)
                    volume.setIndex(0)
                write_plain(volume, path, self._originOf(name, volume), source)

    def _convert(self, volume, path):
        try:
            from pwem.emlib.image import ImageHandler

            ImageHandler().convert(volume, path)
        except Exception as error:
            raise ValueError(
                f"{volume.getFileName()} is no MRC file and Scipion could not convert it "
                f"({error}). Convert it to MRC and import it again."
            ) from None

    def runStep(self):
        makePath(self._getExtraPath())
        self._runEngine(self._command, self._engineParams(), self._getExtraPath())

    def _runEngine(self, command, options, output, name="run"):
        """Run a command with the form's device and threads; a continued run writes anew."""
        written = {"output": output, "overwrite": True}
        given = {**options, **written, **self._deviceParams(), **self._threadParams()}
        self._callEngine(command, given, name)

    def _callEngine(self, command, given, name):
        """Run a command; where it refuses, say why in the words of the form."""
        try:
            Plugin.runEngine(self, command, given, name)
        except RuntimeError as error:
            said = self._inFormWords(str(error), given.get("method", "deepres"))
            raise RuntimeError(said) from error

    def _deviceParams(self):
        """Device and GPUs, for commands that run a network; none for the others."""
        if not hasattr(self, params.USE_GPU):
            return {}
        if not self._onGpu():
            return {"device": "cpu"}
        # In a queue the ids count from 0 among those that the job was given.
        return {"device": "gpu", "gpus": self.getExecutor().getGpuListStr(",")}

    def _threadParams(self):
        """Threads, where the form has them."""
        has = self._definition.hasParam("numberOfThreads")
        return {"threads": max(1, self.numberOfThreads.get())} if has else {}

    def _register(self, name, kind, like):
        """Make a Scipion object of a file that the engine wrote on the grid of `like`."""
        volume = kind(location=self.getExtraFile(name))
        volume.setSamplingRate(like.getSamplingRate())
        if like.hasOrigin():
            origin = Transform()
            origin.copy(like.getOrigin())
            volume.setOrigin(origin)
        return volume

    def createOutputStep(self):
        self._defineWithSources(self._makeOutputs())
        figures = self._figures()
        for name, value in figures.items():
            getattr(self, name).set(value)
        self._store(*(getattr(self, name) for name in figures))

    def _defineWithSources(self, outputs):
        """Define outputs by name, each of them derived from every input."""
        self._defineOutputs(**outputs)
        for output in outputs.values():
            self._defineSources(output)

    def _defineSources(self, output):
        for pointer in self._sources():
            if pointer.get() is not None:
                self._defineSourceRelation(pointer, output)

    # --------------------------- what subclasses say ----------------------
    def _engineInputs(self):
        """Return the volumes that the engine reads, by the name of their option."""
        raise NotImplementedError

    def _engineParams(self):
        """Return the options of the command, for its --params."""
        raise NotImplementedError

    def _sources(self):
        """Return the pointers from which the outputs come; some may be empty."""
        raise NotImplementedError

    def _makeOutputs(self):
        """Return the outputs by name, of the files that the engine has written."""
        raise NotImplementedError

    def _summaryOf(self, stats):
        """Return the lines of the summary; stats : the figures of the run."""
        raise NotImplementedError

    def _methodsOf(self, stats):
        """Return what a publication says of the run, likewise."""
        raise NotImplementedError

    def _figures(self):
        """Return the values of the numbers among the outputs, by name."""
        return {}

    # --------------------------- for viewers and subclasses ---------------
    def getVolumeNames(self):
        """Return what each volume of a set is called, by its id; {} where there is no set."""
        return {}

    def getExtraFile(self, name):
        """Return the path of a file that the engine wrote."""
        return self._getExtraPath(name)

    def getOutput(self, name):
        """Return an output; None where there is none yet."""
        return getattr(self, name, None)

    def getStats(self):
        """Return the figures that the engine wrote; empty before the run."""
        return self.readStats("stats.json")

    def readStats(self, name):
        """Return the figures in a file that the engine wrote; {} where there is none."""
        path = self.getExtraFile(name)
        if not os.path.exists(path):
            return {}
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    def _convertedPath(self, name):
        volume = self._engineInputs()[name]
        base = os.path.splitext(os.path.basename(plain_path(volume)))[0]
        return self.getExtraFile(os.path.join("inputs", name, f"{base}.mrc"))

    def _enginePath(self, name):
        """Return the path of an input as the engine can read it."""
        volume = self._engineInputs()[name]
        written = self._isWritten(name, volume)
        return self._convertedPath(name) if written else plain_path(volume)

    def _enginePaths(self):
        """Return the paths of all inputs, by the names of their options."""
        return {name: self._enginePath(name) for name in self._engineInputs()}

    def _isWritten(self, name, volume):
        """Whether the engine is given a file of its own in place of an input's."""
        path = plain_path(volume)
        if volume.getIndex() > 1 or path.endswith(".mrcs") or not is_mrc(path):
            return True
        return header_differs(volume, self._originOf(name, volume))

    def _labelled(self):
        """Return the inputs by what the form calls them: [(label, volume)]."""
        labels = {**LABELS, **self._labels}
        return [(labels[name], volume) for name, volume in self._engineInputs().items()]

    def _originOf(self, name, volume):
        """Return where an input lies, (x, y, z) in Å; None where only its file knows."""
        return origin_of(volume, self._like())

    def _like(self):
        """Return the volume on whose grid the results lie."""
        return next(iter(self._engineInputs().values()))

    def _onGpu(self):
        return hasattr(self, params.USE_GPU) and bool(getattr(self, params.USE_GPU).get())

    # --------------------------- info -------------------------------------
    def _validateDevice(self):
        # What a queue's nodes have is not known here.
        if self._onGpu() and not self.useQueue() and not Plugin.hasGpu():
            return [
                "No NVIDIA GPU was found on this machine: set 'Use GPU for execution' to No, "
                "or send the run to a machine that has one."
            ]
        return []

    def _validateFields(self):
        """Return lines about device, folder of a network and numbers, as far as they are shown."""
        lines = self._validateDevice()
        for name, param in self._definition.iterParams():
            if not self.evalParamCondition(name):
                continue
            if name == "networkFolder":
                lines += self._describeNetwork(param.label, self.networkFolder.get())
            elif hasattr(param, "option"):
                lines += describe_value(param.option, getattr(self, name).get())
        return lines

    @staticmethod
    def _describeNetwork(label, folder):
        if folder and not os.path.isfile(os.path.join(folder, "spec.json")):
            return [
                f"{label}: {folder} holds no spec.json; choose the folder that a training has "
                "written."
            ]
        return []

    def _summary(self):
        stats = self.getStats()
        return self._summaryOf(stats) if stats else [self._pending]

    def _methods(self):
        stats = self.getStats()
        return self._methodsOf(stats) if stats else []

    @staticmethod
    def _rotationLines(stats):
        """Return a line where the figures say that orientations were averaged."""
        count = stats.get("rotations", 1)
        return [f"Averaged over {count} rotations of the map"] if count > 1 else []

    def warningLines(self):
        """Return what the engine warned of, in the words of the form."""
        said = self.getStats().get("warnings", [])
        return [f"Warning: {self._inFormWords(line)}" for line in said]

    def _options(self, method):
        """Return the options of the command; method : of `localres`, None where the run tells."""
        found = options_of(self._command, method or self.getStats().get("method", ""))
        return found or options_of(self._command)

    def _inFormWords(self, message, method=None):
        """Return what the engine says with the labels of the form in place of options."""
        message = as_labels(message, self._options(method))
        for said, label in CHOICES.items():
            message = message.replace(said, label)
        return message


class CryodlProtResolutionBase(CryodlProtBase):
    """A protocol whose command writes a local-resolution map."""

    _pending = "The local resolution is not computed yet."
    # Files that become volumes where the command has written them.
    _volumeFiles = {RESOLUTION: "resolution.mrc", UNCERTAINTY: "uncertainty.mrc"}
    # No Enum: its members of equal value, two volumes, would be one.
    _possibleOutputs = {RESOLUTION: Volume, UNCERTAINTY: Volume, MASK: VolumeMask}

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.median_res_init = Float()
        self.min_res_init = Float()
        self.max_res_init = Float()

    def getShownVolume(self):
        """Return the volume whose grid the results lie on and which viewers colour."""
        raise NotImplementedError

    def _makeOutputs(self):
        shown = self.getShownVolume()
        outputs = {
            output: self._register(name, Volume, shown)
            for output, name in self._volumeFiles.items()
            if os.path.exists(self.getExtraFile(name))
        }
        outputs[MASK] = self._register("mask.mrc", VolumeMask, shown)
        return outputs

    def _figures(self):
        return {f"{name}_res_init": self.getStats()[name] for name in ("median", "min", "max")}

    def _summaryOf(self, stats):
        percentiles = stats["percentiles"]
        lines = [
            f"Median local resolution: *{stats['median']:.2f} Å*",
            f"95 % of the voxels: {percentiles['2.5']:.2f} - {percentiles['97.5']:.2f} Å",
            f"Voxels in the mask: {stats['voxels']}",
        ]
        return lines + self._rotationLines(stats) + self.warningLines()
