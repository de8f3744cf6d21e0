"""Figures without a display: matplotlib's object interface on the Agg canvas, one look for all."""

from __future__ import annotations

import os
from typing import Any

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


def printable(text: str) -> str:
    """A name without what no font and no file format can hold: control codes, broken bytes."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def plain(text: str) -> str:
    """A name as matplotlib shall write it: it takes what stands between two $ for a formula."""
    return printable(text).replace("$", r"\$")


def write_title(figure: Any, left: float, top: float, text: str, *, right: float) -> None:
    """Write ``text`` from ``left`` at ``top`` (inches from the left and top edges), one line.

    A title too long to end before ``right`` is set smaller, and shortened in its middle at last.
    """
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
    """Write ``figure`` to ``path`` (.png, .svg or .pdf) under a temporary name, then rename it."""
    path = os.fspath(path)
    kind = os.path.splitext(path)[1].lstrip(".").lower() or "png"
    temporary = f"{path}.{os.getpid()}.part"
    # a date would make two runs on the same data differ
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    try:
        with style():  # how SVG text is written is decided here, not when the text is made
            figure.savefig(temporary, dpi=dpi, format=kind, metadata=metadata)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
