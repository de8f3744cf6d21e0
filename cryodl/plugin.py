"""The plugin as Scipion sees it: its variables, and where the engine runs.

Scipion never imports the engine. It starts `cryodl` as another process: in its own environment, or
in the one that the variable CRYODL_HOME names.
"""

import os
import sys
from importlib.util import find_spec

import pwem
import pyworkflow.utils as pwutils
from pyworkflow import VarTypes

from cryodl.constants import CRYODL_HOME
from cryodl.version import __version__


class Plugin(pwem.Plugin):
    _homeVar = CRYODL_HOME
    # CRYODL_HOME stays out of _pathVars: there, an optional path that is absent fails every run.
    _pathVars = []
    _supportedVersions = [__version__]
    _processingField = ["SPA"]

    def __init__(self):
        super().__init__()
        # pyworkflow derives both from this class's module, and expects that to be the package.
        self._name = "cryodl"
        self._path = os.path.dirname(os.path.abspath(__file__))

    @classmethod
    def _defineVariables(cls):
        cls._defineVar(
            CRYODL_HOME,
            "",
            description="Root of a separate Python environment that holds the cryodl engine. "
            "Empty: the engine is installed in Scipion's own environment.",
            var_type=VarTypes.FOLDER,
        )

    @classmethod
    def defineBinaries(cls, env):
        """Nothing to build: pip brings the engine with the plugin (extras `cpu` and `gpu`)."""

    @classmethod
    def getEnviron(cls):
        """Return the environment variables for an engine process.

        PYTHONPATH is dropped: it would put Scipion's packages before those of CRYODL_HOME.
        """
        environ = pwutils.Environ(os.environ)
        environ.pop("PYTHONPATH", None)
        return environ

    @classmethod
    def getProgram(cls):
        """Return the command that runs the engine, to be followed by a cryodl command."""
        python = cls.getHome("bin", "python") or sys.executable
        return f'"{python}" -m cryodl'

    @classmethod
    def validateInstallation(cls):
        """Return what keeps the engine from running, as a list of lines; empty when all is well."""
        home = cls.getHome()
        if home:
            if not os.access(cls.getHome("bin", "python"), os.X_OK):
                return [
                    f"{CRYODL_HOME}={home} holds no bin/python: give the root of an environment "
                    "that has cryodl, or leave the variable empty."
                ]
        elif not (find_spec("keras") and _has_backend()):
            return [
                "Keras or its backend is not installed in Scipion's environment: install "
                f"scipion-em-cryodl[cpu] or [gpu] there, or set {CRYODL_HOME}."
            ]
        return []


def _has_backend():
    return any(find_spec(name) for name in ("tensorflow", "jax", "torch"))
