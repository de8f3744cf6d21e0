"""A map low-passed at every voxel to its local resolution."""

from pwem.objects import Volume
from pyworkflow import BETA

from cryodl.protocols.inputs import describe_resolution, resolution_of
from cryodl.protocols.maps import add_mask, add_volume, describe_inputs, given, volume_of
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
    _labels = {"resolution": "Local resolution map"}
    _pending = "The map is not filtered yet."
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
        return {
            "map": volume_of(self.inputVolume),
            "resolution": resolution_of(self.inputResolution),
            **given(mask=self.Mask),
        }

    def _engineParams(self):
        return self._enginePaths()

    def _sources(self):
        return [self.inputVolume, self.inputResolution, self.Mask]

    def getShownVolume(self):
        return volume_of(self.inputVolume)

    def _makeOutputs(self):
        return {"outputVolume": self._register("filtered.mrc", Volume, self.getShownVolume())}

    def _validate(self):
        volumes = self._labelled()
        if any(volume is None for _, volume in volumes):
            return []
        return describe_inputs(volumes, "the input volume") + describe_resolution(*volumes[1])

    def _summaryOf(self, stats):
        return ["Every voxel was low-passed to its local resolution."] + self.warningLines()

    def _methodsOf(self, stats):
        return [
            f"{self.getObjectTag('inputVolume')} was low-passed at every voxel to its local "
            f"resolution ({self.getObjectTag('inputResolution')}) with cryodl."
        ]
