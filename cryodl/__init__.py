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
    "Volume": "cryodl.engine.maps.volume",
    "classify_maps": "cryodl.api.classify",
    "read_map": "cryodl.engine.maps.mrc_io",
    "run_compare": "cryodl.api.compare",
    "run_enhance": "cryodl.api.enhance",
    "run_filter": "cryodl.api.filter",
    "run_fsc": "cryodl.api.fsc",
    "run_half_map_resolution": "cryodl.api.half_map_resolution",
    "run_import_resolution": "cryodl.api.import_resolution",
    "run_local_classes": "cryodl.api.local_classes",
    "run_local_resolution": "cryodl.api.local_resolution",
    "run_mask": "cryodl.api.mask",
    "run_oversharpening": "cryodl.api.oversharpening",
    "run_simulated_experiment": "cryodl.api.simulated_experiment",
    "run_single_map_resolution": "cryodl.api.single_map_resolution",
    "write_map": "cryodl.engine.maps.mrc_io",
}


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__():
    return sorted(set(globals()) | set(_LAZY))
