"""Every method, a line each: its function, where that and its options are, and what it does.

Commands and the functions of `import cryodl` come from these lines. The module of a function may
have `summary(stats)`, which gives the lines that its command prints at the end; else they are those
of a local resolution.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Callable, NamedTuple


class Method(NamedTuple):
    """A line of the registry.

    function : name of the Python function;  module : that has it
    options : module with its OPTIONS
    help : what it does, without a capital or a full stop
    sets : values that the method's name stands for, where they are not given
    without : keywords of the function that mean nothing to this method
    """

    function: str
    module: str
    options: str
    help: str
    sets: dict = {}
    without: tuple = ()

    def load(self) -> Callable[..., Any]:
        return getattr(import_module(self.module), self.function)

    def summary(self, stats: dict) -> list[str]:
        """The lines that its command prints at the end."""
        module = import_module(self.module)
        if not hasattr(module, "summary"):
            module = import_module("cryodl.methods.output")
        return module.summary(stats)

    def load_options(self) -> tuple:
        return import_module(self.options).OPTIONS


M = "cryodl.methods"


def _classes(package: str) -> Method:
    return Method("run_local_classes", f"{M}.local_classes.run", f"{M}.local_classes.options",
        f"by a network, from one map, ten classes as {package} would have them",
        {"bundle": f"unet-{package.lower()}"})  # fmt: skip


def _half_maps(method: str, how: str, without: str) -> Method:
    return Method("run_half_map_resolution", f"{M}.half_map_resolution",
        f"{M}.half_map_resolution_options", how, {"method": method}, (without,))  # fmt: skip


# Of `cryodl localres --method NAME`.
LOCALRES = {
    "deepres": Method("run_local_resolution", f"{M}.deepres.run", f"{M}.deepres.options",
        "by a network, from how the map looks"),
    "cryores": Method("run_single_map_resolution", f"{M}.cryores.run", f"{M}.cryores.options",
        "by a network, from one map, in the sense of signal to noise"),
    "unet-monores": _classes("MonoRes"),
    "unet-resmap": _classes("ResMap"),
    "monogenic": _half_maps("monogenic", "where the amplitude meets the noise, from half maps or "
        "outside the mask (after MonoRes)", without="window"),
    "sinusoid": _half_maps("sinusoid", "where a sinusoid is no likelier than noise (after ResMap)",
        without="window"),
    "localfsc": _half_maps("localfsc", "FSC of half maps in a window", without="significance"),
}  # fmt: skip

# Of `cryodl COMMAND`.
COMMANDS = {
    "enhance": Method("run_enhance", f"{M}.enhance.run", f"{M}.enhance.options",
        "post-process a map by a network, with an audit"),
    "classify": Method("classify_maps", f"{M}.resolution_class.run",
        f"{M}.resolution_class.options", "resolution class of whole maps, from the maps alone"),
    "mask": Method("run_mask", f"{M}.cryores.mask", f"{M}.cryores.mask_options",
        "find the molecule in a map, by a network"),
    "import": Method("run_import_resolution", f"{M}.import_resolution",
        f"{M}.import_resolution_options",
        "take over another package's local resolution"),
    "compare": Method("run_compare", f"{M}.compare", f"{M}.compare_options",
        "compare local-resolution maps of several packages"),
    "filter": Method("run_filter", f"{M}.filter", f"{M}.filter_options",
        "low-pass a map to its local resolution"),
    "fsc": Method("run_fsc", f"{M}.fsc", f"{M}.fsc_options",
        "resolution of two half maps by Fourier shell correlation"),
    "quality": Method("run_quality", f"{M}.quality.run", f"{M}.quality.options",
        "judge how well a model fits its map: Q-score, correlation, FSC"),
    "preflight": Method("run_preflight", f"{M}.preflight.run", f"{M}.preflight.options",
        "check whether a map with its half maps is ready to be deposited"),
    "report": Method("run_report", f"{M}.report.run", f"{M}.report.options",
        "judge a map by all that applies, and write one page of it"),
    "oversharpening": Method("run_oversharpening", f"{M}.oversharpening",
        f"{M}.oversharpening_options", "find the B-factor that sharpens just enough"),
    "batch": Method("run_batch", "cryodl.batch.run", "cryodl.batch.options",
        "judge thousands of maps on many workers, a row of a table each"),
    "experiments": Method("run_experiments", f"{M}.experiments", f"{M}.experiments",
        "simulate a set of experiments to train on"),
    "simulate": Method("run_simulated_experiment", f"{M}.simulate", f"{M}.simulate_options",
        "simulate a map from an atomic model"),
}  # fmt: skip


# Of `cryodl train METHOD`; the options stand in the module of the function.
TRAIN = {
    name: Method(function, f"{M}.{module}.train", f"{M}.{module}.train", help)
    for name, function, module, help in (
        ("single-map-resolution", "train_single_map_resolution", "cryores",
            "train mask, global and local resolution of a single map, from simulated experiments"),
        ("voxel-size", "train_voxel_size", "voxel_size",
            "train the check that doubts wrong voxel sizes, from simulated experiments"),
        ("local-resolution", "train_local_resolution", "deepres",
            "train local resolution as DeepRes gives it, from structures"),
        ("postprocess", "train_enhance", "enhance",
            "train post-processing in the manner of DeepEMhancer, from simulated experiments"),
        ("local-classes", "train_local_classes", "local_classes",
            "train ten classes of local resolution, from maps and their local resolutions"),
        ("resolution-class", "train_resolution_class", "resolution_class",
            "train the resolution of a whole map, from structures and simulated experiments"),
    )
}  # fmt: skip

# Of `cryodl evaluate METHOD`, likewise.
EVALUATE = {
    name: Method(function, module, module, help)
    for name, function, module, help in (
        ("experiments", "evaluate_experiments", "cryodl.evaluation.experiments", "measure every "
            "method on experiments from particles, simulated or reconstructed by RELION"),
        ("resolution-class", "evaluate_resolution_class", f"{M}.resolution_class.evaluate",
            "measure whole-map classes: the tables of the paper, boundaries, real maps"),
        ("local-classes", "evaluate_local_classes", f"{M}.local_classes.evaluate",
            "measure local classes on labelled experiments: the four-way table of the paper"),
        ("single-map-resolution", "evaluate_single_map_resolution", f"{M}.cryores.evaluate",
            "measure masks and resolutions of single maps on experiments and real maps"),
        ("postprocess", "evaluate_enhance", f"{M}.enhance.evaluate",
            "compare enhanced maps with targets and models, simulated and real"),
        ("local-resolution", "evaluate_local_resolution", f"{M}.deepres.evaluate",
            "run the tests of the DeepRes paper, and tables of real maps"),
    )
}  # fmt: skip


NETWORK = "network"  # as a mask: the one that `cryodl mask` finds


def mask_or_finder(mask: Any, **settings: Any) -> Any:
    """A mask as it was given; of "network" a function that has one found in a Volume.

    mask : what a method was given: None, a path, Volume or ndarray, or NETWORK
    settings : as `cryores.mask.mask_finder` takes them

    Returns what `maps.inputs` takes.
    """
    if not (isinstance(mask, str) and mask == NETWORK):
        return mask
    return import_module(COMMANDS["mask"].module).mask_finder(**settings)


def resolution_by_network(volume: Any, **settings: Any) -> float:
    """Resolution of a map in Å, the median over its molecule, as `cryodl localres --method cryores`
    finds it from the map alone; settings : of that function"""
    return float(LOCALRES["cryores"].load()(volume, **settings).stats["median"])


def model_fit(volume: Any, model: Any, level: float | None = None) -> Any:
    """The QualityResult of a model in a map, as `cryodl quality` has it.

    level : contour level of the map, or None for that of a rule
    """
    return COMMANDS["quality"].load()(volume, model, level=level)


def options_of(command: str, method: str = "deepres") -> tuple:
    """The options of a command; of localres, those of a method. () for a command of its own."""
    line = LOCALRES.get(method) if command == "localres" else COMMANDS.get(command)
    return line.load_options() if line else ()


def functions() -> dict[str, str]:
    """Every Python function and its module."""
    lines = (each.values() for each in (LOCALRES, COMMANDS, TRAIN, EVALUATE))
    return {line.function: line.module for group in lines for line in group}
