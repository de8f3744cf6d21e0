"""The page of a batch, as a browser shows it."""

import html
import re
import shutil
import subprocess

import pytest

from cryodl.report.batch_summary import interesting, write_summary

LINES = [
    {"map": "a.mrc", "name": "a", "status": "done", "error": None, "seconds": 1.5, "warnings": "",
     "median": 4.0, "claimed": 3.5, "same": 1, "page": "maps/a/"},
    {"map": "</script><b>.mrc", "name": "</script><b>", "status": "failed", "warnings": "",
     "error": "is <truncated>", "seconds": 0.1, "claimed": "3.9"},
    {"map": "c.mrc", "name": "c", "status": "done", "error": None, "seconds": 2.5, "warnings": "w",
     "median": 6.0, "claimed": 5.5, "same": 1, "page": "maps/c/"},
]  # fmt: skip


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "summary.html"
    write_summary(path, LINES, "a <batch>", "made & kept")
    return path


def test_figures_of_the_page_are_those_that_differ():
    assert interesting(LINES) == ["median", "claimed"]


def test_the_page_loads_nothing(page):
    text = page.read_text("utf-8")
    assert set(re.findall(r"https?://[^\"' ]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(link|script src|img src=.http)", text)
    assert text.count("</script>") == 1


def test_a_browser_shows_table_and_scatter(page):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is installed")
    call = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
            f"--user-data-dir={page.parent}/profile", "--dump-dom", page.as_uri()]  # fmt: skip
    run = subprocess.run(call, text=True, capture_output=True, timeout=60)
    assert "Uncaught" not in run.stderr
    shown = html.unescape(run.stdout)
    assert "3 rows: 2 done, 1 failed" in shown and "a <batch>" in shown
    assert "1-3 of 3" in shown and "is <truncated>" in shown
    assert len(re.findall("<circle", shown)) == 2
    assert 'href="maps/c/"' in shown
    assert shown.count('class="number">3.9<') == 1  # of a row without figures, from its table
