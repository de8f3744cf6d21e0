"""What every training and every evaluation takes: keywords of `train_*` and `evaluate_*`."""

from cryodl.methods.options import MOST_WORKERS, OUTPUT, OVERWRITE, Option, option

OPTIONS = (
    OUTPUT._replace(help="folder to write", metavar="BUNDLE"),
    Option("steps", 20000, "of training", int, least=1, metavar="N", label="Most steps"),
    Option("minutes", None, "end the run, learning rate annealed, after M minutes", float,
        above=0, metavar="M", label="Minutes"),
    Option("epoch", 200, "steps between validations and checkpoints", int, least=1, metavar="N"),
    Option("batch_size", None, "samples in a step", int, least=1, metavar="N",
        label="Samples in a step"),
    Option("learning_rate", None, "at its highest", float, above=0, metavar="R",
        label="Learning rate"),
    Option("workers", 1, "processes that make samples", int, 0, MOST_WORKERS, metavar="N"),
    Option("seed", 0, "of everything drawn", int, least=0, metavar="N", label="Seed"),
    Option("initial", metavar="BUNDLE", help="start from this bundle's weights",
        label="Start from"),
    Option("resume", False, "go on from the last checkpoint", bool),
    OVERWRITE._replace(help="replace a bundle that exists"),
)  # fmt: skip

HALF_PRECISION = Option("half_precision", False, "compute in bfloat16: faster on GPUs and on "
    "processors that have it", bool)  # fmt: skip
TABLES = (
    OUTPUT._replace(help="folder for tables"),
    OVERWRITE._replace(help="replace tables that exist"),
)
MAPS = Option("maps", metavar="TABLE",
    help="tab-separated table with file and resolution_A: runs these maps")  # fmt: skip


def training_options(**defaults: int) -> tuple[Option, ...]:
    """OPTIONS with other defaults, such as steps=6000."""
    changed = {name: option(OPTIONS, name, default=value) for name, value in defaults.items()}
    return tuple(changed.get(one.name, one) for one in OPTIONS)
