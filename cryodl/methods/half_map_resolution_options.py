"""What `run_half_map_resolution` takes, and `cryodl localres` with a method of half maps."""

from cryodl.methods.options import (
    CLAIMED,
    HALF1,
    HALF2,
    MAPS,
    MASK,
    OUTPUT,
    OVERWRITE,
    PALETTE,
    PROCESSOR,
    VOXEL_SIZES,
    Option,
)

METHODS = ("monogenic", "sinusoid", "localfsc")

OPTIONS = (
    Option("volume", help=f"density map {MAPS}; with half maps, the one to show", flag="map",
        metavar="MAP", argument=True),
    OUTPUT,
    MASK,
    Option("method", "monogenic", choices=METHODS, label="Method", help="monogenic: where the "
        "amplitude meets the noise (after MonoRes); sinusoid: where a sinusoid is no likelier than "
        "noise (after ResMap); localfsc: FSC of half maps in a window"),
    HALF1,
    HALF2,
    Option("min_resolution", help="finest that is looked at; Nyquist by default", kind=float,
        least=0.5, most=500, unit="Å", label="Resolution Range High"),
    Option("max_resolution", help="coarsest that is looked at; the method finds it by default",
        kind=float, least=0.5, most=500, unit="Å", label="Resolution Range Low"),
    Option("significance", 0.95, "share of noise that a voxel must exceed",
        float, least=0.5, below=1, metavar="P", label="Significance"),
    Option("window", help="edge of the box whose volume the window has; seven times the "
        "FSC resolution by default", kind=float, least=0.5, most=500, unit="Å",
        label="Window"),
    Option("exclude", metavar="FILE", label="Exclude area", help="mask of what is neither molecule "
        "nor solvent, such as a detergent belt: no noise of a single map is measured in it"),
    CLAIMED,
    VOXEL_SIZES,
    *PROCESSOR,
    OVERWRITE,
    PALETTE,
)  # fmt: skip
