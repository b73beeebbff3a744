"""The pages as people use them: by mouse and by keyboard, in both themes, on paper."""

import re
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from browser_support import BOUTIQUE, Written, spec_of
from chromium import Browser, Page
from test_verify_report import VOID, run

from netspec.verify.model import Canary, Run, Status
from netspec.verify.report.page import as_html

Open = Callable[..., Page]


@pytest.fixture
def explore(browser: Browser, written: Written) -> Page:
    return browser.page(written("matrix", BOUTIQUE, "--stack", "dev", "--output", "html"))


@pytest.fixture
def report(browser: Browser, tmp_path: Path) -> Open:
    def opened(of: Run) -> Page:
        path = tmp_path / "report.html"
        path.write_text(as_html(of), encoding="utf-8")
        return browser.page(path)

    return opened


def focused(page: Page) -> str:
    """What the keyboard is at: its label or its text."""
    found: str = page.js("(e => e.getAttribute('aria-label') || e.textContent)(document.activeElement)")
    return found


def test_a_filter_leaves_the_rows_that_it_names(explore: Page) -> None:
    assert len(explore.texts(".list tbody tr")) == 33
    explore.click("#from")
    explore.write("checkout")
    assert explore.texts("#count") == ["7 of 33 rows, 15 peers"]
    rows = explore.texts(".list tbody tr")
    assert len(rows) == 7 and all(row.startswith("boutique/checkout") for row in rows)
    explore.click("#to")
    explore.write("coredns")
    assert explore.texts(".list tbody tr td:nth-child(3)") == ["TCP 53; UDP 53"]
    assert (explore.errors, explore.requests) == ([], [])


def test_a_table_is_sorted_by_its_headings(explore: Page) -> None:
    explore.js("document.querySelector('.list th:nth-child(2) button').focus()")
    explore.press("Enter")
    ends = explore.texts(".list td:nth-child(2)")
    assert ends == sorted(ends) and focused(explore) == "destination"
    explore.press("Enter")
    assert explore.texts(".list td:nth-child(2)")[0] == "kube-system/coredns"
    assert explore.js("document.querySelector('.list th:nth-child(2)').getAttribute('aria-sort')") == "descending"


def test_views_are_switched_by_mouse_and_by_keyboard(explore: Page) -> None:
    selected = "[...document.querySelectorAll('[role=tab][aria-selected=true]')].map(t => t.textContent)"
    explore.click("#tab-Matrix")
    assert explore.js(selected) == ["Matrix"] and len(explore.texts(".grid td")) == 15 * 15
    explore.press("ArrowRight")
    assert explore.js(selected) == ["Graph"] and explore.texts(".picture .card") and not explore.texts(".grid td")
    explore.press("ArrowRight")
    assert explore.js(selected) == ["Table"] and explore.texts(".list tr")
    # One stop of the Tab key for all three.
    assert explore.js("document.querySelectorAll('[role=tab][tabindex=\"0\"]').length") == 1


def test_a_cell_shows_its_rows_and_leads_to_them(explore: Page) -> None:
    explore.click("#tab-Matrix")
    explore.click('[aria-label="boutique/frontend \u2192 boutique/cart: TCP 7070"]')
    assert explore.texts("#detail strong") == ["boutique/frontend \u2192 boutique/cart"]
    assert explore.texts("#detail li") == ["boutique/frontend \u2192 boutique/cart: TCP 7070"]
    explore.click("#detail button")
    assert [row.split() for row in explore.texts(".list tbody tr")] == [
        ["boutique/frontend", "boutique/cart", "TCP", "7070"]
    ]


def test_a_matrix_by_keyboard(explore: Page) -> None:
    explore.click("#tab-Matrix")
    explore.press("Tab")
    # Addresses are first; each reaches what a cell to its right says.
    assert focused(explore).startswith("external:0")
    explore.press("End")
    assert focused(explore) == "external:0 (0.0.0.0-10.95.255.255 and 2 more) \u2192 kube-system/coredns: all"
    explore.press("ArrowDown", "ArrowDown")
    assert focused(explore) == "boutique/ad \u2192 kube-system/coredns: TCP 53; UDP 53"
    explore.press("ArrowLeft")
    assert focused(explore) == "boutique/ad \u2192 boutique/shipping: none"
    explore.press("ArrowRight", "Enter")
    assert explore.texts("#detail li") == ["boutique/ad \u2192 kube-system/coredns: TCP 53; UDP 53"]
    assert explore.js("document.querySelectorAll('.grid [aria-selected=true]').length") == 1
    explore.press("Escape")
    assert explore.texts("#detail") == [] and explore.js("document.activeElement.tagName") == "TD"


def test_a_graph_by_keyboard(explore: Page) -> None:
    explore.click("#tab-Graph")
    explore.js("[...document.querySelectorAll('.card')].find(c => c.dataset.node == 'boutique/frontend').focus()")
    explore.press("ArrowRight")
    assert focused(explore) == "boutique/checkout"
    explore.press("Enter")
    rows = explore.texts("#detail li")
    assert len(rows) == 8 and all("boutique/checkout" in row for row in rows)
    lit = "[...document.querySelectorAll('.card:not(.dim)')].map(c => c.dataset.node)"
    assert "boutique/payment" in explore.js(lit) and "boutique/redis-cart" not in explore.js(lit)
    # The line that stands for all of the namespace's questions to DNS is lit, others are not.
    ways = "[...document.querySelectorAll('[data-way]:not(.dim) title')].map(t => t.textContent)"
    assert any(t.startswith("each of boutique") for t in explore.js(ways))
    assert not any("redis" in t for t in explore.js(ways))
    explore.press("Escape")
    assert len(explore.js(lit)) == 15 and explore.texts("#detail") == []


