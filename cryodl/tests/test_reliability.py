"""The page of promises names tests that exist."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "reliability.rst"


def test_every_promise_has_its_test():
    if not PAGE.is_file():
        pytest.skip("an installed package has no docs")
    named = re.findall(r"``(\w+)::(\w+)``", PAGE.read_text("utf-8"))
    assert len(named) > 30
    for file, test in named:
        (path,) = Path(__file__).parent.rglob(f"test_{file}.py")
        text = path.read_text("utf-8")
        assert f"def {test}(" in text, f"{file} has no {test}"
