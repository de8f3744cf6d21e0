"""Ctrl-C ends a command quietly at any moment, also before the command line hears it."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from cryodl.maps.mrc import write_map
from cryodl.maps.volume import Volume

# What a console script does. It says when the interpreter itself has started.
SCRIPT = """
import sys, cryodl.__main__ as command
print("started", flush=True)
sys.exit(command.main())
"""


# A library that takes its time to end, as some do.
SLOW = """
import atexit, time
atexit.register(lambda: (print("leaving", flush=True), time.sleep(60)))
"""


def begin(words, ctrl_c=signal.SIG_DFL, before=""):
    """A command's process that has just started, and has loaded nothing."""
    run = subprocess.Popen(
        [sys.executable, "-c", before + SCRIPT, *words], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, ctrl_c),
    )  # fmt: skip
    assert run.stdout.readline() == "started\n"
    return run


@pytest.mark.parametrize("seed", range(12))
def test_ctrl_c_at_a_random_moment_of_the_start(tmp_path, seed):
    half = tmp_path / "half.mrc"
    write_map(half, Volume(np.random.default_rng(0).normal(size=(96, 96, 96)), 2.0))
    run = begin(["fsc", str(half), str(half), "-o", str(tmp_path / "out")])
    time.sleep(0.002 + 0.2 * random.Random(seed).random())
    run.send_signal(signal.SIGINT)
    error = run.communicate(timeout=120)[1]
    assert (run.returncode, error) == (130, "cryodl: interrupted; nothing was written\n")
    assert not (tmp_path / "out").exists()


def test_ctrl_c_at_the_end_leaves_no_traceback():
    run = begin(["--version"], before=SLOW)
    while run.stdout.readline() != "leaving\n":
        pass
    run.send_signal(signal.SIGINT)
    assert run.communicate(timeout=60)[1] == "" and run.returncode == -signal.SIGINT


def test_a_command_in_the_background_stays_deaf():
    run = begin(["--version"], signal.SIG_IGN)
    run.send_signal(signal.SIGINT)
    assert run.communicate(timeout=60)[0].startswith("cryodl ") and run.returncode == 0
