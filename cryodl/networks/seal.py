"""Give a bundle its test vector and the checksums of its files: `python -m
cryodl.networks.seal FOLDER`, for developers who changed the spec of a shipped bundle."""

from __future__ import annotations

import sys
from pathlib import Path

from cryodl.files.record import KEY, sealed
from cryodl.networks.bundle import Bundle, write_proof
from cryodl.networks.openvino_backend import light_answers, read_light
from cryodl.networks.proof import VECTOR_FILE, check_answers, read_vector
from cryodl.networks.spec import LIGHT, SPEC_FILE, read_spec, thaw, write_spec


def seal_bundle(folder: Path) -> None:
    """Write the vector anew, by Keras on a processor, and list all files of the folder.

    Raises BundleError where OpenVINO's form of the network answers otherwise.
    """
    spec = thaw(read_spec(folder))
    spec.pop(KEY, None)
    write_proof(Bundle(folder, spec), folder / VECTOR_FILE)
    if spec.get(LIGHT):
        vector = read_vector((folder / VECTOR_FILE).read_bytes(), spec["network"], folder)
        check_answers(vector, light_answers(read_light(folder / LIGHT)), folder, "OpenVINO")
    write_spec(folder, sealed(spec, SPEC_FILE, folder))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        seal_bundle(Path(name))
