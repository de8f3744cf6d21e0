"""A simulated experiment by Fourier filters: half maps, a deposited map, and its local resolution.

Atoms with B-factors, solvent and a belt fall off as maps do, and coloured noise is added to each
half until their FSC falls to 0.143 where it should. The deposited map is weighted, sharpened,
low-passed and masked as people do it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cryodl.compute.memory import check_memory
from cryodl.errors import InputError
from cryodl.maps.volume import Volume
from cryodl.simulation.experiment_config import COARSEST_SAMPLING, draw, full_config
from cryodl.simulation.filters import FourierBox, raised_cosine
from cryodl.simulation.local_truth import local_fields, local_resolutions
from cryodl.simulation.reconstruction import (
    Atoms,
    calibrate,
    edge_low_pass,
    fsc_mask,
    noise_envelope,
    noise_gain,
    transform_atoms,
)
from cryodl.simulation.specimen import (
    belt_density,
    distance_from,
    make_specimen,
    molecular_mask,
    soft_step,
)

SHARPENED_TO = 0.8  # times the resolution: beyond, a sharpening filter is held, as programs do


def deposit_gain(frequencies, ratio, b_factor: float, drawn: dict[str, Any]) -> np.ndarray:
    """Radial filter of the deposited map.

    frequencies : ndarray, 1/Å
    ratio : ndarray, signal over noise power of the full map inside the molecule
    b_factor : float, Å², that the map's signal falls off with
    """
    resolution = drawn["resolution"]
    gain = np.ones_like(frequencies)
    if drawn["sharpened"]:
        held = np.minimum(frequencies, 1 / (SHARPENED_TO * resolution))
        gain *= np.exp(drawn["sharpening"] * b_factor * held**2 / 4)
    if drawn["fsc_weighted"]:  # sqrt(2 FSC / (1 + FSC)) of the half maps (Rosenthal & Henderson)
        gain *= np.sqrt(ratio / (1 + ratio))
    if drawn["low_passed"]:
        end = resolution * drawn["low_pass"]
        end *= drawn["over_filter"] if drawn["over_filtered"] else 1
        gain *= raised_cosine(frequencies, end, max(drawn["low_pass_width"], 1e-3) / end)
    return gain


def deposit_mask(distance, drawn: dict[str, Any]) -> np.ndarray | None:
    """Weights from 0 to 1 that the depositors multiply their map by, or None.

    distance : ndarray (z, y, x), Å, from molecule and belt
    """
    if drawn["tightly_masked"]:
        return soft_step(distance, drawn["tight_radius"], 0.0)
    if drawn["soft_masked"]:
        return soft_step(distance, drawn["mask_radius"], drawn["mask_edge"])
    if drawn["ball_masked"]:
        n, voxel = distance.shape[0], drawn["voxel_size"]
        axis = ((np.arange(n, dtype=np.float32) - n // 2) * np.float32(voxel)) ** 2
        radius = np.sqrt(axis[:, None, None] + axis[None, :, None] + axis[None, None, :])
        return soft_step(radius, n // 2 * voxel - drawn["mask_edge"], drawn["mask_edge"])
    return None


def rescale(density, drawn: dict[str, Any]) -> np.ndarray:
    """Bring a map to a standard deviation of 10^log_scale and lift it by `offset` of that."""
    spread = max(float(density.std()), 1e-30)
    scaled = density / spread + drawn["offset"]
    return (scaled * 10 ** drawn["log_scale"]).astype(np.float32)


MAPS = ("half1", "half2", "map", "mask", "model", "aspect", "snr")
BYTES_PER_VOXEL = 100.0  # at its most
SMOOTHING = 6  # radial bins, over which power tables are averaged


@dataclass(frozen=True)
class SimulatedExperiment:
    """Maps on one cubic grid; ndarrays (z, y, x), float32 but for the mask.

    half1, half2 : half maps as reconstructed: neither filtered, sharpened nor masked
    map : their mean, as deposited
    mask : bool, within 3 Å of an atom that is there
    model : the molecule without noise, fall-off and solvent, every atom with its B-factor and
        occupancy; its maximum is 1
    aspect : Å, true aspect resolution of the deposited map; 0 outside the mask
    snr : Å, true signal-to-noise resolution; 0 outside the mask
    voxel_size : Å
    origin : x y z in Å of the first voxel in the model's frame
    resolution : Å, at which the half maps' FSC falls to 0.143 (see reconstruction.py for the mask)
    drawn : every ingredient's number: with the same seed, a config that repeats the experiment
    measured : what came of them: B-factors, levels, medians
    """

    half1: np.ndarray
    half2: np.ndarray
    map: np.ndarray
    mask: np.ndarray
    model: np.ndarray
    aspect: np.ndarray
    snr: np.ndarray
    voxel_size: float
    origin: tuple[float, float, float]
    resolution: float
    drawn: dict[str, Any]
    measured: dict[str, Any]

    def volume(self, name: str) -> Volume:
        """One of MAPS as a Volume."""
        return Volume(getattr(self, name), self.voxel_size, self.origin)

    def fsc_mask(self) -> np.ndarray:
        """Mask with which the half maps' FSC is as asked, 0 to 1; ndarray (z, y, x), float32."""
        return fsc_mask(distance_from(self.mask, self.voxel_size), self.resolution)


