"""What Jupyter shows, in a browser: a notebook is really executed, made a page, and read in headless Chromium."""

import os
from pathlib import Path
import re
import shutil

import pytest

pytestmark = pytest.mark.browser

CELLS = """
import sys
sys.path.insert(0, {here!r})
import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
from collector import report_of
mx.random.seed(0)
net = nn.HybridSequential()
net.add(nn.Conv2D(16, 3, in_channels=3), nn.BatchNorm(in_channels=16))
with net.name_scope():
    body = nn.HybridSequential()
    for _ in range(6):
        layer = nn.HybridSequential()
        layer.add(nn.Dense(16, in_units=16, activation='relu'), nn.LayerNorm(in_channels=16))
        body.add(layer)
    net.add(nn.GlobalAvgPool2D(), nn.Flatten(), body, nn.Dense(10, in_units=16), nn.Dense(4))
net.initialize(mx.init.Xavier())
with mx.autograd.record():
    loss = net(mx.nd.random.normal(shape=(8, 3, 8, 8))).square().sum()
loss.backward()
net[0].weight.data()[0, 0, 0, 0] = float('nan')
finding = ik.inspector.Finding
findings = [finding('nan', 'error', ('0.weight',), '1 of 432 values is NaN', 'lower the learning rate'),
            finding('zero_gradient', 'warning', ('4.0.0.bias',), 'its gradient is 0', 'look at the activation'),
            finding('unfrozen', 'info', ('6.bias',), 'lr_mult is 0', 'set grad_req to null')]
---
report_of(net, stats=True, grads=True, findings=findings)
---
report_of(net)['4.0.0.weight']
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of an executed notebook, opened in light and dark."""
    import nbclient
    import nbconvert
    import nbformat

    here = str(Path(__file__).parent)
    cells = [nbformat.v4.new_code_cell(text.strip()) for text in CELLS.format(here=here).split("\n---\n")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(Path.cwd())}}).execute()
    html, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    path = tmp_path_factory.mktemp("page") / "notebook.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync",
                 "disable-background-networking", "disable-component-update", "window-size=1200,1000",
                 f"user-data-dir={tmp_path_factory.mktemp('profile')}"):  # fmt: skip
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture()
def chromium(browser, request):
    """The browser, as a reader with a light or dark setting has it."""
    features = [{"name": "prefers-color-scheme", "value": getattr(request, "param", "light")}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    return browser


def find(driver, css):
    from selenium.webdriver.common.by import By

    return driver.find_elements(By.CSS_SELECTOR, css)


def block(driver, label):
    """The `<details>` of a block, by the first word of its row."""
    (found,) = [each for each in find(driver, ".ik-tree details") if each.text.split("\n")[0].split(" ")[0] == label]
    return found


def colour(driver, css, what):
    return driver.execute_script(
        "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]", css, what
    )


def keep(driver, name):
    """Where a folder for them is named, a picture to look at."""
    folder = os.environ.get("GLUON_INITKIT_SCREENSHOTS")
    if folder:
        driver.save_screenshot(str(Path(folder) / f"{name}.png"))


def test_a_block_unfolds_on_a_click(page, chromium):
    chromium.get(page.as_uri())
    details = block(chromium, "0")
    (row,) = [each for each in find(details, ".ik-row") if "weight" in (each.get_attribute("textContent"))]
    assert details.get_attribute("open") is None and not row.is_displayed()
    find(details, "summary")[0].click()
    assert details.get_attribute("open") and row.is_displayed()
    assert "(16, 3, 3, 3)" in row.text and "432" in row.text and "error" in row.text
    keep(chromium, "unfolded")
    find(details, "summary")[0].click()
    assert not row.is_displayed()


def test_blocks_unfold_by_keyboard(page, chromium):
    from selenium.webdriver.common.keys import Keys

    chromium.get(page.as_uri())
    details = block(chromium, "1")
    find(details, "summary")[0].send_keys(Keys.ENTER)
    assert details.get_attribute("open")


def test_identical_blocks_stand_under_one(page, chromium):
    chromium.get(page.as_uri())
    outer = block(chromium, "4")
    find(outer, "summary")[0].click()
    twins = block(chromium, "{0..5}")
    assert "HybridSequential x6" in twins.text and "1,824" in twins.text
    find(twins, "summary")[0].click()
    assert [each.text.split(" ")[0] for each in find(twins, ":scope > details > summary")] == list("012345")
    keep(chromium, "twins")


def test_numbers_stand_under_each_other_at_every_depth(page, chromium):
    chromium.get(page.as_uri())
    for each in find(chromium, ".ik-tree details"):
        chromium.execute_script("arguments[0].open = true", each)
    rows = find(chromium, ".ik-tree .ik-row")
    assert len(rows) > 50
    script = "return [...arguments[0].children].map(cell => Math.round(cell.getBoundingClientRect().right)).join()"
    assert len({chromium.execute_script(script, row) for row in rows}) == 1


def test_histograms_have_bars_and_say_what_they_show(page, chromium):
    chromium.get(page.as_uri())
    find(block(chromium, "0"), "summary")[0].click()
    svg = next(each for each in find(chromium, ".ik-tree svg") if each.is_displayed())
    title = find(svg, "title")[0].get_attribute("textContent")
    assert title.startswith("0.weight: 431 values from -0.1") and svg.get_attribute("role") == "img"
    path = find(svg, "path:last-of-type")[0]
    assert path.rect["width"] > 100 and 15 < path.rect["height"] <= 21


def test_nothing_comes_from_a_network_and_no_script_runs(page):
    text = page.read_text(encoding="utf-8")
    trees = text.split('<div class="ik-tree"')[1:]
    assert len(trees) == 1
    tree = trees[0].split("</details></div>")[0]
    assert "<script" not in tree and "http" not in tree and "@import" not in tree and "url(" not in tree


@pytest.mark.parametrize("chromium", ["light", "dark"], indirect=True)
def test_in_a_notebook_the_colours_are_the_notebooks(page, chromium, request):
    chromium.get(page.as_uri())
    find(block(chromium, "0"), "summary")[0].click()
    keep(chromium, f"notebook-{request.node.callspec.params['chromium']}")
    # The page of nbconvert is light whatever the reader's setting, and says so through Jupyter's variables.
    assert luminance(colour(chromium, ".ik-tree", "color")) < 0.3


@pytest.mark.parametrize("chromium", ["light", "dark"], indirect=True)
def test_a_page_of_its_own_follows_light_and_dark(page, chromium, tmp_path, request):
    from collector import report_of
    import gluon_initkit as ik
    from mxnet.gluon import nn

    net = nn.HybridSequential()
    net.add(nn.Dense(8, in_units=4), nn.BatchNorm(in_channels=8), nn.Dense(2))
    net.initialize()
    finding = ik.inspector.Finding("nan", "error", ("0.weight",), "1 of 32 values is NaN", "lower the learning rate")
    path = tmp_path / "report.html"
    path.write_text(report_of(net, stats=True, findings=(finding,)).to_html(), encoding="utf-8")
    chromium.get(path.as_uri())
    keep(chromium, f"page-{request.node.callspec.params['chromium']}")
    dark = request.node.callspec.params["chromium"] == "dark"
    background = chromium.execute_script("return matchMedia('(prefers-color-scheme: dark)').matches")
    assert background == dark
    for css in (".ik-tree", ".ik-error", ".ik-remark"):
        assert (luminance(colour(chromium, css, "color")) > 0.5) == dark, css
    assert find(chromium, "details[open]") and find(chromium, ".ik-row")[2].is_displayed()  # so few are all unfolded


def luminance(colour):
    """How bright, from 0 to 1."""
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 765
