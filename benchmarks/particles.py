"""What experiments from particles are worth: FSC as asked, speed, and how real their maps look.

    python benchmarks/particles.py fsc SET
    python benchmarks/particles.py speed STRUCTURE
    python benchmarks/particles.py gap MAPS.tsv NAME=SET... [--figure FILE]

SET: folder that `cryodl experiments` wrote, of either kind. STRUCTURE: an atomic model. MAPS.tsv:
tab-separated, with the columns `file` (below `maps/`) and `kind`; its full maps are taken,
to look at, never to train on. The gap is the area under the ROC curve of a logistic regression that
tells real maps from simulated ones by their spectra and values, in five-fold cross-validation: 0.5
where they cannot be told apart, 1 where always. Tables are printed as Markdown.
"""

from __future__ import annotations

import argparse
import csv
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

BANDS = (2, 3, 4, 5, 7, 10, 14)  # Å
SIZES = ((64, 1000), (96, 2000), (128, 3000))
SHELLS = 40  # of a spectrum
RIDGE, FOLDS, REPEATS = 1.0, 5, 20
BUNDLE = 1, 99  # per cent of the simulated spectra
INSIDE = 0.95  # share of its shells that a map's spectrum has in the bundle to lie in it


def fsc_table(folder: str) -> list[str]:
    """Asked and obtained FSC of a set, by band."""
    from cryodl.simulation.reconstruction_set import open_reconstructions

    records = [stored.info for stored in open_reconstructions(folder)]
    lines = ["| asked (Å) | experiments | within 5 % | largest error | alignment made better |",
             "|---|---|---|---|---|"]  # fmt: skip
    asked = np.array([info["resolution"] for info in records])
    found = np.array([info["measured"]["fsc_resolution"] for info in records])
    better = np.array([info["measured"]["alignment_error"] < 1 for info in records])
    off = np.abs(found / asked - 1)
    for low, high in [*zip(BANDS[:-1], BANDS[1:]), (BANDS[0], BANDS[-1])]:
        own = (asked >= low) & (asked < high)
        if own.any():
            lines.append(
                f"| {low}-{high} | {own.sum()} | {np.mean(off[own] <= 0.05):.1%} | "
                f"{off[own].max():.1%} | {better[own].sum()} |"
            )
    return lines


def speed_table(structure: str) -> list[str]:
    """CPU seconds and memory of one experiment, each in a process of its own."""
    lines = ["| box | particles | seconds | CPU seconds | memory (GB) |", "|---|---|---|---|---|"]
    for size, count in SIZES:
        words = [sys.executable, __file__, "one", structure, str(size), str(count)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        lines.append(done.stdout.strip())
    return lines


def one(structure: str, size: int, count: int) -> str:
    from cryodl.simulation.particle_experiment import simulate_particles
    from cryodl.simulation.structure import read_structure

    model = read_structure(structure)
    length = float(np.ptp(model.positions, axis=0).max())
    voxel = 1.5 * length / size
    config = {"box": size, "voxel_size": voxel, "particles": count, "resolution": 3 * voxel,
              "margin": 0.05, "symmetric": 0, "bodies": 1, "belt": 0}  # fmt: skip
    start, cpu = time.perf_counter(), time.process_time()
    simulate_particles(model, config, 0)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return f"| {size}³ | {count} | {seconds:.1f} | {cpu:.1f} | {memory:.2f} |"


def real_maps(table: str):
    """Names and densities of the full maps of a table."""
    from cryodl.maps.mrc import read_map

    place = Path(table).parent
    with open(table, encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            path = next((p for p in (place / "maps" / row["file"], place / row["file"])
                         if p.is_file()), None)  # fmt: skip
            if path and row["kind"].lower().startswith("full"):
                yield row["file"], read_map(path).data


def simulated_maps(folder: str):
    """Deposited maps of a set of either kind."""
    from cryodl.errors import InputError
    from cryodl.simulation.experiment_set import open_experiment_set
    from cryodl.simulation.reconstruction_set import open_reconstructions

    try:
        for stored in open_reconstructions(folder):
            yield stored.volume("map").data
    except InputError:
        for experiment in open_experiment_set(folder):
            yield experiment.load("map")


def spectrum(density) -> np.ndarray:
    """Logarithm (base 10) of the radial amplitude of a whole box, at SHELLS places up to Nyquist.

    Relative to the highest; frequencies in cycles per voxel, so that no resolution is told.
    """
    from cryodl.filters.sharpen import radial_amplitude
    from cryodl.maps.volume import Volume

    data = (density / max(float(density.std()), 1e-30)).astype(np.float32)
    frequencies, amplitude = radial_amplitude(Volume(data, 1.0), np.ones_like(data))
    log = np.log10(np.maximum(amplitude, amplitude.max() * 1e-6))
    return np.interp(np.linspace(0.03, 0.49, SHELLS), frequencies, log - log.max())


def features(density) -> np.ndarray:
    """Spectrum, moments, share of one value, and how quiet corners and rim are."""
    data = np.asarray(density, np.float64)
    data = (data - np.median(data)) / max(data.std(), 1e-30)
    z, y, x = (np.linspace(-1, 1, n) for n in data.shape)
    radius = np.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x**2)
    shells = (0, 0.5), (0.5, 0.8), (0.8, 1.0), (1.0, 1.2), (1.2, 2)
    spreads = [
        np.log10(data[(radius >= low) & (radius < high)].std() + 1e-4) for low, high in shells
    ]
    values, counts = np.unique(np.round(data, 4), return_counts=True)
    third, fourth = np.mean(data**3), np.mean(data**4)
    return np.concatenate(
        [spectrum(density), spreads,
         [counts.max() / data.size, np.sign(third) * np.log1p(abs(third)), np.log(fourth)]]
    )  # fmt: skip


def separability(real, simulated) -> float:
    """Area under the ROC curve, in repeated cross-validation, of telling two kinds apart."""
    x = np.concatenate([real, simulated])
    y = np.concatenate([np.ones(len(real)), np.zeros(len(simulated))])
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)
    rng, areas = np.random.default_rng(0), []
    for _ in range(REPEATS):
        scores = np.zeros(len(y))
        fold = np.zeros(len(y), int)
        for kind in (0, 1):
            own = np.flatnonzero(y == kind)
            fold[rng.permutation(own)] = np.arange(len(own)) % FOLDS
        for k in range(FOLDS):
            held = fold == k
            weights = logistic(x[~held], y[~held])
            scores[held] = x[held] @ weights[:-1] + weights[-1]
        higher = scores[y == 1][:, None] > scores[y == 0][None]
        areas.append(higher.mean())
    return float(np.mean(areas))


