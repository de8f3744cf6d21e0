"""What kills leave behind: commands killed at random moments, and run again.

    python benchmarks/kills.py [--kills 30] [--seed 0] [--commands fsc localres ...]
                               [--log FILE] [-o benchmarks/kills.md]

Every command is killed so many times, by KILL, TERM and INT in turn, at moments drawn evenly over
its run, on small inputs made here. Every other kill meets a run that replaces earlier results among
which a file of the user lies. After each kill it is looked whether

- finished work is lost: earlier results, experiments, epochs, or the user's file;
- anything is half-written: results that are neither the earlier nor the new ones, whole;
- a process is left;
- what was told (of an interruption) is not so;

and then, after the command was run once more, whether that is complete and whether what the killed
run had begun is gone. Linux only: it looks into /proc.

--log keeps every kill in a file of JSON lines, with which a measurement goes on in portions; the
table is of all of them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
COUNT = 3  # experiments in a set, and steps of a training
NOTES = "notes.txt"  # of the user
PATIENCE = 90  # s, in which what was interrupted must end, also on a busy machine
COLUMNS = ("lost", "half-written", "processes left", "told wrongly", "parts left", "incomplete")


@dataclass(frozen=True)
class Command:
    """words : without output;  replaces : --overwrite replaces whole results"""

    words: list[str]
    replaces: bool = True


def commands(inputs: Path) -> dict[str, Command]:
    """Every command that is killed, by name; writes their inputs."""
    from scipy.ndimage import gaussian_filter

    from cryodl.maps.mrc import write_map
    from cryodl.maps.volume import Volume
    from cryodl.simulation.structure import Structure, pack_structures

    rng = np.random.default_rng(0)
    radius = np.linalg.norm(np.indices((40, 40, 40)) - 19.5, axis=0)
    signal_ = 20 * gaussian_filter(rng.normal(size=radius.shape) * (radius < 12), 1.2)
    for name in ("half1", "half2", "map"):
        data = signal_ + rng.normal(scale=0.5, size=radius.shape)
        write_map(inputs / f"{name}.mrc", Volume(data, 1.5))
    balls = []
    for number in range(3):
        positions = rng.normal(size=(1200, 3))
        positions *= (
            12 * rng.random((1200, 1)) ** (1 / 3) / np.linalg.norm(positions, axis=1)[:, None]
        )
        balls.append(Structure(positions.astype(np.float32), np.full(1200, 6, np.uint8),
                               np.zeros(1200, np.int16), f"ball{number}"))  # fmt: skip
    pack_structures(balls, inputs / "models.npz")
    models = str(inputs / "models.npz")
    training = ["--epoch", "1", "--batch-size", "1", "--validation-boxes", "1", "--crop", "32"]
    return {
        "localres": Command(["localres", str(inputs / "map.mrc")]),
        "enhance": Command(["enhance", str(inputs / "map.mrc")]),
        "fsc": Command(["fsc", str(inputs / "half1.mrc"), str(inputs / "half2.mrc")]),
        "train": Command(["train", "local-resolution", "--structures", models, *training,
                          "--steps", str(COUNT), "--workers", "1"]),
        "experiments": Command(["experiments", models, "--count", str(COUNT), "--workers", "2"],
                               replaces=False),
    }  # fmt: skip


def start(words: list[str], place: Path, more: list[str]) -> subprocess.Popen:
    """A command that writes to `out` in a folder, in a session of its own."""
    given = [sys.executable, "-m", "cryodl", *words, "-o", str(place / "out"), *more]
    return subprocess.Popen(given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            errors="replace", start_new_session=True,
                            preexec_fn=_hear_interrupts)  # fmt: skip


def _hear_interrupts() -> None:
    """A shell has what it starts in the background ignore INT, and so all that this starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def of_session(number: int) -> list[int]:
    """Processes of a session that are there still."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = path.read_text(errors="replace").rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(session) == number and state != "Z":
            found.append(int(path.parent.name))
    return found


def tree(folder: Path) -> dict[str, str]:
    """Checksums of all files below a folder."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


