"""What `cryodl simulate` takes, and the functions for a map and for an experiment."""

from cryodl.methods.options import OUTPUT, OVERWRITE, Option

_STRUCTURE = Option("structure", help="PDB or mmCIF file, plain or gzipped", flag="model",
    metavar="MODEL", argument=True, required=True)  # fmt: skip
_OUTPUT = OUTPUT._replace(help="map to write; with --experiment, a folder")
_RESOLUTION = Option("resolution", help="low-pass cut-off, Å; several, with commas between, go to "
    "the chains in turn; with --experiment, where the FSC of the half maps falls to 0.143",
    kind=float, above=0, most=100, metavar="R", many="commas", each=True,
    required=True)  # fmt: skip
_VOXEL_SIZE = Option("voxel_size", help="voxel size, Å", kind=float, above=0, metavar="S",
    required=True)  # fmt: skip
_SEED = Option("seed", help="of all that is random; without it 0, or --config's", kind=int,
    least=0, metavar="N")  # fmt: skip
_OVERWRITE = OVERWRITE._replace(help="replace maps that exist")

CONFIG = Option("config", help="of an experiment: JSON object of ingredients, numbers or [low, "
    "high]; an earlier experiment.json repeats it", metavar="FILE")  # fmt: skip
EXPERIMENT = Option("experiment", False, "simulate a reconstruction: half maps, the map as "
    "deposited, exact mask, model map and both true local resolutions", bool,
    process=True)  # fmt: skip

# of a map alone
OF_A_MAP = (
    Option("noise", 0.0, "standard deviation of white noise; the map at 3 Å has a maximum of 1",
        float, least=0, metavar="SD"),
    Option("b_factor", 0.0, "of every atom", float, 0, 1e5, unit="Å²"),
    Option("blur", 0.0, "B-factor applied to the finished map; a negative one sharpens", float,
        unit="Å²"),
    Option("random_phases", help="make phases random beyond R Å", kind=float, above=0,
        metavar="R"),
    Option("margin", 15.0, "around the molecule, Å", float, least=0, metavar="M"),
    Option("truth", help="write the true resolution here, too", metavar="MAP"),
    Option("mask", help="write the molecule's mask (3 Å) here, too", metavar="MAP"),
)  # fmt: skip

OPTIONS = (
    _STRUCTURE, _OUTPUT, _RESOLUTION._replace(each=False), _VOXEL_SIZE, CONFIG, _SEED, _OVERWRITE,
)  # fmt: skip
MAP_OPTIONS = (
    _STRUCTURE, _OUTPUT, _RESOLUTION, _VOXEL_SIZE, *OF_A_MAP, _SEED, _OVERWRITE,
)  # fmt: skip
COMMAND_OPTIONS = (  # an experiment may have resolution and voxel size from its config
    _STRUCTURE, _OUTPUT, _RESOLUTION._replace(required=False),
    _VOXEL_SIZE._replace(required=False), EXPERIMENT, CONFIG, *OF_A_MAP, _SEED, _OVERWRITE,
)  # fmt: skip
