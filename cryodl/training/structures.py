"""Structures to train on: a folder of models or a packed set, split without leaks."""

from __future__ import annotations

import os
from pathlib import Path

from cryodl.errors import CryodlError, InputError
from cryodl.files.reading import is_file
from cryodl.simulation.structure import SUFFIXES, read_structure, unpack_structures


def load_structures(place):
    """Read a folder of PDB and mmCIF files, or a set packed by `pack_structures`.

    Returns (structures, messages about files that were skipped).
    Raises InputError where nothing can be read.
    """
    place = Path(place)
    if is_file(place) and place.suffix == ".npz":
        return unpack_structures(place), []
    if not os.path.isdir(place):
        raise InputError(f"no folder of structures, and no packed set, at '{place}'")
    structures, skipped = [], []
    try:
        held = sorted(place.iterdir())
    except OSError as error:
        raise InputError(f"cannot read {place}: {error.strerror}") from None
    for path in held:
        if path.name.lower().endswith(SUFFIXES):
            try:
                structures.append(read_structure(path))
            except CryodlError as error:
                skipped.append(str(error))
    if not structures:
        raise InputError(f"'{place}' holds no readable PDB or mmCIF file")
    return structures, skipped


def split_structures(place, validation=None):
    """Structures to train on and to validate on: (training, validation, messages of skipped files).

    validation : folder or packed set of the latter; without it every tenth is held out
    """
    structures, skipped = load_structures(place)
    if validation:
        held_out, more = load_structures(validation)
        return structures, held_out, skipped + more
    return *hold_out(structures), skipped


def hold_out(items, every=10):
    """Hold out every tenth molecule: (training, validation). At least one is held out.

    items : structures, experiments (all that are made of one molecule stand on one side), or pairs
        of a user's maps, each for itself

    Only for folders without a split of their own: it knows nothing of sequences, so related
    molecules may stand on both sides. Raises InputError where there is one molecule alone.
    """
    names = [molecule_of(item) or number for number, item in enumerate(items)]
    different = list(dict.fromkeys(names))
    if len(different) < 2:
        raise InputError("one molecule cannot be both trained and validated on: give validation=")
    every = min(every, len(different))
    held = set(different[every - 1 :: every])
    return (
        [item for item, name in zip(items, names) if name not in held],
        [item for item, name in zip(items, names) if name in held],
    )


def molecule_of(item) -> str | None:
    """Name of a structure, or of that which an experiment was made of; None for others."""
    item = getattr(item, "experiment", item)  # a labelled one
    info = getattr(item, "info", None)
    if info is None:
        return getattr(item, "name", None)
    return info.get("molecule", info["structure"])
