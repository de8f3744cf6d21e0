"""Central slices of a density, and densities from central slices: both are linear.

A projection's transform is a central slice of the density's (Bracewell 1956). Slices are taken from
and put into a Fourier grid of twice the box by trilinear interpolation; the density is divided by
what that interpolation multiplies it with (a sinc² of the place in the box). Coefficients are
weighted by their CTF and divided by the sum of the squared CTFs, as in Penczek 2010.
"""

from __future__ import annotations

import numpy as np

PADDING = 2
CHUNK = 1 << 14  # points
KERNEL_RADIUS, KERNEL_WIDTH = 1.9 * PADDING, 15.0  # of a Kaiser-Bessel function, as RELION's
LEAST_WEIGHT = 1e-3  # of the shell's mean, so that what no slice has reached does not run away


class HalfPlane:
    """Points of a slice that determine it, within the Nyquist circle; the others are conjugates.

    size : voxels along an edge of the box
    u, v : ndarrays (points,), float32, in Fourier voxels of the box; u is 0 or larger
    """

    def __init__(self, size: int) -> None:
        reach = size // 2 - 1
        v, u = np.meshgrid(np.arange(-reach, reach + 1), np.arange(reach + 1), indexing="ij")
        kept = (4 * (u**2 + v**2) < size**2) & ((u > 0) | (v >= 0))
        self.size = size
        self.u, self.v = (axis[kept].astype(np.float32) for axis in (u, v))
        self.radius = np.hypot(self.u, self.v)

    def points(self, rotations) -> np.ndarray:
        """Places of the points in space.

        rotations : ndarray (particles, 3, 3), whose rows are the image's axes in the specimen's
            frame, x y z
        Returns ndarray (3, particles, points), float32, x y z in Fourier voxels of the box.
        """
        along = np.asarray(rotations, np.float32).transpose(1, 2, 0)[..., None]
        return along[0] * self.u + along[1] * self.v


class FourierDensity:
    """Transform of a density, from which slices are read.

    density : ndarray (n, n, n), the origin at voxel n // 2 of each axis
    """

    def __init__(self, density: np.ndarray) -> None:
        import scipy.fft

        self.size = len(density)
        grid = PADDING * self.size
        padded = np.zeros((grid,) * 3, np.float32)
        _middle(padded, self.size)[...] = density / interpolation_window(self.size)
        padded = np.fft.ifftshift(padded)
        values = scipy.fft.rfftn(padded, workers=1).ravel()
        # each beside its neighbour along x, so that a point has four places instead of eight
        self._pairs = np.stack([values, np.roll(values, -1)], axis=1).view(np.float32)

    def read(self, points) -> np.ndarray:
        """Coefficients at points; ndarray of the points' shape less its first axis, complex64.

        points : ndarray (3, ...), float32, as from HalfPlane.points
        """
        weights, along, flipped = _interpolation(points, self.size)
        near = np.ascontiguousarray(weights @ self._pairs).view(np.complex64)
        values = near[:, 0] + along * (near[:, 1] - near[:, 0])
        np.conjugate(values, out=values, where=flipped)
        return values.reshape(points.shape[1:])


class Insertion:
    """Sums of weighted slices, from which densities are reconstructed.

    size : voxels along an edge of the box
    parts : kinds of slices that share their places, such as signal and noise
    """

    def __init__(self, size: int, parts: int = 1) -> None:
        grid = PADDING * size
        self.size, self.parts = size, parts
        # of a place, and of its neighbour along x
        self._sums = np.zeros((grid * grid * (size + 1), 2 * (2 * parts + 1)), np.float32)

    def add(self, points, ctf, *slices) -> None:
        """Add slices of each part.

        points : ndarray (3, particles, points);  ctf : ndarray (particles, points), that is
        believed of them;  slices : ndarrays (particles, points), complex64, one for each part
        """
        weights, along, flipped = _interpolation(points, self.size)
        width = 2 * self.parts + 1
        columns = np.empty((ctf.size, 2 * width), np.float32)
        for part, values in enumerate(slices):
            weighted = (values * ctf).ravel()
            np.conjugate(weighted, out=weighted, where=flipped)
            columns[:, 2 * part] = weighted.real
            columns[:, 2 * part + 1] = weighted.imag
        columns[:, width - 1] = np.square(ctf).ravel()
        np.multiply(columns[:, :width], along[:, None], out=columns[:, width:])
        columns[:, :width] -= columns[:, width:]
        _add_product(weights, columns, self._sums)

    def _sum(self, first: int, last: int):
        """Some columns, with what came to each place as a neighbour."""
        width = 2 * self.parts + 1
        sums = self._sums[:, first:last].copy()
        sums[1:] += self._sums[:-1, width + first : width + last]
        return sums

    def density(self, part: int = 0, gridding: int = 0) -> np.ndarray:
        """The reconstruction of one part; ndarray (n, n, n), float32.

        gridding : iterations that refine the weights (Pipe & Menon 1999), of which RELION makes 10
            and others none
        """
        import scipy.fft

        grid = PADDING * self.size
        shape = (grid, grid, self.size + 1)
        weight = _with_conjugates(self._sum(2 * self.parts, 2 * self.parts + 1).reshape(shape))
        pair = self._sum(2 * part, 2 * part + 2)
        spectrum = _with_conjugates(pair.view(np.complex64).reshape(shape))
        weight = np.maximum(weight, LEAST_WEIGHT * _shell_means(weight))
        spectrum /= _refined(weight, gridding) if gridding else weight
        padded = scipy.fft.irfftn(spectrum, s=(grid,) * 3, overwrite_x=True, workers=1)
        return _middle(np.fft.fftshift(padded), self.size) / interpolation_window(self.size)


