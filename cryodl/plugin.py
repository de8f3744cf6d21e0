"""The plugin as Scipion sees it: its variables, and where and how the engine runs.

Scipion never imports the engine. It starts `cryodl` as another process: in its own environment, or
in the one that the variable CRYODL_HOME names.
"""

import json
import os
import shutil
import sys
from importlib.util import find_spec

import pwem
import pyworkflow as pw
import pyworkflow.utils as pwutils
from pyworkflow import VarTypes

from cryodl.constants import CRYODL_HOME, ENGINE_PACKAGE
from cryodl.version import __version__


class Plugin(pwem.Plugin):
    _homeVar = CRYODL_HOME
    # CRYODL_HOME stays out of _pathVars: there, an optional path that is absent fails every run.
    _pathVars = []
    _supportedVersions = [__version__]
    _url = ""  # no public home yet; pwem's own would send users to the wrong place
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

    # --------------------------- installation -----------------------------
    @classmethod
    def defineBinaries(cls, env):
        """Offer a separate environment for the engine; never built unless it is asked for.

        `scipion installb cryodlenv` builds it, and CRYODL_HOME then takes its path.
        """
        env.addPackage(
            ENGINE_PACKAGE,
            version=__version__,
            tar="void.tgz",
            commands=[(cls.getInstallCommand(), "ENGINE_INSTALLED")],
            default=False,
        )

    @classmethod
    def getInstallCommand(cls):
        """Return the shell command that builds the engine's environment in the current folder."""
        extra = "gpu" if cls.hasGpu() else "cpu"
        source = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        if os.path.isfile(os.path.join(source, "setup.py")):  # a developer's checkout
            package = f"'{source}[{extra}]'"
        else:
            package = f"'scipion-em-cryodl[{extra}]=={__version__}'"
        if pw.Config.CONDA_ACTIVATION_CMD:
            make = f"{cls.getCondaActivationCmd()} conda create -y -p . python=3.11"
        else:
            make = f"{cls._enginePython()} -m venv --clear ."
        done = f"echo 'Set {CRYODL_HOME} to this folder in the configuration:' && pwd"
        return (
            f"{make} && ./bin/python -m pip install {package} && "
            f"./bin/python -m cryodl --version && {done} && touch ENGINE_INSTALLED"
        )

    @staticmethod
    def _enginePython():
        """Return an interpreter that the engine runs on: Python 3.10 or later."""
        if sys.version_info >= (3, 10):
            return f'"{sys.executable}"'
        for name in ("python3.11", "python3.12", "python3.13", "python3.10"):
            if shutil.which(name):
                return name
        return "python3"

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
        elif not (find_spec("openvino") or (find_spec("keras") and _has_backend())):
            return [
                "Nothing that runs networks is installed in Scipion's environment: install "
                f"scipion-em-cryodl[cpu], [gpu] or [light] there, or set {CRYODL_HOME}."
            ]
        return []

    # --------------------------- the machine ------------------------------
    @staticmethod
    def hasGpu():
        """Whether this machine has an NVIDIA GPU with its driver."""
        return os.path.isdir("/proc/driver/nvidia/gpus") or bool(shutil.which("nvidia-smi"))

    @staticmethod
    def defaultThreads():
        """Return the number of threads a form proposes: what one map can use, and no more."""
        return min(4, os.cpu_count() or 1)

    # --------------------------- the engine -------------------------------
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
    def runEngine(cls, protocol, command, options, name="run"):
        """Run a cryodl command as a process of a protocol, in its log.

        command : such as "localres", or "train" and its method
        options : dict of the command's long options without dashes; kept as extra/NAME.json, so
            that a run can be repeated by hand. Paths are relative to the project.

        Raises RuntimeError with the engine's own line where it refuses.
        """
        path = protocol._getExtraPath(f"{name}.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(options, file, indent=2, ensure_ascii=False)
        log = protocol.getStderrLog()
        written = os.path.getsize(log) if os.path.exists(log) else 0
        try:
            protocol.runJob(
                cls.getProgram(),
                f'{command} --params "{path}"',
                env=cls.getEnviron(),
                numberOfMpi=1,
                numberOfThreads=1,
            )
        except Exception as error:
            reason = _last_line(log, written)
            if not reason:
                raise
            raise RuntimeError(reason) from error


def _last_line(log, start):
    """Return what the engine said last in a log, without its name; "" if it said nothing."""
    if not os.path.exists(log):
        return ""
    with open(log, encoding="utf-8", errors="replace") as file:
        file.seek(start)
        lines = [line.strip() for line in file if line.startswith("cryodl: ")]
    return lines[-1][len("cryodl: ") :] if lines else ""


def _has_backend():
    return any(find_spec(name) for name in ("tensorflow", "jax", "torch"))
