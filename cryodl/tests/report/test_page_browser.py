"""The report's page in a real Chromium: python -m pytest -m browser."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv

import cryodl

pytestmark = pytest.mark.browser
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
# WebGL by software, since machines that run tests have no display
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
MEGABYTES = 15


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "out"
    cryodl.run_report(
        EXAMPLES / "emd_30342_zone.mrc.gz", model=EXAMPLES / "7cec_chain_A.cif.gz", claimed=3.9,
        output=out,
    )  # fmt: skip
    return out / "report.html"


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium: install it (Debian: chromium), or name one as CHROMIUM")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def opened(browser, page_file):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(180_000)  # on machines that are busy with much else
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append((message.type, message.text)))
    page.on("pageerror", lambda error: page.said.append(("error", str(error))))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(page_file.as_uri())
    page.wait_for_function("window.stage && stage.compList.every(c => c.reprList.length)")
    page.wait_for_timeout(1500)  # until it is drawn
    yield page
    page.close()


def picture(page, selector):
    from PIL import Image

    page.locator(selector).scroll_into_view_if_needed()
    return np.asarray(Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB"))


def test_no_error_no_network_and_not_too_large(opened, page_file):
    assert not [text for kind, text in opened.said if kind == "error"]
    assert all(url.startswith(("file:", "data:", "blob:")) for url in opened.asked), opened.asked
    assert [url for url in opened.asked if url.startswith("file:")] == [page_file.as_uri()]
    assert page_file.stat().st_size < MEGABYTES * 2**20


def test_the_map_is_drawn_in_colours_and_turns_by_keys(opened):
    before = picture(opened, "#view").astype(int)
    coloured = np.ptp(before, axis=2) > 20
    assert 0.05 < coloured.mean() < 0.9
    hues = rgb_to_hsv(before[coloured] / 255)[:, 0]
    assert np.ptp(np.percentile(hues, (5, 95))) > 0.1  # of the key, not of one colour in the light
    opened.locator("#view").focus()
    for _ in range(5):
        opened.keyboard.press("ArrowRight")
    opened.wait_for_timeout(1000)
    assert np.abs(picture(opened, "#view").astype(int) - before).mean() > 3


def test_the_slider_and_its_keys_move_the_slice(opened):
    place, first = opened.locator("#place").inner_text(), picture(opened, "#slice").astype(int)
    opened.locator("#slider").focus()
    for _ in range(6):
        opened.keyboard.press("ArrowRight")
    assert opened.locator("#place").inner_text() != place
    assert np.abs(picture(opened, "#slice").astype(int) - first).mean() > 1
    opened.get_by_role("button", name="x", exact=True).click()
    assert opened.locator("#place").inner_text().startswith("x = ")
    assert opened.locator("button[aria-pressed=true]").inner_text() == "x"


@pytest.mark.parametrize("width", [1280, 400])
def test_it_fits_its_window_and_prints(opened, width, tmp_path):
    opened.set_viewport_size({"width": width, "height": 800})
    opened.wait_for_timeout(500)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    opened.screenshot(path=str(tmp_path / "page.png"), full_page=True)
    for image in opened.locator("figure img").all():
        assert image.evaluate("i => i.id === 'still' || i.naturalWidth > 0")
    path = tmp_path / "page.pdf"
    opened.pdf(path=str(path), format="A4", print_background=True)
    held = path.read_bytes()
    assert held[:5] == b"%PDF-" and held.count(b"/Type /Page\n") >= 2 and len(held) > 100_000
    opened.emulate_media(media="print")
    assert opened.locator("#still").is_visible() and not opened.locator("#view").is_visible()
