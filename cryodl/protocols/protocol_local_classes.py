"""The resolution class of every voxel, in steps of 1 Å, as MonoRes or ResMap would put it."""

import pyworkflow.protocol.params as params
from pwem.objects import Volume, VolumeMask
from pyworkflow import BETA

from cryodl.methods.local_classes.options import PROBABILITIES
from cryodl.protocols.inputs import OneMapInput, add_network
from cryodl.protocols.maps import add_option
from cryodl.protocols.protocol_base import MASK, RESOLUTION, CryodlProtResolutionBase

AS_MONORES, AS_RESMAP, OF_A_RUN, OF_A_FOLDER = range(4)
METHODS = {AS_MONORES: "unet-monores", AS_RESMAP: "unet-resmap"}
CLASSES = "classes_Volume"


class CryodlProtLocalClasses(OneMapInput, CryodlProtResolutionBase):
    """Put every voxel of a single map into one of ten resolution classes with deep learning.

    The classes are 0 - 2, 2 - 3, ... 9 - 10 Å and worse. A U-Net has learnt them from maps with the
    local resolutions of MonoRes or of ResMap, and gives what these would, without half maps and in
    seconds.

    *When to use it*: where you want what MonoRes or ResMap would say and have no half maps; with a
    network that *train local classes* made of your own maps, for maps like those.

    *How to read it*: the classes are steps of 1 Å. The resolution is their mean, weighted by their
    probabilities, and therefore smoother than the classes.

    *Pitfalls*: it repeats the errors of the package that it learnt from, such as the coarse steps
    of ResMap. It knows nothing finer than 2 Å or coarser than 10 Å.
    """

    _label = "local resolution classes"
    _devStatus = BETA
    _command = "localres"
    _volumeFiles = {RESOLUTION: "resolution.mrc", CLASSES: "classes.mrc"}
    _possibleOutputs = {RESOLUTION: Volume, CLASSES: Volume, MASK: VolumeMask}

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        self._defineDeviceParams(form)
        form.addSection(label="Input")
        self._defineMapParams(
            form,
            "The map to judge, best not masked.",
            "Classes are given inside this mask. Left empty, a mask is found in the map and "
            "becomes an output.",
            finder=True,
        )
        add_network(
            form,
            "network",
            "Network",
            ["as MonoRes", "as ResMap", "of a training run", "of a folder"],
            OF_A_RUN,
            "*as MonoRes*, *as ResMap*: what these say of the same map; ResMap's values are "
            "the better ones.\n*of a training run*: of the protocol *train local classes*.\n*of a "
            "folder*: one that was trained elsewhere.",
            "Output of *train local classes*.",
        )
        form.addParam(
            "networkFolder",
            params.FolderParam,
            condition=f"network=={OF_A_FOLDER}",
            label="Folder of the network",
            help="It holds spec.json and the weights.",
        )
        add_option(
            form,
            "probabilities",
            PROBABILITIES,
            "They are class_1.mrc to class_10.mrc in the folder of the results.",
            expertLevel=params.LEVEL_ADVANCED,
        )
        self._defineNetworkParams(form, folder=False)

    # --------------------------- engine -----------------------------------
    def _engineParams(self):
        return {
            **self._mapParams(),
            # a network of one's own says itself what it was trained on
            "method": METHODS.get(self.network.get(), METHODS[AS_MONORES]),
            **self._networkParams(),
            "bundle": self._bundle(),
            "probabilities": self.probabilities.get(),
        }

    def _bundle(self):
        """Return the folder of the network to use; None where it is a shipped one."""
        choice = self.network.get()
        if choice == OF_A_RUN and self.inputNetwork.get() is not None:
            return self.inputNetwork.get().getFileName()
        return self.networkFolder.get() if choice == OF_A_FOLDER else None

    def _sources(self):
        return super()._sources() + [self.inputNetwork] * (self.network.get() == OF_A_RUN)

    # --------------------------- info -------------------------------------
    def _validate(self):
        return self._validateFields() + self._validateNetwork() + self._validateMap()

    def _validateNetwork(self):
        labels = {OF_A_RUN: "Trained network", OF_A_FOLDER: "Folder of the network"}
        label = labels.get(self.network.get())
        if label and not self._bundle():
            return [f"{label}: choose one that a run of 'train local classes' has written."]
        trained = self.network.get() == OF_A_RUN
        return self._describeNetwork(label, self._bundle()) if trained else []

    def _summaryOf(self, stats):
        lines = super()._summaryOf(stats)
        counts = stats["classes"]
        largest = max(range(len(counts)), key=counts.__getitem__)
        share = counts[largest] / max(1, sum(counts))
        lines.insert(0, f"Most frequent class: *{class_name(largest + 1)}* ({share:.0%})")
        lines.append(f"Network: {stats['bundle']}")
        return lines

    def _methodsOf(self, stats):
        mask = "a given mask" if stats["mask"] == "given" else "an automatic mask"
        return [
            f"The voxels of {self.getObjectTag('inputVolume')} inside {mask} were put into ten "
            f"classes of local resolution with cryodl (network {stats['bundle']}, in the manner of "
            f"[Avramov2019]): expected median {stats['median']:.2f} Å."
        ]

    def _citations(self):
        return ["Avramov2019"]


def class_name(number):
    """Return the range of resolution of a class from 1 to 10."""
    if number == 1:
        return "better than 2 Å"
    return f"{number} - {number + 1} Å" if number < 10 else "10 Å and worse"
