"""ChimeraX script that shows a map coloured by its local resolution, with the colour key.

Written for ChimeraX 1.6 and later. At every point of the map's surface ChimeraX interpolates the
resolution map between eight voxels. Where one of them lies outside the mask, the background 0 is
mixed in and the colour comes out too good. Three remedies, in the order in which they act:

1. :func:`surface_level` keeps the surface off the outermost voxels of the mask wherever the
   density allows it, so that the plain resolution map is enough;
2. :func:`write_view` paints grey what is below half of ``vmin``: not judged is not well resolved;
3. :func:`fill_outside` extends the values a few voxels beyond the mask, for a surface that must
   cross a tight mask: write the result as a second map and give that to :func:`write_view`.
"""

from __future__ import annotations

import os
from typing import Sequence

import numpy as np

from cryodl.report.figure import new_file
from cryodl.report.palette import key_labels, key_ticks
from cryodl.report.slices import crop_box

#: Colour of a surface whose resolution is not known.
UNKNOWN = "#b4b4b4"
#: Voxels shown outside a mask over those inside, at most, from which a level is raised above noise.
SPECKS = 0.5
#: Share of a mask that such a level still shows.
LEAST_SHOWN = 0.01


def surface_level(map_data: np.ndarray, mask: np.ndarray) -> float:
    """Density at which a surface coloured by its resolution shows the molecule.

    Otsu's threshold (IEEE Trans. Syst. Man Cybern. 9, 62, 1979) of the density inside the mask:
    it parts molecule from solvent whether the mask is tight or generous, and follows any scaling
    or offset of the map. Raised where needed so that at most one in a hundred of the mask's
    outermost voxels lies above it, but never so far that less than a quarter of the mask is shown.
    It keeps the colours right; the level that encloses the molecule is :func:`contour_level`.

    Parameters
    ----------
    map_data : ndarray, shape (z, y, x)
        Density in any unit.
    mask : ndarray, shape (z, y, x)
        Non-zero inside the molecule.

    Returns
    -------
    level : float
        In the unit of ``map_data``, within its range inside the mask.

    Raises
    ------
    ValueError
        The mask is empty.
    """
    from scipy.ndimage import binary_erosion

    mask = np.asarray(mask) != 0
    box = crop_box(mask, 1)
    map_data, mask = map_data[box], mask[box]
    values = map_data[mask]
    level = _otsu(values)
    shell = map_data[mask & ~binary_erosion(mask, np.ones((3, 3, 3)), border_value=1)]
    if shell.size:
        clear, quarter = np.quantile(shell, 0.99), np.quantile(values, 0.75)
        level = max(level, float(min(clear, quarter)))
    return level


def contour_level(map_data: np.ndarray, inside: np.ndarray) -> tuple[float, bool]:
    """Level whose surface encloses the molecule, as the EMDB wants one to be recommended.

    Half-way from the solvent, the median outside, to the mean inside: where the molecule's border
    lies however blurred it is, so that the volume enclosed is that of its atoms. Raised where the
    noise would show: until half as many voxels are shown outside as inside.

    map_data, inside : ndarrays, shape (z, y, x), density and the mask as bool

    Returns the level, and whether it was raised; it is not where no level shows anything else.
    """
    outside = map_data[~inside]
    solvent = float(np.median(outside)) if outside.size else float(map_data.min())
    level = (solvent + float(map_data[inside].mean(dtype=float))) / 2
    shown = map_data >= level
    held, noise = (np.sort(map_data[shown & part])[::-1] for part in (inside, ~inside))
    if len(noise) <= SPECKS * len(held):
        return level, False
    beyond = np.searchsorted(-noise, -held, side="right")  # voxels outside, at each level
    count = np.arange(1, len(held) + 1)
    good = (beyond <= SPECKS * count) & (count >= LEAST_SHOWN * inside.sum())
    return (float(held[good][-1]), True) if good.any() else (level, False)


