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


def test_answers_come_first_and_lists_stand_in_their_order():
    many = [f"figure{n}" for n in range(20)]
    lines = [{"interval.0": 4.0, "interval.1": i, "resolution_0.5": i, "resolution_0.143": i,
              "resolution": i, "class": "high", "model": "cnn",
              **dict.fromkeys(many, i)} for i in (5.0, 6.0)]  # fmt: skip
    assert interesting(lines)[:6] == ["class", "resolution", "resolution_0.143", "interval.0",
                                      "interval.1", "resolution_0.5"]  # fmt: skip


def test_the_page_loads_nothing(page):
    text = page.read_text("utf-8")
    assert set(re.findall(r"https?://[^\"' ]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(link|script src|img src=.http)", text)
    assert text.count("</script>") == 1


def test_a_title_may_hold_the_templates_marks(tmp_path):
    path = tmp_path / "summary.html"
    write_summary(path, LINES, "out@DATA@@FOOT@", "@TITLE@@DATA@")
    text = path.read_text("utf-8")
    assert text.count("<h1>out@DATA@@FOOT@</h1>") == text.count("<p>@TITLE@@DATA@</p>") == 1


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
    assert ">median (Å)<" in shown and ">seconds (s)<" in shown
    assert "1-3 of 3" in shown and "is <truncated>" in shown
    assert len(re.findall("<circle", shown)) == 2
    assert 'href="maps/c/"' in shown
    assert shown.count('class="number">3.9<') == 1  # of a row without figures, from its table


def test_why_a_row_failed_is_seen_in_a_window_of_1200_pixels(tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is installed")
    many = [f"probabilities.of_class_{n}" for n in range(20)]
    page = tmp_path / "summary.html"
    lines = [{**LINES[0], **dict.fromkeys(many, 0.5)}, {**LINES[1], "error": "no file " * 30},
             {**LINES[2], **dict.fromkeys(many, 0.7), "warnings": "is doubtful " * 18}]  # fmt: skip
    write_summary(page, lines, "a", "b")
    where = """<script>addEventListener("load", () => {document.title = [
        ...document.querySelectorAll("td.said")].map(cell => cell.getBoundingClientRect().right +
        ":" + (cell.firstChild.scrollHeight - cell.firstChild.clientHeight)).join(" ")})</script>"""
    page.write_text(page.read_text("utf-8").replace("</body>", where + "</body>"), "utf-8")
    call = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900",
            f"--user-data-dir={tmp_path}/profile", "--dump-dom", page.as_uri()]  # fmt: skip
    run = subprocess.run(call, text=True, capture_output=True, timeout=60)
    title, *_ = re.findall("<title>(.*)</title>", run.stdout)
    found = [tuple(map(float, each.split(":"))) for each in title.split()]
    assert len(found) == 2
    assert all(right < 1200 and hidden <= 0 for right, hidden in found), found
