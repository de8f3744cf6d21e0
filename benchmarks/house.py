"""How large the package is, room by room, and how quickly it starts.

    python benchmarks/house.py

Tests are left out. Times are the shortest of seven, of processes of their own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "cryodl"
STARTS = {
    "import cryodl": ("-c", "import cryodl"),
    "cryodl --help": ("-m", "cryodl", "--help"),
    "cryodl localres --help": ("-m", "cryodl", "localres", "--help"),
}


def rooms() -> dict[str, list[int]]:
    """Lines of each module, by room; "root" is the package's own folder."""
    found: dict[str, list[int]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).parts
        if "tests" not in parts:
            room = parts[0] if len(parts) > 1 else "root"
            found.setdefault(room, []).append(len(path.read_text("utf-8").splitlines()))
    return found


def shortest(words: tuple[str, ...], times: int = 7) -> float:
    """Seconds of the quickest of several runs of Python."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True)
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    table = rooms()
    print("| room | modules | lines | longest |\n|---|---|---|---|")
    for room, lines in [*table.items(), ("all", sum(table.values(), []))]:
        print(f"| {room} | {len(lines)} | {sum(lines)} | {max(lines)} |")
    for name, words in STARTS.items():
        print(f"{name}: {shortest(words):.3f} s")


if __name__ == "__main__":
    main()
