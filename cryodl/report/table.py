"""A table of figures as a picture."""

from __future__ import annotations

from typing import Any, Sequence

from cryodl.report.figure import printable, style, write_title

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
        if title:
            write_title(figure, MARGIN, 0.08, title, right=width - MARGIN)
        figure.draw_without_rendering()
    return drawn


def _line(left: float, right: float, height: float) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([left, right], [height, height], color="0.4", linewidth=0.7)
