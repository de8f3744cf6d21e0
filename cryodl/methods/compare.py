"""Local-resolution maps of several packages compared, drawn and written."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryodl.errors import counted
from cryodl.methods.compare_options import OPTIONS
from cryodl.methods.options import declared
from cryodl.methods.output import (
    draw_view,
    figure_of,
    finish,
    place_density,
    results_folder,
    warnings,
)

if TYPE_CHECKING:
    from cryodl.maps.result import Result
    from cryodl.maps.volume import Volume
    from cryodl.resolution_maps.agreement import Comparison

TABLE = "comparison.csv"
PERCENTILES = ("2.5", "25", "50", "75", "97.5")


@declared(OPTIONS)
def run_compare(
    resolutions: Sequence[Volume | str | Path],
    *,
    names: Sequence[str] | None = None,
    map: Volume | str | Path | None = None,
    mask: Volume | str | Path | None = None,
    model: str | Path | None = None,
    claimed: float | None = None,
    voxel_size: float | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    palette: str = "viridis",
) -> Result:
    """Compare local-resolution maps of any packages on one scale.

    Parameters
    ----------
    resolutions : two or more paths (of maps, or of folders of results) or Volumes, in Å with any
        background
    names : of the maps, in their order; by default told from the files
    map : the density that was judged: gives the grid, else the first map does, and is drawn
    mask : on the grid of the map; voxels outside are left out
    model : PDB or mmCIF file; statistics are then also given for each of its chains
    claimed : resolution claimed for the map, Å
    voxel_size : Å, where the headers are wrong
    output : folder for maps, comparison.csv, stats.json and figures; None writes nothing
    overwrite : replace results of an earlier run
    palette : colours of the figures

    Returns
    -------
    Result : .volumes "consensus" (median over the maps, Å), "disagreement" (largest minus smallest,
        Å) and "mask" (where all maps know the resolution), and .stats

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    import numpy as np

    from cryodl.maps.inputs import input_map, mask_source
    from cryodl.maps.result import Result
    from cryodl.resolution_maps.agreement import compare_resolutions
    from cryodl.resolution_maps.load import header_agrees, load_resolution
    from cryodl.resolution_maps.statistics import chain_regions

    start = time.perf_counter()
    with results_folder(
        output,
        *resolutions,
        map,
        mask,
        model,
        overwrite=overwrite,
        volumes=("consensus", "disagreement", "mask"),
    ) as work:
        density = None if map is None else input_map(map, voxel_size)
        found = [
            load_resolution(source, density=density, mask=mask, voxel_size=voxel_size)
            for source in resolutions
        ]
        chains = None
        if model is not None and found:
            chains = chain_regions(model, found[0].resolution, found[0].mask)
        compared = compare_resolutions(
            found, names or default_names(resolutions), claimed=claimed, chains=chains
        )
        stats = compared.stats
        stats["mask"] = mask_source(mask)
        stats["model"] = None if model is None else Path(model).name
        volumes = {
            "consensus": compared.consensus,
            "disagreement": compared.disagreement,
            "mask": compared.consensus.with_data(compared.mask.astype(np.float32)),
        }
        stats["seconds"] = {"compare": round(time.perf_counter() - start, 3)}
        result = Result(volumes, stats, compared.consensus if density is None else density)
        source = Path(map) if isinstance(map, (str, Path)) else None
        if source is not None and not header_agrees(source, voxel_size):
            source = None
        draw = partial(_draw, compared, density, output=output, source=source, palette=palette)
        finish(result, work, start, draw, write=lambda folder: _write_table(stats, folder / TABLE))
    return result


def summary(stats: dict[str, Any]) -> list[str]:
    width = max(len(entry["name"]) for entry in stats["maps"])
    claimed = stats["claimed"]
    lines = [*warnings(stats), f"in the {counted(stats['voxels'], 'voxel')} known to all:"]
    for entry in stats["maps"]:
        common = entry["common"]
        low, high = common["percentiles"]["2.5"], common["percentiles"]["97.5"]
        line = f"  {entry['name']:{width}}  {common['median']:.2f} ± {common['sd']:.2f} Å"
        line += f" (2.5-97.5 %: {low:.2f}-{high:.2f} Å)"
        if claimed is not None:
            line += f", {common['claimed_percentile']:.0f} % better than {claimed:g} Å"
        lines.append(line)
    for pair in stats["pairs"]:
        rank = pair["rank_correlation"]
        line = f"  {pair['second']} - {pair['first']}: {pair['median_difference']:+.2f} Å"
        lines.append(line + (f", rank correlation {rank:.2f}" if rank is not None else ""))
    return lines


def default_names(resolutions: Sequence[Volume | str | Path]) -> list[str]:
    """Short, different names: a file's, or its folder's where files have the same names."""
    paths = [Path(r) if isinstance(r, (str, Path)) else None for r in resolutions]
    stems = [f"map {i + 1}" if p is None else _stem(p) for i, p in enumerate(paths)]
    names = []
    for path, stem in zip(paths, stems):
        if path is not None and (stem == "resolution" or stems.count(stem) > 1):
            parent = path.absolute().parent.name
            stem = parent if stem == "resolution" else f"{parent}/{stem}"
        names.append(stem)
    return [n if names.count(n) == 1 else f"{n} ({i + 1})" for i, n in enumerate(names)]


def _stem(path: Path) -> str:
    name = path.name or path.absolute().name
    for suffix in (".gz", ".bz2", ".mrc", ".map", ".ccp4", ".vol"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name or str(path)


def _draw(
    compared: Comparison,
    density: Volume | None,
    work: Path,
    *,
    output: str | Path | None,
    source: Path | None,
    palette: str,
) -> None:
    from cryodl.report.comparison import draw_compared_slices, draw_histograms

    mask, maps = compared.mask, [m.resolution.data for m in compared.maps]
    shown = None if density is None else place_density(density, source, work, output)
    with figure_of(compared.stats, "histograms.png"):
        draw_histograms(
            [data[mask] for data in maps],
            compared.names,
            work / "histograms",
            claimed=compared.stats["claimed"],
            title=source.name if source else "",
        )
    limits = draw_compared_slices(
        [*maps, compared.consensus.data],
        [*compared.names, "Consensus"],
        compared.disagreement.data,
        mask,
        work / "slices.png",
        voxel_size=compared.consensus.voxel_size,
        origin=compared.consensus.origin,
        density=None if density is None else density.data,
        palette=palette,
        title=source.name if source else "",
    )
    if density is None or shown is None:
        return
    title = "Consensus of local resolution (Å)"
    draw_view(shown, "consensus.mrc", density.data, mask, work, limits, palette, title=title)


def _write_table(stats: dict[str, Any], path: Path) -> None:
    """A line for each map over its own mask, over the common one, and over each chain."""
    columns = ["map", "region", "voxels", "median", "sd", "mean", *(f"p{p}" for p in PERCENTILES)]
    with open(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow([*columns, "claimed_percentile"])
        for entry in stats["maps"]:
            regions = {"own mask": entry["own"], "common mask": entry["common"]}
            regions.update({f"chain {c}": s for c, s in entry.get("chains", {}).items()})
            for region, s in regions.items():
                numbers = [s[key] for key in ("voxels", "median", "sd", "mean")]
                numbers += [s["percentiles"][p] for p in PERCENTILES]
                table.writerow([entry["name"], region, *numbers, s.get("claimed_percentile", "")])
