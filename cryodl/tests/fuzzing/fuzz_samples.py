"""A small valid file of every kind that cryodl reads; each function returns {name: bytes}."""

import gzip
import io
import json
import tempfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from cryodl.networks.spec import SHIPPED
from cryodl.tests.maps.test_mrc import header_and_data

PDB = Path(__file__).parents[1] / "data" / "1c75.pdb"
HEAD = [
    "TITLE     AN ELECTRON CARRIER",
    "EXPDTA    ELECTRON MICROSCOPY",
    "CRYST1   37.140   39.420   44.020  90.00  90.00  90.00 P 21 21 21    4",
]
SIDE = 16  # voxels of the maps
ATOMS = 60
VOXEL = 1.5  # Å, as header_and_data has it


def packed(data):
    return gzip.compress(data, 1, mtime=0)


def density(seed=0, side=SIDE, noise=0.1):
    """A blob with noise; ndarray (z, y, x), float32."""
    zyx = np.indices((side, side + 2, side + 4)) - side / 2
    blob = np.exp(-(zyx**2).sum(0) / (2 * (side / 6) ** 2))
    return (blob + np.random.default_rng(seed).normal(0, noise, blob.shape)).astype("f4")


def cube(seed, noise):
    return density(seed, 24, noise)[:, :24, :24]


def map_file():
    return {"map.mrc": header_and_data(density())}


def ccp4_file():
    """Big-endian, with other axes, words of 16 bits and a longer header."""
    values = (1000 * density()).astype("i2")
    return {"map.map": header_and_data(values, (2, 3, 1), ">", nsymbt=160)}


def packed_map():
    return {"map.mrc.gz": packed(header_and_data(density()))}


def mask_file():
    return {"mask.mrc": header_and_data((density() > 0.5).astype("i1"))}


def resolution_map():
    values = np.where(density() > 0.5, 4 + density(1), 0).astype("f4")
    return {"resolution.mrc": header_and_data(values)}


def half_maps():
    signal = density(0, 24, 0)
    halves = [signal + 0.1 * density(seed, 24, 1) for seed in (1, 2)]
    return {f"half{n + 1}.mrc": header_and_data(half) for n, half in enumerate(halves)}


@cache
def pdb_lines():
    lines = PDB.read_text().splitlines()
    atoms = [line for line in lines if line.startswith("ATOM")][:ATOMS]
    return "\n".join([*HEAD, *atoms, "TER", "END", ""])


def pdb_file():
    return {"model.pdb": pdb_lines().encode()}


def packed_pdb():
    return {"model.pdb.gz": packed(pdb_lines().encode())}


@cache
def mmcif():
    import gemmi

    model = gemmi.read_structure_string(pdb_lines())
    model.setup_entities()
    groups = gemmi.MmcifOutputGroups(False)
    groups.atoms = groups.cell = groups.symmetry = groups.entity = groups.exptl = True
    groups.group_pdb = groups.auth_all = True
    return model.make_mmcif_document(groups).as_string().encode()


def mmcif_file():
    return {"model.cif": mmcif()}


def packed_mmcif():
    return {"model.cif.gz": packed(mmcif())}


def _npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@cache
def structures():
    from cryodl.simulation.structure import Structure, pack_structures

    rng = np.random.default_rng(0)
    made = []
    for n in (30, 20):
        positions = rng.normal(0, 9, (n, 3)).astype("f4")
        made.append(Structure(positions, np.full(n, 6, "u1"), np.zeros(n, "i2"), f"of {n}"))
    with tempfile.TemporaryDirectory() as folder:
        pack_structures(made, Path(folder) / "set.npz")
        return {"set.npz": (Path(folder) / "set.npz").read_bytes()}


def samples_file():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 5)).astype("f4"), rng.normal(size=(12, 2)).astype("f4")
    return {"samples.npz": _npz(x=x, y=y, chunks=np.int64(4))}


def table_of_maps():
    table = "file\tresolution_A\tvoxel_A\tmodel_file\none.mrc\t~3.5\t1.06\tm.pdb\ntwo.mrc\t-\t\t-\n"
    return {"maps.tsv": table.encode(), "one.mrc": b"", "two.mrc": b"", "m.pdb": b""}


