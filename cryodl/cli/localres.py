"""`cryodl localres`: local resolution of a map or two half maps, by the method that is chosen."""

from __future__ import annotations

import argparse

from cryodl.cli.command import PARAMS, run_method
from cryodl.errors import SettingError
from cryodl.methods import options as declared
from cryodl.methods.options import MAPS, Option, differing
from cryodl.methods.registry import LOCALRES

METHOD = Option(
    "method",
    "deepres",
    "; ".join(f"{name}: {line.help}" for name, line in LOCALRES.items()),
    choices=tuple(LOCALRES),
)
OF_METHODS = {
    name: tuple(one for one in line.load_options() if one.name not in line.without)
    for name, line in LOCALRES.items()
}
# What is said of options that mean more than one thing here.
HELP = {
    "volume": f"density map {MAPS}; with half maps, the one to show",
    "mask": "mask on the map's grid, or 'network': the one that cryodl mask finds, which cryores "
    "and methods of half maps take for one map in any case; without it a simple rule finds one",
    "bundle": "trained network to use instead of the shipped one",
}


def owners(name: str) -> list[str]:
    """The methods that have an option."""
    return [method for method, options in OF_METHODS.items() if name in {o.name for o in options}]


def _options() -> tuple[Option, ...]:
    """The options of all methods, each once; those of some say of which."""
    found = {"method": METHOD}
    for options in OF_METHODS.values():
        for one in options:
            if one.name in found:
                continue
            having = owners(one.name)
            words = HELP.get(one.name, one.help)
            if len(having) < len(LOCALRES) / 2:
                words = f"of {_listed(having)}; {words}"
            default = None if one.name == "bundle" else one.default
            required = one.required and not one.argument
            found[one.name] = one._replace(help=words, default=default, required=required)
    first = ("volume", "output", "method", "half1", "half2", "mask")
    return tuple(found[name] for name in dict.fromkeys((*first, *found)))


def _listed(names: list[str]) -> str:
    return " and ".join(", ".join(names).rsplit(", ", 1))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options = (*_options(), PARAMS)
    declared.add_arguments(parser, options)
    parser.set_defaults(options=options)


def run(args: argparse.Namespace) -> None:
    method = LOCALRES[args.method]
    own = {one.name for one in OF_METHODS[args.method]}
    if "half1" not in own and (args.half1 or args.half2):
        raise SettingError(
            f"method {args.method} takes one map; half maps are read by "
            f"{_listed(owners('half1'))}: choose one, such as localfsc"
        )
    if not args.map and not args.half1:
        raise SettingError("no map is given: give MAP, or half maps and their --method")
    given = {
        one.name: getattr(args, one.dest)
        for one in differing(args.options, args)
        if not one.process and one is not METHOD
    }
    for one in args.options:
        if one.name in given and one.name not in own:
            raise SettingError(
                f"{one.shown} does nothing with method {args.method}: it belongs to "
                f"{_listed(owners(one.name))}; leave it out, or choose another --method"
            )
    run_method(args, method, {**method.sets, **given})
