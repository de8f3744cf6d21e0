"""Density from atoms, by electron scattering factors (gemmi's DensityCalculatorE)."""

from __future__ import annotations

import math

import numpy as np


def atom_density(positions, elements, shape, voxel_size, *, b_factor=0.0, blur=None):
    """Sum the scattering density of atoms on a periodic grid.

    positions : ndarray, shape (n, 3), x y z in Å from the centre of voxel (0, 0, 0)
    elements : ndarray, shape (n,), atomic numbers
    shape : (z, y, x), voxels
    voxel_size : float, Å
    b_factor : float or ndarray (n,), Å², of the atoms
    blur : float, Å², added to every atom so that the grid does not alias; `default_blur` if None.
        It is still in the result: divide it out with `deblur_table`.

    Returns ndarray, shape (z, y, x), float32.
    """
    import gemmi

    blur = default_blur(voxel_size) if blur is None else blur
    nz, ny, nx = shape
    cell = gemmi.UnitCell(nx * voxel_size, ny * voxel_size, nz * voxel_size, 90, 90, 90)
    calculator = gemmi.DensityCalculatorE()
    calculator.grid.set_unit_cell(cell)
    calculator.grid.spacegroup = gemmi.SpaceGroup("P 1")
    calculator.grid.set_size(nx, ny, nz)
    calculator.blur = blur
    calculator.cutoff = 1e-4
    b_factors = np.broadcast_to(np.asarray(b_factor, float), (len(positions),))
    atom = gemmi.Atom()
    atom.occ = 1.0
    symbols = {int(z): gemmi.Element(int(z)) for z in np.unique(elements)}
    for (x, y, z), element, b in zip(positions.tolist(), elements.tolist(), b_factors.tolist()):
        atom.element = symbols[element]
        atom.pos = gemmi.Position(x, y, z)
        atom.b_iso = b
        calculator.add_atom_density_to_grid(atom)
    # gemmi's grid is indexed (x, y, z).
    return np.ascontiguousarray(np.asarray(calculator.grid.array).T, np.float32)


def default_blur(voxel_size: float) -> float:
    """Smallest B-factor (Å²) that keeps a Gaussian atom from aliasing on this grid.

    At the grid's Nyquist frequency 1 / (2 voxel) it leaves exp(-B / (16 voxel²)) = 2 % amplitude.
    """
    return 16 * voxel_size**2 * math.log(50)


def deblur_table(frequencies, blur):
    """Radial gain that removes `blur`; 0 beyond Nyquist, where only rounding would be amplified.

    frequencies : ndarray, 1/Å, the last of which lies at Nyquist
    """
    return np.exp(blur * frequencies**2 / 4)
