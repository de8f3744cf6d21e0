"""Our reconstruction beside RELION's of the same particles; skipped where RELION is missing."""

from __future__ import annotations

import shutil
import subprocess

import mrcfile
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryodl.simulation.imaging import contrast_transfer
from cryodl.simulation.particle_experiment import simulate_particles
from cryodl.simulation.slices import FourierDensity, HalfPlane, Insertion
from cryodl.simulation.specimen import distance_from, soft_step
from cryodl.tests.simulation.test_particles import PLAIN
from cryodl.tests.simulation.test_simulated_experiment import molecule, shell_fsc  # noqa: F401

N, VOXEL, COUNT = 40, 1.6, 1200
CTF = {"kilovolts": 300.0, "cs": 2.7, "amplitude_contrast": 0.1}
OPTICS = f"""# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
_rlnImagePixelSize #6
_rlnImageSize #7
_rlnImageDimensionality #8
one 1 300.0 2.7 0.1 {VOXEL} {N} 2

# version 30001

data_particles

loop_
_rlnAngleRot #1
_rlnAngleTilt #2
_rlnAnglePsi #3
_rlnDefocusU #4
_rlnDefocusV #5
_rlnDefocusAngle #6
_rlnOpticsGroup #7
_rlnRandomSubset #8
_rlnImageName #9
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("relion_reconstruct") is None,
        reason="RELION is not installed (Debian: apt install relion): nothing is compared",
    ),
]


def fsc(first, second):
    n = len(first)
    f, h = np.fft.fftfreq(n, 1 / n), np.fft.rfftfreq(n, 1 / n)
    shell = np.rint(np.sqrt(f[:, None, None] ** 2 + f[None, :, None] ** 2 + h**2)).astype(int)
    a, b = np.fft.rfftn(first), np.fft.rfftn(second)

    def total(values):
        return np.bincount(shell.ravel(), values.ravel())[: n // 2]

    cross = total((a * b.conj()).real)
    return cross / np.sqrt(total(np.abs(a) ** 2) * total(np.abs(b) ** 2))


@pytest.fixture(scope="module")
def both(tmp_path_factory, molecule):  # noqa: F811
    """Two halves by us and by RELION, of one noisy stack; and the molecule's mask."""
    folder = tmp_path_factory.mktemp("relion")
    made = simulate_particles(molecule, PLAIN, 0)
    rng = np.random.default_rng(5)
    angles = np.stack(
        [
            rng.uniform(0, 360, COUNT),
            np.degrees(np.arccos(rng.uniform(-1, 1, COUNT))),
            rng.uniform(0, 360, COUNT),
        ],
        axis=1,
    )
    # RELION's rows are the image's axes in the specimen's frame
    views = Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix().transpose(0, 2, 1)
    defocus = rng.uniform(6000, 20000, (COUNT, 2))
    azimuth = rng.uniform(0, 180, COUNT)
    plane = HalfPlane(N)
    length = np.float32(N * VOXEL)
    ctf = contrast_transfer(
        plane.u / length, plane.v / length, *defocus.T, np.radians(azimuth), **CTF
    )
    points = plane.points(views)
    slices = FourierDensity(made.signal).read(points) * ctf
    images = np.zeros((COUNT, N, N // 2 + 1), np.complex64)
    rows, columns = plane.v.astype(int), plane.u.astype(int)
    axis = plane.u == 0
    images[:, -rows[axis], 0] = slices[:, axis].conj()
    images[:, rows, columns] = slices
    stack = np.fft.fftshift(np.fft.irfft2(images, s=(N, N)), axes=(1, 2))
    stack = (stack + rng.normal(0, 3 * stack.std(), stack.shape)).astype(np.float32)
    images = np.fft.rfft2(np.fft.ifftshift(stack, axes=(1, 2))).astype(np.complex64)
    slices = images[:, rows, columns]
    with mrcfile.new(folder / "stack.mrcs") as file:
        file.set_data(stack)
        file.voxel_size = VOXEL
    with open(folder / "stack.star", "w") as star:
        star.write(OPTICS)
        for i in range(COUNT):
            numbers = (*angles[i], *defocus[i], azimuth[i])
            star.write(" ".join(f"{x:.5f}" for x in numbers))
            star.write(f" 1 {1 + i % 2} {i + 1}@stack.mrcs\n")
    ours, theirs = [], []
    for half in (1, 2):
        insertion = Insertion(N)
        mine = np.arange(COUNT) % 2 == half - 1
        insertion.add(points[:, mine], ctf[mine], slices[mine])
        ours.append(insertion.density(gridding=10))
        subprocess.run(
            ["relion_reconstruct", "--i", "stack.star", "--o", f"half{half}.mrc", "--ctf",
             "--subset", str(half), "--angpix", str(VOXEL)],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
        with mrcfile.open(folder / f"half{half}.mrc", permissive=True) as file:
            theirs.append(np.array(file.data))
    return ours, theirs, made.mask


def test_the_same_particles_give_the_same_map(both):
    ours, theirs, _ = both
    axis = np.arange(N) - N // 2  # RELION empties the corners
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    inside = soft_step(radius, 0.3 * N, 0.14 * N)
    for mine, its in zip(ours, theirs):
        curve = fsc(mine * inside, its * inside)
        assert curve[1 : int(0.8 * N / 2) + 1].min() > 0.99


def test_and_half_maps_of_the_same_fsc(both):
    ours, theirs, mask = both
    inside = soft_step(distance_from(mask, VOXEL), 2.0, 6.0)
    mine = shell_fsc(*ours, inside, VOXEL)
    its = shell_fsc(*theirs, inside, VOXEL)
    assert mine == pytest.approx(its, rel=0.02)
