"""What benchmarks of simulated experiments share: their arguments, and the table they write."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from cryodl.simulation.experiment_set import StoredExperiment, open_experiment_set

Row = dict[str, float]


def run(
    description: str,
    judge: Callable[[StoredExperiment], Row],
    summary: Callable[[list[Row]], list[str]],
    *,
    count: int,
    fits: Callable[[StoredExperiment], bool] = lambda experiment: True,
) -> None:
    """Judge experiments spread over a set; print and write a row of each, and sentences.

    description : of the command;  count : of experiments, where the command is not told
    judge : gives a row of one experiment;  summary : sentences about all rows
    fits : which experiments are taken
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("experiments", type=Path, metavar="SET")
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    fitting = [e for e in open_experiment_set(args.experiments) if fits(e)]
    rows = []
    for experiment in fitting[:: max(1, len(fitting) // args.count)][: args.count]:
        rows.append(judge(experiment))
        print(" ".join(f"{value:.2f}" for value in rows[-1].values()), flush=True)
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(f"{value:.2f}" for value in row.values()) + " |" for row in rows]
    text = "\n".join([*lines, "", "\n\n".join(summary(rows))]) + "\n"
    print(text)
    if args.output:
        args.output.write_text(text, encoding="utf-8")
