"""The plan of the house, held by reading the source: which room imports which, and how early."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "cryodl"

BASE = ("cryodl.errors", "cryodl.compute", "cryodl.files")
MAPS = (*BASE, "cryodl.maps", "cryodl.filters", "cryodl.resolution_maps")
METHOD = (
    *MAPS,
    "cryodl.features",
    "cryodl.checks",
    "cryodl.half_maps",
    "cryodl.networks",
    "cryodl.report",
    # what all methods share
    "cryodl.methods.cost",
    "cryodl.methods.output",
    "cryodl.methods.options",
    "cryodl.methods.registry",
)
# what every part may know of a method; Scipion's forms read it, too
OPTIONS = ("cryodl.methods.options", "cryodl.methods.*_options", "cryodl.methods.*.options")
LEARNING = ("cryodl.simulation", "cryodl.training", "cryodl.evaluation")

# room -> the rooms of ours that it may import, besides itself; the first prefix that fits decides
DIRECTIONS = {
    "cryodl.errors": (),
    "cryodl.compute.device": (
        "cryodl.compute",
        "cryodl.errors",
        "cryodl.networks.openvino_backend",
    ),
    "cryodl.compute": ("cryodl.errors",),
    "cryodl.files": ("cryodl.errors", "cryodl.compute"),
    "cryodl.maps": BASE,
    "cryodl.filters": (*BASE, "cryodl.maps"),
    "cryodl.resolution_maps": (*BASE, "cryodl.maps", "cryodl.filters"),
    "cryodl.half_maps": (*BASE, "cryodl.maps", "cryodl.filters"),
    "cryodl.features": (*BASE, "cryodl.maps", "cryodl.filters"),
    "cryodl.checks": (*BASE, "cryodl.maps", "cryodl.filters", "cryodl.features"),
    "cryodl.simulation": (*BASE, "cryodl.maps", "cryodl.filters"),
    "cryodl.networks": BASE,
    "cryodl.training": (
        *MAPS,
        "cryodl.features",
        "cryodl.checks",
        "cryodl.networks",
        "cryodl.simulation",
        "cryodl.report",
    ),
    "cryodl.evaluation.experiments": (*METHOD, *LEARNING, "cryodl.methods", "cryodl.version"),
    "cryodl.evaluation.enhancement": (*METHOD, *LEARNING, "cryodl.methods"),
    "cryodl.evaluation": (*MAPS, "cryodl.simulation"),
    **{options: ("cryodl.errors", "cryodl.methods.options") for options in OPTIONS},
    "cryodl.methods.cost": (*MAPS, "cryodl.features", "cryodl.networks"),
    "cryodl.methods.output": (*MAPS, "cryodl.report"),
    **{
        f"cryodl.methods.*.{learning}": (*METHOD, *LEARNING, "cryodl.methods")
        for learning in ("evaluate", "export", "published", "samples", "train", "training_network")
    },
    "cryodl.methods.experiments": (*METHOD, *LEARNING, "cryodl.methods"),
    "cryodl.methods.report": (*METHOD, "cryodl.bibtex", "cryodl.version"),
    "cryodl.methods": (*METHOD, "cryodl.methods", "cryodl.simulation"),
    "cryodl.report": (),
    "cryodl.batch": ("cryodl",),
    "cryodl.cli": ("cryodl",),
    "cryodl.__main__": ("cryodl.cli",),
    "cryodl.plugin": ("cryodl.constants", "cryodl.version"),
    "cryodl.wizards": ("cryodl.constants", "cryodl.protocols", "cryodl.viewers"),
    "cryodl.objects": (),
    "cryodl.protocols": (
        "cryodl.plugin",
        "cryodl.objects",
        "cryodl.constants",
        "cryodl.report.batch_summary",
        *OPTIONS,
        "cryodl.methods.registry",
    ),
    "cryodl.viewers": ("cryodl.report", "cryodl.protocols", "cryodl.constants"),
    "cryodl.bibtex": (),
    "cryodl.constants": (),
    "cryodl.version": (),
}

# What lies in the repository's root; whatever else is to be kept belongs into one of its folders.
TOP = {
    ".ci", ".gitignore", "CHANGES.rst", "CONTRIBUTING.rst", "LICENSE", "MANIFEST.in", "Makefile",
    "README.rst", "benchmarks", "conftest.py", "constraints.txt", "cryodl", "docs", "examples",
    "pyproject.toml", "setup.py",
}  # fmt: skip

# these are the packages' own __init__.py alone, not what lies in them
DOORS = {"cryodl": ("cryodl.version", "cryodl.methods.registry")}

SCIPION_ROOMS = (
    "cryodl.plugin",
    "cryodl.objects",
    "cryodl.protocols",
    "cryodl.viewers",
    "cryodl.wizards",
)
KERAS_ROOMS = (
    "cryodl.networks",
    "cryodl.training",
    "cryodl.simulation.filters",
    *(
        f"cryodl.methods.*.{name}"
        for name in ("samples", "export", "training_network", "published")
    ),
)

# package -> the rooms that may import it at module level
EAGER = {
    "keras": KERAS_ROOMS,
    "tensorflow": (),
    "jax": (),
    "torch": (),
    "openvino": (),
    "gemmi": (),
    "matplotlib": (),
    "pwem": SCIPION_ROOMS,
    "pyworkflow": SCIPION_ROOMS,
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    module_name(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "tests" not in path.relative_to(PACKAGE).parts
}


def within(name: str, room: str) -> bool:
    """True when the module `name` is `room` or lies in it; `*` stands for one or two parts."""
    pattern = re.escape(room).replace(r"\*", r"[^.]+(\.[^.]+)?")
    return re.fullmatch(pattern + r"(\..+)?", name) is not None


def room_of(name: str) -> str:
    found = [room for room in DIRECTIONS if within(name, room)]
    assert found, f"{name} lies in no room: give it a line in DIRECTIONS"
    return found[0]


def imported(node: ast.AST, module: str, is_package: bool) -> list[str]:
    """Full names of the modules that one import statement names; [] for any other node."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        parents = module.split(".")
        parents = parents[: len(parents) - node.level + is_package]
        base = ".".join(parents + ([base] if base else []))
    submodules = [f"{base}.{alias.name}" for alias in node.names]
    return [name if name in SOURCES else base for name in submodules]


