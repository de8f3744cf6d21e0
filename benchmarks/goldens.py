"""What every command writes, frozen: to show that a change of the house changes no number.

    python benchmarks/goldens.py make FILE
    python benchmarks/goldens.py compare FILE [--only NAME]

Runs every command that needs no training on both examples and on a simulated pair of half maps, and
keeps of each the values of its maps (SHA-256), its stats without seconds, the text of its other
files and its exit code. `compare` runs them again and prints every difference; exit code 1 where
there is one. The numbers hold for one machine and one set of packages: make the file before a
change, on the machine that compares.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ".png", ".svg"  # drawn from the numbers; their bytes follow the libraries
LEFT_OUT = "seconds", "sha256", "bundle_sha256", "files", "cryodl_version", "command"
INPUTS = (
    "cryodl/tests/data/1c75.pdb", "examples/emd_3186.map.gz", "examples/emd_30342_zone.mrc.gz",
)  # fmt: skip
RUNS = {
    "simulate": "simulate {model} -o half --resolution 4.5 --voxel-size 1.2 --experiment --seed 3",
    "simulate-map": "simulate {model} -o sim.mrc --resolution 5 --voxel-size 1.5 --noise 0.05",
    "deepres": "localres {map} -o OUT --claimed 7.9 --sharpen auto",
    "deepres-zone": "localres {zone} -o OUT",
    "cryores": "localres {map} -o OUT --method cryores",
    "cryores-zone": "localres {zone} -o OUT --method cryores",
    "unet-monores": "localres {map} -o OUT --method unet-monores",
    "unet-resmap": "localres {zone} -o OUT --method unet-resmap",
    "monogenic": "localres --half1 {half1} --half2 {half2} -o OUT --method monogenic",
    "monogenic-one": "localres {map} -o OUT --method monogenic",
    "localfsc": "localres --half1 {half1} --half2 {half2} -o OUT --method localfsc",
    "sinusoid": "localres --half1 {half1} --half2 {half2} -o OUT --method sinusoid",
    "mask": "mask {map} -o OUT",
    "classify": "classify {map} {zone} --json OUT.json",
    "classify-dnn": "classify {map} {zone} --json OUT.json --model dnn",
    "enhance": "enhance {map} -o OUT --model tight",
    "enhance-halves": "enhance --half1 {half1} --half2 {half2} -o OUT --model highres",
    "fsc": "fsc {half1} {half2} -o OUT",
    "import": "import deepres/resolution.mrc -o OUT",
    "compare": "compare deepres/resolution.mrc cryores/resolution.mrc -o OUT",
    "filter": "filter {map} --resolution deepres/resolution.mrc -o OUT",
    "experiments": "experiments {models} -o OUT --count 1 --seed 3 --resolution 4,5",
    "oversharpening": "oversharpening --half1 {half1} --half2 {half2} -o OUT --bfactors=0,-50,-100",
}


def run_all(folder: Path, only: str | None = None) -> dict:
    """Run the commands in a folder; what each gave, by its name."""
    for place in INPUTS:  # copied, so that no result holds where the repository lies
        (folder / "in").mkdir(exist_ok=True)
        shutil.copy(ROOT / place, folder / "in")
    words = {
        "models": "in",
        "model": "in/1c75.pdb",
        "map": "in/emd_3186.map.gz",
        "zone": "in/emd_30342_zone.mrc.gz",
        "half1": "half/half1.mrc",
        "half2": "half/half2.mrc",
    }
    found = {}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name, text in RUNS.items():
        if only and name not in ("simulate", only):
            continue
        command = [word.format(**words).replace("OUT", name) for word in text.split()]
        before = set(folder.rglob("*"))
        done = subprocess.run([sys.executable, "-m", "cryodl", *command], cwd=folder,
                              env=environment, capture_output=True, text=True)  # fmt: skip
        print(name, done.returncode, done.stderr.strip()[-300:] if done.returncode else "",
              flush=True)  # fmt: skip
        written = sorted(p for p in set(folder.rglob("*")) - before if p.is_file())
        found[name] = {
            "exit": done.returncode,
            "files": {str(p.relative_to(folder)): content(p) for p in written},
        }
    return found


def content(path: Path):
    """What must not change of a file."""
    if path.suffix in PICTURES:
        return "a picture"
    if path.suffix == ".mrc":
        import mrcfile

        with mrcfile.open(path, permissive=True) as file:
            header = file.voxel_size.tolist(), file.header.origin.tolist(), file.data.shape
            return [str(header), hashlib.sha256(file.data.tobytes()).hexdigest()]
    if path.suffix == ".json":
        return pruned(json.loads(path.read_text("utf-8")))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pruned(value):
    if isinstance(value, dict):
        return {k: pruned(v) for k, v in value.items() if k not in LEFT_OUT}
    return [pruned(v) for v in value] if isinstance(value, list) else value


def differences(old, new, place: str = "") -> list[str]:
    """Every place at which two trees of values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(set(old) | set(new))
        return [line for k in keys for line in differences(old.get(k), new.get(k), f"{place}/{k}")]
    return [] if old == new else [f"{place}: {old} is now {new}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("make", "compare"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", choices=list(RUNS), help="one command, which needs no other")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        found = run_all(Path(work), args.only)
    found = json.loads(json.dumps(found))
    if args.what == "make":
        args.file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return 0
    old = json.loads(args.file.read_text("utf-8"))
    old = {name: value for name, value in old.items() if not args.only or name in found}
    lines = differences(old, found)
    print("\n".join(lines) or f"{len(found)} commands: nothing differs")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
