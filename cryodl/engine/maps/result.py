"""The result of a run: maps on the input's grid, and numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..record import write_json
from .mrc_io import write_map
from .volume import Volume


@dataclass(frozen=True)
class Result:
    """What came out.

    Attributes
    ----------
    volumes : by name, on the input's grid. A local resolution has "resolution" and, where it is
        known, "uncertainty" in Å, and "mask" (0 or 1); all are 0 outside the mask. Uncertainty is
        the half-width of the calibrated 90 % interval.
    stats : numbers for stats.json
    density : the map that was judged (sharpened where that was asked for)
    """

    volumes: dict[str, Volume]
    stats: dict[str, Any]
    density: Volume = field(repr=False)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write every volume as NAME.mrc, and stats.json, into a folder.

        Raises
        ------
        OutputError : a file exists, or cannot be written
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, volume in self.volumes.items():
            write_map(folder / f"{name}.mrc", volume, overwrite=overwrite)
        self.save_stats(folder)

    def save_stats(self, folder: Path) -> None:
        """Write stats.json alone."""
        write_json(folder / "stats.json", self.stats, indent=2, allow_nan=False)