def fill_outside(resolution: np.ndarray, mask: np.ndarray, voxels: int = 3) -> np.ndarray:
    """Extend the values inside the mask to all voxels up to ``voxels`` away from it.

    Parameters
    ----------
    resolution : ndarray, shape (z, y, x), in Å
    mask : ndarray, shape (z, y, x), non-zero inside the molecule
    voxels : int
        Distance to fill. Each filled voxel takes the value of the nearest one inside the mask.

    Returns
    -------
    ndarray, shape and type of ``resolution``; unchanged inside the mask, 0 beyond the filled rim.
    """
    from scipy.ndimage import distance_transform_edt

    mask = np.asarray(mask) != 0
    filled = np.where(mask, resolution, 0).astype(resolution.dtype)
    if not mask.any() or voxels < 1:
        return filled
    box = crop_box(mask, voxels)
    distance, nearest = distance_transform_edt(~mask[box], return_indices=True)
    filled[box] = np.where(distance <= voxels, filled[box][tuple(nearest)], 0)
    return filled


def write_view(
    path: str | os.PathLike[str],
    *,
    map_file: str | os.PathLike[str],
    resolution_file: str | os.PathLike[str],
    level: float,
    vmin: float,
    vmax: float,
    colours: Sequence[tuple[float, str]],
    labels: Sequence[str] | None = None,
    title: str = "Local resolution (Å)",
    dust: float = 15.0,
) -> None:
    """Write a ``.cxc`` script that ChimeraX opens by double click or ``chimerax view.cxc``.

    Parameters
    ----------
    path : path of the script
    map_file, resolution_file : paths as seen from the current directory
        The script names them relative to its own folder, so that the folder can be moved.
    level : float
        Density of the surface, see :func:`surface_level`.
    vmin, vmax : floats
        Ends of the colour key in Å; its labels are those of the other pictures.
    colours : sequence of (value in Å, '#rrggbb')
        Ascending stops from :func:`cryodl.report.palette.palette_colours`.
    labels : sequence of str, optional
        For a map of classes: what the key says of each colour. Colours then do not blend; each
        holds half-way to its neighbours.
    title : str
        Text above the key.
    dust : float
        Separate pieces of surface smaller than this, in Å, are hidden.

    Raises
    ------
    ValueError
        A file name that no ChimeraX command can hold, or colours that do not ascend.
    """
    values = [value for value, _ in colours]
    if len(values) < 2 or any(b <= a for a, b in zip(values, values[1:])):
        raise ValueError(f"colours must ascend in value; received {values}")
    # a value below half the key's start can only come from background 0 (see the module's text)
    unknown = f"0,{UNKNOWN}:{0.49 * vmin:g},{UNKNOWN}:{0.5 * vmin:g},{colours[0][1]}:"
    stops = colours if labels is None else _steps(colours)
    palette = (unknown if vmin > 0 else "") + ":".join("{:g},{}".format(*stop) for stop in stops)
    if labels is None:
        # not every colour has a label, so ChimeraX cannot space them by value: they are even anyway
        entries, look = _key_entries(colours, vmin, vmax), "numericLabelSpacing equal"
        left, width = "0.70", "0.25"
    else:
        entries = [f"{colour}:{label}" for (_, colour), label in zip(colours, labels)]
        look, left, width = "colorTreatment distinct", "0.45", "0.50"
    lines = [
        "# Map coloured by local resolution. Open in an empty ChimeraX session (1.6 or later).",
        f"open {_quoted(_relative(map_file, path))}",
        f"open {_quoted(_relative(resolution_file, path))}",
        f"volume #1 style surface step 1 level {level:.6g}",
        "volume #2 hide",
        f"color sample #1 map #2 palette {palette}",
        "# hides specks of noise; 'surface undust #1' shows them again",
        f"surface dust #1 size {dust:g}",
        "set bgColor white",
        "lighting soft",
        "graphics silhouettes true",
        f"key {' '.join(entries)} {look} pos {left},0.08 size {width},0.03 fontSize 18 "
        "labelColor black",
        "2dlabels create resolution_title text {} xpos {} ypos 0.125 size 20 color black".format(
            _quoted(" ".join(title.split())), left
        ),
        "view",
    ]
    write_script(path, lines)