def simulate_experiment(
    structure, config: dict[str, Any] | None = None, seed: int = 0, *, device: bool = False
) -> SimulatedExperiment:
    """Simulate an experiment on a structure.

    structure : Structure
    config : numbers or ranges that replace defaults (see experiment_config.py)
    seed : int; the same gives the same bytes on a CPU
    device : bool, transform on the accelerator through keras.ops

    Raises
    ------
    SettingError : an unknown ingredient, or a value that is none
    InputError : a voxel size that does not hold the resolution, a seed below 0
    """
    if seed < 0:
        raise InputError(f"seed {seed} is below 0; give a whole number from 0 up")
    # A stream for each, so that one ingredient does not shift what another draws.
    rng_draw, rng_specimen, rng_noise = (np.random.default_rng([seed, k]) for k in range(3))
    drawn = draw(full_config(config), rng_draw)
    resolution, voxel = drawn["resolution"], drawn["voxel_size"]
    specimen = make_specimen(structure, drawn, rng_specimen)
    check_memory(
        BYTES_PER_VOXEL * float(specimen.box) ** 3,
        f"an experiment of {specimen.box} voxels of {voxel:g} Å along each axis",
        "give larger voxels, or a smaller structure",
    )
    box = FourierBox(specimen.box, voxel, device=device)
    mask = molecular_mask(specimen, voxel)
    distance = distance_from(mask, voxel)

    atoms = transform_atoms(specimen, box)
    model = box.to_map(atoms.spectrum, edge_low_pass(box.frequencies, voxel))
    unit = np.float32(1 / model.max())
    density = float(model[mask].mean())  # unit of solvent and belt
    border = np.sqrt(atoms.mixture / atoms.mixture[0]) * np.exp(
        -drawn["b_solvent"] * box.frequencies**2 / 4
    )  # soft, and as much softer as the atoms move
    solvent = box.to_spectrum(-drawn["solvent"] * density * mask, border)
    dissolved = box.add(atoms.spectrum, solvent)
    contrast = np.where(box.frequencies < 0.4 / voxel, box.power(dissolved) / atoms.power, 1)
    covered = distance
    if drawn["belt"]:
        belt = belt_density(distance, specimen, drawn)
        dissolved = box.add(dissolved, box.to_spectrum(density * belt, border))
        covered = np.where(belt != 0, np.float32(0), distance)

    fall = np.exp(-drawn["fall_off"] * resolution**2 * box.frequencies**2 / 4)
    colour = noise_gain(box.frequencies, drawn)
    envelope = noise_envelope(specimen.box, drawn)
    native = voxel
    if drawn["resampled"]:
        native = min(drawn["native_voxel"] * voxel, resolution / COARSEST_SAMPLING)

    def resampled(spectrum):
        return box.to_map(box.cut(spectrum, native) if drawn["resampled"] else spectrum)

    signal = resampled(box.filter(dissolved, fall, edge_low_pass(box.frequencies, voxel)))
    noises = [
        resampled(box.to_spectrum(envelope * white, colour))
        for white in (rng_noise.standard_normal(box.shape, dtype=np.float32) for _ in range(2))
    ]
    weights = fsc_mask(distance, resolution)
    levels, fsc_resolution, _ = calibrate([signal], noises, weights, resolution, box)
    halves = [signal + np.float32(each) * noise for each, noise in zip(levels, noises)]
    level = float(abs(levels[0]))

    # Power of ideal atoms, of the same as they are shown, and of the full map's noise, each where
    # the molecule fills the box.
    share = float(mask.mean())
    ideal = _smooth(atoms.power / atoms.mixture) / share
    shown = ideal * _smooth(contrast) * fall**2
    noise = level**2 / 2 * colour**2 * mask.size
    gain = deposit_gain(
        box.frequencies, shown * atoms.mixture / noise, _fall_off(atoms, box, drawn), drawn
    )
    deposited = box.to_map(box.to_spectrum((halves[0] + halves[1]) / 2), gain)
    cut = deposit_mask(covered, drawn)
    deposited = deposited if cut is None else deposited * cut

    local_b, local_occupancy = local_fields(specimen, resolution, box)
    variance = (envelope[mask] / local_occupancy[mask]) ** 2
    held = box.frequencies <= 0.5 / native
    aspect, snr = np.zeros(box.shape, np.float32), np.zeros(box.shape, np.float32)
    aspect[mask], snr[mask] = local_resolutions(
        local_b[mask], variance, (ideal, shown, noise), gain * held, box.frequencies, drawn
    )
    return SimulatedExperiment(
        half1=halves[0] * unit,
        half2=halves[1] * unit,
        map=rescale(deposited, drawn),
        mask=mask,
        model=model * unit,
        aspect=aspect,
        snr=snr,
        voxel_size=voxel,
        origin=specimen.origin,
        resolution=resolution,
        drawn=drawn,
        measured={
            "structure": structure.name,
            "seed": int(seed),
            "atoms": len(specimen.positions),
            "box": specimen.box,
            "fsc_resolution": float(fsc_resolution),
            "fall_off": drawn["fall_off"] * resolution**2,
            "b_factors": [float(b) for b in np.percentile(specimen.b_factors, (5, 50, 95))],
            "mask_share": share,
            "noise_in_mask": float(level * noises[0][mask].std() / signal[mask].std()),
            "snr": [float(v) for v in np.percentile(snr[mask], (5, 50, 95))],
            "aspect": [float(v) for v in np.percentile(aspect[mask], (5, 50, 95))],
        },
    )


def _fall_off(atoms: Atoms, box: FourierBox, drawn: dict[str, Any]) -> float:
    """B-factor (Å²) with which the signal falls off by its resolution, the atoms' own included."""
    resolution = drawn["resolution"]
    left = np.interp(1 / resolution, box.frequencies, atoms.mixture / atoms.mixture[0])
    return (drawn["fall_off"] - 2 * float(np.log(left))) * resolution**2


def _smooth(power):
    from scipy.ndimage import gaussian_filter1d

    return np.exp(gaussian_filter1d(np.log(np.maximum(power, 1e-30)), SMOOTHING, mode="nearest"))
