"""How far answers change when nothing but the map's place or direction does.

    python benchmarks/invariance.py [--edge 32] [--maps NAME ...] [--methods NAME ...]
                                    [--rows FILE] [-o benchmarks/invariance.md]

Every network judges the two example maps and a simulated experiment, cut to cubes at a border of
the molecule, and then the same cubes turned by 90 degrees about each axis, mirrored, and cut one
voxel further along all axes; each answer is brought back and compared with the first where both
have a molecule. All of it is done without and with --thorough, the mean over the 24 rotations. A
mirrored map is a molecule of the other hand: that its answer is the same is not to be asked, and
told for comparison. So small a cube, cut through its molecule, is a hard case.

A row is a method on a map: the mean and the largest change of its voxels, or of its one number,
over all three turns; with --thorough of one, about x, since a map turned about any axis is read in
the same 24 orientations (--axes 3 measures all). The mask is given, and moves with the map, but for
cryores, whose mask is its own; "mask" is the probability that cryodl mask draws it from.

--rows keeps finished rows in a file of JSON lines, with which a run that was cut goes on. Two
processes, each on one core.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PROTEIN = ROOT / "cryodl" / "tests" / "data" / "1c75.pdb"
MAPS = ("EMD-3186", "EMD-30342, a zone", "simulated, 4 Å")
UNITS = {
    "deepres": "Å", "cryores": "Å", "unet-monores": "Å", "unet-resmap": "Å", "classify cnn": "Å",
    "classify dnn": "Å", "mask": "probability", "enhance tight": "RMS", "enhance wide": "RMS",
    "enhance highres": "RMS",
}  # fmt: skip
METHODS = tuple(name for name in UNITS if name != "mask")  # which is told with cryores
CHANGES = ("turn", "mirror", "shift")
# About x, y and z: the axes' order, and which are reversed.
TURNS = (
    ((1, 0, 2), (False, True, False)),
    ((2, 1, 0), (False, False, True)),
    ((0, 2, 1), (False, True, False)),
)


def read(name: str, edge: int):
    """Density, and an automatic mask, of a cube of `edge` + 1 voxels at a border of a molecule."""
    import cryodl
    from cryodl.maps.crop import bounding_box
    from cryodl.maps.mask import automatic_mask
    from cryodl.maps.volume import Volume

    if name.startswith("simulated"):
        made = cryodl.run_simulated_experiment(PROTEIN, 4.0, voxel_size=1.2, seed=3)
        volume = made.volume("map")
    else:
        file = "emd_3186.map.gz" if name == "EMD-3186" else "emd_30342_zone.mrc.gz"
        volume = cryodl.read_map(ROOT / "examples" / file)
    inside = automatic_mask(volume)
    middle = [int(np.median(places)) for places in np.nonzero(inside)]
    middle[2] = bounding_box(inside)[2][1]  # half of it in the solvent, which networks need to see
    starts = [max(0, min(m - edge // 2, n - edge - 1)) for m, n in zip(middle, inside.shape)]
    part = tuple(slice(s, min(s + edge + 1, n)) for s, n in zip(starts, inside.shape))
    return Volume(volume.data[part], volume.voxel_size), inside[part]


def judge(method: str, data: np.ndarray, inside: np.ndarray, voxel_size: float, thorough: bool):
    """By name what is compared, and where it means something: ndarrays (z, y, x), or (1,)."""
    import cryodl
    from cryodl.maps.volume import Volume

    volume = Volume(np.ascontiguousarray(data), voxel_size)
    options = {"thorough": thorough, "device": "cpu"}
    kind, _, model = method.partition(" ")
    if kind == "classify":
        mask = volume.with_data(inside)
        [found] = cryodl.classify_maps(volume, model, mask=mask, **options)
        return {method: (np.array([found["resolution"]]), np.ones(1, bool))}
    if kind == "enhance":
        result = cryodl.run_enhance(volume, model=model, **options)
        return {method: (result.volumes["enhanced"].data, inside)}
    if kind == "cryores":
        result = cryodl.run_single_map_resolution(volume, **options)
    elif kind == "deepres":
        result = cryodl.run_local_resolution(volume, mask=inside, **options)
    else:
        result = cryodl.run_local_classes(volume, kind, mask=inside, **options)
    found = {method: (result.volumes["resolution"].data, result.volumes["mask"].data > 0)}
    if kind == "cryores":
        found["mask"] = (result.volumes["probability"].data, np.ones(inside.shape, bool))
    return found


def change_of(first, second) -> np.ndarray:
    """Changes between two answers, each with where it means something."""
    (values, there), (others, there_too) = first, second
    both = there & there_too
    return np.abs(values - others)[both] if both.any() else np.zeros(1)


def compare(method: str, name: str, thorough: bool, edge: int, axes: int) -> list[dict]:
    """What is found of a method on a map: for every label and change, its mean and its largest."""
    from cryodl.maps.rotations import Rotation

    still = Rotation()
    began = time.perf_counter()
    volume, inside = read(name, edge)
    here, further = (slice(0, -1),) * 3, (slice(1, None),) * 3
    turns = [Rotation(*turn) for turn in TURNS[: axes if thorough else 3]]
    found: dict[str, dict[str, list]] = {}

    def told(part, rotation=still):
        data, within = (rotation.turn(values[part]) for values in (volume.data, inside))
        answers = judge(method, data, within, volume.voxel_size, thorough)
        return {
            label: tuple(rotation.back(values) if values.ndim == 3 else values for values in answer)
            for label, answer in answers.items()
        }

    def note(change, label, first, second):
        found.setdefault(label, {}).setdefault(change, []).append(change_of(first, second))

    base = told(here)
    mirror = Rotation(flips=(False, False, True))
    for change, rotation in [("mirror", mirror), *(("turn", turn) for turn in turns)]:
        for label, answer in told(here, rotation).items():
            note(change, label, base[label], answer)
    for label, answer in told(further).items():
        pair = base[label], answer
        if answer[0].ndim == 3:  # the voxels that both cubes hold
            pair = tuple(tuple(v[s] for v in a) for a, s in zip(pair, (further, here)))
        note("shift", label, *pair)
    rows = []
    for label, changes in found.items():
        numbers = {change: np.concatenate(parts) for change, parts in changes.items()}
        told_of = {c: [float(v.mean()), float(v.max())] for c, v in numbers.items()}
        rows.append({"method": label, "map": name, "thorough": thorough, **told_of})
    return [{**row, "seconds": round(time.perf_counter() - began)} for row in rows]


def table(rows: list[dict]) -> str:
    """The worst first, of every unit: those that change most when they are turned."""
    from cryodl.evaluation.tables import markdown

    units = list(dict.fromkeys(UNITS.values()))
    thorough = {(row["method"], row["map"]): row for row in rows if row["thorough"]}
    plain = [row for row in rows if not row["thorough"]]
    plain.sort(key=lambda row: (units.index(UNITS[row["method"]]), -row["turn"][0]))
    shown = []
    for row in plain:
        line = {"method": row["method"], "unit": UNITS[row["method"]], "map": row["map"]}
        averaged = thorough.get((row["method"], row["map"]), {})
        for change in CHANGES:
            line[change] = _words(row[change])
            line[f"{change}, thorough"] = _words(averaged.get(change))
        shown.append(line)
    return markdown(shown)


def _words(numbers) -> str | None:
    return None if numbers is None else "{:.2g} / {:.2g}".format(*numbers)


def main() -> None:
    from cryodl.compute.parallel import limit_threads

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edge", type=int, default=32, help="of the cubes, voxels")
    parser.add_argument("--axes", type=int, default=1, choices=(1, 2, 3), help="turns, thorough")
    parser.add_argument("--maps", nargs="+", default=MAPS, choices=MAPS, metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS, metavar="NAME")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rows", type=Path, help="file of finished rows")
    parser.add_argument("-o", "--output", type=Path, help="file for the table")
    args = parser.parse_args()
    limit_threads(1)
    rows = []
    if args.rows and args.rows.exists():
        rows = [json.loads(line) for line in args.rows.read_text(encoding="utf-8").splitlines()]
    done = {(row["method"], row["map"], row["thorough"]) for row in rows}
    wanted = [
        (method, name, thorough)
        for thorough in (False, True)
        for name in args.maps
        for method in args.methods
        if (method, name, thorough) not in done
    ]
    with ProcessPoolExecutor(args.workers) as pool:
        jobs = [pool.submit(compare, *job, args.edge, args.axes) for job in wanted]
        for job in as_completed(jobs):
            for row in job.result():
                rows.append(row)
                line = json.dumps(row, ensure_ascii=False)
                print(line, flush=True)
                if args.rows:
                    with open(args.rows, "a", encoding="utf-8") as file:
                        file.write(line + "\n")
    print(f"\n{table(rows)}")
    if args.output:
        args.output.write_text(table(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
