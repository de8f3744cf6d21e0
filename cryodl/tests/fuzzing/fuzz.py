"""Every reader of files is given files that are damaged at random, by a seed that repeats them.

::

    python cryodl/tests/fuzzing/fuzz.py --count 1000 --table benchmarks/fuzz.md
    python cryodl/tests/fuzzing/fuzz.py --reader "map, gzip" --seed 1 --first 17 --keep FOLDER

A reader may read, or refuse in one line of its own (CryodlError). Another error, a warning, an
answer that makes no sense, a file left open, more than LIMIT seconds of computing or WAIT of
waiting, MOST megabytes and the end of the process are failures. Files are read in a process of its
own, whose end harms nobody.
"""

import argparse
import gc
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import unicodedata
import warnings
import zlib
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
LIMIT = 10  # seconds of computing that reading may take
WAIT = 60  # seconds in all, on a machine that does other things, too
MOST = 500  # MB by which the process may grow
ADDRESSES = 12e9  # bytes of address space that it may take in all
LONGEST = 1500  # characters of a message


def odd_words(text):
    """What a line for people must not hold, or None."""
    if len(text) > LONGEST:
        return f"a message of {len(text)} characters"
    odd = [letter for letter in text if unicodedata.category(letter) in ("Cc", "Zl", "Zp")]
    return f"the letter {odd[0]!r}" if odd else None


class Late(BaseException):
    """Reading takes too long; no code of ours catches this."""


def write_input(folder, reader, seed, number):
    """Write the files of a reader, one of them damaged, and return its name."""
    from cryodl.tests.fuzzing.fuzz_mutate import mutate, one

    rng = np.random.default_rng([seed, zlib.crc32(reader_name(reader).encode()), number])
    files = dict(reader.files())
    name = one(rng, [name for name in files if name.endswith(reader.damaged)])
    files[name] = mutate(rng, name, files[name])
    for place, data in files.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(data)
    if reader.seal is not None and rng.random() < 0.7:
        reader.seal(folder)
    return name


def reader_name(reader):
    from cryodl.tests.fuzzing.fuzz_readers import READERS

    return next(name for name, each in READERS.items() if each is reader)


