"""Write cryodl/methods/quality/archive.json: how maps and models of the EMDB archive agree.

The EMDB's validation analysis, the package `va` on PyPI (Apache-2.0), has a table of entries with a
model: claimed resolution, Q-score (sigma 0.4 Å) and atom inclusion at the recommended level. Of it,
quantiles per bin of resolution are kept.

    pip download --no-deps va -d va
    python benchmarks/archive_quantiles.py va/va-*.whl
"""

from __future__ import annotations

import csv
import io
import json
import sys
import zipfile
from datetime import date
from pathlib import Path

import numpy as np

OUT = Path(__file__).resolve().parents[1] / "cryodl" / "methods" / "quality" / "archive.json"
TABLE = "va/qscores.csv"
EDGES = (1.0, 1.8, 2.2, 2.5, 2.8, 3.0, 3.2, 3.5, 3.8, 4.2, 4.7, 5.5, 7.0, 9.0, 12.0)  # Å
SHARES = (0, 0.01, 0.025, 0.05, *np.arange(0.1, 0.91, 0.05), 0.95, 0.975, 0.99, 1)
COLUMNS = {"q_score_sigma_0.4": "qscore", "atom_inclusion": "ai"}


def main(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        rows = list(csv.DictReader(io.StringIO(file.read(TABLE).decode())))
        made = date(*file.getinfo(TABLE).date_time[:3])
    resolution = _numbers(rows, "resolution")
    bins = []
    for low, high in zip(EDGES, EDGES[1:]):
        within = (resolution >= low) & (resolution < high)
        entry = {"from": low, "to": high, "entries": int(within.sum())}
        entry["resolution"] = round(float(np.median(resolution[within])), 3)
        for name, column in COLUMNS.items():
            values = _numbers(rows, column)[within]
            values = values[np.isfinite(values)]
            entry[name] = np.quantile(values, SHARES).round(4).tolist()
        bins.append(entry)
    table = {
        "source": f"{TABLE} of {wheel.name} (PyPI, Apache-2.0), EMDB validation analysis",
        "date": made.isoformat(),
        "entries": len(rows),
        "made_by": "benchmarks/archive_quantiles.py",
        "shares": [round(float(share), 4) for share in SHARES],
        "bins": bins,
    }
    OUT.write_text(json.dumps(table, indent=None).replace('{"from"', '\n{"from"') + "\n")
    print(f"{len(rows)} entries of {made}: {OUT.name}, {OUT.stat().st_size} bytes")


def _numbers(rows: list[dict], column: str) -> np.ndarray:
    return np.array([float(row[column]) if row[column] else np.nan for row in rows])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
