"""The command line. `command` makes a command of a method; those that are more have a module each,
with `add_arguments(parser)` and `run(args)`.

Heavy imports stand inside `run`, so that `--help` answers at once.
"""