def judge(reader, folder, limit=LIMIT):
    """Read, and return {"outcome": read, refused or failed, "why", "seconds", "megabytes"}."""
    from cryodl.errors import CryodlError

    unraisable = []
    sys.unraisablehook = lambda found: unraisable.append(f"{found.exc_value!r}")
    before, start = _memory_now(), time.process_time()
    _set_alarms(limit, WAIT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for kind in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
                warnings.simplefilter("ignore", kind)
            reader.read(folder)
        outcome, why = "read", ""
    except CryodlError as error:
        message = str(error).replace(str(folder), "")
        odd = odd_words(message)
        outcome = "failed" if odd else "refused"
        why = f"{odd} in: {message[:300]!r}" if odd else message[:300]
    except Late:
        outcome, why = "failed", f"more than {limit} s of computing, or {WAIT} s of waiting"
    except BaseException as error:
        outcome, why = "failed", f"{type(error).__name__}: {str(error)[:300]} ({_place(error)})"
    finally:
        _set_alarms(0, 0)
    seconds, grown = time.process_time() - start, (_memory_peak() - before) / 1e6
    gc.collect(0)
    if unraisable:
        outcome, why = "failed", unraisable[0]
    elif grown > MOST:
        outcome, why = "failed", f"{grown:.0f} MB"
    return {"outcome": outcome, "why": why, "seconds": seconds, "megabytes": max(0.0, grown)}


def _place(error):
    """Where it was raised, and from which line of ours."""
    calls = traceback.extract_tb(error.__traceback__)
    own = [call for call in calls if "cryodl" in call.filename] or calls
    lines = [f"{Path(call.filename).name}:{call.lineno}" for call in (calls[-1], own[-1])]
    return ", of ".join(lines)


def _set_alarms(computing, waiting):
    signal.setitimer(signal.ITIMER_PROF, computing)
    signal.setitimer(signal.ITIMER_REAL, waiting)


def _memory_now():
    """Bytes in use; from here on _memory_peak counts anew."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _memory_peak()
    return 1024 * _status("VmRSS")


def _memory_peak():
    return 1024 * _status("VmHWM")


def _status(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def serve():
    """The process that reads: a line of JSON comes in for each input, and one goes out."""
    import resource

    from cryodl.tests.fuzzing.fuzz_readers import READERS

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):
        os.dup2(nowhere, number)
    sys.stdout.reconfigure(errors="backslashreplace")  # as the command line does
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (int(ADDRESSES), hard))

    def late(*_):
        raise Late

    signal.signal(signal.SIGALRM, late)
    signal.signal(signal.SIGPROF, late)
    for line in sys.stdin:
        asked = json.loads(line)
        reader = READERS[asked["reader"]]
        if "folder" in asked:
            found = judge(reader, Path(asked["folder"]), asked.get("limit", LIMIT))
        else:
            with tempfile.TemporaryDirectory(prefix="cryodl-fuzz-") as folder:
                name = write_input(Path(folder), reader, asked["seed"], asked["number"])
                found = {"file": name, **judge(reader, Path(folder))}
        print(json.dumps(found), file=answers, flush=True)


class Child:
    """The process that reads, begun anew after its end."""

    def __init__(self):
        self._process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None

    def ask(self, **what):
        """The outcome of one input: reader, seed and number, or reader and folder."""
        if self._process is None:
            self._begin()
        try:
            self._process.stdin.write(json.dumps(what).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        ready, _, _ = select.select([self._process.stdout], [], [], 2 * WAIT)
        line = self._process.stdout.readline() if ready else b""
        if line:
            return json.loads(line)
        code = self._process.wait() if ready else None
        self.end()
        why = f"the process ended ({code})" if ready else f"deaf for {2 * WAIT} s"
        return {"outcome": "failed", "why": why, "seconds": 0.0, "megabytes": 0.0}

    def _begin(self):
        environment = {**os.environ, "OMP_NUM_THREADS": "1",
                       "CRYODL_THREADS": "1"}  # fmt: skip
        root = str(HERE.parents[2])
        environment["PYTHONPATH"] = os.pathsep.join([root, environment.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "fuzz.py"), "--serve"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment,
        )  # fmt: skip


def run(child, name, seed, numbers):
    """Outcomes of these inputs of a reader, each with its number."""
    for number in numbers:
        yield {"number": number, **child.ask(reader=name, seed=seed, number=number)}


def told(name, seed, found):
    """A failure, and how it is repeated."""
    return f"{name}, seed {seed}, number {found['number']}: {found['why']}"


def table_row(name, found):
    count = {kind: sum(each["outcome"] == kind for each in found)
             for kind in ("read", "refused", "failed")}  # fmt: skip
    return {
        "reader": name, "inputs": len(found), "read": count["read"], "refused": count["refused"],
        "failures": count["failed"],
        "longest (CPU s)": f"{max(each['seconds'] for each in found):.2f}",
        "most (MB)": f"{max(each['megabytes'] for each in found):.0f}",
    }  # fmt: skip


def main():
    from concurrent.futures import ThreadPoolExecutor

    from cryodl.evaluation.tables import markdown
    from cryodl.tests.fuzzing.fuzz_readers import HELD, READERS

    parser = argparse.ArgumentParser(description="Give damaged files to every reader.")
    add = parser.add_argument
    add("--reader", action="append", choices=[*READERS], metavar="NAME", help="only this one")
    add("--count", type=int, default=1000, help="inputs of each")
    add("--seed", type=int, default=2, help="of everything drawn")
    add("--first", type=int, default=0, help="number of the first input")
    add("--workers", type=int, default=2, help="processes")
    add("--table", metavar="FILE", help="write the table of counts, in Markdown")
    add("--keep", metavar="FOLDER", help="write the first input here, read it and say what came")
    add("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve()
    names = args.reader or HELD
    if args.keep:
        folder = Path(args.keep)
        folder.mkdir()
        print("damaged:", write_input(folder, READERS[names[0]], args.seed, args.first))
        return READERS[names[0]].read(folder)
    numbers = range(args.first, args.first + args.count)

    def one_reader(name):
        with Child() as child:
            found = list(run(child, name, args.seed, numbers))
        for each in found:
            if each["outcome"] == "failed":
                print(told(name, args.seed, each), flush=True)
        return table_row(name, found)

    with ThreadPoolExecutor(args.workers) as pool:
        rows = list(pool.map(one_reader, names))
    text = markdown(rows)
    print("\n" + text)
    if args.table:
        Path(args.table).write_text(
            "Files damaged at random, read by every reader "
            f"(``make fuzz``, seed {args.seed}).\n\n{text}", encoding="utf-8"
        )  # fmt: skip
    return int(any(row["failures"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
