"""A pytest plugin for environments without optional packages: what fails for want of one skips.

Used by .ci/environments, which shows every skip with its reason. Anything else that fails, fails.
"""

import re
from importlib.util import find_spec

import pytest

OPTIONAL = "gemmi", "jax", "keras", "openvino", "pwem", "pyworkflow", "tensorflow", "torch"
ABSENT = [name for name in OPTIONAL if find_spec(name) is None]
WANTS = [
    *(rf"No module named '{name}\b" for name in ABSENT),
    *([r"scipion-em-cryodl\[cpu\]"] if "tensorflow" in ABSENT else []),
    *([r"scipion-em-cryodl\[train\]"] if "gemmi" in ABSENT else []),
]
PATTERN = re.compile("|".join(WANTS) or r"(?!)")


def excuse(report, path):
    """Turn a failure that names an absent package into a skip."""
    found = PATTERN.search(f"{report.longrepr}\n{report.capstdout}\n{report.capstderr}")
    if report.failed and found:
        report.outcome = "skipped"
        report.longrepr = (str(path), 0, f"Skipped: {found[0]}")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return excuse((yield), collector.path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return excuse((yield), item.path)
