"""`cryodl simulate`: the map of an atomic model at a known resolution, or a whole experiment."""

from __future__ import annotations

import argparse
from pathlib import Path

from cryodl.cli.training import seed

# options of a single map, and what they are where they are not given
SINGLE_MAP_ONLY = {
    "noise": 0.0,
    "b_factor": 0.0,
    "blur": 0.0,
    "random_phases": None,
    "margin": 15.0,
    "truth": None,
    "mask": None,
}


LARGEST_B = 1e5  # Å², of an atom: it is spread over 100 Å then


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="PDB or mmCIF file, plain or gzipped")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help="map to write; with --experiment, a folder",
    )
    parser.add_argument(
        "--resolution",
        metavar="R",
        required=True,
        type=_numbers,
        help="low-pass cut-off, Å; several, with commas between, go to the chains in turn; with "
        "--experiment, where the FSC of the half maps falls to 0.143",
    )
    parser.add_argument(
        "--voxel-size", metavar="S", required=True, type=_positive, help="voxel size, Å"
    )
    parser.add_argument(
        "--experiment",
        action="store_true",
        help="simulate a reconstruction: half maps, the map as deposited, exact mask, model map "
        "and both true local resolutions",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="of an experiment: JSON object of ingredients, numbers or [low, high]; an earlier "
        "experiment.json repeats it",
    )
    parser.add_argument(
        "--noise",
        metavar="SD",
        type=_not_negative,
        default=0.0,
        help="standard deviation of white noise; the map at 3 Å has a maximum of 1",
    )
    parser.add_argument(
        "--b-factor", metavar="B", type=_b_factor, default=0.0, help="of every atom, Å²"
    )
    parser.add_argument(
        "--blur",
        metavar="B",
        type=_finite,
        default=0.0,
        help="B-factor applied to the finished map, Å²; a negative one sharpens",
    )
    parser.add_argument(
        "--random-phases", metavar="R", type=_positive, help="make phases random beyond R Å"
    )
    parser.add_argument(
        "--margin", metavar="M", type=_not_negative, default=15.0, help="around the molecule, Å"
    )
    parser.add_argument("--truth", metavar="MAP", help="write the true resolution here, too")
    parser.add_argument("--mask", metavar="MAP", help="write the molecule's mask (3 Å) here, too")
    parser.add_argument(
        "--seed", metavar="N", type=seed, help="of all that is random; without it 0, or --config's"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace maps that exist")


def run(args: argparse.Namespace) -> None:
    if args.experiment:
        _run_experiment(args)
    else:
        _run_map(args)


def _run_experiment(args: argparse.Namespace) -> None:
    from cryodl.errors import SettingError
    from cryodl.methods.simulate import run_simulated_experiment

    if len(args.resolution) > 1:
        raise SettingError("an experiment has one resolution; several were given")
    for name, default in SINGLE_MAP_ONLY.items():
        if getattr(args, name) != default:
            option = "--" + name.replace("_", "-")
            raise SettingError(f"{option} does not go with --experiment: use --config")
    made = run_simulated_experiment(
        args.model,
        args.resolution[0],
        args.voxel_size,
        output=args.output,
        config=args.config,
        seed=args.seed,
        overwrite=args.overwrite,
    )
    measured = made.measured
    size = made.map.shape[0]
    low, median, high = measured["snr"]
    print(
        f"{measured['atoms']} atoms; wrote half maps of {size} x {size} x {size} voxels, FSC 0.143 "
        f"at {measured['fsc_resolution']:.2f} Å, true local resolution {median:.2f} Å "
        f"(5-95 %: {low:.2f}-{high:.2f} Å), to {args.output}"
    )


def _run_map(args: argparse.Namespace) -> None:
    import numpy as np

    from cryodl.errors import OutputError, SettingError
    from cryodl.files.folder import check_file
    from cryodl.maps.mrc import write_map
    from cryodl.simulation.model_map import simulate_map
    from cryodl.simulation.structure import read_structure

    if args.config:
        raise SettingError("--config is of an experiment: give --experiment, too")
    outputs = [Path(p) for p in (args.output, args.truth, args.mask) if p]
    for path in outputs:
        check_file(path, args.overwrite, args.model)
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise OutputError("map, truth and mask cannot be one file: give each a name of its own")
    structure = read_structure(args.model)
    with np.errstate(all="ignore"):  # looked at below
        made = simulate_map(
            structure,
            args.resolution,
            args.voxel_size,
            noise=args.noise,
            b_factor=args.b_factor,
            blur=args.blur,
            random_phases=args.random_phases,
            margin=args.margin,
            seed=args.seed or 0,
        )
    if not np.isfinite(made.volume.data).all():
        raise SettingError(
            f"with --noise {args.noise:g} and --blur {args.blur:g} the densities are beyond what a "
            "map can hold: give smaller numbers"
        )
    write_map(args.output, made.volume, overwrite=args.overwrite)
    inside = made.distance <= 3
    if args.truth:
        truth = made.volume.with_data(np.where(inside, made.truth, 0))
        write_map(args.truth, truth, overwrite=args.overwrite)
    if args.mask:
        mask = made.volume.with_data(inside.astype(np.float32))
        write_map(args.mask, mask, overwrite=args.overwrite)
    size = f"{made.volume.size} voxels of {args.voxel_size:g} Å"
    print(f"{len(structure)} atoms; wrote {size} to {args.output}")


def _numbers(text: str) -> list[float]:
    return [_positive(part) for part in text.split(",")]


def _finite(text: str) -> float:
    value = float(text)
    if not abs(value) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number")
    return value


def _b_factor(text: str) -> float:
    value = _not_negative(text)
    if value > LARGEST_B:
        raise argparse.ArgumentTypeError(
            f"{text} is more than {LARGEST_B:g} Å²: no atom is so blurred"
        )
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 up")
    return value
