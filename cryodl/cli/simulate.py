"""`cryodl simulate`: the map of an atomic model at a known resolution, or a whole experiment."""

from __future__ import annotations

import argparse

from cryodl.errors import SettingError, counted
from cryodl.methods import options as declared
from cryodl.methods.simulate_options import COMMAND_OPTIONS, MAP_OPTIONS, OF_A_MAP, OPTIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    declared.add_arguments(parser, COMMAND_OPTIONS)
    parser.set_defaults(options=COMMAND_OPTIONS)


def run(args: argparse.Namespace) -> None:
    needed = {"--resolution": args.resolution, "--voxel-size": args.voxel_size}
    missing = [name for name, value in needed.items() if value is None]
    if missing and not (args.experiment and args.config):
        raise SettingError(f"{' and '.join(missing)} is missing: see 'cryodl simulate --help'")
    if args.experiment:
        _run_experiment(args)
    else:
        _run_map(args)


def _run_experiment(args: argparse.Namespace) -> None:
    from cryodl.methods.simulate import run_simulated_experiment

    if args.resolution and len(args.resolution) > 1:
        raise SettingError("an experiment has one resolution; several were given")
    for one in declared.differing(OF_A_MAP, args):
        raise SettingError(f"{one.shown} does not go with --experiment: use --config")
    [resolution] = args.resolution or [None]
    values = {**declared.keywords(OPTIONS, args), "resolution": resolution}
    made = run_simulated_experiment(**values)
    measured = made.measured
    size = made.map.shape[0]
    low, median, high = measured["snr"]
    print(
        f"{measured['atoms']} atoms; wrote half maps of {size} x {size} x {size} voxels, FSC 0.143 "
        f"at {measured['fsc_resolution']:.2f} Å, true local resolution {median:.2f} Å "
        f"(5-95 %: {low:.2f}-{high:.2f} Å), to {args.output}"
    )


def _run_map(args: argparse.Namespace) -> None:
    from cryodl.methods.simulate import run_simulated_map

    if args.config:
        raise SettingError("--config is of an experiment: give --experiment, too")
    made, atoms = run_simulated_map(**declared.keywords(MAP_OPTIONS, args))
    size = f"{made.volume.size} voxels of {args.voxel_size:g} Å"
    print(f"{counted(atoms, 'atom')}; wrote {size} to {args.output}")
