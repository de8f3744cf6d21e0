"""Resolution of whole maps: find the molecule, read it, say how sure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.checks.finest import finest_possible, finest_warning, holds_nothing_better
from cryodl.checks.input import check_map, refuse_coarse
from cryodl.checks.quiet import filled, quiet_rim, within_rim
from cryodl.compute.device import device_scope, load_parts, predict_one
from cryodl.maps.crop import crop
from cryodl.maps.inputs import input_map, input_mask
from cryodl.maps.mask import automatic_mask
from cryodl.maps.rotations import Pass, agreed, mean_over, rotations
from cryodl.maps.volume import Volume
from cryodl.methods.resolution_class.prepare import (
    Molecule,
    choose_bundle,
    descriptor,
    features_and_weight,
    find_molecule,
    without_padding,
)
from cryodl.networks.bundle import Bundle
from cryodl.networks.openvino_backend import WHOLE
from cryodl.networks.tiles import fitting_grid
from cryodl.resolution_maps import statistics as bins

TILE_MEMORY, BYTES_PER_STEP = {"cpu": 1.6e9, "gpu": 1.2e10}, 2000.0


@dataclass(frozen=True)
class Answer:
    """What is said of a map.

    Attributes
    ----------
    resolution_class : "high" (better than 5 Å), "medium" (5-10 Å) or "low"
    probabilities : of the three classes
    resolution : Å, median of the distribution
    interval : Å, that holds 90 % of it
    distribution : ndarray (bins,), probabilities;  edges : ndarray (bins + 1,), Å
    warnings : plain sentences
    finest : Å, the finest resolution that the map can hold
    """

    resolution_class: str
    probabilities: dict[str, float]
    resolution: float
    interval: tuple[float, float]
    distribution: np.ndarray = field(repr=False)
    edges: np.ndarray = field(repr=False)
    warnings: tuple[str, ...] = ()
    finest: float = 0.0

    def judge(self, claimed: float) -> str:
        """Whether a claimed resolution (Å) lies in the interval: "agrees", or else how the map
        looks beside it: "worse" or "better"."""
        low, high = self.interval
        if low <= claimed <= high:
            return "agrees"
        return "worse" if claimed < low else "better"

    def uncertain_class(self) -> str | None:
        """A sentence where the interval reaches into another class, or None."""
        low, high = self.interval
        crossed = [f"{edge:g} Å" for edge in bins.CLASS_EDGES if low < edge < high]
        if not crossed:
            return None
        return (
            f"the class is uncertain: the 90 % interval of {low:.1f}-{high:.1f} Å reaches across "
            f"the border of {' and '.join(crossed)}"
        )


class Classifier:
    """A network that tells the resolution of whole maps, loaded once for many of them.

    model : "cnn" or "dnn";  bundle : Bundle, name or folder to use instead
    device : "auto", "cpu" or "gpu"

    Raises
    ------
    SettingError, BundleError : one line with what was received and what to do
    """

    def __init__(
        self, model: str = "cnn", bundle: Bundle | str | Path | None = None, *, device: str = "auto"
    ) -> None:
        self.bundle = choose_bundle(model, bundle)
        self.spec = self.bundle.spec
        self.parts, self.device = load_parts(self.bundle, device)
        self.edges = bins.bin_edges(self.spec["network"])

    def __call__(
        self,
        volume: Volume | str | Path,
        *,
        mask: Any = None,
        voxel_size: float | None = None,
        thorough: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Answer:
        """Tell the resolution of one map.

        Parameters
        ----------
        volume : density, or the path of a map
        mask : on the map's grid, above 0.5 inside the molecule; None finds one
        voxel_size : Å, where the header of the file is wrong
        thorough : average the probabilities over the 24 rotations of the cube
        progress : called with (tiles done, tiles in all), or thorough with (rotations done, 24)

        Raises
        ------
        InputError : one line with what was received and what to do
        """
        volume, chosen = input_map(volume, voxel_size), rotations(thorough)
        refuse_coarse(volume)
        inside, notes = input_mask(mask, volume)
        part, whole = without_padding(volume.data), volume.data.size
        volume = crop(volume, part)
        inside = None if inside is None or not inside[part].any() else inside[part]
        rim = quiet_rim(volume)
        given, volume = volume, filled(volume, rim)
        notes += [rim.sentence] if rim else []
        if inside is None:
            inside = within_rim(agreed(chosen, automatic_mask, volume), rim)
        notes += check_map(given, inside, whole=whole)

        def look(this: Pass, volume: Volume, inside: np.ndarray) -> list[np.ndarray]:
            molecule = find_molecule(volume, self.spec["voxel_size"], inside)
            if this.count == 1:
                return [self.distribution(molecule, this.progress)]
            probability = self.distribution(molecule)
            this.progress(1, 1)
            return [probability]

        [probability] = mean_over(chosen, look, volume, inside, progress=progress)
        finest = finest_possible(given)
        estimate = float(bins.quantile(probability, self.edges, 0.5))
        said = finest_warning(volume, finest)
        if said is not None:
            notes.append(said)
        elif estimate < finest:
            held = holds_nothing_better(volume.voxel_size, finest)
            notes.append(f"{held}: the estimate means that the map is as good as its voxels allow")
        share = self.spec["calibration"]["interval"]
        answer = answer_of(probability, self.edges, share, finest=finest)
        said = answer.uncertain_class()
        return replace(answer, warnings=(*notes, said) if said else tuple(notes))

    def distribution(self, molecule: Molecule, progress=None) -> np.ndarray:
        """Calibrated probabilities of the bins, ndarray (bins,)."""
        with device_scope(self.device):
            told = descriptor(molecule)
            if self.spec["normalisation"]["name"] == "description":
                raw = predict_one(self.parts[WHOLE], told)
            else:
                told = np.concatenate([told, self._mean_evidence(molecule, progress)])
                raw = predict_one(self.parts["head"], told)
        return bins.soften(np.asarray(raw, np.float64), self.spec["calibration"]["temperature"])

    def _mean_evidence(self, molecule: Molecule, progress) -> np.ndarray:
        """The trunk's evidence averaged over the molecule, tile by tile; ndarray (evidence,)."""
        features, weight = features_and_weight(molecule)
        trunk = self.parts["trunk"]
        grid = fitting_grid(weight.shape, self.spec, TILE_MEMORY[self.device], BYTES_PER_STEP)
        tiles = [t for t in grid if weight[t.write].any()]
        total = np.zeros(1)
        for done, part in enumerate(tiles, 1):
            evidence = predict_one(trunk, features[part.read])
            total = total + np.tensordot(weight[part.write], evidence[part.crop], 3)
            if progress:
                progress(done, len(tiles))
        return np.asarray(total / max(float(weight.sum()), 1e-6), np.float32)


def answer_of(
    probability: np.ndarray, edges: np.ndarray, interval: float = 0.9, finest: float = 0.0
) -> Answer:
    """Classes, number and interval from a distribution over bins, ndarray (bins,).

    finest : Å, the finest resolution that the map can hold; what is finer counts as this
    """
    shares = bins.at_least(bins.class_probabilities(probability, edges), finest)
    low, middle, high = (
        max(finest, float(bins.quantile(probability, edges, share)))
        for share in ((1 - interval) / 2, 0.5, (1 + interval) / 2)
    )
    return Answer(
        bins.CLASSES[int(np.argmax(shares))],
        dict(zip(bins.CLASSES, shares)),
        middle,
        (low, high),
        probability,
        edges,
        finest=finest,
    )
