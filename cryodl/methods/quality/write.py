"""The result of `cryodl quality`, and what is written of it: tables, model, script and figures."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.maps.result import Result
from cryodl.methods.output import figure_of, place_density
from cryodl.methods.quality.agreement import Agreement
from cryodl.methods.quality.model import WATER, Atoms, write_with_values

PLACE = ("model", "chain", "number", "insertion", "name", "kind")

MODEL = "model.cif"  # with Q in the place of B


@dataclass(frozen=True)
class QualityResult(Result):
    """A Result without volumes.

    atoms : Atoms
    per_atom, per_residue : by name, ndarrays: "q_score", "inside" (above the level, atoms only),
        "correlation", "atom_inclusion", "local_resolution" (residues only); nan where unknown
    agreement : Agreement, with the map-model FSC
    """

    atoms: Atoms
    per_atom: dict[str, np.ndarray]
    per_residue: dict[str, np.ndarray]
    agreement: Agreement


def write_tables(result: QualityResult, folder: Path) -> None:
    """Write atoms.csv, residues.csv, map_model_fsc.csv, model.cif and q_score.defattr."""
    from cryodl.report.along_sequence import write_attribute

    atoms, residues = result.atoms, result.atoms.residues
    names = list(result.per_residue)
    _write(
        folder / "residues.csv",
        [*PLACE, *names],
        (
            [*place, *map(_text, values)]
            for place, values in zip(residues, np.stack(list(result.per_residue.values())).T)
        ),
    )
    _write(
        folder / "atoms.csv",
        ["model", "chain", "number", "insertion", "residue", "atom", "altloc", "q_score"],
        (
            [*residues[owner][:5], name, letter, _text(q)]
            for owner, name, letter, q in zip(
                atoms.residue.tolist(), atoms.names, atoms.altlocs, result.per_atom["q_score"]
            )
        ),
    )
    curve = result.agreement
    _write(
        folder / "map_model_fsc.csv",
        ["frequency_per_angstrom", "fsc"],
        ([f"{f:.6f}", f"{c:.5f}"] for f, c in zip(curve.frequencies, curve.fsc)),
    )
    write_with_values(atoms, result.per_atom["q_score"], folder / MODEL)
    many = result.stats["models"] > 1
    places = [
        (f"{f'#2.{one.model}' if many else ''}/{one.chain}:{one.number}{one.insertion}", float(q))
        for one, q in zip(residues, result.per_residue["q_score"])
    ]
    write_attribute(folder / "q_score.defattr", "q_score", places)


def draw(result: QualityResult, work: Path, *, source: Path | None, output: Any) -> None:
    """Write q_score.png and .svg, map_model_fsc.png and .svg, and view.cxc."""
    from cryodl.report.along_sequence import draw_along_sequence, write_model_view
    from cryodl.report.half_map_curves import draw_fsc

    stats, title = result.stats, source.name if source else ""
    with figure_of(stats, "q_score.png"):
        lines = along_sequence(result)
        draw_along_sequence(
            lines, work / "q_score", expected=stats["expected_q"], sigma=stats["sigma"],
            title=title,
        )  # fmt: skip
    with figure_of(stats, "map_model_fsc.png"):
        curve = result.agreement
        draw_fsc(
            curve.frequencies, {"corrected": curve.fsc}, work / "map_model_fsc",
            resolutions={0.5: curve.fsc_05}, title=title, kind="Map-model FSC",
        )  # fmt: skip
    with figure_of(stats, "view.cxc"):
        write_model_view(
            work / "view.cxc",
            map_file=place_density(result.density, source, work, output),
            model_file=work / MODEL,
            attribute_file=work / "q_score.defattr",
            name="q_score",
            level=stats["level"],
        )


def along_sequence(result: QualityResult) -> list[Any]:
    """Lines of the figure along the sequence: of every chain, its residues but water."""
    from cryodl.report.along_sequence import Line

    chains: dict[str, list[int]] = {}
    for i, one in enumerate(result.atoms.residues):
        if one.kind != WATER:
            name = f"{one.model}/{one.chain}" if result.stats["models"] > 1 else one.chain
            chains.setdefault(name, []).append(i)
    q, correlation = (result.per_residue[name] for name in ("q_score", "correlation"))
    return [
        Line(
            name,
            np.array([int(result.atoms.residues[i].number) for i in rows]),
            q[rows],
            correlation[rows],
        )
        for name, rows in chains.items()
    ]


def _write(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(rows)


def _text(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else ""
