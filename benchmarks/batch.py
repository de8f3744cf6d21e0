"""What a batch costs beside single commands: rate, overhead, memory, and many workers.

    python benchmarks/batch.py rate --maps 1000 --broken 20 FOLDER
    CRYODL_THREADS=1 python benchmarks/batch.py workers --maps 12 --size 128 FOLDER
    python benchmarks/batch.py overhead
    python benchmarks/batch.py simulate --workers 1000 --slots 50 --seconds 30 --rounds 3

FOLDER is made, for maps and results. Processor seconds are given beside those of the clock, which
other programs on the machine lengthen.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import random
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

COMMAND = ["classify", "--model", "dnn"]


def make_maps(folder: Path, count: int, size: int, broken: int = 0) -> list[Path]:
    """Textured balls in noise; the last of them are cut short, each at another place."""
    from scipy.ndimage import gaussian_filter

    from cryodl.maps.mrc import write_map
    from cryodl.maps.volume import Volume

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    z, y, x = np.indices((size,) * 3) - size / 2
    inside = z**2 + y**2 + x**2 < (0.3 * size) ** 2
    textures = [gaussian_filter(rng.normal(size=inside.shape), 1 + 0.1 * n) for n in range(8)]
    paths = [folder / f"map{number:04}.mrc" for number in range(count)]
    for number, path in enumerate(paths):
        texture = np.roll(textures[number % 8], rng.integers(size, size=3), (0, 1, 2))
        data = inside * (2 + texture / texture.std()) + 0.3 * rng.normal(size=inside.shape)
        write_map(path, Volume(data.astype(np.float32), 1.5))
    for number, path in enumerate(paths[count - broken :]):
        path.write_bytes(path.read_bytes()[: 100 + 999 * number])
    return paths


def timed(*call: object) -> tuple[int, float, float]:
    """Exit code, seconds, and processor seconds of a cryodl command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run = subprocess.run([sys.executable, "-m", "cryodl", *map(str, call)],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return run.returncode, time.perf_counter() - start, busy


def rate(args: argparse.Namespace) -> None:
    paths = make_maps(args.folder / "maps", args.maps, args.size, args.broken)
    sample = paths[: args.maps - args.broken : max(1, (args.maps - args.broken) // args.sample)]
    singles = [timed(*COMMAND, path, "--json", args.folder / f"one-{path.stem}.json", "--overwrite")
               for path in sample]  # fmt: skip
    alone, alone_busy = (float(np.mean([one[i] for one in singles])) for i in (1, 2))
    print(f"{len(sample)} separate commands: {60 / alone:.1f} maps a minute, {alone:.2f} s and "
          f"{alone_busy:.2f} processor seconds each", flush=True)  # fmt: skip
    output = args.folder / "batch"
    watch = Watch(output)
    code, seconds, busy = timed("batch", args.folder / "maps", "-o", output, "--workers",
                                args.workers, *COMMAND)  # fmt: skip
    memory = watch.stop()
    each, rate = seconds / args.maps, 60 * args.maps / seconds
    print(f"batch of {args.maps}: exit code {code}, {rate:.1f} maps a minute, {each:.3f} s and "
          f"{busy / args.maps:.3f} processor seconds each")  # fmt: skip
    by_clock, by_processor = alone * args.maps / seconds, alone_busy * args.maps / busy
    print(f"times the rate of separate commands: {by_clock:.2f}; by processor seconds, with "
          f"{args.workers} workers: {args.workers * by_processor:.2f}")  # fmt: skip
    print("memory of the coordinator, MB, at tenths of the rows:", *memory)
    same = sum(figures(output / "maps" / path.stem / "classes.json")
               == figures(args.folder / f"one-{path.stem}.json") for path in sample)  # fmt: skip
    print(f"figures equal to the single command's: {same} of {len(sample)}")
    records = [json.loads(path.read_text("utf-8")) for path in (output / "rows").glob("*.json")]
    failed = [record["error"] for record in records if record["status"] == "failed"]
    print(f"{len(failed)} rows failed, such as: {failed[0] if failed else ''}")


def figures(path: Path) -> list:
    return [{k: v for k, v in one.items() if k not in ("seconds", "map")}
            for one in json.loads(path.read_text("utf-8"))]  # fmt: skip


class Watch(threading.Thread):
    """Memory of the process that writes a batch, as its rows come in."""

    def __init__(self, output: Path) -> None:
        super().__init__(daemon=True)
        self._output, self._over, self._seen = output, threading.Event(), {}
        self.start()

    def run(self) -> None:
        import psutil

        while not self._over.wait(1):
            for process in psutil.process_iter(["cmdline"]):
                if process.info["cmdline"] and {"batch", str(self._output)} <= {
                    *process.info["cmdline"]
                }:
                    rows = len(list((self._output / "rows").glob("*.json")))
                    self._seen[rows] = round(process.memory_info().rss / 1e6)

    def stop(self) -> list[str]:
        self._over.set()
        most = max(self._seen, default=0)
        at = {10 * rows // max(1, most): f"{rows}:{mb}" for rows, mb in self._seen.items()}
        return list(at.values())


def workers(args: argparse.Namespace) -> None:
    make_maps(args.folder / "maps", args.maps, args.size)
    taken = {}
    for count in (1, 2, 1, 2):
        _, seconds, busy = timed("batch", args.folder / "maps", "-o",
                                 args.folder / f"by-{count}-{time.time_ns()}", "--workers", count,
                                 *args.command.split())  # fmt: skip
        taken.setdefault(count, []).append(seconds)
        print(f"{count} workers: {seconds:.1f} s, {busy:.1f} processor seconds", flush=True)
    print(f"two workers: {min(taken[1]) / min(taken[2]):.2f} times one")


def nothing(job: object) -> dict:
    return {"name": str(job), "status": "done", "error": None}


def overhead(args: argparse.Namespace) -> None:
    from cryodl.batch.cluster import cluster_client
    from cryodl.batch.run import AHEAD, outcomes

    words = {"gpus": None, "cores": 1, "memory": "", "queue": None, "jobqueue": None}
    with cluster_client("local", Path(), workers=args.workers, **words) as (client, count):
        list(outcomes(client, nothing, range(50), AHEAD * 8))
        busy, start = time.process_time(), time.perf_counter()
        list(outcomes(client, nothing, range(args.tasks), AHEAD * 8))
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
    print(f"{args.tasks} tasks that do nothing, {count} workers: {1000 * seconds / args.tasks:.1f} "
          f"ms each; {1000 * busy / args.tasks:.1f} ms of the coordinator's processor")  # fmt: skip


async def sleeping(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


def simulate(args: argparse.Namespace) -> None:
    """As many workers in one process as a cluster has; each sleeps as long as a map takes.

    A worker of several slots stands for as many: it runs so many tasks at a time, and Dask's
    scheduler hands each out, and hears of its end, by itself.
    """
    import dask
    from distributed import Client, LocalCluster

    from cryodl.batch.cluster import SETTINGS
    from cryodl.batch.run import AHEAD, outcomes

    rng = random.Random(0)
    dask.config.set(SETTINGS)
    for count in args.workers:
        jobs = [args.seconds * rng.uniform(0.5, 1.5) for _ in range(args.rounds * count)]
        slots = max(1, min(args.slots, count))
        with (
            LocalCluster(n_workers=count // slots, threads_per_worker=slots, processes=False,
                         silence_logs=50, dashboard_address=None, memory_limit=None) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):  # fmt: skip
            client.wait_for_workers(count // slots, timeout=900)
            busy, start = time.process_time(), time.perf_counter()
            list(outcomes(client, sleeping, jobs, AHEAD * count))
            seconds, busy = time.perf_counter() - start, time.process_time() - busy
        free = [0.0] * count  # when each worker would be, if handing out tasks took no time
        for duration in jobs:
            heapq.heapreplace(free, free[0] + duration)
        ideal = max(free)
        print(f"{count} workers ({count // slots} of {slots} slots), {len(jobs)} tasks of "
              f"{args.seconds:g} s: {seconds:.1f} s, {100 * ideal / seconds:.0f} % of {ideal:.1f} "
              f"s without overhead; {1000 * busy / len(jobs):.1f} ms of one processor each, "
              f"{100 * busy / seconds:.0f} % of it, scheduler and workers together",
              flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    jobs = parser.add_subparsers(required=True)
    one = jobs.add_parser("rate")
    one.add_argument("--maps", type=int, default=1000)
    one.add_argument("--broken", type=int, default=20)
    one.add_argument("--size", type=int, default=64)
    one.add_argument("--workers", type=int, default=2)
    one.add_argument("--sample", type=int, default=20, help="separate commands")
    one.set_defaults(run=rate)
    two = jobs.add_parser("workers")
    two.add_argument("--maps", type=int, default=12)
    two.add_argument("--size", type=int, default=128)
    two.add_argument("--command", default="localres")
    two.set_defaults(run=workers)
    for each in (one, two):
        each.add_argument("folder", type=Path)
    three = jobs.add_parser("overhead")
    three.add_argument("--tasks", type=int, default=2000)
    three.add_argument("--workers", type=int, default=2)
    three.set_defaults(run=overhead)
    four = jobs.add_parser("simulate")
    four.add_argument("--workers", type=int, nargs="+", default=[10, 100, 1000])
    four.add_argument("--seconds", type=float, default=30)
    four.add_argument("--rounds", type=int, default=4)
    four.add_argument("--slots", type=int, default=1, help="of a worker, which stands for so many")
    four.set_defaults(run=simulate)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
