"""The page of a batch: a table to sort, any two figures against each other, pictures, and links.

One file, which loads nothing: numbers, style and script lie inside.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Iterable

TEMPLATE = Path(__file__).with_name("batch_summary.html")
MOST_COLUMNS = 14  # of figures, beside those of every batch
ALWAYS = ("map", "name", "status", "error", "seconds", "warnings")
SAID = "error or warnings"
#: Units by patterns of figures' names, the first that fits.
UNITS = (
    (r"seconds$", "s"),
    (r"percentile$", "%"),
    (r"(^|[._])(resolution|resolution_[0-9.]+|claimed|voxel_size|finest|coarsest|filtered_to)$"
     r"|^(median|uncertainty_median|fsc_0[.0-9]+)$|^(interval|percentiles)[.]", "Å"),
)  # fmt: skip
ANSWERS = ("class", "verdict")  # in words; shown first, and also where all rows have the same
#: Figures that the scatter shows at first, the first that there is.
ACROSS = ("resolution", "resolution_0.143", "global_resolution", "median", "archive.resolution")
UP = ("archive.q_percentile", "archive.fsc_percentile", "claimed", "interval.1",
      "resolution_0.5", "uncertainty_median", "seconds")  # fmt: skip


def write_summary(path: Path, lines: Iterable[dict[str, Any]], title: str, foot: str) -> None:
    """Write summary.html.

    Parameters
    ----------
    path : of the file
    lines : a dict for each row, with "name", "map", "status", "error", "seconds", "warnings", its
        figures by name, and, where there are such, "page" (where its results are, from here) and
        "picture" (a link, or data); gone through more than once, and never held all together
    title : of the page;  foot : a sentence on how it was made
    """
    figures = interesting(lines)
    # one column, which must be seen without scrolling: a row that failed has no warnings
    seen = [SAID] if any(_said(line) for line in lines) else []
    columns = ["map", "status", *seen, *figures, "seconds"]
    data = {
        "columns": columns,
        "heads": [with_unit(name) for name in columns],
        "said": SAID,
        "across": next((name for name in ACROSS if name in figures), ""),
        "up": next((name for name in UP if name in columns), ""),
        "rows": [],
    }
    before, after = TEMPLATE.read_text("utf-8").split("@DATA@")
    words = {"@TITLE@": _escaped(title), "@FOOT@": _escaped(foot)}
    before = re.sub("|".join(words), lambda mark: words[mark[0]], before)
    with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(before + _script(data)[: -len("]}")])
        for number, line in enumerate(lines):
            line = {**line, SAID: _said(line)}
            row = [line.get(name) for name in ("name", "page", "picture", *columns)]
            file.write(",\n" * (number > 0) + _script(row))
        file.write("]}" + after)


def with_unit(name: str) -> str:
    """The name of a figure as a heading.

    >>> with_unit("interval.0"), with_unit("archive.q_percentile"), with_unit("voxels")
    ('interval.0 (Å)', 'archive.q_percentile (%)', 'voxels')
    """
    return next((f"{name} ({unit})" for form, unit in UNITS if re.search(form, name)), name)


def _said(line: dict[str, Any]) -> Any:
    return line.get("error") or line.get("warnings")


def _script(data: Any) -> str:
    """JSON within a script, which "</script>" in a name would end."""
    said = json.dumps(data, ensure_ascii=False, default=str).replace("</", "<\\/")
    return said.replace("<!--", "<\\!--")


def interesting(lines: Iterable[dict[str, Any]]) -> list[str]:
    """Figures that differ from row to row: answers, numbers, and other words."""
    numbers: dict[str, int] = {}
    words: dict[str, int] = {}
    first: dict[str, Any] = {}
    varies = set()
    rows = 0
    for line in lines:
        rows += 1
        for name, value in line.items():
            if name in ALWAYS or name in ("page", "picture", "sha256", "said", "version"):
                continue
            if value is None or name.endswith("sha256"):
                continue
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number and len(str(value)) > 40:
                continue
            counts = numbers if is_number else words
            counts[name] = counts.get(name, 0) + 1
            if first.setdefault(name, value) != value:
                varies.add(name)
    known = [name for name in ANSWERS if name in words]
    known += [name for name in (*ACROSS, *UP) if name in numbers]
    varies |= {name for name in first if _of_list(name) in map(_of_list, varies)}
    others = [name for counts in (numbers, words) for name in counts if name in varies or rows < 2]
    return _in_order(dict.fromkeys([*known, *others]))[:MOST_COLUMNS]


def _in_order(names: Iterable[str]) -> list[str]:
    """Names with those of one list, such as interval.0 and interval.1, side by side in its order.

    >>> _in_order(["a", "b.1", "c", "b.0"])
    ['a', 'b.0', 'b.1', 'c']
    """
    lists: dict[str, list[str]] = {}
    for name in names:
        lists.setdefault(_of_list(name), []).append(name)
    return [name for each in lists.values() for name in sorted(each)]


def _of_list(name: str) -> str:
    """The name without its number in a list; a name that ends in a figure has none.

    >>> _of_list("interval.1"), _of_list("resolution_0.5")
    ('interval', 'resolution_0.5')
    """
    return re.sub(r"(?<=\D)\.\d$", "", name)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
