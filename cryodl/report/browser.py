"""Slices of two maps and a chart beside each other on one figure, drawn anew at every change.

The results window of Scipion puts its controls around it; it needs no window itself.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Sequence

import numpy as np

from cryodl.report.figure import STYLE, style, write_title
from cryodl.report.palette import PALETTES, colour_map, draw_key
from cryodl.report.slice_grid import ACROSS, AXES, Row, _draw_outline, _draw_plane, _edges, _plane

RESOLUTION, DENSITY, OTHER = "resolution", "density", "other"  # kinds of layers
WHOLE = 0  # steps of a key that is not divided
# left, bottom, width and height of both panels and of the chart, as shares of the figure
PANELS = (0.045, 0.11, 0.255, 0.78), (0.41, 0.11, 0.255, 0.78)
CHART = 0.78, 0.17, 0.205, 0.62


class Layer(NamedTuple):
    """One map of a run, as it is shown at first.

    name : in the list of what can be shown
    row : its values, colours, ends, name of the key, and where it is known
    kind : RESOLUTION, whose colours and ends the user changes; DENSITY, in grey; OTHER
    ticks : values and what the key says beside them, instead of numbers
    """

    name: str
    row: Row
    kind: str = OTHER
    ticks: Sequence[tuple[float, str]] | None = None


class Scale(NamedTuple):
    """Colours of the layers of a resolution: name of the map, ends in Å, steps (0: none)."""

    colours: str
    low: float
    high: float
    steps: int = WHOLE

    def map(self) -> Any:
        """matplotlib's colour map."""
        from matplotlib import colormaps
        from matplotlib.colors import ListedColormap

        name = self.colours
        shown = colour_map(name) if name in PALETTES else colormaps[name]
        if self.steps == WHOLE:
            return shown
        places = (np.arange(self.steps) + 0.5) / self.steps
        return ListedColormap(shown(places), name=f"{name} in {self.steps}")

    def stops(self, count: int = 11) -> list[tuple[float, str]]:
        """So many values (Å) from end to end with their colours, as #rrggbb."""
        from matplotlib.colors import to_hex

        colours, span = self.map(), self.high - self.low
        shares = [i / (count - 1) for i in range(count)]
        return [(round(self.low + share * span, 6), to_hex(colours(share))) for share in shares]


def colour_names() -> list[str]:
    """Names of all colour maps, this package's first."""
    from matplotlib import colormaps

    others = sorted((n for n in colormaps if not n.endswith("_r")), key=str.lower)
    first = [name for name in PALETTES if name != "amber"]
    return [*first, *(n for n in others if n not in PALETTES and not n.startswith("cryodl"))]


