"""Take the pictures of Scipion's windows in docs/images from a real project.

Run from the repository's root, with Xvfb installed: python docs/make_screenshots.py
"""

import importlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"


def main():
    sys.path.insert(0, str(ROOT))
    importlib.import_module("conftest")  # a configuration of Scipion that is nobody's own
    from pwem.protocols import ProtImportVolumes
    from pyworkflow.project import Manager

    from cryodl.protocols import CryodlProtLocalResolution
    from cryodl.tests.viewers.show_window import take_pictures, virtual_display

    project = Manager().createProject("EMD-3186")
    os.chdir(project.path)
    imported = project.newProtocol(
        ProtImportVolumes, filesPath=str(unpacked(project.path)), samplingRate=1.35
    )
    imported.setObjLabel("import EMD-3186")
    project.launchProtocol(imported, wait=True)
    run = project.newProtocol(CryodlProtLocalResolution, useGpu=False, sharpen=1, claimed=7.9)
    run.setObjLabel("local resolution")
    run.inputVolume.set(imported.outputVolume)
    project.launchProtocol(run, wait=True)
    pictures = [(kind, run.getObjId(), kind) for kind in ("form", "project", "viewer", "figures")]
    pictures += [
        ("form", "CryodlProtEnhance", "enhance"),
        ("form", "CryodlProtResolutionClass", "classes"),
        ("form", "CryodlProtValidateMap", "validate"),
    ]
    with virtual_display():
        done = take_pictures(
            project.path,
            [(kind, run, IMAGES / f"scipion_{name}.png") for kind, run, name in pictures],
        )
        if done.returncode:
            sys.exit(done.stderr)
    newcomer()


def newcomer():
    """The stations of a first run, in few colours, which are small files."""
    import tempfile

    from PIL import Image

    from cryodl.tests.viewers.newcomer import take_the_path

    with tempfile.TemporaryDirectory() as folder:
        done = take_the_path(Path(folder), (1366, 768))
        if done.returncode:
            sys.exit(done.stderr)
        for name in ("import", "form", "colours", "again"):
            with Image.open(Path(folder) / f"{name}.png") as image:
                few = image.convert("RGB").quantize(64, dither=Image.Dither.NONE)
                few.save(IMAGES / f"newcomer_{name}.png", optimize=True)


def unpacked(folder):
    """Scipion's import copies a map as it is, and its headers are mended only in plain files."""
    import gzip

    path = Path(folder) / "emd_3186.map"
    path.write_bytes(gzip.decompress((ROOT / "examples" / "emd_3186.map.gz").read_bytes()))
    return path


if __name__ == "__main__":
    main()