def hidden(place: Path) -> list[str]:
    """What a run had begun and nobody removed."""
    marks = (".part", ".before", ".tmp")
    names = [path.relative_to(place).as_posix() for path in place.rglob("*")]
    return [name for name in names if name.rpartition("/")[2].startswith((".", "new.")) or
            name.endswith(marks)]  # fmt: skip


def is_whole(out: Path) -> bool:
    """Whether a folder holds exactly what its record lists, byte for byte, and the user's file."""
    held = tree(out)
    held.pop(NOTES, None)
    for record in ("stats.json", "spec.json"):
        if record in held:
            sums = json.loads((out / record).read_text(encoding="utf-8"))["sha256"]
            others = {name: held[name] for name in held if name != record}
            return {**sums, record: None} == {**others, record: None}
    return False


def finished_parts(name: str, place: Path) -> dict[str, str]:
    """Finished work besides results: experiments with a record, and the last checkpoint's."""
    if name != "experiments":
        return {}
    held = tree(place / "out") if (place / "out").is_dir() else {}
    whole = {path.split("/")[0] for path in held if path.endswith("/experiment.json")}
    return {
        path: total
        for path, total in held.items()
        if path.split("/")[0] in whole and not path.rpartition("/")[2].startswith(".")
    }


def epochs(place: Path) -> int:
    try:
        return json.loads((place / "out.training" / "state.json").read_text())["step"]
    except OSError:
        return 0


def kill_once(
    name: str, command: Command, place: Path, number: signal.Signals, moment: float, earlier: bool
) -> tuple[bool, dict[str, str]]:
    """Whether the run had ended by then, and what is wrong, by column."""
    wrong: dict[str, str] = {}
    out = place / "out"
    before = tree(out)
    more = ["--overwrite"] if earlier and command.replaces else []
    run = start(command.words, place, more)
    try:
        run.wait(moment)
    except subprocess.TimeoutExpired:
        pass
    ended = run.poll() is not None
    done, steps = finished_parts(name, place), epochs(place)
    run.send_signal(number)
    try:
        told = run.communicate(timeout=PATIENCE)[1]
    except subprocess.TimeoutExpired:
        told = ""
    until = time.monotonic() + 20
    while of_session(run.pid) and time.monotonic() < until:
        time.sleep(0.1)
    if left := of_session(run.pid):
        wrong["processes left"] = str(left)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()  # as long as it is not, whatever it had begun counts as in use
    after = tree(out)
    if command.replaces:
        if after != before and not is_whole(out):
            wrong["half-written"] = str(sorted(after))
        if before and not after or NOTES in before and before[NOTES] != after.get(NOTES):
            wrong["lost"] = "earlier results or the user's file"
        if "nothing was written" in told and after != before:
            wrong["told wrongly"] = told
    after_parts = finished_parts(name, place)
    if any(after_parts.get(path) != total for path, total in done.items()):
        wrong["lost"] = str(sorted(set(done) - set(after_parts)))
    for path in after_parts:
        if path.endswith(".npy"):
            try:
                np.load(out / path)
            except (OSError, ValueError) as error:
                wrong["half-written"] = f"{path}: {error}"
    if name == "experiments" and "are kept" in told:
        kept = len([path for path in after_parts if path.endswith("experiment.json")])
        if f"{kept} of {COUNT} experiments are kept" not in told:
            wrong["told wrongly"] = f"{kept}: {told}"

    more = ["--overwrite"] if out.is_dir() and command.replaces else []
    if (place / "out.training" / "checkpoint.keras").is_file():
        more += ["--resume"]
    again = start(command.words, place, more)
    told = again.communicate()[1]
    complete = again.returncode == 0
    if name == "experiments":
        parts = finished_parts(name, place)
        whole = [path for path in parts if path.endswith("/experiment.json")]
        complete = complete and len(whole) == COUNT and set(parts) == set(tree(out))
        if any(parts.get(path) != total for path, total in done.items()):
            wrong["lost"] = "experiments were made again"
    else:
        complete = complete and is_whole(out)
    if epochs(place) < max(steps, COUNT if name == "train" else 0):
        wrong["lost"] = f"{steps} epochs before, {epochs(place)} after"
    if not complete:
        wrong["incomplete"] = f"exit code {again.returncode}: {told[-500:]}"
    if NOTES in before and tree(out).get(NOTES) != before[NOTES]:
        wrong["lost"] = "the user's file"
    if left_over := hidden(place):
        wrong["parts left"] = str(left_over)
    return ended, wrong


