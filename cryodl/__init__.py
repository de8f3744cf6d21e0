"""cryodl: deep learning judges cryo-EM maps.

    import cryodl
    cryodl.run_local_resolution("map.mrc", output="out")

The names below are found when they are first used, so that `import cryodl` loads neither a neural
network library nor Scipion, and `cryodl --help` answers at once.
"""

from importlib import import_module

from cryodl.version import __version__

__all__ = [
    "Volume",
    "__version__",
    "classify_maps",
    "read_map",
    "run_compare",
    "run_enhance",
    "run_filter",
    "run_fsc",
    "run_half_map_resolution",
    "run_import_resolution",
    "run_local_classes",
    "run_local_resolution",
    "run_mask",
    "run_oversharpening",
    "run_simulated_experiment",
    "run_single_map_resolution",
    "write_map",
]

# Scipion shows the logo in the forms and cites the references for every protocol of this plugin.
_logo = "icon.png"
_references = ["RamirezAportela2019", "Avramov2019", "SanchezGarcia2021", "Dai2023"]

_LAZY = {
    "Plugin": "cryodl.plugin",
    "Volume": "cryodl.maps.volume",
    "classify_maps": "cryodl.methods.resolution_class.run",
    "read_map": "cryodl.maps.mrc",
    "run_compare": "cryodl.methods.compare",
    "run_enhance": "cryodl.methods.enhance.run",
    "run_filter": "cryodl.methods.filter",
    "run_fsc": "cryodl.methods.fsc",
    "run_half_map_resolution": "cryodl.methods.half_map_resolution",
    "run_import_resolution": "cryodl.methods.import_resolution",
    "run_local_classes": "cryodl.methods.local_classes.run",
    "run_local_resolution": "cryodl.methods.deepres.run",
    "run_mask": "cryodl.methods.mask",
    "run_oversharpening": "cryodl.methods.oversharpening",
    "run_simulated_experiment": "cryodl.methods.simulate",
    "run_single_map_resolution": "cryodl.methods.cryores.run",
    "write_map": "cryodl.maps.mrc",
}


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__():
    return sorted(set(globals()) | set(_LAZY))
