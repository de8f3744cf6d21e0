"""How a model fits a map before and after it was enhanced, for the audit."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.errors import InputError
from cryodl.maps.volume import Volume
from cryodl.methods.enhance.audit import SURFACE
from cryodl.methods.registry import model_fit

WORSE, LESS = 0.01, 0.05  # of Q and of correlation, from which on a map is worse to build into
FALLS = 0.05  # of a residue's Q
NOTHING = "the enhanced map holds no density where the model lies: do not build into this map"
FIGURES = "q_score", "correlation", "fsc_0.5", "atom_inclusion"
TABLE = "residues.csv"


class ModelFit:
    """How a model fits a map "before" and "after" it was enhanced; nothing where none is given.

    model : PDB or mmCIF file, fitted into the map, or None
    both : QualityResults, as far as they were judged
    """

    def __init__(self, model: str | Path | None) -> None:
        self.model = model
        self.both: dict[str, Any] = {}

    def judge_before(self, volume: Volume) -> None:
        """Raises InputError for a model that is none, or does not lie in the map."""
        if self.model is not None:
            self.both["before"] = model_fit(volume, self.model)

    def judge_after(self, volume: Volume, stats: dict[str, Any]) -> list[str]:
        """Judge the enhanced map, of which the surface is known, and put all figures into `stats`.

        Returns sentences about what is worse.
        """
        if self.model is None:
            return []
        try:
            self.both["after"] = model_fit(volume, self.model, SURFACE)
        except InputError as error:  # it was judged before: what is enhanced holds nothing there
            return [f"{NOTHING} ({error})"]
        stats["reference_model"] = self.stats
        return self.warnings

    @property
    def stats(self) -> dict[str, Any]:
        figures = {
            figure: {when: fit.stats[figure] for when, fit in self.both.items()}
            for figure in FIGURES
        }
        ligands = [
            {name: first[name] for name in ("model", "chain", "number", "name")}
            | {figure: {"before": first[figure], "after": second[figure]}
               for figure in ("q_score", "atom_inclusion")}
            for first, second in zip(*(fit.stats["ligands"] for fit in self.both.values()))
        ]  # fmt: skip
        return {"model": Path(str(self.model)).name, **figures, "ligands": ligands}

    @property
    def warnings(self) -> list[str]:
        notes = []
        before, after = (fit.stats for fit in self.both.values())
        if after["q_score"] is None or after["correlation"] is None:
            return [NOTHING]
        words = [
            f"{name} {after[key]:.3f}, {before[key]:.3f} before"
            for name, key, worse in (
                ("Q-score", "q_score", WORSE),
                ("correlation", "correlation", LESS),
            )
            if before[key] is not None and after[key] < before[key] - worse
        ]
        if words:
            fell = self._fell()
            notes.append(
                f"the model fits the enhanced map less well than the input ({'; '.join(words)}; "
                f"Q-score falls by more than {FALLS:g} in {fell[0]} of {fell[1]} residues): do not "
                "build into this map where it does (residues.csv)"
            )
        lost = [
            f"{each['name']} {each['chain']}/{each['number']}"
            for each in self.stats["ligands"]
            if (each["atom_inclusion"]["before"] or 0)
            >= 0.5
            > (each["atom_inclusion"]["after"] or 0)
        ]
        if lost:
            notes.append(
                f"of {', '.join(lost[:5])}{' and more' * (len(lost) > 5)} less than half is left "
                "in the enhanced map: keep it by a protect mask, or use the model linear"
            )
        return notes

    def _fell(self) -> tuple[int, int]:
        """Residues whose Q-score fell, and all."""
        before, after = (fit.per_residue["q_score"] for fit in self.both.values())
        return int(np.sum(after < before - FALLS)), len(before)

    def write(self, folder: Path) -> None:
        """Write residues.csv: of every residue the Q-score and correlation before and after."""
        if "after" not in self.both:
            return
        names = [f"{figure}_{when}" for figure in ("q_score", "correlation") for when in self.both]
        columns = [
            fit.per_residue[figure]
            for figure in ("q_score", "correlation")
            for fit in self.both.values()
        ]
        residues = self.both["before"].atoms.residues
        with open(folder / TABLE, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["model", "chain", "number", "insertion", "name", "kind", *names])
            for place, values in zip(residues, np.stack(columns).T):
                told = (f"{value:.4f}" if np.isfinite(value) else "" for value in values)
                table.writerow([*place, *told])
