"""What a run wrote, kept as checksums in its JSON record: by them its files are known again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

RECORDS = ("stats.json", "spec.json", "experiment.json")  # of a run, a bundle, an experiment
SUMS = "checksums.json"  # of an evaluation; it may have something before it
KEY = "sha256"  # entry of a record: {file: SHA-256}, of itself too
LARGEST = 1 << 26  # bytes; no record of ours is larger


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def files_of(folder: Path) -> Iterator[str]:
    """All that a folder and its subfolders hold beside folders, by paths from it, with slashes."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in (*files, *links):
            yield (Path(place) / name).relative_to(folder).as_posix()


def sealed(record: Mapping[str, Any], name: str, folder: Path) -> dict[str, Any]:
    """A record with the checksums of the files beside it and of its own content.

    name : of the file that it will be, in `folder`, where all other files are written already
    """
    sums = {file: file_sha256(folder / file) for file in sorted(files_of(folder)) if file != name}
    return {**record, KEY: {**sums, name: own_sum({**record, KEY: sums}, name)}}


def write_json(path: Path, content: Any, **layout: Any) -> None:
    """Write JSON that every reader takes, also where it names files whose names are no text."""
    text = json.dumps(content, ensure_ascii=False, **layout)
    path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def own_files(folder: Path) -> set[str]:
    """Files, by their paths from a folder, that its records list and that are as they were written.

    What was changed since, links, and names that lead out of the folder are none.
    """
    own = set()
    for name in (*RECORDS, *sorted(path.name for path in folder.glob(f"*{SUMS}"))):
        path = folder / name
        try:
            if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
                continue
            record = json.loads(path.read_text(encoding="utf-8"))
            for file, found in _sums(record, name).items():
                if _lies_plainly(folder, file):
                    kept = own_sum(record, name) if file == name else file_sha256(folder / file)
                    if kept == found:
                        own.add(file)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return own


def _sums(record: Any, name: str) -> dict[str, str]:
    if KEY not in record and name == "spec.json":  # a bundle of an earlier version
        light = {f"light/{file}": value for file, value in record.get("light", {}).items()}
        return {"model.weights.h5": record["weights_sha256"], **light}
    return record[KEY]


def own_sum(record: Mapping[str, Any], name: str) -> str:
    """Of a record's content, without this checksum itself; read-only mappings are taken, too."""
    plain = json.loads(json.dumps(record, default=dict))  # as a reader will have it
    plain[KEY].pop(name, None)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _lies_plainly(folder: Path, file: str) -> bool:
    """Whether a path names a file below a folder, through no link."""
    parts = PurePosixPath(file).parts
    if not parts or PurePosixPath(file).is_absolute() or ".." in parts or "\0" in file:
        return False
    places = [folder.joinpath(*parts[: n + 1]) for n in range(len(parts))]
    return places[-1].is_file() and not any(place.is_symlink() for place in places)
