"""The blocks of code in the pages: what tests run, and from what the gallery is drawn.

A block with a caption is a file, or lines of one. A block that cannot be run says why in a comment
before it::

    .. not run: trains for an hour
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[1]
DIRECTIVE = re.compile(r"\s*\.\. [\w-]+::")


@dataclass(frozen=True)
class Block:
    """Text of a literal block, where it begins, and why it is not run ("" where it is).

    caption : of a file, or ""
    """

    page: Path
    line: int
    language: str
    text: str
    not_run: str
    caption: str = ""

    @property
    def commands(self) -> list[str]:
        """Lines of a shell, without comments; lines that end in a backslash are joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        lines = [re.sub(r"(^|\s)#\s.*", "", line).strip() for line in lines]
        return [line for line in lines if line]


def blocks(page: Path) -> Iterator[Block]:
    """Every literal block of a page of reStructuredText, in order."""
    lines = page.read_text("utf-8").splitlines()
    number, reason = 0, ""
    while number < len(lines):
        line = lines[number]
        number += 1
        said = re.match(r"\s*\.\. not run: (.*)", line)
        if said:
            reason = said[1]
        named = re.match(r"\s*\.\. code-block:: (\w+)", line)
        if not named and (not line.endswith("::") or DIRECTIVE.match(line)):
            continue
        indent, start = _indent(line), number
        while number < len(lines) and (not lines[number] or _indent(lines[number]) > indent):
            number += 1
        text = dedent("\n".join(lines[start:number])).strip("\n")
        caption = re.match(r":caption: (.*)\n+", text)
        text = text[caption.end() :] if caption else text
        name = caption[1] if caption else ""
        yield Block(page, start, named[1] if named else "shell", text, reason, name)
        reason = ""


def words(command: str) -> list[str]:
    """Arguments of a line `cryodl ...`, without the program's name."""
    return shlex.split(command)[1:]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
