"""The graph, measured by the browser that draws it: every text is within the picture, none lies on another."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from browser_support import BOUTIQUE, Written, spec_of
from chromium import Browser, Page

#: [text, left, top, right, bottom] of each text, in the picture's own units.
TEXTS = """[...document.querySelectorAll('.picture text')].map(t => {
  const b = t.getBBox(); return [t.textContent, b.x, b.y, b.x + b.width, b.y + b.height] })"""
VIEW = "(() => { const v = document.querySelector('.picture').viewBox.baseVal; return [v.width, v.height] })()"
#: Texts that are wider than the ground they stand on: [text, its left, its right, ...].
SPILLED = """[...document.querySelectorAll('.picture .inlet, .picture .card, .picture .ways g:has(.tag)')].map(g => {
  const r = g.querySelector(':scope > rect').getBBox(), t = g.querySelector(':scope > text');
  const b = t.getBBox();
  return b.x >= r.x && b.x + b.width <= r.x + r.width && b.width > 0 ? null : t.textContent }).filter(Boolean)"""


def check(page: Page) -> list[list[Any]]:
    texts: list[list[Any]] = page.js(TEXTS)
    wide, high = page.js(VIEW)
    outside = [t for t in texts if t[1] < 0 or t[2] < 0 or t[3] > wide or t[4] > high]
    assert outside == []
    # As the eye sees it: the box of a text has room above and below its letters.
    boxes = [(t, t[1], t[2] + 2, t[3], t[4] - 2) for t in texts]
    overlapping = [
        (a[0], b[0])
        for i, a in enumerate(boxes)
        for b in boxes[i + 1 :]
        if a[1] < b[3] and b[1] < a[3] and a[2] < b[4] and b[2] < a[4]
    ]
    assert overlapping == []
    assert page.js(SPILLED) == []
    assert (page.errors, page.requests) == ([], [])
    return texts


@pytest.mark.parametrize("output", ["svg", "html"])
def test_the_boutique_is_drawn_whole(browser: Browser, written: Written, output: str) -> None:
    page = browser.page(written("matrix", BOUTIQUE, "--stack", "dev", "--output", output), "#Graph")
    texts = [t[0] for t in check(page)]
    assert {"frontend", "TCP 5050", "TCP 53; UDP 53", "kube-system"} <= set(texts)
    # Twelve workloads ask DNS, and one line from their box says so.
    titles = page.js("[...document.querySelectorAll('[data-way] title')].map(t => t.textContent)")
    assert "each of boutique (12) -> kube-system/coredns: TCP 53; UDP 53" in titles
    assert len([t for t in titles if t.endswith("kube-system/coredns: TCP 53; UDP 53")]) == 1


@pytest.mark.parametrize("namespaces", [1, 10, 40])
@pytest.mark.parametrize("output", ["svg", "html"])
def test_two_hundred_workloads(
    browser: Browser, written: Written, tmp_path: Path, output: str, namespaces: int
) -> None:
    path = tmp_path / "big.yaml"
    path.write_text(yaml.safe_dump(spec_of(200, namespaces, 3)), encoding="utf-8")
    page = browser.page(written("matrix", str(path), "--stack", "dev", "--output", output), "#Graph")
    texts = {t[0] for t in check(page)}
    assert {f"service-{i}" for i in range(200)} | {f"team-{i}" for i in range(namespaces)} <= texts


@pytest.mark.parametrize(
    "command",
    [
        ["explain", "boutique/frontend", "boutique/cart", "7070", BOUTIQUE, "--stack", "dev"],
        ["exposure", BOUTIQUE, "--stack", "dev"],
        ["lint", BOUTIQUE, "--stack", "dev"],
    ],
    ids=lambda words: words[0],
)
def test_the_pictures_of_other_commands(browser: Browser, written: Written, command: list[str]) -> None:
    """Their labels are sentences."""
    texts = check(browser.page(written(*command, "--output", "svg")))
    assert "frontend" in {t[0] for t in texts} or command[0] == "lint"


def test_names_as_long_as_kubernetes_takes_them(browser: Browser, written: Written, tmp_path: Path) -> None:
    """Wide letters too: a picture made for narrow ones would be cut off."""
    spec = spec_of(12, 3, 4)
    for number, workload in enumerate(spec["workloads"]):
        workload["name"] = f"{'mw' * 20}-{number}"
    spec["policies"] = []
    spec["namespaces"] = [{"name": n["name"]} for n in spec["namespaces"]]
    path = tmp_path / "long.yaml"
    path.write_text(json.dumps(spec), encoding="utf-8")
    check(browser.page(written("matrix", str(path), "--stack", "dev", "--output", "svg")))


def test_a_dark_theme_and_paper(browser: Browser, written: Written) -> None:
    page = browser.page(written("matrix", BOUTIQUE, "--stack", "dev", "--output", "svg"))
    fill = "getComputedStyle(document.querySelector('.picture .ground')).fill"
    assert page.js(fill) == "rgb(255, 255, 255)"
    page.media("dark")
    assert page.js(fill) == "rgb(18, 23, 29)"
    page.media("dark", "print")
    assert page.js(fill) == "rgb(255, 255, 255)"
