"""A form's single map, with a mask that may be left out."""

from cryodl.methods.options import CLAIMED
from cryodl.protocols.maps import add_mask, add_volume, describe_inputs, describe_value, volume_of


class OneMapInput:
    """Parameters and volumes for protocols that judge one map; mixed into a protocol."""

    @staticmethod
    def _defineMapParams(form, volume_help, mask_help):
        """Add inputVolume and Mask."""
        add_volume(form, "inputVolume", "Input volume", volume_help, important=True)
        add_mask(form, "Mask", mask_help)

    def _engineInputs(self):
        inputs = {"map": volume_of(self.inputVolume)}
        if self.Mask.get() is not None:
            inputs["mask"] = volume_of(self.Mask)
        return inputs

    def _mapParams(self):
        """Return the options that name the map, its mask, and the true voxel size."""
        names = {name: self._enginePath(name) for name in self._engineInputs()}
        return {**names, **self._voxelSize("map")}

    def _sources(self):
        return [self.inputVolume] + ([self.Mask] if self.Mask.get() is not None else [])

    def getShownVolume(self):
        return volume_of(self.inputVolume)

    def _validateMap(self):
        """Return lines about volumes that cannot be read; Scipion itself misses a missing one."""
        volume, mask = volume_of(self.inputVolume), volume_of(self.Mask)
        if volume is None:
            return []
        volumes = [("Input volume", volume)] + ([("Mask", mask)] if mask is not None else [])
        return describe_inputs(volumes, "the input volume")

    def _validateClaimed(self):
        """Return a line about a claimed resolution that cannot be meant."""
        return describe_value(CLAIMED, self.claimed.get())