def interpolation_window(size: int) -> np.ndarray:
    """What trilinear interpolation in Fourier space multiplies a box with; (n, n, n), float32."""
    place = (np.arange(size) - size // 2) / (PADDING * size)
    one = np.sinc(place).astype(np.float32) ** 2
    return one[:, None, None] * one[None, :, None] * one[None, None, :]


def _middle(padded, size: int):
    start = len(padded) // 2 - size // 2
    cut = slice(start, start + size)
    return padded[cut, cut, cut]


def _interpolation(points, size: int):
    """Trilinear interpolation at points (3, ...).

    Returns a sparse matrix (points, grid) of the weights of the four rows along x that are around a
    point, how far the point lies along them, (points,), and which points stand for conjugates.
    """
    from scipy.sparse import csr_matrix

    flat = points.reshape(3, -1)
    count = flat.shape[1]
    index, weight = np.empty((count, 4), np.int32), np.empty((count, 4), np.float32)
    along = np.empty(count, np.float32)
    for start in range(0, count, CHUNK):  # as much as a processor's cache holds
        here = slice(start, start + CHUNK)
        along[here] = _neighbours(flat[:, here], size, index[here], weight[here])
    ends = np.arange(0, index.size + 1, 4, dtype=np.int32)
    rows = PADDING * size * PADDING * size * (size + 1)
    matrix = csr_matrix((weight.ravel(), index.ravel(), ends), (count, rows))
    return matrix, along, flat[0] < 0


def _add_product(weights, columns, sums) -> None:
    """sums += weights.T @ columns, without another array of the size of the sums."""
    try:
        from scipy.sparse._sparsetools import csc_matvecs
    except ImportError:  # it is not of scipy's public interface
        sums += weights.T @ columns
        return
    count, rows = weights.shape
    csc_matvecs(rows, count, sums.shape[1], weights.indptr, weights.indices, weights.data,
                columns.ravel(), sums.reshape(-1))  # fmt: skip


def _neighbours(flat, size: int, index, weight):
    """Fill in the four rows around each point, and their weights; return its place along them."""
    grid = PADDING * size
    # the grid holds x from 0 on: the others stand for their conjugates
    at = np.where(flat[0] < 0, np.float32(-PADDING), np.float32(PADDING)) * flat
    low = np.floor(at)
    part = at - low
    low = low.astype(np.int32)
    y = [(low[1] + k) % grid * np.int32(size + 1) for k in (0, 1)]
    z = [(low[2] + k) % grid * np.int32(grid * (size + 1)) + low[0] for k in (0, 1)]
    for k in range(2):
        along_z = part[2] if k else 1 - part[2]
        for j in range(2):
            index[:, 2 * k + j] = z[k] + y[j]
            weight[:, 2 * k + j] = along_z * (part[1] if j else 1 - part[1])
    return part[0]


def _with_conjugates(sums):
    """The plane x = 0 holds both a coefficient and its conjugate: each gets what the other got."""
    plane = sums[:, :, 0]
    turned = np.roll(plane[::-1, ::-1], (1, 1), (0, 1))
    sums[:, :, 0] = plane + np.conjugate(turned)
    return sums


def _refined(weight, iterations: int):
    """Weights that, with the kernel of the grid, bring a constant back.

    Each iteration divides by what the weighted sums become under a Kaiser-Bessel kernel, which is a
    product in real space.
    """
    import scipy.fft
    from scipy.special import ive

    grid = len(weight)
    axis = np.fft.fftfreq(grid).astype(np.float32)
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis**2)
    fine = np.linspace(0, 0.9, 2000)
    place = np.sqrt((KERNEL_WIDTH**2 - (2 * np.pi * KERNEL_RADIUS * fine) ** 2).astype(complex))
    table = (ive(1.5, place) * np.exp(np.abs(place.real) - KERNEL_WIDTH) / place**1.5).real
    kernel = np.interp(radius, fine, table / table[0]).astype(np.float32)
    inverse = np.ones_like(weight)
    for _ in range(iterations):
        sums = scipy.fft.irfftn((inverse * weight).astype(np.complex64), s=(grid,) * 3, workers=1)
        smooth = scipy.fft.rfftn(sums * kernel, workers=1)
        inverse /= np.maximum(np.abs(smooth), 1e-6)
    return 1 / np.maximum(inverse, 1e-30)


def _shell_means(weight):
    grid = len(weight)
    axis = np.fft.fftfreq(grid, 1 / grid).astype(np.float32)
    half = np.arange(weight.shape[2], dtype=np.float32)
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + half**2).astype(np.int32)
    flat = radius.ravel()
    means = np.bincount(flat, weight.ravel()) / np.maximum(np.bincount(flat), 1)
    return np.maximum(means, means.max() * 1e-6).astype(np.float32)[radius]
