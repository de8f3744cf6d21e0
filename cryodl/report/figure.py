"""Figures without a display, by matplotlib's Agg canvas: one look for all; tables as pictures."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Sequence

#: One and two columns of a journal page, in inches (85 and 178 mm).
ONE_COLUMN = 3.35
TWO_COLUMNS = 7.0

STYLE = {
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    # text stays text in SVG, so that an author can edit it; the fixed salt makes files repeatable
    "svg.fonttype": "none",
    "svg.hashsalt": "cryodl",
}


def new_figure(width: float, height: float) -> Any:
    """A white matplotlib figure of ``width`` x ``height`` inches on the Agg canvas.

    pyplot is never touched: it would choose a window system and keep every figure alive.
    Draw inside ``with style():`` so that the fonts agree.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def style() -> Any:
    """Context in which matplotlib has this package's fonts and lines."""
    import matplotlib

    return matplotlib.rc_context(STYLE)


@contextmanager
def drawing(name: str, say: Callable[[str], Any]) -> Iterator[None]:
    """Turn whatever goes wrong in the drawing of a file into a warning.

    Hours of computing must not be lost by a picture.  name : of the file;  say : takes the warning
    """
    try:
        yield
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        say(f"warning: {name} could not be made ({reason})")


def printable(text: str) -> str:
    """A name without what no font and no file format can hold: control codes, broken bytes."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def plain(text: str) -> str:
    """A name as matplotlib shall write it: it takes what stands between two $ for a formula."""
    return printable(text).replace("$", r"\$")


def write_title(figure: Any, left: float, top: float, text: str, *, right: float) -> None:
    """Write ``text`` from ``left`` at ``top`` (inches from the left and top edges), one line.

    A title too long to end before ``right`` is set smaller, and shortened in its middle at last;
    an empty one is left out.
    """
    if not text:
        return
    width, height = figure.get_size_inches()
    text = printable(text)
    title = figure.text(
        left / width, 1 - top / height, text, ha="left", va="top", fontsize=9, parse_math=False
    )
    renderer = figure.canvas.get_renderer()
    for size in (9, 8, 7, 6):
        title.set_fontsize(size)
        share = (right - left) * figure.dpi / title.get_window_extent(renderer).width
        if share >= 1:
            return
    kept = max(2, int(len(text) * share / 2) - 1)
    title.set_text(text[:kept] + "…" + text[-kept:])


def save_figure(figure: Any, path: str | os.PathLike[str], *, dpi: int = 300) -> None:
    """Write ``figure`` to ``path`` (.png, .svg or .pdf)."""
    kind = os.path.splitext(os.fspath(path))[1].lstrip(".").lower() or "png"
    # a date would make two runs on the same data differ
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with new_file(path) as temporary, style():  # how SVG text is written is decided here
        figure.savefig(temporary, dpi=dpi, format=kind, metadata=metadata)


def save_both(figure: Any, out_base: str | os.PathLike[str]) -> None:
    """Write ``figure`` as ``out_base``.png and .svg."""
    for kind in (".png", ".svg"):
        save_figure(figure, os.fspath(out_base) + kind)


@contextmanager
def new_file(path: str | os.PathLike[str]) -> Iterator[str]:
    """A temporary name for a file, which is there whole at the end or not at all."""
    temporary = f"{os.fspath(path)}.{os.getpid()}.part"
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


LINE, HEAD, FOOT, MARGIN, AIR = 0.21, 0.1, 0.1, 0.14, 0.3  # inches
TITLE = 0.28
INCH_OF_CHARACTER = 0.068  # of the text's 8 points, on the wide side


def draw_table(
    figure: Any,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    notes: Sequence[str] = (),
    title: str = "",
) -> list[list[Any]]:
    """Draw rows of text below their headings; the figure takes the size that they need.

    Parameters
    ----------
    figure : matplotlib Figure, empty
    columns : headings; the first column is aligned to the left, the others to the right
    rows : as many texts each as there are headings
    notes : lines below the table

    Returns
    -------
    matplotlib texts, the headings first, a list for each row

    Raises
    ------
    ValueError
        No row, or one with another number of texts.
    """
    if not rows or any(len(row) != len(columns) for row in rows):
        raise ValueError(f"a table of {len(columns)} columns needs rows of as many texts")
    texts = [list(columns), *(list(row) for row in rows)]
    widths = [
        INCH_OF_CHARACTER * max(len(row[i]) for row in texts) + AIR for i in range(len(columns))
    ]
    noted = INCH_OF_CHARACTER * max([len(note) for note in notes] or [0])
    width = 2 * MARGIN + max(sum(widths) - AIR, noted, 2.0)
    head = HEAD + (TITLE if title else 0.0)
    lines = len(texts) + (len(notes) + 0.5 if notes else 0)
    height = head + LINE * lines + FOOT
    figure.set_size_inches(width, height)
    drawn = []
    with style():

        def write(left: float, line: float, text: str, **how: Any) -> Any:
            bottom = height - head - LINE * (line + 0.5)
            place = left / width, bottom / height
            return figure.text(*place, printable(text), va="center", parse_math=False, **how)

        for number, row in enumerate(texts):
            weight = "bold" if number == 0 else "normal"
            cells, left = [], MARGIN
            for i, text in enumerate(row):
                end = left + widths[i] - AIR
                where, side = (left, "left") if i == 0 else (end, "right")
                cells.append(write(where, number, text, ha=side, weight=weight))
                left += widths[i]
            drawn.append(cells)
        rule = (height - head - LINE) / height
        figure.add_artist(_line(MARGIN / width, (MARGIN + sum(widths) - AIR) / width, rule))
        for number, note in enumerate(notes):
            write(MARGIN, len(texts) + 0.5 + number, note, ha="left")
        write_title(figure, MARGIN, 0.08, title, right=width - MARGIN)
        figure.draw_without_rendering()
    return drawn


def _line(left: float, right: float, height: float) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([left, right], [height, height], color="0.4", linewidth=0.7)
