"""Where the molecule is in a map, found by a network."""

import os

from pwem.objects import VolumeMask
from pyworkflow import BETA

from cryodl.methods.options import by_name
from cryodl.methods.registry import options_of
from cryodl.protocols.inputs import describe_inputs
from cryodl.protocols.many import SINGLE_OR_SET, OneOrMany
from cryodl.protocols.maps import add_option, add_volume
from cryodl.protocols.protocol_base import MASK, CryodlProtBase

OPTIONS = by_name(options_of("mask"))
VALUES = ("threshold", "dilate", "soft")


class CryodlProtFindMask(OneOrMany, CryodlProtBase):
    """Find the molecule in a map with deep learning, and make a mask of it.

    A network has learnt from simulated experiments where in a map there is molecule. It needs no
    threshold of the density, and sees weak parts that one threshold cuts off.

    *When to use it*: before local resolution, FSC or enhancement, where the rule that these use by
    themselves cuts off weak parts, and before a refinement. Widen it and give it a soft edge where
    it is multiplied with a map or used for an FSC; leave it binary where local resolution is asked.

    *How to read it*: look at the outline on the map, through all planes.

    *Pitfalls*: a detergent belt or nucleic acid in low density may be taken for solvent. A map that
    was already masked gives at most that mask.
    """

    _label = "find mask"
    _devStatus = BETA
    _command = "mask"
    _possibleOutputs = {MASK: VolumeMask}

    def _defineParams(self, form):
        self._defineDeviceParams(form)
        form.addSection(label="Input")
        add_volume(
            form,
            "inputVolume",
            "Input Volume",
            "A map, sharpened or not, best one that no mask has cut; or a set of them.",
            kind=SINGLE_OR_SET,
            important=True,
        )
        for name in VALUES:
            add_option(form, name, OPTIONS[name])
        self._defineNetworkParams(form)

    def _engineInputs(self):
        return {"map": self._volume()}

    def _engineParams(self):
        return {
            "map": self._enginePath("map"),
            **{name: getattr(self, name).get() for name in VALUES},
            **self._networkParams(),
        }

    def _runEngine(self, command, options, output, name="run"):
        super()._runEngine(command, options, os.path.join(output, "mask.mrc"), name)

    def _sources(self):
        return [self.inputVolume]

    def getShownVolume(self):
        return self._volume()

    def _makeOutputs(self):
        return {MASK: self._register("mask.mrc", VolumeMask, self.getShownVolume())}

    def _validate(self):
        return self._validateFields() + self._eachVolume(self._validateVolume)

    def _validateVolume(self):
        volume = self._volume()
        return [] if volume is None else describe_inputs([("Input Volume", volume)], "")

    def _summary(self):
        if self.getOutput(MASK) is None:
            return ["The mask is not found yet."]
        return [f"Molecule where the probability is above *{self.threshold.get():g}*"]

    def _methods(self):
        if self.getOutput(MASK) is None:
            return []
        return [f"A mask of {self.getObjectTag('inputVolume')} was found by a network with cryodl."]
