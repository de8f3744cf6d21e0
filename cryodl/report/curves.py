"""Learning curves, and claimed against measured values."""

from __future__ import annotations

import csv
import os
from typing import Any, Sequence

import numpy as np

from cryodl.report.figure import ONE_COLUMN, TWO_COLUMNS, new_figure, plain, save_figure, style

TRAINING, VALIDATION = "#1f6f8b", "#d1495b"
RATES = ("lr", "learning_rate")
COLUMNS = 3


def read_log(csv_path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Columns of a training log as float arrays of shape (epochs,); what is no number becomes NaN.

    A line cut short, as in the log of a training that still runs, is left out.

    Raises
    ------
    ValueError
        No column ``epoch`` or no complete line.
    """
    with open(csv_path, newline="", encoding="utf-8") as table:
        rows = [row for row in csv.reader(table) if row]
    header = [name.strip() for name in rows[0]] if rows else []
    complete = [row for row in rows[1:] if len(row) == len(header)]
    if "epoch" not in header or not complete:
        raise ValueError(f"{csv_path} is no training log: it needs a column epoch and one line")
    return {
        name: np.array([_number(row[column]) for row in complete])
        for column, name in enumerate(header)
    }


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def draw_learning_curves(
    csv_path: str | os.PathLike[str], out_path: str | os.PathLike[str]
) -> None:
    """Draw every metric of a training log, training and validation together.

    Parameters
    ----------
    csv_path : path
        Columns ``epoch``, ``loss``, any other metric, and ``val_`` + the same names. One panel
        each; the validation curve's best epoch is marked on the loss. A panel is
        logarithmic where its values are positive and span more than a factor of ten.
    out_path : path
        .png (300 dpi), .svg or .pdf.

    Raises
    ------
    ValueError
        The file is no training log, or holds nothing but epochs.
    """
    with style():
        figure = new_figure(TWO_COLUMNS, 3.0)
        fill_learning_curves(figure, csv_path)
        save_figure(figure, out_path)


def fill_learning_curves(
    figure: Any, csv_path: str | os.PathLike[str], *, title: str = ""
) -> list[Any]:
    """Draw them on an empty figure, which takes the size that they need; as the one above.

    Returns the matplotlib axes, one for each metric.
    """
    log = read_log(csv_path)
    names = [name for name in log if name != "epoch" and not name.startswith("val_")]
    names = [n for n in names if np.isfinite(log[n]).any()]
    names.sort(key=lambda n: (n != "loss", n in RATES))
    if not names:
        raise ValueError(f"{csv_path} holds no metric to draw")
    columns = min(COLUMNS, len(names))
    lines = -(-len(names) // columns)
    width = (ONE_COLUMN, 5.0, TWO_COLUMNS)[columns - 1]
    with style():
        figure.set_size_inches(width, 2.15 * lines + 0.25 + (0.25 if title else 0))
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes, name in zip(panels, names):
            _draw_metric(axes, log, name)
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        for axes in panels[max(0, len(names) - columns) : len(names)]:
            axes.set_xlabel("Epoch")
        if title:
            figure.suptitle(plain(title), fontsize=9)
        figure.tight_layout(pad=0.6, w_pad=1.2)
    return list(panels[: len(names)])


def _draw_metric(axes: Any, log: dict[str, np.ndarray], name: str) -> None:
    epoch, train, val = log["epoch"], log[name], log.get("val_" + name)
    # dots where a line would be too short to see
    mark = "o" if len(epoch) < 3 else None
    axes.plot(epoch, train, color=TRAINING, lw=1.2, marker=mark, ms=3, label="training")
    shown = [train[np.isfinite(train)]]
    if val is not None and np.isfinite(val).any():
        seen = np.isfinite(val)
        axes.plot(
            epoch[seen], val[seen], color=VALIDATION, lw=1.2, marker=mark, ms=3, label="validation"
        )
        shown.append(val[seen])
        if name == "loss":
            best = int(np.nanargmin(val))
            axes.plot(
                epoch[best], val[best], "o", ms=4.5, mfc="white", mec=VALIDATION, ls="none",
                label=f"best, epoch {epoch[best]:g}",
            )  # fmt: skip
        axes.legend(frameon=False, handlelength=1.4)
    axes.set_ylabel(_metric_label(name))
    values = np.concatenate(shown)
    if values.min() > 0 and values.max() > 10 * values.min():
        axes.set_yscale("log")
        axes.yaxis.get_major_locator().set_params(subs=(1, 2, 5))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
    elif len(values) > 20:
        # a first epoch far off would flatten all the others
        low, typical = values.min(), float(np.percentile(values, 95))
        if values.max() - low > 3 * (typical - low) > 0:
            axes.set_ylim(low - 0.1 * (typical - low), typical + 0.6 * (typical - low))
    axes.xaxis.get_major_locator().set_params(integer=True)


def _metric_label(name: str) -> str:
    known = dict.fromkeys(RATES, "Learning rate")
    known["mae"] = "Mean absolute error (Å)"
    label = name.replace("_", " ")
    return known.get(name, label[:1].upper() + label[1:])


def draw_scatter(
    x: Sequence[float],
    y: Sequence[float],
    out_path: str | os.PathLike[str],
    xlabel: str,
    ylabel: str,
) -> None:
    """Draw measured (``y``) against claimed (``x``) values in Å, with the line of equality.

    Parameters
    ----------
    x, y : sequences of equal length, in Å; pairs that hold NaN are left out
    out_path : path
        .png (300 dpi), .svg or .pdf.

    Raises
    ------
    ValueError
        Lengths differ or no finite pair.
    """
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if xs.shape != ys.shape:
        raise ValueError(f"x and y must have one length; received {xs.size} and {ys.size}")
    known = np.isfinite(xs) & np.isfinite(ys)
    if not known.any():
        raise ValueError("no finite pair of values to draw")
    xs, ys = xs[known], ys[known]
    low, high = min(xs.min(), ys.min()), max(xs.max(), ys.max())
    air = 0.08 * (high - low) or 0.5
    with style():
        figure = new_figure(ONE_COLUMN, ONE_COLUMN)
        axes = figure.add_axes((0.14, 0.13, 0.82, 0.82))
        axes.plot([low - air, high + air], [low - air, high + air], color="0.6", lw=0.8, zorder=1)
        axes.scatter(xs, ys, s=16, color=TRAINING, edgecolor="white", lw=0.4, zorder=3)
        axes.set(xlim=(low - air, high + air), ylim=(low - air, high + air), aspect="equal")
        axes.set(xlabel=xlabel, ylabel=ylabel)
        # equal limits deserve equal ticks
        axes.set_yticks([t for t in axes.get_xticks() if low - air <= t <= high + air])
        error = float(np.mean(np.abs(xs - ys)))
        note = f"n = {xs.size}, mean |difference| = {error:.2f} Å"
        axes.text(0.02, 0.985, note, transform=axes.transAxes, va="top", fontsize=7.5)
        save_figure(figure, out_path)
