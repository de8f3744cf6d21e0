"""What the page shows of the results: the map reduced for display, pictures, rows of a table."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.maps.crop import box_around, crop
from cryodl.maps.normalise import block_mean
from cryodl.maps.result import Result
from cryodl.maps.volume import Volume

LARGEST = 112  # voxels along an edge of what the page holds
AROUND = 8.0  # Å kept about the molecule
STILL = 700  # pixels of the picture for paper
AWAY = 4  # voxels from what was judged, beyond which no surface is shown, as in the page
MOST = 20_000  # atoms of a model that the page shows
PICTURES = (  # part, file, title, caption, over the whole page: these last
    ("fsc", "fsc.svg", "FSC of the half maps", "Corrected by randomised phases.", False),
    ("localfsc", "histogram.svg", "Local resolution from half maps", "FSC in a window.", False),
    ("cryores", "histogram.svg", "Local resolution from the map alone", "By a network.", False),
    ("compare", "histograms.svg", "Local resolution by several packages",
     "In the voxels known to all.", False),
    ("quality", "map_model_fsc.svg", "Map-model FSC", "In a soft mask about the model.", False),
    ("fsc", "directional.svg", "Resolution by direction",
     "FSC in cones of 20 degrees; one side of the sphere, seen along z.", True),
    ("enhance", "slices.png", "Post-processed",
     "Before, up to its resolution, and filtered as the FSC and the spectrum of atoms ask for; how "
     "far both halves agree, and what density was added or removed.", True),
    ("compare", "slices.png", "Where methods agree",
     "Local resolution of each, and by how much they differ.", True),
    ("quality", "q_score.svg", "Q-score along the sequence",
     "Beside it the correlation of map and model.", True),
)  # fmt: skip
NAMES = {"localfsc": "FSC in a window (half maps)", "cryores": "network (one map)"}


def make_display(
    result: Result, inside: np.ndarray, fit: Any, quality: Any, filtered: Volume | None = None
) -> Any:
    """The map reduced for display, with its local resolution where there is one.

    result : .density and, perhaps, .volumes "resolution" and "mask"
    inside : ndarray (z, y, x), bool, the molecule;  fit, quality : stats and result, or None
    filtered : the density as its FSC asks for, shown in its place
    """
    from cryodl.report.chimerax import surface_level
    from cryodl.report.page import Display
    from cryodl.report.palette import palette_colours, resolution_range
    from cryodl.report.surface import surface_image

    density = result.density if filtered is None else filtered
    known = result.volumes["mask"].data > 0.5 if "mask" in result.volumes else inside
    part = box_around(inside | known, round(AROUND / density.voxel_size))
    small = crop(density, part)
    factor = -(-max(small.shape) // LARGEST)
    step = density.voxel_size * factor
    x, y, z = (o + (factor - 1) / 2 * density.voxel_size for o in small.origin)
    data = block_mean(small.data, factor)
    level = surface_level(data, block_mean(known[part].astype(np.float32), factor) > 0.5)
    if fit is not None and factor == 1 and filtered is None:
        level = fit["level"]
    resolution, limits, colours, shown = None, (0.0, 1.0), None, data
    if "resolution" in result.volumes:
        values = result.volumes["resolution"].data[part] * known[part]
        share = block_mean(known[part].astype(np.float32), factor)
        mean = block_mean(values, factor) / np.maximum(share, 1e-6)
        resolution = np.where(share > 0.25, mean, 0).astype(np.float32)
        limits = resolution_range(resolution[resolution > 0])
        colours, away = _painted(resolution, palette_colours(*limits, 64))
        shown = np.where(away > AWAY, np.minimum(data, level - np.ptp(data)), data)
    still = io.BytesIO()
    from matplotlib.image import imsave

    imsave(still, surface_image(shown, level, STILL, colours), format="png")
    size = " x ".join(str(n) for n in reversed(data.shape))
    reduced = f"binned {factor} x, " if factor > 1 else ""
    what = "The mean of the half maps, filtered as their FSC asks for. " * (filtered is not None)
    note = (
        f"{what}Reduced for display: {reduced}cut to the molecule, {size} voxels of {step:.3g} Å."
    )
    return Display(
        data, resolution, step, (x, y, z), level, *limits, note, _model(quality), still.getvalue()
    )


def _painted(
    resolution: np.ndarray, stops: list[tuple[float, str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Colours of every voxel, those without a resolution from the nearest with one, and how far
    away that is; ndarrays (z, y, x, 3) and (z, y, x), voxels."""
    from scipy.ndimage import distance_transform_edt

    away, nearest = distance_transform_edt(resolution == 0, return_indices=True)
    values = resolution[tuple(nearest)]
    places = np.array([value for value, _ in stops])
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for _, c in stops])
    return np.stack([np.interp(values, places, rgb[:, i]) for i in range(3)], axis=-1), away


def _model(quality: Any) -> str:
    """The model as PDB, "" where there is none or it is large."""
    if quality is None or len(quality.atoms.positions) > MOST:
        return ""
    structure = quality.atoms.structure.clone()
    structure.shorten_chain_names()
    return structure.make_pdb_string()


def pictures(results: dict[str, Any], work: Path) -> list[Any]:
    """The figures that the parts have drawn."""
    from cryodl.report.page import Picture

    return [
        Picture(title, str(work / part / file), caption, wide)
        for part, file, title, caption, wide in PICTURES
        if part in results and (work / part / file).is_file()
    ]


def method_rows(parts: dict[str, Any]) -> list[tuple[str, float, float, float]]:
    """(method, median, 2.5 and 97.5 % percentile, Å) of each local resolution.

    Those of other packages are among the ones that were compared.
    """
    found = {name: parts[part] for part, name in NAMES.items() if part in parts}
    for one in parts.get("compare", {}).get("maps", ()):
        found.setdefault(one["name"], one["own"])
    return [
        (name, one["median"], one["percentiles"]["2.5"], one["percentiles"]["97.5"])
        for name, one in found.items()
    ]
