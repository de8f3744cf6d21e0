"""What pyworkflow and cryodl read from the environment, set here before any test runs.

Everything lives in a folder of its own, which is removed at the end: no configuration of a Scipion
that is installed on the machine is read or changed.
"""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

HOSTS = """[localhost]
PARALLEL_COMMAND = mpirun -np %_(JOB_NODES)d %_(COMMAND)s
MANDATORY = False
"""


def _scipion_environment() -> dict[str, str]:
    root = Path(tempfile.mkdtemp(prefix="cryodl-scipion-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    home, user_data = root / "home", root / "user"
    home.mkdir()
    user_data.mkdir()
    (root / "hosts.conf").write_text(HOSTS, "utf-8")
    return {
        "SCIPION_HOME": str(home),
        "SCIPION_USER_DATA": str(user_data),
        "SCIPION_CONFIG": str(root / "scipion.conf"),  # absent: the defaults hold
        "SCIPION_LOCAL_CONFIG": str(root / "scipion.conf"),
        "SCIPION_HOSTS": str(root / "hosts.conf"),
        "SCIPION_DOMAIN": "pwem",
        "SCIPION_PYTHON": sys.executable,
        "SCIPION_NOTIFY": "False",
        "SCIPION_TEST_NOSYNC": "True",
        "MPLBACKEND": "Agg",
        "CRYODL_PRECISION": "single",  # the same figures on all processors
    }


os.environ.update(_scipion_environment())
