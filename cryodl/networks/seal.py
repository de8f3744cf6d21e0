"""Write a bundle as this version does: `python -m cryodl.networks.seal FOLDER`.

For developers who changed the spec of a shipped bundle, or have one of an earlier version. Weights
that lie twice in it, for Keras and for OpenVINO, are stored once; a test vector is written where
there is none; all files are listed with their checksums.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cryodl.files.record import KEY, file_sha256, sealed
from cryodl.networks.bundle import Bundle, store_once, write_proof
from cryodl.networks.openvino_backend import import_openvino, openvino_answers, save_graph
from cryodl.networks.proof import VECTOR_FILE
from cryodl.networks.spec import (
    CARD_FILE,
    OPENVINO,
    SPEC_FILE,
    WEIGHTS_FILE,
    read_spec,
    thaw,
    write_spec,
)


def seal_bundle(folder: Path) -> None:
    """Store the weights once and list all files; the networks answer as before, or BundleError."""
    spec = thaw(read_spec(folder))
    spec.pop(KEY, None)
    if spec.get(OPENVINO) and (folder / WEIGHTS_FILE).is_file():
        before = spec["weights_sha256"]
        for path in (folder / OPENVINO).glob("*.xml"):
            held = [part.read_bytes() for part in (path, path.with_suffix(".bin"))]
            save_graph(import_openvino().Core().read_model(*held), path)
        spec[OPENVINO] = {path.name: file_sha256(path) for path in (folder / OPENVINO).iterdir()}
        store_once(folder, spec)
        card = folder / CARD_FILE
        if card.is_file():
            text = card.read_text(encoding="utf-8")
            card.write_text(text.replace(before, spec["weights_sha256"]), encoding="utf-8")
    bundle = Bundle(folder, sealed(spec, SPEC_FILE, folder))
    if not (folder / VECTOR_FILE).is_file():
        write_proof(bundle, folder / VECTOR_FILE)
        bundle = Bundle(folder, sealed(spec, SPEC_FILE, folder))
    _ = bundle.model  # asked by Keras
    if bundle.openvino:
        bundle.prove(openvino_answers(bundle.openvino), "OpenVINO")
    write_spec(folder, bundle.spec)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        seal_bundle(Path(name))
