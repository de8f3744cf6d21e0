"""Draw docs/images/gallery: run the commands of docs/gallery.rst, and keep the figures it shows.

Run from anywhere; takes minutes: python docs/make_gallery.py
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
IMAGES = DOCS / "images" / "gallery"
WIDEST = 1200  # pixels


def main():
    sys.path[:0] = [str(ROOT), str(DOCS)]
    from blocks import blocks, words

    from cryodl.cli.main import main as cryodl

    page = DOCS / "gallery.rst"
    shown = re.findall(r"\.\. image:: images/gallery/(\w+?)_(\w+)\.png", page.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        shutil.copytree(ROOT / "examples", "examples")
        shutil.copy(ROOT / "cryodl" / "tests" / "data" / "1c75.pdb", "model.pdb")
        for block in blocks(page):
            for command in block.commands:
                if cryodl(words(command)):
                    sys.exit(f"failed: {command}")
        IMAGES.mkdir(parents=True, exist_ok=True)
        for folder, figure in shown:
            keep(Path(folder) / f"{figure}.png", IMAGES / f"{folder}_{figure}.png")
        os.chdir(ROOT)


def keep(figure, path):
    """Copy a figure, no wider than a page shows."""
    from PIL import Image

    with Image.open(figure) as image:
        small = image.convert("RGB")
        if small.width > WIDEST:
            small = small.resize((WIDEST, round(small.height * WIDEST / small.width)))
        small.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
