"""What the simulated experiment is worth: FSC as asked, noise apart, spectra like real maps'.

    python benchmarks/simulator.py fsc STRUCTURES [-o benchmarks/simulator.md]
    python benchmarks/simulator.py spectra STRUCTURES MAPS.tsv [-o benchmarks/simulator.png]

STRUCTURES: folder of atomic models or a packed set. MAPS.tsv: tab-separated, with the columns
`file` (below `maps/`), `voxel_A` and `emdb`; the full maps among them are drawn. The FSC is the
plain one, masked as reconstruction.py says and computed here anew; beside it stands what
`cryodl fsc` makes of the same mask (it flattens the spectrum and corrects for the mask).
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from cryodl.half_maps.fsc import estimate_fsc
from cryodl.maps.mrc import read_map
from cryodl.simulation.filters import bin_frequencies, frequency_bins, radial_power
from cryodl.simulation.simulated_experiment import simulate_experiment
from cryodl.training.structures import load_structures

RESOLUTIONS = (2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 10.0)
# as their sources say; beta-galactosidase's, about 7 Å, is near the Nyquist frequency of its grid
RESOLUTION_OF = {"3186": 7.9, "RELION tutorial beta-gal (EMPIAR-10017 subset?)": 7.5, "6824": 5.8}


def measure_fsc(structures, per_resolution: int) -> list[str]:
    """Rows of a table: asked, measured with both masks, truth, noise outside, time."""
    lines = [
        "| molecule | box | voxel (Å) | asked (Å) | FSC 0.143 | cryodl fsc "
        "| true median | true 5-95 % | noise correlation | CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    errors = []
    for resolution in RESOLUTIONS:
        for k in range(per_resolution):
            seed = int(1000 * resolution) + k
            rng = np.random.default_rng(seed)
            voxel = resolution / rng.uniform(2.3, 3.2)
            fitting = [s for s in structures if len(s) > 1000 and _extent(s) < 75 * voxel]
            molecule = fitting[rng.integers(len(fitting))]
            start = time.process_time()
            config = {"resolution": resolution, "voxel_size": voxel, "margin": 15 * voxel}
            made = simulate_experiment(molecule, config, seed)
            seconds = time.process_time() - start
            halves = made.volume("half1"), made.volume("half2")
            weights = made.fsc_mask()
            found = plain_fsc(made.half1 * weights, made.half2 * weights, voxel)
            other = estimate_fsc(*halves, weights).resolution()
            outside = weights == 0
            noise = np.corrcoef(*(_white(h.data, voxel)[outside] for h in halves))[0, 1]
            low, median, high = made.measured["snr"]
            errors.append(abs(found - resolution))
            lines.append(
                f"| {molecule.name} | {made.map.shape[0]} | {voxel:.2f} | {resolution:.1f} | "
                f"{found:.2f} | {other or np.nan:.2f} | {median:.2f} | {low:.2f}-{high:.2f} | "
                f"{noise:+.4f} | {seconds:.1f} |"
            )
            print(lines[-1], flush=True)
    lines += [
        "",
        f"Largest error of the FSC: {max(errors):.3f} Å; mean {np.mean(errors):.3f} Å; "
        f"{np.mean(np.array(errors) <= 0.15):.0%} within 0.15 Å of {len(errors)}.",
    ]
    return lines


def plain_fsc(first, second, voxel: float) -> float:
    """Resolution (Å) at which the FSC of two maps first falls below 0.143."""
    n = first.shape[0]
    k = np.fft.fftfreq(n, 1 / n)
    radius = np.sqrt(k[:, None, None] ** 2 + k[None, :, None] ** 2 + k**2)
    shell = np.rint(radius).astype(int).ravel()
    a, b = (np.fft.fftn(half).ravel() for half in (first, second))
    cross, power1, power2 = (
        np.bincount(shell, p)[: n // 2] for p in ((a * b.conj()).real, abs(a) ** 2, abs(b) ** 2)
    )
    curve = cross / np.sqrt(power1 * power2)
    last = int(np.flatnonzero(curve[1:] < 0.143)[0]) + 1
    return n * voxel / np.interp(0.143, curve[[last, last - 1]], [last, last - 1])


def _extent(structure) -> float:
    return float(np.ptp(structure.positions, axis=0).max())


def _white(data, voxel: float):
    """The upper half of the frequencies, where the signal's halo around the molecule is gone."""
    shape = data.shape
    high = bin_frequencies(shape, voxel) > 0.3 / voxel
    return np.fft.irfftn(np.fft.rfftn(data) * high[frequency_bins(shape)], s=shape, axes=(0, 1, 2))


