"""One page of all results in one HTML file, which needs no network: map, slices, curves, verdict.

The map is drawn by NGL (page_files/ngl-2.5.0.js, MIT licence beside it); the page holds its script.
"""

from __future__ import annotations

import base64
import json
import math
import os
from html import escape
from typing import Any, NamedTuple, Sequence

import numpy as np

from cryodl.report.chimerax import fill_outside
from cryodl.report.figure import new_file
from cryodl.report.palette import key_ends, key_labels, key_ticks, palette_colours

FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page_files")
NGL = "ngl-2.5.0.js"
STOPS = 17  # colours of the key that the page gets
FAINT = 0.35  # of the surface's level: fainter density keeps grey in the slices


class Display(NamedTuple):
    """A map reduced for the page.

    density : ndarray (z, y, x);  resolution : the same, Å, 0 where unknown, or None
    step : Å between voxels;  origin : x, y, z of the first, Å;  level : of the surface
    vmin, vmax : ends of the key, Å;  note : how it was reduced;  model : PDB file, or ""
    still : PNG of the surface, for paper
    """

    density: np.ndarray
    resolution: np.ndarray | None
    step: float
    origin: tuple[float, float, float]
    level: float
    vmin: float
    vmax: float
    note: str
    model: str = ""
    still: bytes = b""


class Picture(NamedTuple):
    """title, caption : words;  path : of an SVG or PNG;  wide : over the whole page"""

    title: str
    path: str
    caption: str = ""
    wide: bool = False


class Page(NamedTuple):
    """What a page shows; parts that are empty are left out.

    verdict : (question, answer, whether it is bad);  rows : (method, median, low, high) in Å
    standing : (what, percentile or None, sentence);  warnings : (sentence, command or "")
    notes : sentences on how the map was taken, which are no faults
    parts : (name, what became of it, seconds);  facts : (name, value) of versions and checksums
    """

    title: str
    subtitle: str
    verdict: Sequence[tuple[str, str, bool]]
    display: Display | None = None
    pictures: Sequence[Picture] = ()
    rows: Sequence[tuple[str, float, float, float]] = ()
    standing: Sequence[tuple[str, float | None, str]] = ()
    warnings: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    methods: str = ""
    bibtex: str = ""
    parts: Sequence[tuple[str, str, float]] = ()
    facts: Sequence[tuple[str, str]] = ()


def write_page(path: str | os.PathLike[str], page: Page) -> None:
    """Write a page as one file, which is there whole or not at all."""
    with new_file(path) as temporary:
        with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(_html(page))


def _html(page: Page) -> str:
    body = [
        f"<h1>{escape(page.title)}</h1>",
        f'<p class="soft">{escape(page.subtitle)}</p>',
        '<dl id="verdict">',
        *(
            f"<dt>{escape(ask)}</dt><dd{' class=bad' if bad else ''}>{escape(say)}</dd>"
            for ask, say, bad in page.verdict
        ),
        "</dl>",
        *_views(page.display),
        *_section("Curves and figures", _pictures(page.pictures)),
        *_section("Local resolution by several methods", _rows(page.rows)),
        *_section("Among the EMDB's entries", _standing(page.standing)),
        *_section("Warnings, and what mends them", _warnings(page.warnings)),
        *_section("Notes, which are no faults", _warnings([(note, "") for note in page.notes])),
        *_section("Methods", _methods(page.methods, page.bibtex)),
        *_section("How this page was made", _table(("Part", "Result", "s"), page.parts)),
        *_section("Versions and checksums (SHA-256)", _table(("Name", "Value"), page.facts)),
    ]
    scripts = f"<script>{_file(NGL)}</script>" if page.display else ""
    return "\n".join(
        [
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            f"<title>{escape(page.title)}</title><style>{_file('page.css')}</style></head><body>",
            *body,
            scripts,
            f"<script>{_file('page.js')}</script></body></html>",
            "",
        ]
    )


def _file(name: str) -> str:
    with open(os.path.join(FILES, name), encoding="utf-8") as file:
        return file.read()


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"<section><h2>{escape(title)}</h2>", *lines, "</section>"] if lines else []


def _views(display: Display | None) -> list[str]:
    if display is None:
        return []
    stops = palette_colours(display.vmin, display.vmax, STOPS)
    colours = [colour for _, colour in stops]
    still = f"data:image/png;base64,{_base64(display.still)}" if display.still else ""
    return [
        '<div class="pair"><figure>',
        '<div id="view" tabindex="0" role="img" '
        'aria-label="The map in three dimensions; arrow keys turn it"></div>',
        f'<img id="still" alt="Surface of the map, coloured by local resolution" src="{still}">'
        if still
        else "",
        '<figcaption><span class="screen">Turn with the mouse or the arrow keys.</span> '
        f"{escape(display.note)} Density "
        "away from what was judged is not shown.</figcaption>",
        "</figure><figure>",
        '<canvas id="slice" width="640" height="640" role="img" aria-label="Slice of the map">'
        "</canvas>",
        '<div class="row">',
        *(f'<button type="button" data-axis="{axis}">{axis}</button>' for axis in "zyx"),
        '<input id="slider" type="range" min="0" max="1" aria-label="Position of the slice">',
        '<span id="place"></span></div>',
        *_key(display, colours),
        "</figure></div>",
        '<script id="display" type="application/json">',
        json.dumps(_bytes(display, colours)).replace("</", "<\\/"),
        "</script>",
    ]