def parsed(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text("utf-8"))


def all_imports(module: str) -> set[str]:
    is_package = SOURCES[module].name == "__init__.py"
    return {
        name for node in ast.walk(parsed(module)) for name in imported(node, module, is_package)
    }


def eager_imports(module: str) -> set[str]:
    """Top-level packages imported when the module is: those outside functions and TYPE_CHECKING."""
    found = set()
    waiting = list(ast.iter_child_nodes(parsed(module)))
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).split(".")[0])
        waiting.extend(ast.iter_child_nodes(node))
    return found


def test_imports_go_in_the_agreed_directions():
    wrong = []
    for module in SOURCES:
        if module in DOORS:
            allowed = DOORS[module]
        else:
            room = room_of(module)
            allowed = (room, *DIRECTIONS[room])
        for name in all_imports(module):
            if within(name, "cryodl") and not any(within(name, room) for room in allowed):
                wrong.append(f"{module} imports {name}; it may import {allowed}")
    assert not wrong, "\n".join(wrong)


def method_of(module: str) -> str:
    """The method that a module of `methods` belongs to: its folder, or its file's name."""
    name = module.removeprefix("cryodl.methods").lstrip(".").split(".")[0]
    return name.removesuffix("_options")


# What methods share, and those that are made of other methods.
SHARED = {"", "cost", "options", "output", "registry", "training"}
MADE_OF = {
    "oversharpening": {"deepres", "half_map_resolution"},
    "local_classes": {"resolution_class"},  # networks of one paper
}