def test_a_large_page(browser: Browser, written: Written, tmp_path: Path) -> None:
    """200 peers: pixels with a cursor, and a graph of sums in which a name shows its own rows."""
    path = tmp_path / "big.yaml"
    path.write_text(yaml.safe_dump(spec_of(200, 10, 3)), encoding="utf-8")
    page = browser.page(written("matrix", str(path), "--stack", "dev", "--output", "html"))
    page.js("document.querySelector('#pixels').focus()")
    page.press("ArrowUp", "ArrowRight", "Enter")
    assert page.texts("#detail li") == ["external:0 (0.0.0.0-255.255.255.255) \u2192 kube-system/coredns: all"]
    page.press("End", "Enter")
    assert page.texts("#detail strong")[0].endswith("\u2192 team-9/service-99") and page.texts("#detail li") == [
        "no rows"
    ]
    page.press("Escape")
    assert page.texts("#detail") == []
    page.click("#tab-Graph")
    page.js("[...document.querySelectorAll('.card')].find(c => c.dataset.node == 'team-3/service-3').focus()")
    page.press("Enter")
    rows = page.texts("#detail li")
    assert rows and all("team-3/service-3 " in row.replace(":", " ") for row in rows)
    assert page.js("document.querySelectorAll('#over path').length") == len(rows)
    assert (page.errors, page.requests) == ([], [])


def test_a_report_by_mouse(report: Open) -> None:
    page = report(run(odd=Status.WRONG))
    page.click("td.wrong")
    rows = page.texts("#probes tr")  # by pod, and through the Service
    assert "shop/api \u2192 shop/web:8080/TCP" in rows[0] and rows[0].startswith("wrong") and len(rows) == 2
    assert page.texts("#shown")[0].startswith("2 of ")
    page.click("td.wrong")  # again: all
    every = len(page.texts("#probes tr"))
    page.click("button.pass")
    assert len(page.texts("#probes tr")) == 1 < every
    assert (page.errors, page.requests) == ([], [])


def test_a_report_by_keyboard(report: Open) -> None:
    page = report(run(odd=Status.WRONG))
    for _ in range(20):
        page.press("Tab")
        if page.js("document.activeElement.getAttribute('role')") == "gridcell":
            break
    before = page.js("document.activeElement.dataset.pick")
    assert before == "shop/api \u2192 kube-system/coredns:"
    page.press("ArrowRight")  # over what was not asked
    assert page.js("document.activeElement.dataset.pick") == "shop/api \u2192 shop/web:"
    page.press("Enter")
    assert len(page.texts("#probes tr")) == 2
    page.press("Escape")
    assert len(page.texts("#probes tr")) > 1 and page.js("document.querySelector('#filter').value") == ""


#: Text that is hard to read: [contrast, text]. WCAG 2: 4.5 for text (1.4.3).
FAINT = """(() => {
  const lum = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const rgb = text => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const ground = e => {
    const colour = rgb(getComputedStyle(e).backgroundColor);
    return colour.length < 4 || colour[3] ? colour : e.parentElement ? ground(e.parentElement) : [255, 255, 255];
  };
  const svgGround = t => rgb(getComputedStyle(t.parentNode.querySelector(':scope > rect') ||
    (t.closest('.head') ? document.querySelector('.box rect') : document.querySelector('.ground'))).fill);
  const out = [];
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility() || ![...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())) continue;
    if (e.closest('script, style, title, option, .unseen')) continue;
    const svg = e.closest('svg'), style = getComputedStyle(e);
    const both = [lum(rgb(svg ? style.fill : style.color)), lum(svg ? svgGround(e) : ground(e))];
    const [a, b] = both.sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) out.push([Math.round(contrast * 10) / 10, e.textContent.slice(0, 40)]);
  }
  return out })()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_is_readable_in_either_theme(explore: Page, report: Open, scheme: str) -> None:
    for view in ("Table", "Matrix", "Graph"):
        explore.media(scheme)
        explore.click(f"#tab-{view}")
        assert explore.js(FAINT) == [], view
    for of in (run(odd=Status.WRONG), run(odd=Status.CHECK_FAILED), run(VOID), run(Canary(problem="no pods"))):
        page = report(of)
        page.media(scheme)
        assert page.js(FAINT) == [], of.answer
    ground = page.js("getComputedStyle(document.querySelector('.card')).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is (scheme == "light")


def pages_of(pdf: bytes) -> int:
    """How many sheets. Object streams are deflated."""
    parts = [pdf]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.S):
        try:
            parts.append(zlib.decompress(stream))
        except zlib.error:
            continue
    return sum(len(re.findall(rb"/Type\s*/Page\b(?!s)", part)) for part in parts)


def test_on_paper_everything_is_there_and_dark_on_white(explore: Page, report: Open) -> None:
    explore.media("dark", "print")
    assert explore.js(FAINT) == []
    assert explore.texts(".controls") == [] and len(explore.texts(".list tbody tr")) == 33
    page = report(run())
    page.media("dark", "print")
    assert page.texts(".controls") == [] and page.js(FAINT) == []
    assert page.js("getComputedStyle(document.body).color") == "rgb(28, 37, 48)"
    # A heading of the matrix is over its column, within the card.
    outside = """[...document.querySelectorAll('.matrix thead span')].filter(s => {
      const r = s.getBoundingClientRect(), c = s.closest('.card').getBoundingClientRect();
      const h = s.closest('thead').getBoundingClientRect();
      return r.left < c.left || r.right > c.right || r.top < c.top || r.bottom > h.bottom
    }).map(s => s.textContent)"""
    assert page.js("document.querySelectorAll('.matrix thead span').length") == 6 and page.js(outside) == []
    for printed in (explore, page):
        assert pages_of(printed.pdf()) >= 1
