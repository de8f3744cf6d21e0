"""cryodl: deep learning judges cryo-EM maps.

    import cryodl
    cryodl.run_local_resolution("map.mrc", output="out")

The names below are found when they are first used, so that `import cryodl` loads neither a neural
network library nor Scipion, and `cryodl --help` answers at once.
"""

from cryodl.version import __version__ as __version__

_OWN = {
    "CryodlError": "cryodl.errors",
    "Plugin": "cryodl.plugin",
    "Result": "cryodl.maps.result",
    "Volume": "cryodl.maps.volume",
    "read_map": "cryodl.maps.mrc",
    "write_map": "cryodl.maps.mrc",
}

# Scipion shows the logo in the forms and cites the references for every protocol of this plugin.
_logo = "icon.png"
_references: list = []  # every run cites what it rests on, and nothing else


def _modules():
    """The module of every public name."""
    from cryodl.methods.registry import functions

    return {**_OWN, **functions()}


def __getattr__(name):
    if name == "__all__":
        return ["__version__", *sorted(set(_modules()) - {"Plugin"})]
    module = None if name.startswith("_") else _modules().get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(module), name)


def __dir__():
    return sorted({"__all__", *globals(), *_modules()})
