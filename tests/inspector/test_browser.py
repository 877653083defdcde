"""What Jupyter shows, in a browser: a notebook is really executed, made a page, and read in headless Chromium."""

import base64
import io
import os
from pathlib import Path
import re
import shutil

import networks
import pytest

pytestmark = pytest.mark.browser

CELLS = """
import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
net = nn.HybridSequential()
net.add(nn.Conv2D(16, 3, in_channels=3), nn.BatchNorm(in_channels=16))
with net.name_scope():
    body = nn.HybridSequential()
    for _ in range(6):
        layer = nn.HybridSequential()
        layer.add(nn.Dense(16, in_units=16, activation='relu'), nn.LayerNorm(in_channels=16))
        body.add(layer)
    net.add(nn.GlobalAvgPool2D(), nn.Flatten(), body, nn.Dense(10, in_units=16), nn.Dense(4, in_units=10), nn.Dense(2))
ik.initialize(net, mx.init.Xavier(), seed=0)
trainer = mx.gluon.Trainer(net[:7].collect_params(), 'sgd')
with mx.autograd.record():
    loss = net[:7](mx.nd.arange(8 * 3 * 8 * 8).reshape((8, 3, 8, 8)) / 500).square().sum()
loss.backward()
net[0].weight.data()[0, 0, 0, 0] = float('nan')
---
ik.inspect(net, stats='full', grads=True, trainer=trainer)
---
ik.inspect(net, stats='full')['4.0.0.weight']
---
resnet = mx.gluon.model_zoo.vision.resnet18_v1()
ik.initialize(resnet, mx.init.Xavier(), seed=0)
ik.materialize(resnet, (1, 3, 32, 32))
report = ik.inspect(resnet, stats='full')
report
---
report['features.5']
---
ik.plan(nn.Dense(2, in_units=2), ik.Rules([('bias', 1)], default=mx.init.One()))
"""


@pytest.fixture(scope="module")
def executed():
    """A notebook whose cells a kernel has really run."""
    import nbclient
    import nbformat

    cells = [nbformat.v4.new_code_cell(text.strip()) for text in CELLS.split("\n---\n")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(Path.cwd())}}).execute()
    return notebook


def page_of(executed, theme, folder):
    import nbconvert

    html, _ = nbconvert.HTMLExporter(theme=theme).from_notebook_node(executed)
    path = folder / f"{theme}.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def page(executed, tmp_path_factory):
    """The notebook as a page, in Jupyter's light theme."""
    return page_of(executed, "light", tmp_path_factory.mktemp("page"))


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


def block(driver, path, tree=0):
    """The `<details>` of a block, by its path, in one of the page's trees."""
    (found,) = find(find(driver, ".ik-tree")[tree], f"details:has(> summary > .ik-label[title='{path}'])")
    return found


def unfold(driver, path, tree=0):
    """The same, unfolded by clicks, as far as it is not."""
    parts = path.split(".")
    for depth in range(1, len(parts) + 1):
        for label in find(find(driver, ".ik-tree")[tree], f".ik-label[title='{'.'.join(parts[:depth])}']"):
            details = label.find_element("xpath", "./ancestor::details[1]")
            if not details.get_attribute("open"):
                find(details, "summary")[0].click()
    return block(driver, path, tree)


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
    assert details.get_attribute("open") and row.is_displayed()  # where something was found
    assert "(16, 3, 3, 3)" in row.text and "432" in row.text and "error" in row.text
    keep(chromium, "unfolded")
    for shown in (False, True):
        find(details, "summary")[0].click()
        assert row.is_displayed() == shown


def test_blocks_unfold_by_keyboard(page, chromium):
    from selenium.webdriver.common.keys import Keys

    chromium.get(page.as_uri())
    details = block(chromium, "1")
    was_open = details.get_attribute("open")
    find(details, "summary")[0].send_keys(Keys.ENTER)
    assert details.get_attribute("open") != was_open


def test_identical_blocks_stand_under_one(page, chromium):
    chromium.get(page.as_uri())
    twins = unfold(chromium, "4.{0..5}")
    assert "HybridSequential x6" in twins.text and "1,824" in twins.text
    assert [each.text.split(" ")[0] for each in find(twins, ":scope > details > summary")] == list("012345")
    keep(chromium, "twins")


def test_numbers_stand_under_each_other_at_every_depth(page, chromium):
    chromium.get(page.as_uri())
    chromium.execute_script("document.querySelectorAll('.ik-tree details').forEach(each => each.open = true)")
    rows = find(find(chromium, ".ik-tree")[0], ".ik-row")
    assert len(rows) > 50
    assert rows[-1].text.split()[:2] == ["total", "≥2,552"] and rows[-1].rect["height"] < 30  # on one line
    script = "return [...arguments[0].children].map(cell => Math.round(cell.getBoundingClientRect().right)).join()"
    assert len({chromium.execute_script(script, row) for row in rows}) == 1


