"""`cryodl quality` beside jqscore, another implementation of MapQ's Q-score: figures and seconds.

    pip install jqscore
    python benchmarks/q_score.py MAP MODEL ... --jqscore JQSCORE -o benchmarks/q_score.md

Seconds are those of whole commands: jqscore's of Q-scores, cryodl's of all that `quality` does;
beside them those of cryodl's Q-scores alone. Seconds of the processor, user and system, change
little by other work on a machine.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import gemmi
import numpy as np

from cryodl.maps.mrc import read_map, write_map
from cryodl.methods.quality.model import read_atoms
from cryodl.methods.quality.q_score import q_scores

HEAD = ("model", "atoms", "Q-score", "residues", "correlation", "largest difference",
        "processor s Q-scores", "whole command", "jqscore", "seconds", "jqscore")  # fmt: skip


def timed(command: list[str]) -> tuple[float, float]:
    """Processor and wall seconds of a command."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after, wall = os.times(), time.perf_counter() - start
    used = after.children_user - before.children_user
    return used + after.children_system - before.children_system, wall


def q_seconds(density: Path, model: Path) -> float:
    """Processor seconds of the Q-scores of a model that is read already."""
    atoms, volume = read_atoms(model), read_map(density)
    before = time.process_time()
    q_scores(atoms.positions, volume, conformers=atoms.conformers)
    return time.process_time() - before


def compare(density: Path, model: Path, jqscore: str) -> list:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        plain, unpacked = work / "model.cif", work / "map.mrc"  # as jqscore reads them
        structure = gemmi.read_structure(str(model))
        structure.setup_entities()
        structure.make_mmcif_document().write_file(str(plain))
        write_map(unpacked, read_map(density))
        ours = timed([sys.executable, "-m", "cryodl", "quality", str(unpacked), str(plain), "-o",
                      str(work / "out")])  # fmt: skip
        alone = q_seconds(unpacked, plain)
        listed = work / "residues.tsv"
        command = [jqscore, "--sigma", "0.6", "--output", str(listed), str(plain), str(unpacked)]
        theirs = timed(command)
        stats = json.loads((work / "out" / "stats.json").read_text())
        with open(work / "out" / "residues.csv", newline="") as file:
            rows = {(r["chain"], r["number"]): float(r["q_score"]) for r in csv.DictReader(file)
                    if not r["insertion"]}  # fmt: skip
        with open(listed, newline="") as file:
            # of residues with insertion codes jqscore lists the number alone: these are left out
            listing = list(csv.DictReader(file, delimiter="\t"))
            count = Counter((r["chain"], r["res_seq"]) for r in listing)
            known = {(r["chain"], r["res_seq"]): float(r["Q_residue"])
                     for r in listing if count[r["chain"], r["res_seq"]] == 1}  # fmt: skip
    pairs = np.array([(rows[key], known[key]) for key in rows if key in known])
    return [model.name, stats["atoms"], f"{stats['q_score']:.4f}", len(pairs),
            f"{np.corrcoef(*pairs.T)[0, 1]:.6f}", f"{np.abs(pairs[:, 0] - pairs[:, 1]).max():.4f}",
            f"{alone:.1f}",
            *(f"{value:.1f}" for pair in zip(ours, theirs) for value in pair)]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--jqscore", default="jqscore")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    pairs = list(zip(args.files[::2], args.files[1::2]))
    rows = [compare(density.resolve(), model, args.jqscore) for density, model in pairs]
    lines = [
        "# Q-scores, sigma 0.6 Å",
        "",
        "| " + " | ".join(HEAD) + " |",
        "|" + "---|" * len(HEAD),
    ]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    args.output.write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
