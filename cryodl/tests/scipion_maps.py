"""What the plugin's tests share: maps made without the engine, stand-ins, and patience."""

import time

import mrcfile
import numpy as np
from pwem.objects import Volume
from pwem.protocols import EMProtocol
from pyworkflow.protocol.params import PointerParam

from cryodl.protocols.maps import read_grid

THRESHOLD = 0.3  # of a molecule's density


def write_molecule(path, shape, voxel_size, origin, *, mask_path=None, seed=0):
    """Write blobs of about 6 Å with some noise as a molecule, and the mask of where they are.

    shape : (z, y, x);  voxel_size : Å;  origin : (x, y, z), Å
    """
    rng = np.random.default_rng(seed)
    middle = np.array(shape) / 2
    grid = np.indices(shape).reshape(3, -1).T
    density = np.zeros(len(grid))
    for centre in middle + rng.normal(0, np.array(shape) / 9, (60, 3)):
        density += np.exp(-(((grid - centre) * voxel_size) ** 2).sum(1) / (2 * 2.0**2))
    density = density.reshape(shape)
    inside = density > THRESHOLD
    write_map(path, density + rng.normal(0, 0.02, shape), voxel_size, origin)
    if mask_path:
        write_map(mask_path, inside, voxel_size, origin)
    return inside


def local_resolution(density, background=0.0):
    """A local resolution in Å that rises along x, from 3 to 8, where a density shows a molecule."""
    rising = np.linspace(3.0, 8.0, density.shape[2], dtype=np.float32)
    return np.where(density > THRESHOLD, rising, np.float32(background))


class StandInForMonoRes(EMProtocol):
    """Writes what MonoRes writes: resolution_Volume, background 0, no origin in the file."""

    _label = "stand-in for MonoRes"
    output, background = "resolution_Volume", 0.0

    def _defineParams(self, form):
        form.addSection("Input")
        form.addParam("fullMap", PointerParam, pointerClass="Volume", label="Volume")

    def _insertAllSteps(self):
        self._insertFunctionStep(self.createOutputStep)

    def createOutputStep(self):
        density = read_grid(self.fullMap.get().getFileName())[0]
        self.hand_out(self.output, local_resolution(density, self.background))

    def hand_out(self, name, data):
        """Write a map and define it as an output, derived from the input."""
        path, rate = self._getExtraPath(f"{name}.mrc"), self.fullMap.get().getSamplingRate()
        write_map(path, data, rate, (0, 0, 0))
        volume = Volume(location=path)
        volume.setSamplingRate(rate)
        self._defineOutputs(**{name: volume})
        self._defineSourceRelation(self.fullMap, volume)


class StandInForResMap(StandInForMonoRes):
    """Writes what ResMap writes: outputVolume, background 100."""

    _label = "stand-in for ResMap"
    output, background = "outputVolume", 100.0


def run_here(case, protocol):
    """Run a protocol to its end in this process, which spares seconds and knows a test's classes.

    case : test class, or test, with its project
    """
    from pyworkflow.protocol import HostConfig, StepExecutor

    case.proj._setupProtocol(protocol)
    protocol.makePathsAndClean()
    protocol.setStepsExecutor(StepExecutor(HostConfig()))
    protocol.run()
    case.proj._storeProtocol(protocol)
    assert protocol.isFinished(), protocol.getErrorMessage()
    declared = protocol.getPossibleOutputs() or {}
    if type(protocol).__module__.startswith("cryodl.protocols."):
        for name, output in protocol.iterOutputAttributes():
            assert isinstance(output, declared[name]), name
    return protocol


def import_volumes(case, files, voxel_size, origin=None, halves=()):
    """Import a map, or those that a pattern fits, as Scipion's own protocol does; the protocol.

    origin : (x, y, z), Å, of the map;  halves : files of its half maps
    """
    from pwem.protocols import ProtImportVolumes

    values = {"filesPath": files, "samplingRate": voxel_size}
    if origin is not None:  # the form asks where the coordinates' origin lies in the box
        values.update(setOrigCoord=True, **{axis: -o for axis, o in zip("xyz", origin)})
    if halves:
        values.update(setHalfMaps=True, half1map=halves[0], half2map=halves[1])
    return run_here(case, case.newProtocol(ProtImportVolumes, **values))


def wait_for(condition, seconds=120):
    """Return as soon as condition() holds; raise where it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain")
        time.sleep(0.2)


def write_map(path, data, voxel_size, origin):
    with mrcfile.new(path, data.astype(np.float32), overwrite=True) as mrc:
        mrc.voxel_size = voxel_size
        mrc.header.origin.x, mrc.header.origin.y, mrc.header.origin.z = origin
