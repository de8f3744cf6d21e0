"""The result of a run: maps on the input's grid, and numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryodl.files.record import write_json
from cryodl.maps.mrc import write_map
from cryodl.maps.volume import Volume, as_given


@dataclass(frozen=True)
class Result:
    """What came out.

    Attributes
    ----------
    volumes : by name, on the input's grid. A local resolution has "resolution" and, where it is
        known, "uncertainty" in Å, and "mask" (0 or 1); all are 0 outside the mask. Uncertainty is
        the half-width of the calibrated 90 % interval.
    stats : numbers for stats.json
    density : the map that was judged (sharpened where that was asked for), in the unit of the input
    """

    volumes: dict[str, Volume]
    stats: dict[str, Any]
    density: Volume = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "density", as_given(self.density))
        volumes = {name: replace(volume, unit=1.0) for name, volume in self.volumes.items()}
        object.__setattr__(self, "volumes", volumes)

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