def write_script(path: str | os.PathLike[str], lines: Sequence[str]) -> None:
    """Write commands of ChimeraX to a file, which is there whole or not at all."""
    with new_file(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(lines) + "\n")


def can_be_named(name: str | os.PathLike[str]) -> bool:
    """Whether a command of ChimeraX can hold a file name."""
    text = os.fspath(name).replace(os.sep, "/")
    # two kinds of quotes and backslashes cannot be kept apart from the command's own
    return text.isprintable() and "\\" not in text and not ("'" in text and '"' in text)


def _steps(colours: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Stops between which every colour holds as far as half-way to its neighbours."""
    steps = [colours[0]]
    for (before, colour), (after, following) in zip(colours, colours[1:]):
        middle = (before + after) / 2
        steps += [(middle - 0.005, colour), (middle + 0.005, following)]
    return [*steps, colours[-1]]


def _key_entries(colours: Sequence[tuple[float, str]], vmin: float, vmax: float) -> list[str]:
    """``#rrggbb:label`` for every stop; the label is empty between the key's ticks."""
    ticks = key_ticks(vmin, vmax)
    labels = dict(zip(ticks, key_labels(ticks)))
    shown = [_match(value, labels) for value, _ in colours]
    if sum(1 for label in shown if label) < 2:  # stops of the caller's own: label every one
        shown = key_labels([value for value, _ in colours])
    return [f"{colour}:{label}" for (_, colour), label in zip(colours, shown)]


def _match(value: float, labels: dict[float, str]) -> str:
    return next((text for tick, text in labels.items() if abs(tick - value) < 1e-4), "")


def _relative(name: str | os.PathLike[str], script: str | os.PathLike[str]) -> str:
    """``name`` as seen from the script's folder, with forward slashes on every system."""
    folder, name = os.path.dirname(os.fspath(script)), os.fspath(name)
    if folder and name.startswith(folder + os.sep):  # so from wherever the folder will be
        return name[len(folder) + 1 :].replace(os.sep, "/")
    return seen_from(folder, name).replace(os.sep, "/")


def seen_from(folder: str | os.PathLike[str], name: str | os.PathLike[str]) -> str:
    """The path of a file from a folder: '..' of a folder behind a link is its target's parent."""
    place, file = os.path.split(os.path.abspath(os.fspath(name)))
    path = os.path.join(os.path.realpath(place), file)
    try:
        return os.path.relpath(path, os.path.realpath(os.fspath(folder)))
    except ValueError:  # another drive on Windows
        return path


def _quoted(text: str) -> str:
    """One ChimeraX token. Quotes keep spaces and semicolons; the other kind of quote is inside."""
    if not can_be_named(text):
        raise ValueError(f"ChimeraX cannot read the name {text!r}; rename the file")
    quote = "'" if '"' in text else '"'
    return quote + text + quote


def _otsu(values: np.ndarray, bins: int = 512) -> float:
    """Threshold that maximises the variance between the two classes it makes."""
    low, high = (float(v) for v in np.quantile(values, (0.0, 0.999)))
    if not low < high:
        return low
    # in units of the range, so that tiny densities lose no digits
    counts, _ = np.histogram((values - low) / (high - low), bins=bins, range=(0.0, 1.0))
    centres = (np.arange(bins) + 0.5) / bins
    below = np.cumsum(counts).astype(float)
    total = below[-1]
    first = np.cumsum(counts * centres)
    apart = np.zeros(bins)
    both = (below > 0) & (below < total)
    apart[both] = (first[-1] * below[both] / total - first[both]) ** 2 / (
        below[both] * (total - below[both])
    )
    return low + (int(np.argmax(apart)) + 1.0) / bins * (high - low)