def kill_many(
    name: str,
    command: Command,
    place: Path,
    wanted: list[int],
    rng: np.random.Generator,
    note: Callable,
) -> None:
    """Kill a command again and again.

    wanted : numbers of the kills, from 0 on;  rng : of their moments
    note : called with what is known of each of them, a dict
    """
    moments = rng.uniform(0.02, 1.02, max(wanted) + 1)
    whole = place / "whole"
    whole.mkdir()
    began = time.monotonic()
    run = start(command.words, whole, [])
    errors = run.communicate()[1]
    seconds = time.monotonic() - began
    if run.returncode:
        raise SystemExit(f"{name} fails without a kill: {errors[-1000:]}")
    for i in wanted:
        case = place / f"case{i}"
        case.mkdir()
        earlier = bool(i % 2)
        if earlier and command.replaces:
            shutil.copytree(whole / "out", case / "out")
            (case / "out" / NOTES).write_text("mine")
        number, moment = SIGNALS[i % 3], float(moments[i]) * seconds
        was_over, wrong = kill_once(name, command, case, number, moment, earlier)
        note({"command": name, "kill": i + 1, "signal": number.name, "after": round(moment, 2),
              "seconds": round(seconds, 2), "ended": was_over, "wrong": wrong})  # fmt: skip
        if not wrong:
            shutil.rmtree(case)


def table(kills: list[dict]) -> list[dict[str, object]]:
    """Rows, one of each command."""
    rows: list[dict[str, object]] = []
    for name in dict.fromkeys(kill["command"] for kill in kills):
        own = [kill for kill in kills if kill["command"] == name]
        wrongs = Counter(column for kill in own for column in kill["wrong"])
        seconds = np.median([kill["seconds"] for kill in own])
        rows.append({"command": name, "kills": len(own), "seconds of a run": f"{seconds:.1f}",
                     "ended before": sum(kill["ended"] for kill in own),
                     **{column: wrongs[column] for column in COLUMNS}})  # fmt: skip
    return rows


def main() -> int:
    from cryodl.evaluation.tables import markdown

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30, help="of each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", metavar="NAME", help="some of them")
    parser.add_argument("--log", type=Path, help="file of the kills; those in it are not repeated")
    parser.add_argument("-o", "--output", type=Path, help="file for the table")
    args = parser.parse_args()
    kills: list[dict] = []
    if args.log and args.log.exists():
        kills = [json.loads(line) for line in args.log.read_text(encoding="utf-8").splitlines()]

    def note(kill: dict) -> None:
        kills.append(kill)
        line = json.dumps(kill, ensure_ascii=False)
        print(line, flush=True)
        if args.log:
            with open(args.log, "a", encoding="utf-8") as file:
                file.write(line + "\n")

    with tempfile.TemporaryDirectory(prefix="kills") as folder:
        inputs = Path(folder) / "inputs"
        inputs.mkdir()
        known = commands(inputs)
        for number, name in enumerate(known):
            done = {kill["kill"] - 1 for kill in kills if kill["command"] == name}
            wanted = [i for i in range(args.kills) if i not in done]
            if args.commands and name not in args.commands or not wanted:
                continue
            place = Path(folder) / name
            place.mkdir()
            rng = np.random.default_rng([args.seed, number])
            kill_many(name, known[name], place, wanted, rng, note)
    rows = table(kills)
    print(f"\n{markdown(rows)}", flush=True)
    if args.output:
        args.output.write_text(markdown(rows), encoding="utf-8")
    return int(any(row[column] for row in rows for column in COLUMNS))


if __name__ == "__main__":
    sys.exit(main())