class Browser:
    """A figure that shows one plane of two maps, and a chart of the first.

    figure : matplotlib Figure, empty, of any size
    voxel_size, origin : Å, of the grid of all layers; the latter is (x, y, z)
    box : slices along z, y, x to be shown
    inside : ndarray of bool, shape (z, y, x), the molecule, outlined on densities
    background : Layer of density that shows faintly where no resolution is known, or None
    outlined : whether it is
    chart : draws on matplotlib axes what stands beside the slices, of (axes, Layer, Scale)
    """

    def __init__(
        self,
        figure: Any,
        *,
        voxel_size: float,
        origin: tuple[float, float, float],
        box: tuple[slice, slice, slice],
        inside: np.ndarray,
        background: Layer | None,
        chart: Callable[[Any, Layer, Scale], Any],
        outlined: bool = True,
        title: str = "",
    ) -> None:
        self.figure, self.voxel_size, self.origin = figure, voxel_size, origin
        self.box, self.inside, self.background = box, inside, background
        self.chart, self.title = chart, title
        self.axis, self.plane, self.outlined = "z", 0, outlined
        self.layers: list[Layer] = []

    # --------------------------- what is shown ----------------------------
    def show(self, left: Layer, right: Layer, axis: str, plane: int, scale: Scale) -> None:
        """Draw all anew: other maps, another axis or other colours."""
        self.layers, self.axis, self.scale = [left, right], axis, scale
        self.figure.clear()
        with style():
            self.panels = [self.figure.add_axes(place) for place in PANELS]
            self._draw_keys()
            self.plot = self.figure.add_axes(CHART)
            for side in ("top", "right"):
                self.plot.spines[side].set_visible(False)
            self.chart(self.plot, left, scale)
            if self.title:
                width = self.figure.get_size_inches()[0]
                write_title(self.figure, 0.12, 0.06, self.title, right=width - 0.1)
        self.move(plane)

    def move(self, plane: int) -> None:
        """Show another plane along the same axis."""
        self.plane = int(np.clip(plane, 0, self.depth() - 1))
        place = self.origin["xyz".index(self.axis)] + self.plane * self.voxel_size
        up, across = ACROSS[self.axis]
        extent = [
            e for name in (across, up) for e in _edges(name, self.box, self.voxel_size, self.origin)
        ]
        with style():
            for axes, layer in zip(self.panels, self.layers):
                axes.clear()
                behind = self.background.row if self.background else None
                known = layer.row.inside is not None and behind is not None
                _draw_plane(
                    axes, self._row(layer), self.axis, self.plane, self.box, extent,
                    behind.values if known and behind else None,
                    (behind.vmin, behind.vmax) if behind else (0.0, 1.0),
                )  # fmt: skip
                if self.outlined and layer.kind == DENSITY:
                    outline = _plane(self.inside, self.axis, self.plane, self.box)
                    _draw_outline(axes, outline, extent)
                axes.set_title(f"{layer.name}, plane {self.plane + 1}: {self.axis} = {place:.1f} Å")
                axes.set_xlabel(f"{across} (Å)")
                axes.set_ylabel(f"{up} (Å)")
                axes.locator_params(nbins=5)
                axes.tick_params(labelsize=STYLE["ytick.labelsize"])  # made outside this style

    def depth(self) -> int:
        """How many planes there are along the axis."""
        return self.inside.shape[AXES.index(self.axis)]

    def values_at(self, axes: Any, across: float, up: float) -> str:
        """What lies under a place (Å) of one of the panels, in words; "" beside them."""
        if axes not in self.panels:
            return ""
        names = (*ACROSS[self.axis][::-1], self.axis)
        place = dict(zip(names, (across, up, 0.0)))
        index = {
            name: round((place[name] - self.origin["xyz".index(name)]) / self.voxel_size)
            for name in names[:2]
        }
        index[self.axis] = self.plane
        voxel = tuple(index[name] for name in AXES)
        if not all(0 <= i < n for i, n in zip(voxel, self.inside.shape)):
            return ""
        where = ", ".join(
            f"{name} = {self.origin[i] + index[name] * self.voxel_size:.1f}"
            for i, name in enumerate("xyz")
        )
        said = []
        left, right = self.layers
        for layer in [left] if left is right else [left, right]:
            row = layer.row
            known = row.inside is None or row.inside[voxel]
            value = f"{row.values[voxel]:.4g}" if known else "not known"
            said.append(f"{layer.name}: {value}" + (" Å" if known and "(Å)" in row.label else ""))
        return f"{where} Å   " + "   ".join(said)

    # --------------------------- how it is drawn --------------------------
    def _row(self, layer: Layer) -> Row:
        if layer.kind != RESOLUTION:
            return layer.row
        scale = self.scale
        return layer.row._replace(colours=scale.map(), vmin=scale.low, vmax=scale.high)

    def _draw_keys(self) -> None:
        for layer, (left, bottom, width, height) in zip(self.layers, PANELS):
            row = self._row(layer)
            place = (left + width + 0.008, bottom + 0.05 * height, 0.009, 0.9 * height)
            draw_key(
                self.figure, place, row.colours, row.vmin, row.vmax, row.label,
                labelled=row.labelled, ticks=layer.ticks, values=row.values,
            )  # fmt: skip


def draw_density_bars(axes: Any, layer: Layer) -> None:
    """A histogram of a density, with a logarithmic count."""
    values = layer.row.values if layer.row.inside is None else layer.row.values[layer.row.inside]
    axes.hist(np.ravel(values), 80, color="0.6")
    axes.set_yscale("log")
    axes.set_xlabel(layer.row.label if layer.row.labelled else layer.name)
    axes.set_ylabel("Voxels")
