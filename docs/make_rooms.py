"""Write docs/rooms: a page for each room of the library, which Sphinx fills from the docstrings.

The pages are made anew by each build and not kept, so that they follow the modules.
"""

import shutil
from pathlib import Path

DOCS = Path(__file__).resolve().parent
PACKAGE = DOCS.parent / "cryodl"
ROOMS = (
    "files", "compute", "maps", "filters", "resolution_maps", "half_maps", "features", "checks",
    "simulation", "networks", "training", "evaluation", "methods", "report", "batch",
)  # fmt: skip


def make_rooms(folder: Path = DOCS / "rooms") -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, room in enumerate(ROOMS, 1):
        (folder / f"{number:02}_{room}.rst").write_text(page(room), "utf-8")


def page(room: str) -> str:
    title = f"cryodl.{room}"
    lines = ["=" * len(title), title, "=" * len(title), "", f".. automodule:: {title}", ""]
    paths = sorted((PACKAGE / room).rglob("*.py"))
    for path in paths:
        if path.name == "__init__.py":
            continue
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        short = module.removeprefix("cryodl.")
        lines += [short, "=" * len(short), "", f".. automodule:: {module}", "   :members:", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    make_rooms()