def draw_spectra(structures, table: Path, path: Path, count: int) -> None:
    """Radial amplitude of simulated maps (grey) and of real ones, one panel for each real map."""
    from cryodl.report.figure import TWO_COLUMNS, new_figure, save_figure, style

    rows = list(csv.DictReader(table.open(encoding="utf-8"), delimiter="\t"))
    rows = [row for row in rows if row["emdb"] in RESOLUTION_OF]
    with style():
        figure = new_figure(TWO_COLUMNS, 2.7)
        for number, row in enumerate(rows):
            voxel = float(row["voxel_A"].split(",")[0])
            resolution = RESOLUTION_OF[row["emdb"]]
            axes = figure.add_axes((0.075 + 0.315 * number, 0.16, 0.275, 0.72))
            real = read_map(table.parent / "maps" / row["file"]).data
            fitting = [s for s in structures if _extent(s) < 0.7 * voxel * real.shape[0]]
            fitting = sorted(fitting, key=len)[-12:]  # as large as what is seen by cryo-EM
            for seed in range(count):
                molecule = fitting[seed % len(fitting)]
                config = {"resolution": resolution, "voxel_size": voxel, "box": real.shape[0]}
                made = simulate_experiment(molecule, config, seed)
                axes.plot(*radial_amplitude(made.map, voxel), color="0.6", lw=0.5, alpha=0.7)
            axes.plot([], [], color="0.6", lw=0.8, label=f"{count} simulated")
            name = row["emdb"] if len(row["emdb"]) > 8 else "EMD-" + row["emdb"]
            name = "beta-galactosidase" if "beta-gal" in name else name
            axes.plot(*radial_amplitude(real, voxel), color="#c03020", lw=1.3, label="real")
            axes.axvline(1 / resolution, color="k", lw=0.6, ls=":")
            axes.set_title(f"{name}, {resolution:g} Å")
            axes.set_xlabel("frequency (1/Å)")
            axes.set_ylim(-9, 4)
            axes.set_xlim(0, 0.5 / voxel)
            if number == len(rows) - 1:  # where no curve comes near it
                axes.legend(frameon=False, loc="lower left")
            axes.locator_params(axis="x", nbins=4)
            if number == 0:
                axes.set_ylabel("ln amplitude, 0 at 20 Å")
        save_figure(figure, path, dpi=200)


def radial_amplitude(data, voxel: float):
    """Frequencies (1/Å) to Nyquist and the logarithm of the mean amplitude, 0 at 20 Å."""
    shape = data.shape
    s = bin_frequencies(shape, voxel)
    power = radial_power(np.fft.rfftn(data - data.mean()), frequency_bins(shape), len(s))
    log = 0.5 * np.log(np.maximum(power, 1e-30))
    log = np.convolve(np.pad(log, 4, mode="edge"), np.ones(9) / 9, mode="valid")
    keep = (s <= 0.5 / voxel) & (s > 0.01)
    return s[keep], (log - np.interp(0.05, s, log))[keep]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["fsc", "spectra"])
    parser.add_argument("structures")
    parser.add_argument("maps", nargs="?", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--count", type=int, help="experiments per resolution, or per real map")
    args = parser.parse_args()
    here = Path(__file__).parent
    structures, _ = load_structures(args.structures)
    if args.what == "fsc":
        lines = measure_fsc(structures, args.count or 3)
        print(lines[-1])
        (args.output or here / "simulator.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        if args.maps is None:
            parser.error("spectra needs MAPS.tsv")
        draw_spectra(structures, args.maps, args.output or here / "simulator.png", args.count or 16)


if __name__ == "__main__":
    main()