def test_methods_do_not_import_each_other():
    wrong = []
    for module in SOURCES:
        own = method_of(module)
        if not within(module, "cryodl.methods") or module.endswith(".evaluate"):
            continue
        allowed = SHARED | MADE_OF.get(own, set()) | {own}
        for name in all_imports(module):
            if within(name, "cryodl.methods") and method_of(name) not in allowed:
                wrong.append(f"{module} imports {name}: let the registry pass it in")
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle():
    uses = {
        module: {name for name in all_imports(module) if name in SOURCES} - {module}
        for module in SOURCES
    }
    while uses:
        ends = {module for module, names in uses.items() if not names & set(uses)}
        assert ends, f"these import each other: {sorted(uses)}"
        uses = {module: names for module, names in uses.items() if module not in ends}


def test_heavy_packages_are_imported_where_they_are_used():
    wrong = [
        f"{module} imports {package} at module level: move it into the function"
        for module in SOURCES
        for package in eager_imports(module) & set(EAGER)
        if not any(within(module, room) for room in EAGER[package])
    ]
    assert not wrong, "\n".join(wrong)


def test_only_scipions_rooms_know_scipion():
    for module in SOURCES:
        if not any(within(module, room) for room in SCIPION_ROOMS):
            known = {name.split(".")[0] for name in all_imports(module)}
            assert not known & {"pwem", "pyworkflow"}, f"{module} imports Scipion"


@pytest.mark.parametrize(
    "command",
    [("-c", "import cryodl"), ("-m", "cryodl", "--help"), ("-m", "cryodl", "localres", "--help")],
    ids=["import", "help", "command-help"],
)
def test_start_up_loads_nothing_heavy(command):
    run = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    loaded = {line.split("|")[-1].strip() for line in run.stderr.splitlines() if "|" in line}
    assert "cryodl" in loaded
    assert not loaded & {*EAGER, "scipy"}


def test_the_plugin_rooms_parse_on_python_3_8():
    for module, path in SOURCES.items():
        if any(within(module, room) for room in ("cryodl.report", *OPTIONS, *SCIPION_ROOMS)):
            ast.parse(path.read_text("utf-8"), filename=str(path), feature_version=(3, 8))


def text_files() -> list[Path]:
    names = ["cryodl", "docs", "examples", "benchmarks", ".ci"]
    # a worktree's .git is a file, which names a place on this machine
    top = [path for path in ROOT.iterdir() if path.is_file() and path.name != ".git"]
    below = [path for name in names for path in (ROOT / name).rglob("*") if path.is_file()]
    suffixes = {".py", ".rst", ".md", ".toml", ".txt", ".json", ".tsv", ".csv", ".conf", ".in", ""}
    return [
        path
        for path in top + below
        if path.suffix in suffixes and "__pycache__" not in path.parts and path.name != "LICENSE"
    ]


def test_root():
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no repository, or git is not installed")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if listed.returncode:
        pytest.skip(f"git cannot read this repository: {listed.stderr.decode()}")
    assert {name.split("/")[0] for name in listed.stdout.decode().split("\0")[:-1]} == TOP


def test_every_folder_of_modules_is_a_package():
    """Others would be left out of the wheel; only the folders of tests are meant to be none."""
    for folder in {path.parent for path in SOURCES.values()}:
        assert (folder / "__init__.py").exists(), f"{folder.relative_to(ROOT)} has no __init__.py"
    # found by `scipion tests`, which looks into packages alone: the plugin's
    packages = {path.parent.name for path in (PACKAGE / "tests").glob("*/__init__.py")}
    assert packages == {"protocols", "viewers"}


def test_files_are_short_enough_to_read():
    for path in text_files():
        if path.suffix == ".py":
            lines = len(path.read_text("utf-8").splitlines())
            assert lines <= 400, f"{path.relative_to(ROOT)} has {lines} lines: divide it"


def test_no_absolute_path_of_anyones_machine():
    folders = "home|root|Users|tmp|mnt|scratch|work|workspace|data"
    pattern = re.compile(rf"(?<![\w.~/:%>}}-])/(?:{folders})/\w")
    for path in text_files():
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            assert not pattern.search(line), f"{os.path.relpath(path, ROOT)}:{number}: {line}"