def table_of_pairs():
    return {
        "pairs.tsv": b"half1\thalf2\tmodel\nhalf1.mrc\thalf2.mrc\tmodel.pdb\n",
        **half_maps(),
        "model.pdb": pdb_lines().encode(),
    }


def params():
    values = {
        "map": "map.mrc", "output": "out", "sharpen": "auto", "claimed": 3.5, "voxel-size": 1.2,
        "threads": 2, "overwrite": True, "mask": None, "device": "cpu",
    }  # fmt: skip
    return {"params.json": json.dumps(values).encode()}


def ingredients():
    values = {
        "resolution": [3, 6], "voxel_size": 1.0, "belt": 0.5, "domains": [1, 4], "noise_b": [-1, 1],
        "margin": [1, 2], "deposition": {"filter": "none", "voxels": [0.5, 2], "log_scale": 0},
    }  # fmt: skip
    return {"config.json": json.dumps(values).encode()}


def run_record():
    from cryodl.files.record import sealed, write_json

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "resolution.mrc").write_bytes(b"map")
        write_json(folder / "stats.json", sealed({"median": 3.5}, "stats.json", folder), indent=1)
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows_of_methods():
    row = {"experiment": "00000", "method": "deepres", "map": "deposited", "words": ["raw"],
           "fsc": 4.0, "truth": 4.2, "answered": 0.9, "rmse": 0.5, "bias": -0.1, "rank": 0.6,
           "covered": None, "seconds": 2.0}  # fmt: skip
    enhanced = {"experiment": "00000", "method": "enhance", "map": "half maps", "words": [],
                "fsc": 4.0, "truth": 4.2, "input": 0.7, "enhanced": 0.8, "best_bfactor": 0.75,
                "bfactor": -80.0, "relion": None}  # fmt: skip
    lines = [json.dumps(each) + "\n" for each in (row, {**row, "experiment": "00001"}, enhanced)]
    return {"rows.jsonl": "".join(lines).encode()}


def training_state():
    state = {"step": 100, "seconds": 3.5, "best": 0.4, "epochs_since_best": 1, "start": 1.0,
             "monitor": "val_error"}  # fmt: skip
    log = "epoch,loss,val_loss,val_error\n0,1.5,1.6,0.5\n1,1.2,1.4,0.4\n"
    return {"state.json": json.dumps(state).encode(), "log.csv": log.encode()}


def experiment():
    """A set of experiments of the kind "density", with one in it."""
    drawn = {"resolution": 4.0, "low_passed": 1, "low_pass": 1.1}
    drawn |= {"over_filtered": 1, "over_filter": 1.5}
    info = {"structure": "one", "seed": 1, "config": drawn, "measured": {"fall_off": 100.0},
            "voxel_size": 1.0, "first_voxel": [0, 0, 0]}  # fmt: skip
    files = {"00000/experiment.json": json.dumps(info).encode()}
    for number, name in enumerate(("half1", "map", "mask")):
        file = io.BytesIO()
        np.save(file, density(number).astype("f2" if name != "mask" else "u1"))
        files[f"00000/{name}.npy"] = file.getvalue()
    return files


def reconstruction():
    """A set of experiments from particles, with one in it."""
    info = {"structure": "one", "seed": 1, "voxel_size": VOXEL, "resolution": 5.0, "box": 24,
            "origin": [0, 0, 0], "measured": {"box": 24}, "deposition": ["raw"]}  # fmt: skip
    signal = cube(0, 0)
    maps = {f"half{n}.mrc": header_and_data(signal + 0.1 * cube(n, 1)) for n in (1, 2)}
    maps |= {f"{name}.mrc": header_and_data(signal) for name in ("signal", "model")}
    maps["mask.mrc"] = header_and_data((signal > 0.3).astype("i1"))
    files = {f"00000/{name}": data for name, data in maps.items()}
    return {"00000/experiment.json": json.dumps(info).encode(), **files}


BUNDLES = "deepres-low", "unet-monores", "class-cnn", "enhance-tight", "cryores-single"


