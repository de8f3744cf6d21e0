"""What forms ask for: one map, two half maps, or many volumes; mixed into protocols."""

import os

import pyworkflow.protocol.params as params
from pwem.objects import AtomStruct, SetOfVolumes, Volume

from cryodl.protocols.many import SINGLE_OR_SET, OneOrMany
from cryodl.protocols.maps import (
    add_mask,
    add_volume,
    describe_inputs,
    describe_problems,
    given,
    negative_share,
    plain_path,
    volume_of,
)

# What RELION calls the filtered map, and the resolutions beside it.
FILTERED, RESOLUTIONS = "_locres_filtered.mrc", "_locres.mrc"
NEGATIVE = 0.02  # share of negative values from which a map is a density
IMPORT = (
    "Choose the output of a local resolution protocol; what another package has left in its folder "
    "can be imported as a volume, and then taken by 'import local resolution'."
)

BY_RULE, BY_NETWORK = range(2)


def add_mask_finder(form):
    """Add maskFinder, how a mask is found where none is given."""
    form.addParam(
        "maskFinder",
        params.EnumParam,
        default=BY_RULE,
        choices=["a rule", "a network"],
        display=params.EnumParam.DISPLAY_HLIST,
        expertLevel=params.LEVEL_ADVANCED,
        label="Without a mask, find one by",
        help="*a rule*: the density that stands out from the solvent, in a second.\n"
        "*a network*: as the protocol 'find mask' does, in seconds; it finds weak parts, too.\n"
        "It counts only where Binary Mask is empty.",
    )


def mask_found_by(protocol):
    """The option that has a network find the mask; none where the form does not ask for it."""
    asked = hasattr(protocol, "maskFinder") and protocol.maskFinder.get() == BY_NETWORK
    return {"mask": "network"} if asked else {}


def add_network(form, name, label, choices, of_a_run, text, run_text):
    """Add a choice of networks, and inputNetwork for the one of a training run.

    choices : of which the first is the default, and number `of_a_run` a run's
    text, run_text : help of both
    """
    form.addParam(
        name,
        params.EnumParam,
        default=0,
        choices=choices,
        display=params.EnumParam.DISPLAY_HLIST,
        label=label,
        help=text,
    )
    form.addParam(
        "inputNetwork",
        params.PointerParam,
        pointerClass="CryodlNetwork",
        condition=f"{name}=={of_a_run}",
        allowsNull=True,
        label="Trained network",
        help=run_text,
    )


class OneMapInput(OneOrMany):
    """Parameters and volumes for protocols that judge one map, with or without a mask."""

    @staticmethod
    def _defineMapParams(form, volume_help, mask_help, finder=False):
        """Add inputVolume and Mask; finder : also maskFinder, how a mask is found."""
        volume_help += " Or a set of such maps, also one that is still being filled."
        add_volume(
            form, "inputVolume", "Input Volume", volume_help, kind=SINGLE_OR_SET, important=True
        )
        add_mask(form, "Mask", mask_help)
        if finder:
            add_mask_finder(form)

    def _engineInputs(self):
        return {"map": self._volume(), **given(mask=self.Mask)}

    def _mapParams(self):
        """Return the options that name the map and its mask."""
        return {**mask_found_by(self), **self._enginePaths()}

    def _sources(self):
        return [self.inputVolume, self.Mask]

    def getShownVolume(self):
        return self._volume()

    def _validateMap(self):
        """Return lines about volumes that cannot be read; Scipion itself misses a missing one."""
        return self._eachVolume(self._validateVolume)

    def _validateVolume(self):
        inputs = OneMapInput._engineInputs(self)  # those of every form
        if inputs["map"] is None:
            return []
        volumes = list(zip(("Input Volume", "Binary Mask"), inputs.values()))
        return describe_inputs(volumes, "the input volume")


def resolution_of(pointer):
    """The local resolution in Å that a pointer leads to, as `volume_of` gives it."""
    return as_resolution(volume_of(pointer))


def as_resolution(volume):
    """A volume of one's own with the local resolution that it stands for.

    RELION's protocol hands out the map that was filtered to it; the resolution lies beside.
    """
    if isinstance(volume, Volume):
        path = plain_path(volume)
        beside = path.replace(FILTERED, RESOLUTIONS)
        if beside != path and os.path.exists(beside):
            volume.setFileName(beside)
    return volume


