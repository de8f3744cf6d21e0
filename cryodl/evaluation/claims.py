"""Real maps with the resolutions that are claimed for them, from a table."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from cryodl.errors import InputError
from cryodl.files.reading import is_file, read_rows

NO_CLAIM = ("", "-", "?")
NUMBER = r"~?\s*(\d+(?:\.\d+)?)(?:\s.*)?"


def read_table(path):
    """Maps of a tab-separated table with columns file, resolution_A and, optionally, voxel_A.

    Numbers may stand alone, after "~" and before a remark ("~3.8", "5.8 (README)"). Rows whose
    resolution is empty, "-" or "?" are left out: they are no maps with a claim.

    Raises InputError : no such table, or nothing in it; a row that has no such number, or no file
    """
    path = Path(path)
    if not is_file(path):
        raise InputError(f"no table at '{path}'; give a tab-separated list with file, resolution_A")
    rows = read_rows(path, "file", "resolution_A")
    maps = []
    for number, entry in enumerate(rows, 2):
        claim = entry["resolution_A"].strip()
        if claim in NO_CLAIM:
            continue
        name = f"row {number} of '{path}'"
        found = re.fullmatch(NUMBER, claim)
        if found is None or not math.isfinite(float(found.group(1))):
            raise InputError(
                f"{name} has the resolution '{claim}': give a number of Å, such as 3.5, or - where "
                "none is claimed"
            )
        # one voxel size, or the edges along three axes
        voxel = re.match(r"\d+(\.\d+)?", entry.get("voxel_A", "").strip())
        places = [folder / entry["file"] for folder in (path.parent, path.parent / "maps")]
        place = next((place for place in places if is_file(place)), None)
        if place is None:
            raise InputError(
                f"{name} names '{entry['file']}', which is neither in {path.parent} nor in "
                f"{places[1].parent}"
            )
        maps.append((place, float(found.group(1)), float(voxel.group()) if voxel else None))
    if not maps:
        raise InputError(f"'{path}' has no map with a resolution: give one or more")
    return maps


def rank_correlation(first, second):
    """Spearman's coefficient, or None where one side does not vary."""
    from scipy.stats import spearmanr

    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return round(float(spearmanr(first, second)[0]), 3)
