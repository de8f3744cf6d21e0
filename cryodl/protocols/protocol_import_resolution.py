"""A local-resolution map of another package, in our conventions."""

import pyworkflow.protocol.params as params
from pwem.objects import Volume, VolumeMask
from pyworkflow import BETA

from cryodl.methods.import_resolution_options import BACKGROUND
from cryodl.protocols.inputs import describe_resolution, resolution_of
from cryodl.protocols.maps import (
    add_choice,
    add_mask,
    add_volume,
    describe_inputs,
    given,
    plain_path,
    volume_of,
)
from cryodl.protocols.protocol_base import MASK, RESOLUTION, CryodlProtResolutionBase

BACKGROUND_AUTO, BACKGROUND_VALUE = range(2)


class CryodlProtImportResolution(CryodlProtResolutionBase):
    """Take a local-resolution map of MonoRes, ResMap, blocres, RELION or any other package.

    Packages write different values where they know nothing: 0 (MonoRes), about 100 (ResMap), a fill
    value (blocres, RELION). Here the map gets resolution inside a mask and 0 outside of it, the
    origin of the density it belongs to, and the same figures and viewers as our own maps.

    *When to use it*: to see another package's map in this plugin's window, and before programs that
    take 0 as unknown. *Compare local resolutions* and *local filter* take such maps directly.

    *How to read it*: the summary says how many voxels are known, and which file was read.

    *Pitfalls*: RELION's protocol hands out the filtered map; the local resolution beside it is
    taken. Where the background is not recognised, give its value.
    """

    _label = "import local resolution"
    _devStatus = BETA
    _command = "import"
    _labels = {"res": "Local resolution map", "map": "Density map"}
    _possibleOutputs = {RESOLUTION: Volume, MASK: VolumeMask}

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        form.addSection(label="Input")
        add_volume(
            form,
            "inputResolution",
            "Local resolution map",
            "Output of a local resolution protocol: resolution in Å in every voxel. For "
            "RELION, whose output is the filtered map, the resolution beside it is taken.",
            important=True,
        )
        add_volume(
            form,
            "inputVolume",
            "Density map",
            "The map that was judged: its origin is given to the result, and viewers colour it.",
            allowsNull=True,
        )
        add_mask(form, "Mask", "Values outside are dropped. Left empty, only the background is.")
        add_choice(form, "background", BACKGROUND, ("auto", "value"), ["automatic", "a value"])
        form.addParam(
            "backgroundValue",
            params.FloatParam,
            default=0,
            condition=f"background=={BACKGROUND_VALUE}",
            label="Value of the background",
            help="Voxels with exactly this value are taken as unknown.",
        )

    # --------------------------- engine -----------------------------------
    def _engineInputs(self):
        resolution = resolution_of(self.inputResolution)
        return {"res": resolution, **given(map=self.inputVolume, mask=self.Mask)}

    def _engineParams(self):
        automatic = self.background.get() == BACKGROUND_AUTO
        background = "auto" if automatic else self.backgroundValue.get()
        return {**self._enginePaths(), "background": background}

    def _sources(self):
        return [self.inputResolution, self.inputVolume, self.Mask]

    def _like(self):
        return self.getShownVolume()

    def getShownVolume(self):
        return volume_of(self.inputVolume) or volume_of(self.inputResolution)

    # --------------------------- info -------------------------------------
    def _validate(self):
        volumes = self._labelled()
        if volumes[0][1] is None:
            return []
        return describe_inputs(volumes, "the local resolution map") + describe_resolution(
            *volumes[0], "Choose the output of a local resolution protocol."
        )

    def _summaryOf(self, stats):
        source = plain_path(resolution_of(self.inputResolution))
        return [*super()._summaryOf(stats), f"From: {source}"]

    def _methodsOf(self, stats):
        return [
            f"The local resolution map {self.getObjectTag('inputResolution')} was brought to a "
            f"background of 0: median {stats['median']:.2f} Å in {stats['voxels']} voxels."
        ]
