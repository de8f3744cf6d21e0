"""How Sphinx builds these pages: `make docs`. Every warning is an error."""

import re
import shutil
import sys
from pathlib import Path

from docutils import nodes

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS)]

from make_rooms import make_rooms  # noqa: E402

from cryodl.version import __version__  # noqa: E402

project = "cryodl"
author = "The cryodl developers"
project_copyright = f"2026, {author}. GPL version 3 or later"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
default_role = "code"
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"cryodl {version}"
html_logo = "../cryodl/icon.png"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types, shapes and units
autodoc_mock_imports = ["pwem", "pyworkflow"]
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False

FIELD = re.compile(r"([\w*\"][\w*\",. `()]*?) : (.*)")


def read_docstring(app, what, name, obj, options, lines):
    """Bring `name : what it is` of our docstrings into a form that napoleon reads.

    In its sections that is a name with an indented text below it, which elsewhere is a list of
    definitions; what is returned is a paragraph for each value.
    """
    made = []
    returns = False
    # a list of names may go on in the next line
    text = re.sub(r"(?m)^([\w*]+(?:, [\w*]+)*,)\n(?=[\w*, ]+ : )", r"\1 ", "\n".join(lines))
    single = [part for line in text.split("\n") for part in re.split(r";  (?=[\w, ]+ : )", line)]
    for line, after in zip(single, [*single[1:], ""]):
        if re.fullmatch("-{3,}", after):
            returns = line == "Returns"
            made += ["", "", ":returns:"] if returns else [line]
        elif returns:
            made += [""] if FIELD.fullmatch(line) else []  # a paragraph for each value
            made += [f"    {line.strip()}".rstrip()] if not line.startswith("---") else []
        else:
            made += _spread(line, after, made[-1] if made else "")
    if what == "property" and made:
        made[0] = made[0].replace(": ", ", ")  # else what is before it passes for a type
    lines[:] = [_escaped(line) for line in made]


def _spread(line, after, before):
    """The lines that stand for a line, with an empty one where a block of another kind begins."""
    field = FIELD.fullmatch(line)
    indented = before.startswith("    ")
    apart = before and line[:1].strip() and indented != bool(field) and not before.startswith("--")
    made = [""] if apart else []
    if not field:
        return [*made, line]
    typed = re.match(r" {4}[A-Z`]", after)
    return [*made, field[1], f"    {field[2]}{'.' if typed else ''}"]


def _escaped(line):
    """Bars are amplitudes, not substitutions, and a plural may follow a name in backquotes."""
    parts = re.split(r"(`+[^`]*`+)", line)
    parts[::2] = [part.replace("|", "\\|") for part in parts[::2]]
    for number in range(2, len(parts), 2):
        if re.match(r"\w", parts[number]):
            parts[number] = "\\ " + parts[number]
    return "".join(parts)


def link_files(app, doctree, page):
    """Lead links between the sources' files to pages; files outside the pages are copied."""
    for link in doctree.findall(nodes.reference):
        target, _, anchor = link.get("refuri", "").partition("#")
        if not target or re.match(r"\w+:", target) or "internal" in link:
            continue
        path = (_folder(link, page) / target).resolve()
        if not path.is_relative_to(ROOT) or not path.exists():
            continue
        name = str(path.relative_to(DOCS).with_suffix("")) if path.is_relative_to(DOCS) else ""
        name = {"CHANGES.rst": "changes", "CONTRIBUTING.rst": "contributing"}.get(path.name, name)
        if name in app.env.found_docs:
            uri = app.builder.get_relative_uri(page, name)
        else:
            uri = f"files/{path.relative_to(ROOT)}"
            app.env.files_to_copy = {*getattr(app.env, "files_to_copy", ()), path}
        link["refuri"] = uri + ("#" + anchor if anchor else "")


def _folder(node, page):
    """Folder of the file that holds a link: of an included one, not of the page."""
    while node.parent is not None and not getattr(node, "source", None):
        node = node.parent
    source = Path(str(node.source or "").split(":docstring")[0])
    return source.parent if source.is_file() else (DOCS / page).parent


def copy_files(app, error):
    for path in getattr(app.env, "files_to_copy", ()) if error is None else ():
        copy = Path(app.outdir) / "files" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if path.is_dir() else shutil.copyfile)(
            path, copy, **({"dirs_exist_ok": True} if path.is_dir() else {})
        )


def setup(app):
    make_rooms()
    app.connect("autodoc-process-docstring", read_docstring, priority=100)
    app.connect("doctree-resolved", link_files)
    app.connect("build-finished", copy_files)
