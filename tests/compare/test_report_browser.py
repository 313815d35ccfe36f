"""Uses the report in a headless Chromium, from a file, with mouse and keyboard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.compare.report_runs import ERROR, FRAMES, POINTS, write_runs
from vgmae_bench.compare.report import figures
from vgmae_bench.compare.report.page import page
from vgmae_bench.compare.selection import select_runs

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install -e '.[dev]'")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no Chromium with its driver: apt-get install chromium chromium-driver"
)

EVIL = "</script><img src=x onerror=hacked=1>"
COUNT = """
    const canvas = document.querySelector("canvas"), [red, green, blue] = arguments;
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let count = 0;
    for (let i = 0; i < pixels.length; i += 4)
      count += pixels[i] === red && pixels[i + 1] === green && pixels[i + 2] === blue;
    return count;"""
CORNER = "document.querySelector('canvas').getContext('2d').getImageData(2, 2, 1, 1).data[0]"
ORANGE, BLUE, WHITE = (0xE6, 0x9F, 0x00), (0x56, 0xB4, 0xE9), (255, 255, 255)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    # No sandbox: Chromium refuses to run as root with one, and the page is our own.
    for switch in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1280,900"):
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("report")
    write_runs(out, ("easy", EVIL), ("exact", "off", "also"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "SHOWN", ("clips",))
        (out / "report.html").write_text(page(select_runs(out), title=EVIL), encoding="utf-8")
    return (out / "report.html").as_uri()


class Shown:
    """The first player of a newly opened report."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def find(self, selector: str) -> Any:
        return self.browser.find_element("css selector", f".player {selector}")

    def press(self, selector: str, *keys: str) -> None:
        self.find(selector).send_keys(*keys)

    def count(self, colour: tuple[int, int, int]) -> int:
        return int(self.browser.execute_script(COUNT, *colour))

    @property
    def frame(self) -> str:
        return str(self.find(".frame").text)

    @property
    def readout(self) -> str:
        return str(self.find(".readout").text)

    @property
    def level(self) -> int:
        """The grey of the frame in a corner of the canvas."""
        return int(self.browser.execute_script(f"return {CORNER}"))

    @property
    def picture(self) -> str:
        return str(self.browser.execute_script("return document.querySelector('canvas').toDataURL()"))


@pytest.fixture
def player(browser: Any, report: str) -> Shown:
    browser.get(report)
    wait(browser, "return [...document.querySelectorAll('.frame')].every((frame) => frame.textContent)")
    return Shown(browser)


def wait(browser: Any, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60).until(lambda driver: driver.execute_script(script))


def test_the_page_loads_nothing_runs_no_foreign_script_and_logs_no_error(browser: Any, player: Shown) -> None:
    assert browser.execute_script("return typeof hacked") == "undefined"
    assert EVIL in browser.title
    assert player.find("h4").text == EVIL
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(name.startswith("data:") for name in loaded)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_the_slider_shows_frames_and_their_errors(browser: Any, player: Shown) -> None:
    from selenium.webdriver.common.keys import Keys

    assert player.frame == f"1 / {FRAMES}"
    assert f"error 0.0 px on {POINTS - 1} visible points" in player.readout
    assert f"error {ERROR:.1f} px" in player.readout
    player.press(".time", Keys.ARROW_RIGHT * 3)
    assert player.frame == f"4 / {FRAMES}"
    wait(browser, f"return {CORNER} > 50")
    assert abs(player.level - 60) <= 3
    player.press(".time", Keys.END)
    assert player.frame == f"{FRAMES} / {FRAMES}"
    # The last point has its query before this frame, and point 3 is hidden for both methods.
    assert f"on {POINTS - 1} visible points; visibility right on {POINTS} of {POINTS}" in player.readout


def test_layers_are_switched_by_boxes_and_by_keys(player: Shown) -> None:
    for key, box, colour in (("a", "first", ORANGE), ("b", "second", BLUE), ("g", "truth", WHITE)):
        assert player.count(colour) > 50
        player.find(f"[data-layer={box}]").click()
        assert player.count(colour) == 0
        player.press("canvas", key)
        assert player.count(colour) > 50
        assert player.find(f"[data-layer={box}]").is_selected()


def test_trails_and_error_lines(player: Shown) -> None:
    from selenium.webdriver.common.keys import Keys

    player.press("canvas", Keys.END)
    wait(player.browser, f"return {CORNER} > 150")
    pictures = [player.picture]
    for key in ("t", "e", "t", "e"):
        player.press("canvas", key)
        pictures.append(player.picture)
    assert len(set(pictures)) == 4
    assert pictures[0] == pictures[-1]


def test_play_and_pause(browser: Any, player: Shown) -> None:
    from selenium.webdriver.common.keys import Keys

    player.press("canvas", Keys.SPACE)
    assert player.find(".play").text == "Pause"
    wait(browser, f"return document.querySelector('.frame').textContent !== '1 / {FRAMES}'")
    player.find(".play").click()
    stopped = player.frame
    assert player.find(".play").text == "Play"
    browser.execute_async_script("setTimeout(arguments[0], 300)")
    assert player.frame == stopped
    player.press(".play", Keys.SPACE)  # a button's own key, not taken twice
    assert player.find(".play").text == "Pause"
    player.press("canvas", Keys.HOME)
    assert player.find(".play").text == "Play"
    assert player.frame == f"1 / {FRAMES}"


