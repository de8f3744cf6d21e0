"""Every method, a line each: its function, where that and its options are, and what it does.

Commands and the functions of `import cryodl` come from these lines. The module of a function may
have `summary(stats)`, which gives the lines that its command prints at the end.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Callable, NamedTuple


class Method(NamedTuple):
    """A line of the registry.

    function : name of the Python function;  module : that has it
    options : module with its OPTIONS
    help : what it does, without a capital or a full stop
    sets : values that the method's name stands for, where they are not given
    """

    function: str
    module: str
    options: str
    help: str
    sets: dict = {}

    def load(self) -> Callable[..., Any]:
        return getattr(import_module(self.module), self.function)

    def load_options(self) -> tuple:
        return import_module(self.options).OPTIONS


M = "cryodl.methods"

# Of `cryodl localres --method NAME`.
LOCALRES: dict[str, Method] = {}

# Of `cryodl COMMAND`.
COMMANDS = {
    "mask": Method("run_mask", f"{M}.mask", f"{M}.mask_options",
        "find the molecule in a map, by a network"),
}  # fmt: skip
