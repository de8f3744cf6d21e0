"""The documentation is true: its commands parse, its Python binds, its links lead somewhere."""

import argparse
import ast
import doctest
import importlib
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


COMMAND_LINES = [  # with the page that shows each
    (page.name, line) for page in PAGES for line in code_lines(page) if line.startswith("cryodl ")
]

PYTHON_BLOCKS = [
    (page.name, inspect.cleandoc(block))
    for page in PAGES
    for block in re.findall(
        r"\.\. code-block:: python\n\n((?:(?: +.*)?\n)+)", page.read_text("utf-8") + "\n"
    )
]


def commands(parser) -> dict:
    """Full name -> parser of every command that has no commands below it."""
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
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


def test_documented_commands_parse(capsys):
    parser, wrong = make_parser("all"), []
    for page, line in COMMAND_LINES:
        if "--params" in line:  # stands for other arguments, which are in a file
            continue
        try:
            parser.parse_args(shlex.split(line)[1:])
        except cryodl.CryodlError as error:
            wrong.append(f"{page}: {line}: {error}")
        except SystemExit as stop:  # after its help
            if stop.code:
                wrong.append(f"{page}: {line}: {capsys.readouterr().err}")
    assert not wrong, "\n".join(wrong)


def test_every_command_is_shown_by_example():
    shown = [line for _, line in COMMAND_LINES]
    assert not [name for name in COMMANDS if not any(x.startswith(name + " ") for x in shown)]


def test_every_option_is_explained():
    assert not [
        f"{name}: {action.option_strings or action.dest} has no help"
        for name, parser in COMMANDS.items()
        for action in parser._actions
        if not action.help
    ]


def test_documented_python_binds():
    wrong = []
    for page, source in PYTHON_BLOCKS:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("cryodl."):
                keywords = {keyword.arg: None for keyword in node.keywords}
                try:
                    function = getattr(cryodl, ast.unparse(node.func).removeprefix("cryodl."))
                    inspect.signature(function).bind(*node.args, **keywords)
                except (AttributeError, TypeError) as error:
                    wrong.append(f"{page}: {ast.unparse(node)}: {error}")
    assert not wrong, "\n".join(wrong)


def test_links_lead_to_files():
    wrong = []
    for page in PAGES:
        text = page.read_text("utf-8")
        targets = re.findall(r"`[^`]+? <([^>`]+)>`_", text)
        targets += re.findall(r"\.\. image:: (\S+)", text)
        here = [target for target in targets if not re.match(r"\w+:", target)]
        wrong += [f"{page.name}: {x}" for x in here if not (page.parent / x).exists()]
    assert not wrong, "\n".join(wrong)


def test_headings_are_underlined_to_their_end():
    wrong = []
    for page in PAGES:
        lines = page.read_text("utf-8").splitlines()
        for heading, rule in zip(lines, lines[1:]):
            if page.suffix == ".rst" and re.fullmatch(r"([=~-])\1{3,}", rule) and heading.strip():
                if len(rule) < len(heading):
                    wrong.append(f"{page.name}: {heading}")
    assert not wrong, "\n".join(wrong)


def test_public_names_exist():
    assert all(getattr(cryodl, name) for name in cryodl.__all__)
    assert set(cryodl.__all__) <= set(dir(cryodl))


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


def test_files_that_are_named_are_there():
    named = [(page.name, path) for page in PAGES for path in PATH.findall(page.read_text("utf-8"))]
    assert not [
        f"{page}: {path}"
        for page, path in named
        if page != "CHANGES.rst"
        and not (page == "add_a_method.rst" and "local_mean" in path)
        and not (ROOT / path).exists()
    ]


EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "cryodl").rglob("*.py"))
    if "tests" not in path.parts and ">>> " in path.read_text("utf-8")
]


@pytest.mark.parametrize("module", EXAMPLES)
def test_examples_in_docstrings(module):
    done = doctest.testmod(importlib.import_module(module), report=True)
    assert done.attempted and not done.failed


def test_there_are_examples_in_docstrings():
    assert len(EXAMPLES) >= 5


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cryodl.nothing


def test_test_command_of_the_readme_is_the_one_of_the_integration():
    assert "make test" in (ROOT / ".ci/run").read_text("utf-8")
    assert "make test" in (ROOT / "README.rst").read_text("utf-8")
