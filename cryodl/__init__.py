"""cryodl: deep learning judges cryo-EM maps.

    import cryodl
    cryodl.run_local_resolution("map.mrc", output="out")

The names below are found when they are first used, so that `import cryodl` loads neither a neural
network library nor Scipion, and `cryodl --help` answers at once.
"""

from importlib import import_module

from cryodl.methods.registry import functions as _functions
from cryodl.version import __version__

_LAZY = {
    "CryodlError": "cryodl.errors",
    "Plugin": "cryodl.plugin",
    "Result": "cryodl.maps.result",
    "Volume": "cryodl.maps.volume",
    "read_map": "cryodl.maps.mrc",
    "write_map": "cryodl.maps.mrc",
    **_functions(),
}

__all__ = ["__version__", *sorted(set(_LAZY) - {"Plugin"})]

# Scipion shows the logo in the forms and cites the references for every protocol of this plugin.
_logo = "icon.png"
_references: list = []  # every run cites what it rests on, and nothing else


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__():
    return sorted(set(globals()) | set(_LAZY))
