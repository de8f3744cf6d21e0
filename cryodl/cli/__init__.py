"""The command line: one module for each command, with `add_arguments(parser)` and `run(args)`.

Heavy imports stand inside `run`, so that `--help` answers at once.
"""
