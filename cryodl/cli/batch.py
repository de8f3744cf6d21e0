"""`cryodl batch`: each row of a table judged by another command, on many workers."""

from __future__ import annotations

import argparse

from cryodl.batch.options import OPTIONS
from cryodl.cli.command import PARAMS
from cryodl.cli.common import SOME_FAILED, say
from cryodl.errors import counted
from cryodl.methods import options as declared


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options = (*OPTIONS, PARAMS)
    declared.add_arguments(parser, options)
    parser.set_defaults(options=options)


def run(args: argparse.Namespace) -> int:
    from cryodl.batch.run import run_batch

    print(f"cryodl batch {args.table}", flush=True)
    found = run_batch(**declared.keywords(OPTIONS, args), notify=say)
    before = f", {found['kept']} done before" if found["kept"] else ""
    print(
        f"{counted(found['rows'], 'row')}: {found['done']} done{before}, {found['failed']} failed; "
        f"{found['seconds']:.1f} s"
    )
    print(f"wrote {args.output}")
    return SOME_FAILED if found["failed"] else 0
