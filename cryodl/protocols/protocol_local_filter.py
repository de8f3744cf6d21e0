"""A map low-passed at every voxel to its local resolution."""

from pwem.objects import Volume
from pyworkflow import BETA

from cryodl.protocols.inputs import describe_resolution, resolution_of
from cryodl.protocols.maps import add_mask, add_volume, describe_inputs, volume_of
from cryodl.protocols.protocol_base import CryodlProtBase


class CryodlProtLocalFilter(CryodlProtBase):
    """Low-pass a map at every voxel to the local resolution there.

    What is finer than the local resolution is noise; without it the map is easier to read and to
    model.

    *When to use it*: for maps whose parts differ in resolution, after sharpening. The local
    resolution may come from any protocol: this plugin's, MonoRes, ResMap, blocres, RELION.

    *How to read it*: rigid parts keep their detail, flexible ones become smooth. Beside the slices
    stands to which resolutions the map was filtered.

    *Pitfalls*: where the local resolution is too fine, noise stays; where it is too coarse, detail
    goes. Take it from half maps where you can. Refine models against the unfiltered map.
    """

    _label = "local filter"
    _devStatus = BETA
    _command = "filter"
    _possibleOutputs = {"outputVolume": Volume}

    def _defineParams(self, form):
        form.addSection(label="Input")
        add_volume(
            form,
            "inputVolume",
            "Input Volume",
            "The map to filter, best sharpened.",
            important=True,
        )
        add_volume(
            form,
            "inputResolution",
            "Local resolution map",
            "Resolution in Å in every voxel, of any package.",
            important=True,
        )
        add_mask(
            form,
            "Mask",
            "What is outside counts as solvent and is low-passed to the worst resolution.",
        )

    def _engineInputs(self):
        inputs = {
            "map": volume_of(self.inputVolume),
            "resolution": resolution_of(self.inputResolution),
        }
        if self.Mask.get() is not None:
            inputs["mask"] = volume_of(self.Mask)
        return inputs

    def _engineParams(self):
        return {name: self._enginePath(name) for name in self._engineInputs()}

    def _sources(self):
        pointers = (self.inputVolume, self.inputResolution, self.Mask)
        return [pointer for pointer in pointers if pointer.get() is not None]

    def getShownVolume(self):
        return volume_of(self.inputVolume)

    def _makeOutputs(self):
        return {"outputVolume": self._register("filtered.mrc", Volume, self.getShownVolume())}

    def _validate(self):
        volume = volume_of(self.inputVolume)
        resolution = resolution_of(self.inputResolution)
        if volume is None or resolution is None:
            return []
        others = [("Local resolution map", resolution)]
        if self.Mask.get() is not None:
            others.append(("Binary Mask", volume_of(self.Mask)))
        lines = describe_inputs([("Input Volume", volume), *others], "the input volume")
        return lines + describe_resolution(*others[0])

    def _summary(self):
        if not self.getStats():
            return ["The map is not filtered yet."]
        return ["Every voxel was low-passed to its local resolution."] + self.warningLines()

    def _methods(self):
        if not self.getStats():
            return []
        return [
            f"{self.getObjectTag('inputVolume')} was low-passed at every voxel to its local "
            f"resolution ({self.getObjectTag('inputResolution')}) with cryodl."
        ]
