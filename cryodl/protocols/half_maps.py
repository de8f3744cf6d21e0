"""The half maps of a form: of a volume or given apart, asked for in MonoRes's words."""

import pyworkflow.protocol.params as params
from pwem.objects import Volume

from cryodl.protocols.maps import add_volume, volume_of


def half_maps_of(volume):
    """Return the two half maps that come with a volume, as volumes; [] where there are none."""
    if not isinstance(volume, Volume) or not volume.hasHalfMaps():
        return []
    halves = []
    for path in volume.getHalfMaps().split(","):
        half = Volume(location=path)
        half.setSamplingRate(volume.getSamplingRate())
        halves.append(half)
    return halves


class HalfMapInputs:
    """Parameters and volumes for protocols that read two half maps; mixed into a protocol."""

    @staticmethod
    def _defineHalfParams(form, use_help, full_help, first_help):
        """Add useHalfVolumes, hasHalfVolumesFile, associatedHalves, halfMap1 and halfMap2."""
        form.addParam(
            "useHalfVolumes",
            params.BooleanParam,
            default=True,
            label="Use half volumes?",
            help=use_help,
        )
        form.addParam(
            "hasHalfVolumesFile",
            params.BooleanParam,
            default=True,
            condition="useHalfVolumes",
            label="Are the half volumes associated with a volume?",
            help="As after a refinement, or an import with half maps.",
        )
        apart = "useHalfVolumes and not hasHalfVolumesFile"
        for name, condition, label, text in (
            (
                "associatedHalves",
                "useHalfVolumes and hasHalfVolumesFile",
                "Volume with half maps",
                full_help,
            ),
            ("halfMap1", apart, "Half map 1", first_help),
            ("halfMap2", apart, "Half map 2", "Second half map, of the same refinement."),
        ):
            add_volume(
                form, name, label, text, condition=condition, allowsNull=True, important=True
            )

    def _halves(self):
        """Return the half maps as volumes; fewer than two where the input has none."""
        if not self.useHalfVolumes.get():
            return []
        if not self.hasHalfVolumesFile.get():
            return [volume_of(p) for p in (self.halfMap1, self.halfMap2) if p.get() is not None]
        return half_maps_of(volume_of(self.associatedHalves))

    def _describeMissingHalves(self):
        """Return a line that says what to do where half maps are asked for and not there."""
        if not self.useHalfVolumes.get() or len(self._halves()) == 2:
            return []
        if not self.hasHalfVolumesFile.get():
            return ["Half maps: give both."]
        if self.associatedHalves.get() is None:
            return ["Volume with half maps: choose one."]
        return [
            "Volume with half maps: this one has none; choose 'No' for associated half "
            "volumes and give them, or import the volume with its half maps."
        ]