def test_histograms_have_bars_and_say_what_they_show(page, chromium):
    chromium.get(page.as_uri())
    svg = next(each for each in find(block(chromium, "0"), "div svg") if each.is_displayed())
    title = find(svg, "title")[0].get_attribute("textContent")
    assert title.startswith("0.weight: 431 values from -0.1") and svg.get_attribute("role") == "img"
    path = find(svg, "path:last-of-type")[0]
    assert path.rect["width"] > 100 and 15 < path.rect["height"] <= 21


def test_a_real_network_unfolds_down_to_its_values(page, chromium):
    chromium.get(page.as_uri())
    features = block(chromium, "features", tree=2)
    path = "features.5.0.body.0.weight"
    row = next(each for each in find(features, ".ik-label") if each.get_attribute("title") == path)
    assert not row.is_displayed()
    body = unfold(chromium, "features.5.0.body", tree=2)
    assert row.is_displayed() and "(128, 64, 3, 3)" in find(body, "div.ik-row")[0].text
    keep(chromium, "resnet18")


def test_a_part_of_a_network_and_a_parameter_have_pages_of_their_own(page, chromium):
    chromium.get(page.as_uri())
    titles = [each.text for each in find(chromium, ".ik-tree .ik-title")]
    assert titles[2].startswith("ResNetV1 · float32") and titles[3].startswith("features.5 (HybridSequential)")
    assert titles[1] == "Parameter 4.0.0.weight (shape=(16, 16), dtype=float32)"
    facts = find(chromium, ".ik-tree")[1]
    assert "(16, 16)" in facts.text and find(facts, "svg")
    chromium.execute_script("arguments[0].scrollIntoView()", facts)
    keep(chromium, "parameter")


def test_in_a_plan_the_rows_that_differ_stand_out(page, chromium):
    chromium.get(page.as_uri())
    tree = find(chromium, ".ik-tree")[4]
    (title,) = find(tree, ".ik-title")
    assert title.text.startswith("Plan of Rules([('bias', Constant(value=1.0))], default=One()): 1 of 2 parameters")
    weight, bias = (find(tree, f".ik-label[title='{path}']")[0] for path in ("weight", "bias"))
    marks = [each.value_of_css_property("background-image") for each in (weight, bias)]
    assert marks[0] == "none" and "gradient" in marks[1] and "differs from plain MXNet" in tree.text


def test_a_filter_shows_what_it_names_and_everything_unfolds(chromium, tmp_path):
    networks.small().to_html(tmp_path / "report.html")
    chromium.get((tmp_path / "report.html").as_uri())

    def seen():
        return [each.text.split()[0] for each in find(chromium, "details > div.ik-row") if each.is_displayed()]

    everything = seen()
    unfold, fold = find(chromium, ".ik-bar button")
    fold.click()
    assert not seen() and [each.text for each in (unfold, fold)] == ["unfold all", "fold all"]
    unfold.click()
    assert seen() == everything and len(everything) == 8
    (field,) = find(chromium, ".ik-bar input")
    field.send_keys("1.running")
    assert seen() == ["running_mean", "running_var"]
    for _ in "1.running":
        field.send_keys("\b")
    assert seen() == everything


def test_nothing_comes_from_a_network(executed):
    trees = [output["data"]["text/html"] for cell in executed.cells for output in cell.outputs]
    assert len(trees) == 5 and all("text/plain" in output["data"] for output in executed.cells[1].outputs)
    for tree in trees:
        assert " src=" not in tree and "http" not in tree and "@import" not in tree and "url(" not in tree


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("chromium", ["light", "dark"], indirect=True)
def test_in_a_notebook_the_colours_are_the_notebooks(executed, chromium, theme, tmp_path, request):
    """A page of nbconvert has its theme whatever the reader's setting, and says so through Jupyter's variables."""
    chromium.get(page_of(executed, theme, tmp_path).as_uri())
    keep(chromium, f"notebook-{theme}-read-in-{request.node.callspec.params['chromium']}")
    for css in (".ik-tree", ".ik-error", ".ik-warning", ".ik-remark"):
        assert contrast(chromium, css) > 3, css
    assert (luminance(colour(chromium, ".ik-tree", "color")) > 0.5) == (theme == "dark")


