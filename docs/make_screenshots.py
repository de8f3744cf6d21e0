"""Take the pictures in docs/images: Scipion's windows of a real project, and a report's page.

Run from the repository's root, with Xvfb and chromium installed: python docs/make_screenshots.py,
or for the page alone: python docs/make_screenshots.py page
"""

import importlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"


def main():
    sys.path.insert(0, str(ROOT))
    page()
    if "page" in sys.argv:
        return
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


def page():
    """The upper part of the page that `make demo` makes."""
    import tempfile

    from playwright.sync_api import sync_playwright

    from cryodl import run_report
    from cryodl.tests.report.test_page_browser import CHROMIUM, FLAGS

    examples, path = ROOT / "examples", IMAGES / "report.png"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        run_report(
            examples / "emd_30342_zone.mrc.gz", model=examples / "7cec_chain_A.cif.gz", claimed=3.9,
            output=Path(folder) / "out",
        )  # fmt: skip
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.set_default_timeout(300_000)  # WebGL by software
        opened.goto((Path(folder) / "out" / "report.html").as_uri())
        opened.wait_for_function("window.stage && stage.compList.every(c => c.reprList.length)")
        opened.wait_for_timeout(3000)
        opened.screenshot(path=str(path))
        browser.close()


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
                few = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
                few.save(IMAGES / f"newcomer_{name}.png", optimize=True)


def unpacked(folder):
    """Scipion's import copies a map as it is, and its headers are mended only in plain files."""
    import gzip

    path = Path(folder) / "emd_3186.map"
    path.write_bytes(gzip.decompress((ROOT / "examples" / "emd_3186.map.gz").read_bytes()))
    return path


if __name__ == "__main__":
    main()
