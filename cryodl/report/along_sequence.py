"""Values of residues along the sequence of each chain, as a figure and in ChimeraX."""

from __future__ import annotations

import os
from typing import Any, NamedTuple, Sequence

import numpy as np

from cryodl.report.chimerax import _quoted, _relative, write_script
from cryodl.report.figure import TWO_COLUMNS, new_figure, plain, save_both, style, write_title

MOST = 12  # chains that are drawn, the longest
WIDTH = TWO_COLUMNS
PANEL, HEAD, FOOT = 1.0, 0.32, 0.42  # inches
SCORE, OTHER, EXPECTED = "#1f6f8b", "#e9a03b", "#d1495b"
PALETTE = "0,#a50026:0.25,#f46d43:0.5,#fee090:0.75,#74add1:1,#313695"  # of Q, red to blue


class Line(NamedTuple):
    """name : of a chain;  numbers : ndarray (n,), of its residues
    score, correlation : ndarray (n,), -1 to 1, nan where unknown"""

    name: str
    numbers: np.ndarray
    score: np.ndarray
    correlation: np.ndarray


def draw_along_sequence(
    chains: Sequence[Line],
    out_base: str | os.PathLike[str],
    *,
    expected: float | None = None,
    sigma: float = 0.6,
    title: str = "",
) -> None:
    """Write Q-score and correlation of residues as ``out_base``.png and .svg.

    Of more than twelve chains the longest are drawn, and the title says so.

    chains : in the order of the file, none empty;  expected : Q at the resolution

    Raises
    ------
    ValueError
        No chain.
    """
    if not chains:
        raise ValueError("no chain to draw")
    longest = sorted(chains, key=lambda chain: -len(chain.numbers))[:MOST]
    drawn = [chain for chain in chains if any(chain is one for one in longest)]
    if len(drawn) < len(chains):
        title = f"{title}  ({len(drawn)} longest of {len(chains)} chains)".strip()
    height = HEAD + PANEL * len(drawn) + FOOT
    with style():
        figure = new_figure(WIDTH, height)
        for row, chain in enumerate(drawn):
            bottom = height - HEAD - PANEL * (row + 1) + 0.16
            axes = figure.add_axes((0.075, bottom / height, 0.905, (PANEL - 0.2) / height))
            _draw(axes, chain, expected, sigma, labelled=row == 0)
        axes.set_xlabel("Residue", labelpad=1)
        middle = height - HEAD - PANEL * len(drawn) / 2 + 0.06
        figure.text(0.012, middle / height, "Q-score, correlation", rotation=90, va="center",
            fontsize=8)  # fmt: skip
        write_title(figure, 0.075 * WIDTH, 0.05, title, right=0.6 * WIDTH)
        save_both(figure, out_base)


def _draw(axes: Any, chain: Line, expected: float | None, sigma: float, labelled: bool) -> None:
    numbers, score, other = _broken(chain)
    if expected is not None:
        label = f"expected: {expected:.2f}"
        axes.axhline(expected, color=EXPECTED, lw=0.8, ls=(0, (4, 2)), label=label)
    axes.plot(numbers, other, color=OTHER, lw=0.7, label="correlation")
    axes.plot(numbers, score, color=SCORE, lw=1.0, label=f"Q-score (sigma {sigma:g} Å)")
    least = min(0.0, float(np.nanmin(chain.score)) if np.isfinite(chain.score).any() else 0.0)
    first, last = float(np.min(chain.numbers)), float(np.max(chain.numbers))
    axes.set(ylim=(max(least, -1) - 0.02, 1.0), xlim=(first - 1, last + 1), yticks=(0, 0.5, 1))
    axes.grid(axis="y", color="0.9", lw=0.5)
    axes.annotate(
        plain(chain.name), (0, 0), (4, 3), xycoords="axes fraction", va="bottom", weight="bold",
        textcoords="offset points", fontsize=8,
        bbox={"facecolor": "white", "pad": 0.8, "lw": 0, "alpha": 0.8},
    )  # fmt: skip
    if labelled:
        axes.legend(
            frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.98), ncol=3, borderpad=0,
            handlelength=1.6, columnspacing=1.2,
        )  # fmt: skip


def _broken(chain: Line) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers and values with a gap where residues are missing."""
    numbers = np.asarray(chain.numbers, float)
    gaps = np.flatnonzero(np.abs(np.diff(numbers)) > 1) + 1
    return tuple(  # type: ignore[return-value]
        np.insert(np.asarray(values, float), gaps, np.nan)
        for values in (numbers, chain.score, chain.correlation)
    )


def write_attribute(
    path: str | os.PathLike[str], name: str, values: Sequence[tuple[str, float]]
) -> None:
    """Write a value of every residue as a file of ChimeraX's command "open ATTRIBUTES.defattr".

    name : of the attribute;  values : specifier, such as "/A:52", and value
    """
    lines = [f"attribute: {name}", "match mode: 1-to-1", "recipient: residues"]
    lines += [f"\t{place}\t{value:.4f}" for place, value in values if np.isfinite(value)]
    write_script(path, lines)


def write_model_view(
    path: str | os.PathLike[str],
    *,
    map_file: str | os.PathLike[str],
    model_file: str | os.PathLike[str],
    attribute_file: str | os.PathLike[str],
    name: str,
    level: float,
) -> None:
    """Write a script that shows a model coloured by an attribute of its residues, in its map."""
    keys = " ".join(f"{stop.split(',')[1]}:{stop.split(',')[0]}" for stop in PALETTE.split(":"))
    write_script(
        path,
        [
            "# Model coloured by Q-score, in its map. Open in an empty ChimeraX session (1.6 on).",
            f"open {_quoted(_relative(map_file, path))}",
            f"open {_quoted(_relative(model_file, path))}",
            f"open {_quoted(_relative(attribute_file, path))}",
            f"volume #1 style surface step 1 level {level:.6g} transparency 0.7 color #b4b4b4",
            "hide #2 atoms",
            "show #2 cartoons",
            "show #2 & ligand atoms",
            f"color byattribute r:{name} #2 palette {PALETTE}",
            "set bgColor white",
            "lighting soft",
            "graphics silhouettes true",
            f"key {keys} pos 0.70,0.08 size 0.25,0.03 fontSize 18 labelColor black",
            "2dlabels create title text Q-score xpos 0.70 ypos 0.125 size 20 color black",
            "view",
        ],
    )
