"""Every rule: its row in docs/rules.md, and a sample file whose lines say what is found there."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from netspec.backends.registry import REGISTRY
from netspec.compiler import check_spec
from netspec.diagnostics import Diagnostic, Report
from netspec.passes import resolve_and_check
from netspec.passes.context import Context
from netspec.passes.expectations import expectations
from netspec.spec.load import load
from netspec.spec.stacks import parts_of

ROOT = Path(__file__).parent.parent.parent
SAMPLES = sorted((ROOT / "tests" / "specs").glob("*.yaml"))
ROW = re.compile(r"^\| (NS\d{3}) \| (error|warning) \| (.+) \| (.+) \|$", re.MULTILINE)
#: Codes that no file can show with today's backends; their tests are elsewhere.
NOT_IN_A_FILE = {
    "NS901": "tests/conformance/test_every_backend.py",
    "NS942": "tests/unit/test_backends_cilium.py",
    "NS946": "tests/unit/test_backends_cilium.py",
    "NS903": "tests/conformance/test_seam_whole.py",
    "NS502": "test_an_expectation_that_kubernetes_leaves_open_is_a_warning",
}

RULES = {code: severity for code, severity, _, _ in ROW.findall((ROOT / "docs" / "rules.md").read_text())}


def marked(text: str) -> Counter[tuple[int, str]]:
    """The (line, code) that a sample's comments announce: `# expect: NS101, NS102`."""
    found: Counter[tuple[int, str]] = Counter()
    for number, line in enumerate(text.splitlines(), start=1):
        _, _, codes = line.partition("# expect: ")
        found.update((number, code) for code in re.findall(r"NS\d{3}", codes))
    return found


def findings(path: Path) -> tuple[Diagnostic, ...]:
    return check_spec(load(path), None, REGISTRY)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_a_sample_has_the_findings_that_its_lines_announce(path: Path) -> None:
    found = findings(path)
    at = Counter((d.position.line if d.position else 0, d.code) for d in found)
    assert at == marked(path.read_text()), "\n".join(d.render() for d in found)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_a_samples_name_says_how_bad_it_is(path: Path) -> None:
    severities = {d.severity.value for d in findings(path)}
    kind = path.stem.partition("-")[0]
    assert {"valid": severities == set(), "warning": severities == {"warning"}, "invalid": "error" in severities}[kind]


def test_severities_are_those_of_the_table() -> None:
    found = {(d.code, d.severity.value) for path in SAMPLES for d in findings(path)}
    assert found <= set(RULES.items())


def test_every_rule_has_a_sample() -> None:
    shown = {d.code for path in SAMPLES for d in findings(path)}
    assert RULES.keys() - shown == NOT_IN_A_FILE.keys()


def test_every_code_in_the_source_has_a_row() -> None:
    sources = [p for folder in ("netspec", "backends") for p in (ROOT / folder).rglob("*.py")]
    used = {code for path in sources for code in re.findall(r'"(NS\d{3})"', path.read_text())}
    assert used == RULES.keys()


def test_an_expectation_that_kubernetes_leaves_open_is_a_warning() -> None:
    """Whether a policy sees a host-network pod is open. A spec has no such pods yet; the IR does."""
    loaded = load(ROOT / "stacks" / "shop.yaml")
    assert loaded.spec is not None
    report = Report(loaded.source.locate)
    context = Context(loaded, report, "shop")
    ir = resolve_and_check(loaded, "shop", parts_of(loaded, "shop", REGISTRY)[0], Report())
    assert ir is not None
    on_host = tuple(replace(w, host_network=w.id == "shop/db") for w in ir.workloads)
    expectations(replace(ir, workloads=on_host), context)
    assert {(d.code, d.severity.value) for d in report.sorted()} >= {("NS502", "warning")}
    assert "NS502" in RULES
