"""The report in a real Chromium: it opens without an error, sorts, changes its colours, fits a phone, prints."""

import base64
import json
import shutil
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from tables_suite import record_of

from msaseg.report import __main__ as command
from msaseg.tables.plan import Plan
from msaseg.tables.spec import load_tables

pytestmark = pytest.mark.browser

A4 = 680  # px between the margins of a page
CLASSES = ["Sky", "Building"]
HOSTILE = "<i>pool</i> <script>1</script>"
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1280,900"),
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9pt" height="9pt"><style/><text>a</text></svg>'


def scored(number):
    scores = {"miou_pct": 40.0 + number, "iou_pct": dict.fromkeys(CLASSES, 30.0 + number)}
    series = {
        f"{part}/{name}": [[epoch, number + epoch] for epoch in range(1, 9)]
        for part in ("train", "val")
        for name in ("loss", "pixel_accuracy_pct")
    }
    near = {"miou_pct": 50.0, "frames": 9}
    return {"metrics": {"test": scores, "within_1s": near}, "history": series}


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """A page of every table, with all kinds of plots, a hostile label, a missing row and a picture."""
    folder = tmp_path_factory.mktemp("report")
    tables = load_tables()
    pooling = tables["pooling_sweep"]
    rows = {**pooling.rows, "pool2": replace(pooling.rows["pool2"], label=HOSTILE)}
    tables["pooling_sweep"] = replace(pooling, rows=rows)
    plan = Plan(folder)
    for table in tables.values():
        for number, point in enumerate(plan.points(table, "smoke", [0, 1])):
            if point.row != "pool1":
                record_of(point, 0.0, **scored(number)).save(point.path(plan.records("smoke")))
    figures = folder / "figures"
    figures.mkdir()
    picture = {"title": "Fig. 1: f", "caption": "f", "paper": "Fig. 1", "files": ["frame.svg"], "records": []}
    index = {"frame": {**picture, "frames": ["f"], "commit": None, "dirty": False}}
    (figures / "figures.json").write_text(json.dumps(index))
    (figures / "frame.svg").write_text(SVG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSASEG_OUTPUTS", str(folder))
        patch.setattr("msaseg.tables.results.load_tables", lambda: tables)
        assert command.main(["--protocol", "smoke"]) == 0
    return folder / "report.html"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("no chromium and chromedriver on PATH: apt-get install chromium chromium-driver")
    selenium = pytest.importorskip("selenium.webdriver")
    options = selenium.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = selenium.Chrome(options=options, service=selenium.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium, page):
    """The page, freshly opened in a window of a desk's size by someone who prefers light."""
    prefer(chromium, "light")
    size(chromium, 1280, 900)
    chromium.get(page.as_uri())
    chromium.execute_script("localStorage.clear()")
    reopen(chromium)
    chromium.get_log("browser")
    return chromium


def reopen(browser):
    """Load the page again and wait until its plots are drawn."""
    browser.refresh()
    script = """const done = arguments[0];
        const look = () => document.querySelector('.plot:not(:has(.main-svg))') ? setTimeout(look, 50) : done();
        look();"""
    browser.execute_async_script(script)


def prefer(browser, scheme):
    """Prefer a colour scheme, and no motion: a page that still scrolls has nothing to click at."""
    wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in wishes.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def size(browser, width, height):
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def column(browser, number):
    """Return what the column of Table 2's grid says, from top to bottom."""
    script = "return [...document.querySelectorAll('#pooling_sweep tbody')][0].rows.length"
    assert browser.execute_script(script) == 6
    cells = "[...document.querySelector('#pooling_sweep tbody').rows].map(row => row.cells[arguments[0]].innerText)"
    return [text.split("\n")[0].strip() for text in browser.execute_script(f"return {cells}", number)]


def head(browser, number):
    return browser.find_elements("css selector", "#pooling_sweep table:first-of-type thead button")[number]


def background(browser):
    return browser.execute_script("return getComputedStyle(document.body).backgroundColor")


def ink(browser):
    """Return the colour of the letters in the first plot."""
    return browser.execute_script("return getComputedStyle(document.querySelector('.plot .xtick text')).fill")


def test_page_opens_without_an_error_and_loads_nothing(browser):
    reopen(browser)
    assert browser.get_log("browser") == []
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []


def test_every_plot_is_drawn(browser):
    plots = "[...document.querySelectorAll('.plot')]"
    drawn = browser.execute_script(f"return {plots}.map(plot => plot.querySelector('svg.main-svg') !== null)")
    assert len(drawn) > 8
    assert all(drawn)
    kinds = browser.execute_script(f"return {plots}.flatMap(plot => plot.data.map(trace => trace.type))")
    assert {"bar", "scatter", "heatmap"} <= set(kinds)


def test_hostile_label_is_shown_as_it_is_in_table_and_plot(browser):
    assert column(browser, 0)[2] == HOSTILE
    ticks = browser.execute_script(
        "return [...document.querySelectorAll('#verdicts .xtick text')].map(tick => tick.textContent)"
    )
    assert HOSTILE.replace(" ", "") in [tick.replace(" ", "") for tick in ticks]


def test_press_on_a_head_sorts_and_what_is_missing_stays_last(browser):
    before = column(browser, 2)
    assert before[1] == "missing"
    numbers = sorted(float(text) for text in before if text != "missing")
    head(browser, 2).click()
    assert column(browser, 2) == [*(f"{number:.2f}" for number in numbers), "missing"]
    head(browser, 2).click()
    assert column(browser, 2) == [*(f"{number:.2f}" for number in reversed(numbers)), "missing"]
    heads = browser.find_elements("css selector", "#pooling_sweep table:first-of-type thead th")
    states = [each.get_attribute("aria-sort") for each in heads[1:3]]
    assert states == [None, "descending"]
    head(browser, 0).click()
    assert column(browser, 2) == before


def test_keyboard_sorts_too(browser):
    before = column(browser, 1)
    browser.execute_script("arguments[0].focus()", head(browser, 1))
    head(browser, 1).send_keys("\ue007")  # Enter
    head(browser, 1).send_keys("\ue007")
    assert column(browser, 1) == sorted(before, key=float, reverse=True)


def test_button_changes_the_colours_of_page_and_plots_and_is_remembered(browser):
    light = background(browser), ink(browser)
    browser.find_element("id", "theme").click()
    dark = background(browser), ink(browser)
    assert dark[0] != light[0]
    assert dark[1] != light[1]
    reopen(browser)
    assert (background(browser), ink(browser)) == dark
    browser.find_element("id", "theme").click()
    assert (background(browser), ink(browser)) == light


def test_page_follows_the_systems_colours_while_it_is_open(browser):
    light = background(browser), ink(browser)
    prefer(browser, "dark")
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert background(browser) != light[0]
    assert ink(browser) != light[1]
    assert browser.find_element("id", "theme").text == "Light"


def test_phone_scrolls_tables_in_their_place_and_the_page_never_sideways(browser):
    size(browser, 390, 844)
    reopen(browser)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    for fold in browser.find_elements("css selector", "main details"):
        browser.execute_script("arguments[0].open = true", fold)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    wider = "[...document.querySelectorAll('.scroll')].some(part => part.scrollWidth > part.clientWidth)"
    assert browser.execute_script(f"return {wider}")


def test_number_leads_to_its_run_whose_fold_opens(browser):
    link = browser.find_element("css selector", "#pooling_sweep a.origin")
    fold = browser.find_element("css selector", "#pooling_sweep details")
    assert not fold.get_property("open")
    link.click()
    browser.execute_async_script("setTimeout(arguments[0], 100)")
    assert fold.get_property("open")
    assert browser.execute_script("return document.querySelector(':target').tagName") == "TR"


def test_every_table_fits_a_printed_page(browser):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    size(browser, A4, 900)
    for fold in browser.find_elements("css selector", "main details"):
        browser.execute_script("arguments[0].open = true", fold)
    script = "return [...document.querySelectorAll('main table')].map(table => [table.textContent, table.scrollWidth])"
    widths = browser.execute_script(script)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert len(widths) > 8
    assert [(text[:80], width) for text, width in widths if width > A4] == []


def test_names_of_points_overlap_neither_each_other_nor_leave_the_plot(browser):
    script = """return [...document.querySelectorAll('#plots .plot')].map(plot => ({
        frame: plot.querySelector('.plot .bglayer, .nsewdrag').getBoundingClientRect(),
        names: [...plot.querySelectorAll('.annotation .annotation-text-g')].map(name => name.getBoundingClientRect()),
    }))"""
    for width in (390, 1280):
        size(browser, width, 900)
        reopen(browser)
        plots = browser.execute_script(script)
        assert sum(len(plot["names"]) for plot in plots) > 8
        for plot in plots:
            for one, other in combinations(plot["names"], 2):
                apart = one["right"] <= other["left"] or other["right"] <= one["left"]
                assert apart or one["bottom"] <= other["top"] or other["bottom"] <= one["top"]
            assert all(plot["frame"]["left"] <= name["left"] for name in plot["names"])
            assert all(name["right"] <= plot["frame"]["right"] for name in plot["names"])


def test_page_prints_with_its_folds_open_and_is_as_before_afterwards(browser):
    browser.find_element("id", "theme").click()
    dark = background(browser)
    seen = """
        window.seen = {};
        addEventListener('beforeprint', () => {
          window.seen.folds = document.querySelectorAll('main details:not([open])').length;
          window.seen.width = document.querySelector('.plot svg').getBoundingClientRect().width;
          window.seen.colour = getComputedStyle(document.body).backgroundColor;
        });
    """
    browser.execute_script(seen)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    seen = browser.execute_script("return window.seen")
    assert seen["folds"] == 0
    assert seen["width"] < 700
    assert seen["colour"] != dark
    assert browser.execute_script("return document.querySelectorAll('main details[open]').length") == 0
    assert background(browser) == dark
    assert browser.get_log("browser") == []
