"""What `run_experiments` and `cryodl experiments` take."""

from cryodl.methods.options import MOST_WORKERS, OUTPUT, Option

OPTIONS = (
    Option("structures", help="folder of PDB or mmCIF files, or a packed set (.npz)",
        metavar="STRUCTURES", argument=True, required=True),
    OUTPUT._replace(help="folder to write; experiments that it holds are kept", metavar="SET"),
    Option("kind", "particles", "reconstructed from particles and deposited in every way, or half "
        "maps made of a density on 1 Å voxels, which 'cryodl train' reads",
        choices=("particles", "density")),
    Option("count", 500, "experiments in the set", int, least=1, metavar="N"),
    Option("resolution", (2.2, 11.0), "range of their resolutions", float, 0.5, 40, unit="Å",
        metavar="BEST,WORST", many="commas", each=True),
    Option("config", help="JSON object of ingredients, numbers or [low, high]", metavar="FILE"),
    Option("workers", 1, "processes that simulate", int, 1, MOST_WORKERS, metavar="N"),
    Option("seed", 0, "of everything drawn", int, least=0, metavar="N"),
)  # fmt: skip