def _key(display: Display, colours: list[str]) -> list[str]:
    """Of the local resolution, where there is one."""
    if display.resolution is None:
        return []
    ticks = key_labels(key_ticks(display.vmin, display.vmax))
    ends = key_ends(display.resolution, display.vmin, display.vmax)
    ticks[0] = "≤ " * (ends in ("min", "both")) + ticks[0]
    ticks[-1] = "≥ " * (ends in ("max", "both")) + ticks[-1]
    return [
        f'<div id="key" style="background:linear-gradient(90deg,{",".join(colours)})"></div>',
        f'<div id="ticks">{"".join(f"<span>{tick}</span>" for tick in ticks)}</div>',
        '<p class="soft">Local resolution (Å); white and grey: not judged</p>',
    ]


def _bytes(display: Display, colours: list[str]) -> dict[str, Any]:
    """Densities and resolutions as bytes, 0 to 255; of resolutions 0 is unknown."""
    low, high = (float(v) for v in np.quantile(display.density, (0.02, 0.9995)))
    high = max(high, low + 1e-30)

    def scaled(values: Any) -> Any:
        return np.clip((values - low) / (high - low) * 255, 0, 255)

    level = float(scaled(display.level))
    nz, ny, nx = display.density.shape
    held: dict[str, Any] = {
        "size": [nx, ny, nz],
        "step": display.step,
        "origin": list(display.origin),
        "level": level,
        "faint": FAINT * level,
        "colours": colours,
        "density": _base64(np.rint(scaled(display.density)).astype(np.uint8).tobytes()),
        "model": display.model,
    }
    if display.resolution is not None:
        mask = display.resolution > 0
        filled = fill_outside(display.resolution, mask, 4)
        for name, values in (("resolution", display.resolution), ("filled", filled)):
            share = (values - display.vmin) / (display.vmax - display.vmin)
            codes = 1 + np.rint(254 * np.clip(share, 0, 1))
            codes = np.where(values > 0, codes, 0).astype(np.uint8)
            held[name] = _base64(codes.tobytes())
    return held


def _base64(held: bytes) -> str:
    return base64.b64encode(held).decode("ascii")


def _pictures(pictures: Sequence[Picture]) -> list[str]:
    lines = []
    for one in pictures:
        kind = "svg+xml" if one.path.endswith(".svg") else "png"
        with open(one.path, "rb") as file:
            source = f"data:image/{kind};base64,{_base64(file.read())}"
        wide = ' class="wide"' if one.wide else ""
        lines.append(
            f'<figure{wide}><img alt="{escape(one.title)}" src="{source}"><figcaption>'
            f"<b>{escape(one.title)}.</b> {escape(one.caption)}</figcaption></figure>"
        )
    return ['<div class="pair">', *lines, "</div>"] if lines else []


def _rows(rows: Sequence[tuple[str, float, float, float]]) -> list[str]:
    shown = [(name, *(f"{v:.2f}" for v in values)) for name, *values in rows]
    return _table(("Method", "Median (Å)", "2.5 %", "97.5 %"), shown)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    if not rows:
        return []
    lines = ["<table><tr>", *(f"<th>{escape(name)}</th>" for name in head), "</tr>"]
    for row in rows:
        cells = [f"<td>{escape(f'{v:.1f}' if isinstance(v, float) else str(v))}</td>" for v in row]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return [*lines, "</table>"]


def _standing(standing: Sequence[tuple[str, float | None, str]]) -> list[str]:
    lines = []
    for name, percentile, sentence in standing:
        lines.append(f"<p><b>{escape(name)}.</b> {escape(sentence)}</p>")
        if percentile is not None and math.isfinite(percentile):
            lines.append(
                f'<div class="bar" role="img" aria-label="percentile {percentile:.0f}">'
                f'<i style="left:{percentile:.1f}%"></i></div>'
            )
    return lines


def _warnings(warnings: Sequence[tuple[str, str]]) -> list[str]:
    if not warnings:
        return []
    lines = [
        f"<li>{escape(text)}{f'<code>{escape(command)}</code>' if command else ''}</li>"
        for text, command in warnings
    ]
    return ["<ul>", *lines, "</ul>"]


def _methods(text: str, bibtex: str) -> list[str]:
    lines = []
    for name, content in (("methods", text), ("bibtex", bibtex)):
        if content:
            lines += [
                f'<pre id="{name}">{escape(content)}</pre>',
                f'<button type="button" data-copy="{name}">copy</button>',
            ]
    return lines