def logistic(x, y):
    """Weights of a ridge-regularised logistic regression in which both kinds count the same."""
    from scipy.optimize import minimize

    share = np.where(y == 1, 0.5 / y.sum(), 0.5 / (len(y) - y.sum()))
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)

    def loss(weights):
        margin = np.where(y == 1, 1, -1) * (x @ weights)
        value = np.sum(share * np.logaddexp(0, -margin))
        value += RIDGE / 2 / len(y) * weights[:-1] @ weights[:-1]
        slope = -x.T @ (share * np.where(y == 1, 1, -1) / (1 + np.exp(np.clip(margin, -30, 30))))
        slope[:-1] += RIDGE / len(y) * weights[:-1]
        return value, slope

    return minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x


def gap_tables(table: str, sets: dict[str, str], figure: str | None) -> list[str]:
    names, maps = zip(*real_maps(table))
    real = np.array([features(data) for data in maps])
    simulated = {
        name: np.array([features(data) for data in simulated_maps(folder)])
        for name, folder in sets.items()
    }
    lines = ["| simulator | maps | real maps | AUC | real spectra inside its bundle |",
             "|---|---|---|---|---|"]  # fmt: skip
    inside = {}
    for name, found in simulated.items():
        low, high = np.percentile(found[:, :SHELLS], BUNDLE, axis=0)
        held = (real[:, :SHELLS] >= low - 1e-9) & (real[:, :SHELLS] <= high + 1e-9)
        inside[name] = held.mean(axis=1)
        lines.append(
            f"| {name} | {len(found)} | {len(real)} | {separability(real, found):.3f} | "
            f"{np.sum(inside[name] >= INSIDE)} of {len(real)} |"
        )
    lines += ["", "Share of the shells of each real map inside the bundle:", "",
              "| map | " + " | ".join(sets) + " |", "|---|" + "---|" * len(sets)]  # fmt: skip
    for number, name in enumerate(names):
        shares = " | ".join(f"{inside[key][number]:.0%}" for key in sets)
        lines.append(f"| {name} | {shares} |")
    if figure:
        draw(names, real, simulated, figure)
    return lines


def draw(names, real, simulated, figure: str) -> None:
    from matplotlib.figure import Figure

    place = np.linspace(0.03, 0.49, SHELLS)
    image = Figure(figsize=(6.2 * len(simulated), 4.6), layout="constrained")
    panels = image.subplots(1, len(simulated), squeeze=False)[0]
    for axes, (kind, found) in zip(panels, simulated.items()):
        for low, high, shade in ((1, 99, 0.15), (10, 90, 0.25)):
            bounds = np.percentile(found[:, :SHELLS], (low, high), axis=0)
            axes.fill_between(place, *bounds, color="0.3", alpha=shade, lw=0,
                              label=f"{low}-{high} % of {len(found)} simulated")  # fmt: skip
        for number, (name, row) in enumerate(zip(names, real)):
            line = {"color": f"C{number % 10}", "ls": "--" if number > 9 else "-"}
            axes.plot(place, row[:SHELLS], lw=1.2, label=name.split(".")[0], **line)
        axes.set(title=kind, xlabel="Frequency (cycles per voxel)", ylim=(-6.1, 0.1),
                 ylabel="Radial amplitude of the box (log10, of its highest)")  # fmt: skip
    axes.legend(fontsize=6.5, loc="center left", bbox_to_anchor=(1, 0.5))
    image.savefig(figure, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    chosen = parser.add_subparsers(dest="what", required=True)
    chosen.add_parser("fsc").add_argument("folder")
    chosen.add_parser("speed").add_argument("structure")
    single = chosen.add_parser("one")
    single.add_argument("structure")
    single.add_argument("size", type=int)
    single.add_argument("count", type=int)
    gap = chosen.add_parser("gap")
    gap.add_argument("table")
    gap.add_argument("sets", nargs="+", metavar="NAME=SET")
    gap.add_argument("--figure")
    args = parser.parse_args()
    if args.what == "fsc":
        lines = fsc_table(args.folder)
    elif args.what == "speed":
        lines = speed_table(args.structure)
    elif args.what == "one":
        lines = [one(args.structure, args.size, args.count)]
    else:
        sets = dict(item.split("=", 1) for item in args.sets)
        lines = gap_tables(args.table, sets, args.figure)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
