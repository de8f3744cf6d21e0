"""Memory that the workers of a machine share."""

import os
import subprocess
import sys
import time

from cryodl.batch.memory import Share

TAKE = """
from cryodl.batch.memory import Share
Share({name!r}, 10).take(6)
print("taken", flush=True)
input()
"""


def test_memory_is_shared_out(tmp_path):
    name = f"test-{os.getpid()}"
    share = Share(name, 10)
    share.take(6)
    share.take(5)  # in place of the 6
    command = [sys.executable, "-u", "-c", TAKE.format(name=name)]  # its lines at once
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as other:  # fmt: skip
        assert other.stdout.readline().startswith("waiting for")
        share.give_back()
        assert other.stdout.readline() == "taken\n"
        other.kill()
    start = time.monotonic()
    share.take(100)  # where no other has any: more than there is, as a command alone would
    share.give_back()
    assert time.monotonic() - start < 1
    share._path.unlink()
