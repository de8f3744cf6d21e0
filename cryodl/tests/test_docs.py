"""The documentation is true: its commands parse, its Python binds, its links lead somewhere."""

import ast
import importlib.util
import inspect
import re
import shlex
from pathlib import Path

import pytest

import cryodl
from cryodl.cli.main import make_parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for folder in (ROOT, ROOT / "docs", ROOT / "examples", ROOT / "benchmarks")
    for path in [*folder.glob("*.rst"), *folder.glob("*.md")]
)


def code_lines(page: Path) -> list[str]:
    """Indented lines of a page, with lines that end in a backslash joined and comments cut off."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    return [
        re.sub(r"\s#\s.*", "", line).strip().removeprefix("$ ")
        for line in text.splitlines()
        if line.startswith((" ", "\t"))
    ]


COMMAND_LINES = [
    pytest.param(line, id=f"{page.name}: {line}")
    for page in PAGES
    for line in code_lines(page)
    if line.startswith("cryodl ")
]

PYTHON_BLOCKS = [
    pytest.param(inspect.cleandoc(block), id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(
            r"\.\. code-block:: python\n\n((?:(?: +.*)?\n)+)", page.read_text("utf-8") + "\n"
        )
    )
]


def commands(parser) -> dict:
    """Full name -> parser of every command that has no commands below it."""
    groups = [action for action in parser._actions if action.nargs == "A..."]
    if not groups:
        return {parser.prog: parser}
    found = {}
    for group in groups:
        for below in group.choices.values():
            found.update(commands(below))
    return found


COMMANDS = commands(make_parser("all"))


def make_commands():
    spec = importlib.util.spec_from_file_location("make_commands", ROOT / "docs/make_commands.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_is_documentation_to_test():
    assert len(COMMAND_LINES) > 10 and len(PYTHON_BLOCKS) >= 2


def test_command_reference_is_up_to_date():
    maker = make_commands()
    assert maker.PAGE.read_text("utf-8") == maker.make_page(), "run `make docs`"


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_documented_command_parses(line, capsys):
    if "--params" in line:  # stands for other arguments, which are in a file
        return
    try:
        make_parser("all").parse_args(shlex.split(line)[1:])
    except SystemExit as stop:
        assert stop.code == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_shown_by_example(name):
    assert any(param.values[0].startswith(name + " ") for param in COMMAND_LINES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name):
    for action in COMMANDS[name]._actions:
        assert action.help, f"{name}: {action.option_strings or action.dest} has no help"


@pytest.mark.parametrize("source", PYTHON_BLOCKS)
def test_documented_python_binds(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("cryodl."):
            function = getattr(cryodl, ast.unparse(node.func).removeprefix("cryodl."))
            keywords = {keyword.arg: None for keyword in node.keywords}
            inspect.signature(function).bind(*node.args, **keywords)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    text = page.read_text("utf-8")
    targets = re.findall(r"`[^`]+? <([^>`]+)>`_", text) + re.findall(r"\.\. image:: (\S+)", text)
    for target in targets:
        if not re.match(r"\w+:", target):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_headings_are_underlined_to_their_end(page):
    lines = page.read_text("utf-8").splitlines()
    for heading, rule in zip(lines, lines[1:]):
        if page.suffix == ".rst" and re.fullmatch(r"([=~-])\1{3,}", rule) and heading.strip():
            assert len(rule) >= len(heading), f"{page.name}: {heading}"


@pytest.mark.parametrize("name", cryodl.__all__)
def test_public_names_exist(name):
    assert getattr(cryodl, name)
    assert name in dir(cryodl)


def test_api_shows_every_public_name():
    page = (ROOT / "docs" / "api.rst").read_text("utf-8")
    shown = set(re.findall(r"^\.\. auto\w+:: cryodl\.(?:[\w.]+\.)?(\w+)$", page, re.M))
    assert set(cryodl.__all__) - {"__version__"} <= shown


def test_from_the_command_to_the_file_names_what_is_there():
    page = (ROOT / "docs" / "command_to_file.rst").read_text("utf-8")
    steps = re.findall(r"^``(cryodl/\S+)`` +``(\w+)``", page, re.M)
    assert 4 <= len(steps) <= 8
    for module, name in steps:
        defined = ast.parse((ROOT / module).read_text("utf-8")).body
        assert name in {getattr(node, "name", None) for node in defined}, f"{module}: {name}"


def test_contributing_lists_every_room():
    from cryodl.tests.test_structure import DIRECTIONS

    page = (ROOT / "CONTRIBUTING.rst").read_text("utf-8")
    rooms = {name.split(".")[1] for name in DIRECTIONS} - {
        "__main__", "bibtex", "constants", "objects", "version",
    }  # fmt: skip
    for room in rooms:
        assert re.search(rf"``{room}(/\w+)?``", page), f"CONTRIBUTING.rst does not list {room}"
    for room in re.findall(r"^``([a-z_]+)(?:/\w+)?``  ", page, re.M):
        assert (ROOT / "cryodl" / room).is_dir() or (ROOT / f"cryodl/{room}.py").exists(), room


PATH = re.compile(r"``((?:cryodl|docs|benchmarks|examples|\.ci)/[\w./-]+)``")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_are_there(page):
    for path in PATH.findall(page.read_text("utf-8")):
        made = page.name == "add_a_method.rst" and "local_mean" in path
        assert made or page.name == "CHANGES.rst" or (ROOT / path).exists(), path


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cryodl.nothing


def test_test_command_of_the_readme_is_the_one_of_the_integration():
    assert "make test" in (ROOT / ".ci/run").read_text("utf-8")
    assert "make test" in (ROOT / "README.rst").read_text("utf-8")
