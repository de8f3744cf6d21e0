"""Mean radial amplitude of atoms: the table REFERENCE of cryodl/filters/sharpen.py.

    python benchmarks/reference_spectrum.py STRUCTURES

STRUCTURES: folder of atomic models or a packed set. Prints frequency, mean and spread of the
logarithm, relative to 0.1 1/Å.
"""

from __future__ import annotations

import sys

import numpy as np

from cryodl.simulation.filters import bin_frequencies, frequency_bins, radial_power
from cryodl.simulation.structure import atom_density, deblur_table, default_blur
from cryodl.training.structures import load_structures

SIZE, VOXEL, B_FACTOR, COUNT = 180, 0.5, 15.0, 40


def main() -> None:
    structures, _ = load_structures(sys.argv[1])
    fitting = [
        s for s in structures
        if 1500 < len(s) < 8000 and np.ptp(s.positions, axis=0).max() < SIZE * VOXEL - 5
    ]  # fmt: skip
    shape = (SIZE,) * 3
    bins, s = frequency_bins(shape), bin_frequencies(shape, VOXEL)
    blur = deblur_table(s, default_blur(VOXEL))
    curves = []
    for i in np.random.default_rng(0).choice(len(fitting), COUNT, replace=False):
        structure = fitting[i]
        positions = structure.positions - structure.positions.min(axis=0) + 2
        density = atom_density(positions, structure.elements, shape, VOXEL, b_factor=B_FACTOR)
        power = radial_power(np.fft.rfftn(density), bins, len(s)) * blur**2
        curve = np.convolve(np.log(power), np.ones(15) / 15, "same") / 2
        curves.append(curve - np.interp(0.1, s, curve))
    for frequency in np.arange(0.02, 1.001, 0.02):
        at = [np.interp(frequency, s, curve) for curve in curves]
        print(f"{frequency:.2f} {np.mean(at):7.3f} {np.std(at):6.3f}")


if __name__ == "__main__":
    main()