def describe_resolution(name, volume, advice=IMPORT):
    """A line that says that a volume holds no resolutions in Å; empty where it may."""
    if describe_problems(name, volume):
        return []  # which is said elsewhere
    share = negative_share(plain_path(volume))
    if share < NEGATIVE:
        return []
    return [
        f"{name}: {volume.getFileName()} is a density and no local resolution in Å: {share:.0%} of "
        f"its values are negative. {advice}"
    ]


def describe_model(pointer):
    """Lines about an atomic model that cannot be read; empty where there is none."""
    model = pointer.get()
    if model is None:
        return []
    if not isinstance(model, AtomStruct):
        return ["Atomic model: choose a PDB or mmCIF structure."]
    path = model.getFileName()
    return [] if os.path.isfile(path) else [f"Atomic model: the file {path} is missing."]


def describe_halves(halves):
    """Lines about two half maps that are one and the same."""
    if len(halves) == 2 and halves[0].getLocation() == halves[1].getLocation():
        return ["Half map 2 is the file of half map 1: choose the other one."]
    return []


def half_maps_of(volume):
    """Return the two half maps that come with a volume, as volumes; [] where there are none."""
    if not isinstance(volume, Volume) or not volume.hasHalfMaps():
        return []
    halves = []
    for path in volume.getHalfMaps().split(","):
        half = Volume(location=path)
        half.setSamplingRate(volume.getSamplingRate())
        if volume.hasOrigin():
            half.setOrigin(volume.getOrigin())
        halves.append(half)
    return halves


class HalfMapInputs:
    """Parameters and volumes for protocols that read two half maps, as MonoRes asks for them."""

    @staticmethod
    def _defineHalfParams(form, use_help, full_help, first_help, full_kind="Volume"):
        """Add useHalfVolumes, hasHalfVolumesFile, associatedHalves, halfMap1 and halfMap2.

        use_help : of the first; "" leaves it out, where nothing can take their place
        full_kind : what the third may be
        """
        used = "useHalfVolumes and " if use_help else ""
        if use_help:
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
            condition="useHalfVolumes" if use_help else None,
            label="Are the half volumes associated with a volume?",
            help="As after a refinement, or an import with half maps.",
        )
        apart = f"{used}not hasHalfVolumesFile"
        for name, kind, condition, label, text in (
            (
                "associatedHalves",
                full_kind,
                f"{used}hasHalfVolumesFile",
                "Volume with half maps",
                full_help,
            ),
            ("halfMap1", "Volume", apart, "Half map 1", first_help),
            ("halfMap2", "Volume", apart, "Half map 2", "Of the same refinement."),
        ):
            add_volume(
                form, name, label, text, kind=kind, condition=condition, allowsNull=True,
                important=True,
            )  # fmt: skip

    def _usesHalves(self):
        return not hasattr(self, "useHalfVolumes") or self.useHalfVolumes.get()

    def _halfPointers(self):
        """Return the pointers by which the half maps are given."""
        if self.hasHalfVolumesFile.get():
            return [self.associatedHalves]
        return [self.halfMap1, self.halfMap2]

    def _halves(self):
        """Return the half maps as volumes; fewer than two where the input has none."""
        if not self._usesHalves():
            return []
        if not self.hasHalfVolumesFile.get():
            return [volume_of(p) for p in (self.halfMap1, self.halfMap2) if p.get() is not None]
        return half_maps_of(self._withHalves())

    def _withHalves(self):
        """Return the volume with which the half maps come."""
        return volume_of(self.associatedHalves)

    def _describeMissingHalves(self):
        """Return a line that says what to do where half maps are asked for and not both there."""
        if not self._usesHalves():
            return []
        halves = self._halves()
        if len(halves) == 2:
            return describe_halves(halves)
        if not self.hasHalfVolumesFile.get():
            return ["Half maps: give both."]
        if self.associatedHalves.get() is None:
            return ["Volume with half maps: choose one."]
        return [
            "Volume with half maps: this one has none; choose 'No' for associated half "
            "volumes and give them, or import the volume with its half maps."
        ]


def volumes_of(pointers):
    """Return the volumes of every input that is a volume or a set: [(input, [volumes])]."""
    return [
        (one, [volume.clone() for volume in one] if isinstance(one, SetOfVolumes) else [one])
        for one in map(volume_of, pointers)
        if one is not None
    ]


def is_item(pointer):
    """Whether a pointer leads to an item of a set."""
    return "".join(pointer.getExtendedParts()[-1:]).isdigit()


def flat(groups):
    """Return the volumes of all groups in one list."""
    return [volume for _, volumes in groups for volume in volumes]


class OwnMaps:
    """Many maps, each by itself: it does not count where they lie."""

    def _originOf(self, name, volume):
        return None
