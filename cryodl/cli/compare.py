"""`cryodl compare`: local-resolution maps of several packages on one scale."""

from __future__ import annotations

import argparse
from typing import Any

from cryodl.cli.common import add_output_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("res", metavar="RES", nargs="+", help="local-resolution maps, or folders of results")
    add("-o", "--output", metavar="OUT", required=True, help="folder for the results")
    add("--name", action="append", metavar="NAME", help="of a map; once for each, in their order")
    add("--map", metavar="FILE", help="density that was judged: gives the grid, and is drawn")
    add("--mask", metavar="FILE", help="mask on the same grid; what is outside is left out")
    add("--model", metavar="FILE", help="PDB or mmCIF: statistics for each of its chains too")
    add("--claimed", metavar="Å", type=float, help="resolution claimed for the map")
    add("--voxel-size", metavar="Å", type=float, help="where the headers are wrong")
    add_output_options(parser, palette=True)


def run(args: argparse.Namespace) -> None:
    from cryodl.methods.compare import run_compare

    print(f"cryodl compare {' '.join(args.res)}", flush=True)
    stats = run_compare(
        args.res,
        names=args.name,
        map=args.map,
        mask=args.mask,
        model=args.model,
        claimed=args.claimed,
        voxel_size=args.voxel_size,
        output=args.output,
        overwrite=args.overwrite,
        palette=args.palette,
    ).stats
    for line in stats["warnings"]:
        print(f"warning: {line}")
    _print_table(stats)
    print(f"wrote {args.output}")


def _print_table(stats: dict[str, Any]) -> None:
    width = max(len(entry["name"]) for entry in stats["maps"])
    claimed = stats["claimed"]
    print(f"in the {stats['voxels']} voxels known to all:")
    for entry in stats["maps"]:
        common = entry["common"]
        low, high = common["percentiles"]["2.5"], common["percentiles"]["97.5"]
        line = f"  {entry['name']:{width}}  {common['median']:.2f} ± {common['sd']:.2f} Å"
        line += f" (2.5-97.5 %: {low:.2f}-{high:.2f} Å)"
        if claimed is not None:
            line += f", {common['claimed_percentile']:.0f} % better than {claimed:g} Å"
        print(line)
    for pair in stats["pairs"]:
        rank = pair["rank_correlation"]
        print(
            f"  {pair['second']} - {pair['first']}: {pair['median_difference']:+.2f} Å"
            + (f", rank correlation {rank:.2f}" if rank is not None else "")
        )
