"""The form of a local-resolution viewer, and what its colour scale says.

Parameters are called as in the viewers of other local-resolution protocols, and as in pwem's colour
scales.
"""

import pyworkflow.protocol.params as params

from cryodl.report.palette import DEFAULT_PALETTE, PALETTES, UNCERTAINTY_PALETTE

AXIS_NAMES = ("x", "y", "z")
MIDDLE = -1

#: Colours to choose from.
COLOUR_SETS = [name for name in PALETTES if name != UNCERTAINTY_PALETTE]


def define_axis(group):
    """Define the axis across which slices are cut."""
    group.addParam(
        "sliceAxis",
        params.EnumParam,
        choices=list(AXIS_NAMES),
        default=AXIS_NAMES.index("z"),
        display=params.EnumParam.DISPLAY_HLIST,
        label="Slice axis",
        help="Slices are perpendicular to this axis.",
    )


def define_form(form, results):
    """Define a viewer's parameters.

    results : RunResults, which give the colour scale and say whether there is an uncertainty
    """
    form.addSection(label="Local resolution")
    group = form.addGroup("Slices")
    define_axis(group)
    group.addParam(
        "doShowVolumeColorSlices",
        params.LabelParam,
        important=True,
        label="Show coloured slices",
        help="Local resolution in colour, over the map in faint grey, with the key.",
    )
    group.addParam(
        "sliceNumber",
        params.IntParam,
        default=MIDDLE,
        label="Slice number",
        help="Number of the plane, counted from 1, as it stands above every slice. "
        "-1 is the middle of the molecule.",
    )
    group.addParam(
        "doShowOneColorslice",
        params.LabelParam,
        label="Show the selected slice",
        help="The slice of this number, coloured.",
    )
    group.addParam(
        "doShowVolumeSlices",
        params.LabelParam,
        label="Show resolution slices",
        help="Local resolution in grey, without the map: dark is well resolved.",
    )
    group.addParam(
        "doShowOriginalVolumeSlices",
        params.LabelParam,
        label="Show original volume slices",
        help="The map that was judged.",
    )
    group.addParam(
        "doShowMask",
        params.LabelParam,
        label="Show the mask on the volume",
        help="The outline inside which local resolution is given.",
    )
    if results.has_uncertainty():
        group.addParam(
            "doShowUncertainty",
            params.LabelParam,
            label="Show uncertainty slices",
            help="Half-width in Å of the interval that holds the resolution in 90 % of cases.",
        )
    group = form.addGroup("Distribution")
    group.addParam(
        "doShowResHistogram",
        params.LabelParam,
        label="Show resolution histogram",
        help="Of the voxels inside the mask, with their median.",
    )
    group.addParam(
        "doShowRadius",
        params.LabelParam,
        label="Show resolution against radius",
        help="Median and 5-95 % of the voxels in shells around the molecule's centre.",
    )
    group = form.addGroup("ChimeraX")
    group.addParam(
        "chimeraVolume",
        params.PointerParam,
        pointerClass="Volume",
        allowsNull=True,
        label="Map to colour",
        help="Another map of the same molecule, such as a sharpened one; its box and sampling "
        "may differ. Left empty, the map that was judged.",
    )
    group.addParam(
        "doShowChimera",
        params.LabelParam,
        important=True,
        label="Show the coloured map in ChimeraX",
        help="With the colour key, at the map's true origin.",
    )
    _define_scale(form, results.scale_ends())


def _define_scale(form, ends):
    # the names of pwem's own colour scales, so that its wizard's base class finds them
    line = form.addLine(
        "Colour scale (Å)",
        help="Resolutions at the ends of the colour key of all pictures; values beyond take its "
        "end's colour. The wizard brings back the scale that fits this run.\n"
        "*Colours in the key* counts the colours of the key in ChimeraX.\n"
        "viridis, cividis and plasma are safe for the colour-blind.",
    )
    line.addParam("highest", params.FloatParam, default=ends[1], label="Highest")
    line.addParam("lowest", params.FloatParam, default=ends[0], label="Lowest")
    line.addParam(
        "intervals",
        params.IntParam,
        default=11,
        expertLevel=params.LEVEL_ADVANCED,
        label="Colours in the key",
    )
    line.addParam(
        "colorMap",
        params.EnumParam,
        choices=COLOUR_SETS,
        default=COLOUR_SETS.index(DEFAULT_PALETTE),
        label="Colour set",
    )


def check_scale(viewer):
    """Return lowest and highest (Å), name of the palette, and number of colours of a form.

    Raises ValueError with what to change.
    """
    low, high, count = viewer.lowest.get(), viewer.highest.get(), viewer.intervals.get()
    if low is None or high is None or not 0 <= low < high:
        raise ValueError(
            f"Colour scale: the lowest value ({low}) must be below the highest ({high}), "
            "and not below 0."
        )
    if count is None or not 2 <= count <= 50:
        raise ValueError(f"Colour scale: {count} colours in the key; give 2 to 50.")
    return low, high, COLOUR_SETS[viewer.colorMap.get()], count