@cache
def bundle(name=BUNDLES[0], *, earlier=False):
    """The spec of a shipped bundle with networks so small that they are quickly read.

    earlier : with its weights in an HDF5 file
    """
    from cryodl.files.record import KEY, file_sha256, sealed, write_json
    from cryodl.networks.architectures import reads_and_answers
    from cryodl.networks.openvino_backend import openvino_answers, read_openvino
    from cryodl.networks.proof import VECTOR_FILE, write_vector
    from cryodl.networks.spec import OPENVINO, SPEC_FILE, TABLE_FILE, WEIGHTS_FILE
    from cryodl.networks.weights import write_table, write_weights

    spec = json.loads((SHIPPED / name / SPEC_FILE).read_text("utf-8"))
    del spec[KEY]
    parts = reads_and_answers(spec["network"])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "bundle"
        light = folder / OPENVINO
        light.mkdir(parents=True)
        network = TinyNetwork(spec["network"])
        write_weights(folder / WEIGHTS_FILE, network, "float16")
        for part, (_, reads, answers) in parts.items():
            write_openvino(light / f"{part}.xml", reads, answers)
        shapes = {part: (None, reads) for part, (_, reads, _) in parts.items()}
        write_vector(folder / VECTOR_FILE, shapes, openvino_answers(read_openvino(light)), 2)
        spec["weights_sha256"] = file_sha256(folder / WEIGHTS_FILE)
        if not earlier:
            file = f"{OPENVINO}/{next(iter(parts))}.bin"
            places = {
                weight.path: {"file": file, "offset": 0, "dtype": "float32",
                              "shape": list(weight.shape), "axes": [*range(len(weight.shape))]}
                for weight in network.weights
            }  # fmt: skip
            write_table(folder / TABLE_FILE, places, {file: file_sha256(folder / file)})
            (folder / WEIGHTS_FILE).unlink()
            spec["weights_sha256"] = file_sha256(folder / TABLE_FILE)
        spec[OPENVINO] = {path.name: file_sha256(path) for path in sorted(light.iterdir())}
        write_json(folder / SPEC_FILE, sealed(spec, SPEC_FILE, folder), indent=2)
        return {
            path.relative_to(folder.parent).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


class TinyNetwork:
    """What a bundle asks of a keras.Model, without the seconds that Keras takes to be imported.

    It has a weight of every size that its config names, and two layers.
    """

    def __init__(self, config):
        from cryodl.networks.architectures import sizes

        shapes = {"first/kernel": (1, 2), "first/bias": (2,)}
        shapes |= {f"size{number}": (size,) for number, size in enumerate(sizes(config).values())}
        self.weights = [SimpleNamespace(path=path, shape=shape) for path, shape in shapes.items()]
        self.set_weights([np.full(weight.shape, 0.5, "f4") for weight in self.weights])

    def set_weights(self, values):
        self._values = values

    def get_weights(self):
        return self._values


def write_openvino(path, reads, answers):
    from cryodl.networks.openvino_backend import import_openvino

    openvino = import_openvino()
    from openvino import opset13 as ops

    x = ops.parameter([-1, reads], np.float32, name="x")
    weight = np.random.default_rng(0).normal(0, 0.1, (reads, answers)).astype("f4")
    product = ops.matmul(x, ops.constant(weight), False, False)
    openvino.save_model(openvino.Model([ops.relu(product)], [x], path.stem), path,
                        compress_to_fp16=False)  # fmt: skip


def voxel_size_weights():
    """As the shipped one, but smaller."""
    from cryodl.checks.voxel_size import FACTORS, NUMBERS, sealed_weights

    rng, shapes = np.random.default_rng(0), ((NUMBERS, 2), (2, len(FACTORS)))
    weights = {"mean": np.zeros(NUMBERS), "sd": np.ones(NUMBERS), "layers": 2, "threshold": 0.7}
    for layer, shape in enumerate(shapes):
        weights[f"kernel{layer}"] = rng.normal(size=shape)
        weights[f"bias{layer}"] = np.zeros(shape[1])
    return {"w.npz": _npz(**sealed_weights(weights))}