def test_in_a_narrow_window_a_tree_scrolls_and_names_stay(page, chromium):
    chromium.get(page.as_uri())
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                             {"width": 480, "height": 900, "deviceScaleFactor": 1, "mobile": False})  # fmt: skip
    try:
        tree = find(chromium, ".ik-tree")[0]
        (scroll,), label = find(tree, ".ik-scroll"), find(tree, ".ik-label")[0]
        before = label.rect["x"]
        assert scroll.rect["width"] < 480 and tree.rect["x"] + tree.rect["width"] <= 480
        keep(chromium, "narrow")
        chromium.execute_script("arguments[0].scrollLeft = 300", scroll)
        assert chromium.execute_script("return arguments[0].scrollLeft", scroll) == 300
        assert label.rect["x"] == before
        keep(chromium, "narrow-scrolled")
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("chromium", ["light", "dark"], indirect=True)
def test_a_page_of_its_own_follows_light_and_dark(chromium, tmp_path, request):
    path = tmp_path / "report.html"
    path.write_text(networks.small().to_html(), encoding="utf-8")
    chromium.get(path.as_uri())
    keep(chromium, f"page-{request.node.callspec.params['chromium']}")
    dark = request.node.callspec.params["chromium"] == "dark"
    for css in (".ik-tree", ".ik-error", ".ik-remark"):
        assert (luminance(colour(chromium, css, "color")) > 0.5) == dark, css
        assert contrast(chromium, css) > 4, css
    assert find(chromium, "details[open]") and find(chromium, ".ik-row")[2].is_displayed()  # so few are all unfolded


def test_the_picture_in_the_readme(chromium, tmp_path):
    """Shows what it is there to show. To take it again, with a proportional font such as Inter as `system-ui`:

    GLUON_INITKIT_SCREENSHOTS=notebooks pytest tests/inspector/test_browser.py -k picture
    """
    path = tmp_path / "report.html"
    path.write_text(networks.pictured().to_html(), encoding="utf-8")
    chromium.get(path.as_uri())
    unfolded = ["layers", "layers.1", "layers.1.norm", "layers.1.up", "layers.1.down"]
    seen = chromium.execute_script(
        """for (const each of document.querySelectorAll('details'))
            each.open = arguments[0].includes(each.querySelector('.ik-label').title);
        const text = cell => cell.querySelector('svg') ? 'svg' : cell.innerText;
        return [...document.querySelectorAll('.ik-row')].filter(each => each.checkVisibility())
            .map(each => [...each.children].map(text).join('|'))""",
        unfolded,
    )
    assert len(seen) == 17 and sum(each.endswith("|svg") for each in seen) == 8
    assert any(each.startswith("embedding.weight = decoder.weight|(200, 32)|initialized|6,400|") for each in seen)
    assert any(re.match(r"weight ● error\|\(32, 128\)\|initialized\|4,096\|.*\|1\|svg", each) for each in seen)
    assert any(each.startswith("value.weight|(1, ?)|deferred|?|") for each in seen)
    assert find(chromium, ".ik-error")[0].text.startswith("error [nan] layers.1.down.weight: 1 of 4,096 values is NaN")
    crop(chromium, ".ik-tree", 985, "inspect")
    stored = Path(__file__).parents[2] / "notebooks" / "inspect.png"
    assert stored.stat().st_size < 150_000 and int.from_bytes(stored.read_bytes()[16:20], "big") == 2 * 985


def crop(driver, css, width, name):
    """Like `keep`, of one element on a page of this width, for a screen of twice as many dots, in few bytes."""
    from PIL import Image

    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": 1000, "deviceScaleFactor": 2, "mobile": False})  # fmt: skip
    try:
        below = find(driver, css)[0].rect
        clip = {"x": 0, "y": 0, "width": width, "height": below["y"] + below["height"] + 6, "scale": 1}
        taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    folder = os.environ.get("GLUON_INITKIT_SCREENSHOTS")
    if folder:
        picture = Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")
        picture.quantize(128, dither=Image.Dither.NONE).save(Path(folder) / f"{name}.png", optimize=True)


def contrast(driver, css):
    """As WCAG measures it: 21 for black on white, 1 for nothing to see."""
    back = driver.execute_script(
        """let each = document.querySelector(arguments[0]), seen;
        do { seen = getComputedStyle(each).backgroundColor; each = each.parentElement; }
        while (each && seen.endsWith(', 0)'));
        const dark = matchMedia('(prefers-color-scheme: dark)').matches;  // Chromium's own page: #121212 or white
        return seen.endsWith(', 0)') ? (dark ? 'rgb(18, 18, 18)' : 'rgb(255, 255, 255)') : seen;""",
        css,
    )
    one, other = sorted((relative(colour(driver, css, "color")), relative(back)))
    return (other + 0.05) / (one + 0.05)


def relative(colour):
    """The relative luminance of a colour."""
    parts = [int(each) / 255 for each in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def luminance(colour):
    """How bright, from 0 to 1."""
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 765