def test_any_two_methods_side_by_side(player: Shown) -> None:
    assert player.readout.splitlines()[1].startswith("off:")
    player.find("select.second option[value='2']").click()
    assert player.readout.splitlines()[1].startswith("also:")
    assert f"error {2 * ERROR:.1f} px" in player.readout


def test_points_are_switched_by_boxes_buttons_keys_and_clicks(browser: Any, player: Shown) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    player.find("details.points summary").click()
    player.find("[data-points=none]").click()
    assert player.count(ORANGE) == 0
    player.find("fieldset input").click()
    assert player.find(".count").text == f"1 of {POINTS}"
    player.find("[data-points=worst]").click()
    assert player.find(".count").text == f"8 of {POINTS}"
    player.find("[data-points=all]").click()
    player.press("canvas", "n", "n")
    assert player.find(".count").text == "only 1"
    player.press("canvas", "p", "p")
    assert player.find(".count").text == f"only {POINTS - 1}"
    player.press("canvas", Keys.ESCAPE)
    assert player.find(".count").text == f"{POINTS} of {POINTS}"
    canvas = player.find("canvas")
    scale, middle = canvas.rect["width"] / 256, canvas.rect["width"] / 2
    at = [round(value * scale - middle) for value in (90.0, 120.0)]  # point 5 in the first frame
    ActionChains(browser).move_to_element_with_offset(canvas, *at).click().perform()
    assert player.find(".count").text == "only 5"


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_needs_no_sideways_scrolling_and_focus_is_visible(browser: Any, report: str, dark: bool) -> None:
    from selenium.webdriver.common.keys import Keys

    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        browser.get(report)
        assert browser.execute_script("return document.documentElement.scrollWidth") == 390
        paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(20, 22, 26)" if dark else "rgb(255, 255, 255)")
        browser.find_element("css selector", "body").send_keys(Keys.TAB)
        outline = "return getComputedStyle(document.activeElement).outlineStyle"
        assert browser.execute_script(outline) == "solid"
        assert browser.execute_script("return document.activeElement.className") == "skip"
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def cells(browser: Any, column: int) -> list[str]:
    script = "return [...document.querySelectorAll('table.sortable tbody tr')].map((row) => row.cells[arguments[0]].innerText)"
    found: list[str] = browser.execute_script(f"{script}", column)
    return found[:3]  # the runs


def test_a_click_on_a_heading_sorts_and_another_turns_the_order_round(browser: Any, player: Shown) -> None:
    names = cells(browser, 0)
    assert [float(text.split()[0]) for text in cells(browser, 1)] == [60.0, 50.0, 40.0]
    heading = browser.find_elements("css selector", "table.sortable .sort")[1]
    for order, expected in (("descending", names), ("ascending", names[::-1]), ("descending", names)):
        heading.click()
        assert cells(browser, 0) == expected
        assert heading.find_element("xpath", "..").get_attribute("aria-sort") == order


def test_a_figure_opens_in_a_dialog_that_keys_leaf_through_and_close(browser: Any, player: Shown) -> None:
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    figures = browser.find_elements("css selector", ".enlarge")
    assert len(figures) >= 2
    sources = [figure.find_element("css selector", "img").get_attribute("src") for figure in figures]
    figures[0].send_keys(Keys.ENTER)
    dialog = browser.find_element("css selector", "dialog.large")
    shown = dialog.find_element("css selector", "img")
    assert dialog.get_attribute("open") is not None
    assert shown.get_attribute("src") == sources[0]
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert shown.get_attribute("src") == sources[1]
    browser.switch_to.active_element.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert shown.get_attribute("src") == sources[-1]
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert dialog.get_attribute("open") is None
    WebDriverWait(browser, 10).until(
        lambda _: browser.switch_to.active_element == figures[-1]
    )  # the event "close" comes later


def test_a_filter_leaves_methods_whose_names_fit(browser: Any, player: Shown) -> None:
    box = browser.find_element("css selector", ".filter")
    box.send_keys("A")  # "exact" and "also"
    offered = "return [...document.querySelector('select.first').options].filter((one) => !one.disabled).map((one) => one.text)"
    assert browser.execute_script(offered) == ["exact", "also"]
    assert browser.find_element("css selector", ".filtered").text == "2 of 3"
    assert [player.find(f"select.{slot} option:checked").text for slot in ("first", "second")] == ["exact", "also"]
    shown = [
        score.is_displayed() for score in browser.find_elements("css selector", ".player .scores [data-method]")[:3]
    ]
    assert shown == [True, False, True]
    box.clear()
    box.send_keys(" ")
    assert browser.execute_script(offered) == ["exact", "off", "also"]


def test_a_key_shows_the_next_method(browser: Any, player: Shown) -> None:
    first = player.find("select.first")
    seen = [first.get_attribute("value")]
    for _ in range(3):
        player.press("canvas", "[")
        seen.append(first.get_attribute("value"))
    assert seen == ["0", "1", "2", "0"]
