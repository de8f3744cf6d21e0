"""Boxes of one resolution throughout: a molecule, a low-pass, and sometimes noise.

What the classifiers of Avramov et al. (2019, section 4.1) were trained on, at any resolution: the
paper's boxes have 64³ voxels of 1 Å.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .density import atom_density, deblur_table, default_blur
from .filters import EDGE, bin_frequencies, frequency_bins, raised_cosine
from .filters import NumpyFourier as fourier
from .structure import Structure


def turned(structure: Structure, edge: float, rng: np.random.Generator) -> Structure:
    """A structure in a random orientation, in the middle of a box; what lies outside is left out.

    edge : Å, of the box, whose first voxel is the origin. A larger molecule is cut about one of
        its atoms.
    """
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotation[:, 0] *= np.sign(np.linalg.det(rotation))
    moved = (structure.positions - structure.positions.mean(axis=0)) @ rotation.T
    if np.ptp(moved, axis=0).max() > edge:
        moved -= moved[rng.integers(len(moved))]
    else:
        moved -= (moved.min(axis=0) + moved.max(axis=0)) / 2
    moved = (moved + edge / 2 + rng.uniform(-0.5, 0.5, 3)).astype(np.float32)
    keep = np.all((moved >= 0) & (moved < edge), axis=1)
    return replace(
        structure, positions=moved[keep], elements=structure.elements[keep],
        chains=structure.chains[keep],
    )  # fmt: skip


def uniform_maps(
    structure: Structure,
    resolutions: Sequence[float],
    box: int,
    rng: np.random.Generator,
    *,
    voxel_size: float = 1.0,
    b_factor: float = 0.0,
    noise: Sequence[float] | float = 0.0,
    edge: Sequence[float] | float = EDGE,
) -> list[np.ndarray]:
    """Maps of one molecule in one orientation at several resolutions.

    structure : Structure
    resolutions : Å, cut-offs of the low-pass filter
    box : voxels along each axis
    b_factor : Å², of every atom
    noise : standard deviation of white noise, in units of the map's own; one, or one for each
    edge : cycles per voxel, width of the filter's raised cosine; one, or one for each

    Returns ndarrays, shape (box, box, box), float32.
    """
    shape = (box, box, box)
    placed = turned(structure, box * voxel_size, rng)
    bins, frequencies = frequency_bins(shape), bin_frequencies(shape, voxel_size)
    density = atom_density(placed.positions, placed.elements, shape, voxel_size, b_factor=b_factor)
    spectrum = fourier.rfft3(density)
    deblur = deblur_table(frequencies, default_blur(voxel_size))
    deblur[frequencies > 0.55 / voxel_size] = 0  # only rounding errors there
    count = len(resolutions)
    maps = []
    for resolution, level, width in zip(
        resolutions, np.broadcast_to(noise, count), np.broadcast_to(edge, count)
    ):
        low_pass = raised_cosine(frequencies, resolution, width / voxel_size)
        data = fourier.irfft3(spectrum * fourier.take(low_pass * deblur, bins), shape)
        if level > 0:
            data = data + level * data.std() * rng.standard_normal(shape, dtype=np.float32)
        maps.append(data.astype(np.float32))
    return maps
