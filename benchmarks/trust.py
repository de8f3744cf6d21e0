"""Whether the trust of enhanced maps is right, and what it has to say to be.

    python benchmarks/trust.py --simulated rows.jsonl --relion rows.jsonl [-o benchmarks/trust.md]

Both are what `cryodl evaluate experiments FOLDERS -o OUT --methods refined` wrote. In each bin of
trust the share of signs that were right is found, of simulated experiments and of reconstructions
by RELION, and their mean is what the trust has to say. RELION's are few: each is judged by what the
others and the simulated ones say. Where none is simulated, what is told stays. The last line holds
tables of a network's spec, in the place of those that it had when the maps were made.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from cryodl.evaluation.enhancement import HALVES, TRUSTS, trust_table
from cryodl.methods.enhance.prepare import TRUST, TRUST_ONE_MAP, choose_refining

NAMES = {TRUST: "half maps", TRUST_ONE_MAP: "one map"}
HEAD = (
    "| trust, as told | right, RELION | right, simulated | mended, of RELION's others | off "
    "| off in one, at most |"
)


def of_kind(path: Path, name: str) -> list[dict]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if (row["map"] == HALVES) == (name == TRUST)]


def bins(rows: list[dict]) -> np.ndarray:
    """Of every bin: trust, share right and voxels; ndarray (bins, 3), NaN where there is none."""
    found = np.full((len(TRUSTS) - 1, 3), np.nan)
    for entry in trust_table(rows):
        number = int(np.searchsorted(TRUSTS, entry["trust"], side="right")) - 1
        found[number] = entry["trust"], entry["right"], entry["voxels"]
    return found


def mended(relion: list[dict], simulated: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """What is told at (0.5, the bins, 1), and what has to be."""
    if not simulated:
        return np.array([0.5, 1]), np.array([0.5, 1])
    both = np.stack([bins(relion), bins(simulated)])
    told, right = np.nanmean(both[..., 0], 0), np.nanmean(both[..., 1], 0)
    known = np.isfinite(told)
    right = np.maximum.accumulate(np.clip(right[known], 0.5, 1))
    return np.r_[0.5, told[known], 1], np.r_[0.5, right, 1]


def table(relion: list[dict], simulated: list[dict]) -> list[str]:
    """Lines of a table; every experiment by RELION is judged without itself."""
    count = len(TRUSTS) - 1
    new, right, voxels, most = np.zeros((4, count))
    for name in dict.fromkeys(row["experiment"] for row in relion):
        own = bins([row for row in relion if row["experiment"] == name])
        x, y = mended([row for row in relion if row["experiment"] != name], simulated)
        held = np.isfinite(own[:, 0])
        after = np.interp(own[:, 0], x, y)
        new[held] += (after * own[:, 2])[held]
        most[held] = np.maximum(most, np.abs(after - own[:, 1]))[held]
        right[held] += (own[:, 1] * own[:, 2])[held]
        voxels[held] += own[held, 2]
    of_relion, of_simulated = bins(relion), bins(simulated)
    lines = [HEAD, "|---" * 6 + "|"]
    for k in np.flatnonzero(voxels):
        told, share, mean = of_relion[k, 0], of_relion[k, 1], new[k] / voxels[k]
        off = mean - right[k] / voxels[k]
        words = f"{told:.3f} | {share:.3f} | {of_simulated[k, 1]:.3f} | {mean:.3f} | {off:+.3f}"
        lines.append(f"| {words} | {most[k]:.3f} |".replace("nan", "none"))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulated", type=Path, required=True)
    parser.add_argument("--relion", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    spec = choose_refining().spec
    lines, tables = [], {}
    for name, words in NAMES.items():
        relion, simulated = of_kind(args.relion, name), of_kind(args.simulated, name)
        counts = [len({row["experiment"] for row in rows}) for rows in (relion, simulated)]
        lines += [f"{words.capitalize()}, {counts[0]} by RELION, {counts[1]} simulated", ""]
        lines += [*table(relion, simulated), ""]
        if not (relion and simulated):  # its own calibration stays
            continue
        share = np.interp(spec[name]["share"], *mended(relion, simulated))
        tables[name] = {"departure": list(spec[name]["departure"]),
                        "share": [round(float(v), 4) for v in share]}  # fmt: skip
    text = "\n".join(lines)
    print(text + json.dumps(tables))
    if args.output:
        args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
