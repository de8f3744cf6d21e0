"""Every reader of files: what it is given, what it is called by, and that its answer makes sense.

A reader takes the folder in which its files lie. It may return, or raise a CryodlError; an
AssertionError says that what it read makes no sense, and anything else is a fault.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import cryodl.tests.fuzzing.fuzz_samples as samples
from cryodl.errors import InputError
from cryodl.tests.fuzzing.fuzz_bundles import (
    read_bundle,
    read_voxel_size,
    seal_bundle,
    seal_voxel_size,
)


@dataclass(frozen=True)
class Reader:
    """files : () -> {name: bytes};  read : of the folder;  damaged : endings of the names of those
    that are damaged;  seal : of the folder, so that damage is not found by its checksum alone"""

    files: Callable
    read: Callable
    damaged: tuple = ("",)
    seal: Callable | None = None


def _check_volume(volume, finite=True):
    assert min(volume.shape) > 1 and 0.01 <= volume.voxel_size <= 200
    assert np.isfinite(volume.origin).all(), volume.origin
    assert volume.data.dtype == np.float32
    if finite:
        assert np.isfinite(volume.data).all()


def read_maps(name, folder):
    from cryodl.maps.inputs import input_map
    from cryodl.maps.mrc import header_voxel_size, write_map

    path = folder / name
    assert (header_voxel_size(path) or 0) >= 0
    volume = input_map(path, None)
    _check_volume(volume)
    write_map(folder / "again.mrc", volume)
    back = input_map(folder / "again.mrc", None)
    assert back.shape == volume.shape and abs(back.voxel_size / volume.voxel_size - 1) < 1e-3


def read_masks(folder):
    from cryodl.maps.inputs import input_mask
    from cryodl.maps.volume import Volume

    inside, notes = input_mask(folder / "mask.mrc", Volume(samples.density(), samples.VOXEL))
    assert inside.any() and inside.dtype == bool
    _check_words(notes)


def _check_words(notes):
    from cryodl.tests.fuzzing.fuzz import odd_words

    assert not [note for note in notes if odd_words(note)], notes


def read_resolution_maps(folder):
    from cryodl.maps.volume import Volume
    from cryodl.resolution_maps.load import load_resolution

    found = load_resolution(
        folder / "resolution.mrc", density=Volume(samples.density(), samples.VOXEL)
    )
    _check_volume(found.resolution)
    assert found.mask.any() and (found.values > 0).all()
    _check_words([found.note, *found.warnings])


def read_models(name, folder):
    from cryodl.resolution_maps.statistics import _read_atoms
    from cryodl.simulation.structure import read_structure

    path = folder / name
    found = read_structure(path)
    assert len(found) and found.positions.shape == (len(found), 3)
    assert np.isfinite(found.positions).all() and np.ptp(found.positions, axis=0).max() < 1e5
    assert found.elements.min() > 1 and found.chains.min() >= 0
    names, owner, atoms = _read_atoms(path)
    assert len(names) > owner.max() and len(owner) == len(atoms)


def read_packed(folder):
    from cryodl.training.structures import load_structures

    found, _ = load_structures(folder / "set.npz")
    for each in found:
        assert len(each) == len(each.elements) == len(each.chains)
        assert np.isfinite(each.positions).all()


def read_samples(folder):
    from cryodl.training.stream import kept_samples, repeated_batches

    class Stream:
        def chunks(self, start):
            while True:
                yield [(np.zeros(5, "f4"), np.zeros(2, "f4"))]

    x, y = kept_samples(folder / "samples.npz", Stream(), 14, 100.0, 5)
    assert len(x) == len(y) >= 12 and x.dtype.kind == y.dtype.kind == "f"
    assert np.isfinite(x).all() and np.isfinite(y).all()
    next(repeated_batches(x, y, 4, 0))


def read_tables(folder):
    from cryodl.evaluation.tables import read_table
    from cryodl.files.reading import read_rows
    from cryodl.maps.mrc import check_voxel_size

    for path, claimed, voxel in read_table(folder / "maps.tsv"):
        assert path.is_file() and np.isfinite(claimed) and claimed >= 0
        try:
            check_voxel_size(voxel)
        except InputError:
            pass
    read_rows(folder / "maps.tsv", "file")


def read_pairs(folder):
    from cryodl.methods.enhance.samples import store_pairs

    for stored in store_pairs(folder / "pairs.tsv", folder / "stored"):
        assert stored.load("map").shape == stored.load("mask").shape
        assert 0 < stored.resolution < 1e3


def read_parameters(folder):
    from cryodl.cli.common import read_params
    from cryodl.cli.main import make_parser

    words = ["localres", "--params", str(folder / "params.json")]
    parser = make_parser("localres")
    try:
        args, _ = parser.parse_known_args(read_params(parser, words))
    except SystemExit as leaving:  # "help": true
        assert leaving.code == 0
        return
    assert args.output is not None


def read_ingredients(folder):
    from cryodl.simulation import deposition_config, experiment_config, particle_config

    values, seed = experiment_config.read_config(folder / "config.json")
    rng = np.random.default_rng(seed)
    deposition = values.pop("deposition", None)
    for kind, given in (
        (particle_config, values), (deposition_config, deposition), (experiment_config, values),
    ):  # fmt: skip
        drawn = kind.draw(kind.full_config(given), rng)
        assert all(np.isfinite(value) for value in drawn.values()), drawn


def read_records(folder):
    from cryodl.files.record import own_files

    assert own_files(folder) <= {"stats.json", "resolution.mrc"}


def read_judged(folder):
    from cryodl.evaluation.experiments import write_summaries
    from cryodl.evaluation.reconstructions import read_judged as read_rows

    rows = read_rows(folder / "rows.jsonl")
    (folder / "tables").mkdir()
    write_summaries(folder / "tables", rows)


def read_training(folder):
    from cryodl.report.curves import read_log
    from cryodl.training.state import logged, read_state

    assert all(isinstance(value, float) for value in logged(folder / "log.csv", "val_error"))
    try:
        read_log(folder / "log.csv")
    except ValueError as error:  # of the report, whose callers say it as a warning
        raise InputError(str(error)) from None
    assert isinstance(read_state(folder), dict)


def read_experiments(folder):
    from cryodl.simulation.experiment_set import open_experiment_set
    from cryodl.training.structures import molecule_of

    for stored in open_experiment_set(folder):
        assert 0 < stored.resolution < 1e6 and isinstance(molecule_of(stored), str)
        for name in ("half1", "map", "mask"):
            assert np.isfinite(stored.load(name)).all()


def read_reconstructions(folder):
    from cryodl.evaluation.reconstructions import load, open_experiments

    for stored in open_experiments([folder]):
        assert stored.length >= 0
        found = load(stored)
        assert np.isfinite(found.resolution) and found.mask.shape == found.half1.shape
        for _, words, volume, truth in found.maps:
            assert volume.shape == truth.shape and all(isinstance(word, str) for word in words)


def read_halves(folder):
    from cryodl.methods.fsc import run_fsc

    found = run_fsc(folder / "half1.mrc", folder / "half2.mrc")
    numbers = [v for k, v in found.stats.items() if k.startswith("resolution") and v is not None]
    assert np.isfinite(numbers).all() and np.isfinite(found.curve.corrected).all()
    json.dumps(found.stats, allow_nan=False)
    _check_words(found.stats["warnings"])


READERS = {
    "map": Reader(samples.map_file, partial(read_maps, "map.mrc")),
    "map, CCP4": Reader(samples.ccp4_file, partial(read_maps, "map.map")),
    "map, gzip": Reader(samples.packed_map, partial(read_maps, "map.mrc.gz")),
    "mask": Reader(samples.mask_file, read_masks),
    "resolution map": Reader(samples.resolution_map, read_resolution_maps),
    "half maps": Reader(samples.half_maps, read_halves),
    "model, PDB": Reader(samples.pdb_file, partial(read_models, "model.pdb")),
    "model, PDB, gzip": Reader(samples.packed_pdb, partial(read_models, "model.pdb.gz")),
    "model, mmCIF": Reader(samples.mmcif_file, partial(read_models, "model.cif")),
    "model, mmCIF, gzip": Reader(samples.packed_mmcif, partial(read_models, "model.cif.gz")),
    "packed structures": Reader(samples.structures, read_packed),
    "table of maps": Reader(samples.table_of_maps, read_tables, (".tsv",)),
    "table of pairs": Reader(samples.table_of_pairs, read_pairs),
    "parameters": Reader(samples.params, read_parameters),
    "ingredients": Reader(samples.ingredients, read_ingredients),
    "record of a run": Reader(samples.run_record, read_records, (".json",)),
    "set of experiments": Reader(samples.experiment, read_experiments),
    "set of reconstructions": Reader(samples.reconstruction, read_reconstructions),
    "judged experiments": Reader(samples.rows_of_methods, read_judged),
    "samples of a training": Reader(samples.samples_file, read_samples),
    "state of a training": Reader(samples.training_state, read_training),
    "bundle, weights": Reader(samples.bundle, read_bundle, ("weights.json",), seal_bundle),
    "bundle, HDF5": Reader(
        partial(samples.bundle, earlier=True), read_bundle, (".h5",), seal_bundle
    ),
    "bundle, light": Reader(samples.bundle, read_bundle, (".xml", ".bin"), seal_bundle),
    "bundle, vector": Reader(samples.bundle, read_bundle, (".npz",), seal_bundle),
    "voxel size": Reader(samples.voxel_size_weights, read_voxel_size, seal=seal_voxel_size),
}
for _name in samples.BUNDLES:
    READERS[f"spec of {_name}"] = Reader(
        partial(samples.bundle, _name), read_bundle, ("spec.json",), seal_bundle
    )
HELD = list(READERS)


def _never_ends(folder):
    while True:
        pass


def _dies(folder):
    import os

    os.abort()


class _Untold(InputError):
    """An error that is not told in one line."""

    def __str__(self):
        return self.args[0] + "\x07"


def _raises(error):
    def read(folder):
        raise error

    return read


# What has to be found, to see that it would be.
FAULTS = {
    "another error": _raises(KeyError("x")),
    "control characters": _raises(_Untold("\x1b[2J")),
    "senseless": _raises(AssertionError("x")),
    "endless": _never_ends,
    "greedy": lambda folder: bytearray(600 * 2**20).count(1),
    "dead": _dies,
    "warning": lambda folder: np.log(np.zeros(1)),
    "unclosed": lambda folder: open(Path(folder) / "x.json") and None,  # noqa: SIM115
}
for _name, _read in FAULTS.items():
    READERS[f"fault: {_name}"] = Reader(lambda: {"x.json": b"{}"}, _read)
