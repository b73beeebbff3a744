"""What a run says to its readers."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from verify_support import STATE, ir

from netspec.diagnostics import Problem
from netspec.probes import FlowProbe, Outcome, PacketProbe
from netspec.probing import derive_probes
from netspec.verify.judge import Judge
from netspec.verify.model import Answer, Canary, CanaryCheck, Cause, Dial, Observation, Run, Status, explain
from netspec.verify.report import HTML, JSON, JUNIT, write_reports
from netspec.verify.report.data import as_json
from netspec.verify.report.junit import as_junit
from netspec.verify.report.matrix import lines, tables
from netspec.verify.report.page import as_html
from netspec.verify.report.terminal import as_lines, summary

GOOD = Canary((CanaryCheck("positive control", Outcome.CONNECTED, Outcome.CONNECTED, "", "w1", "w2"),))
VOID = Canary((CanaryCheck("denial by the server's policy", Outcome.TIMED_OUT, Outcome.CONNECTED, "", "w1", "w2"),))
PROBES = derive_probes(ir())
ODD = "flow:pod:shop/api->shop/web:8080/TCP"
ODD_SERVICE = "flow:cluster-ip:shop/api->shop/web:80/TCP"


def run(canary: Canary = GOOD, **statuses: Status) -> Run:
    """Every probe passes but those in `statuses` ("wrong", "failed", "seen" -> of ODD)."""
    judge = Judge(ir(), STATE, {})
    observations = []
    for probe in PROBES:
        if isinstance(probe, FlowProbe):
            seen = probe.expect or Outcome.CONNECTED
            observed = Observation(
                probe, Status.PASS, seen, "", "shop/api-2", (Dial("10.0.0.1:1", seen, True, 1.0, 2.0),)
            )
        elif isinstance(probe, PacketProbe):
            observed = Observation(probe, Status.PASS, probe.expect)
        else:
            observed = Observation(probe, Status.PASS, "as predicted")
        if probe.id == ODD and statuses.get("odd") is Status.WRONG:
            observed = Observation(probe, Status.WRONG, Outcome.TIMED_OUT, "<b>late</b>", "shop/api-2")
        elif probe.id == ODD and "odd" in statuses:
            observed = judge.failed(probe, "no ready pod of shop/web")
        observations.append(observed)
    return Run("shop", "dev", "shop", "2026-01-02T03:04:05Z", 7.5, canary, tuple(observations), {"probes": 5.0})


def text(a_run: Run) -> str:
    return "\n".join("".join(part for part, _ in line) for line in as_lines(a_run))


@pytest.mark.parametrize(
    ("a_run", "answer", "code"),
    [
        (run(), Answer.GREEN, 0),
        (run(odd=Status.WRONG), Answer.RED, 1),
        (run(odd=Status.CHECK_FAILED), Answer.RED, 1),
        (run(VOID), Answer.INCONCLUSIVE, 3),
        (run(VOID, odd=Status.WRONG), Answer.INCONCLUSIVE, 3),
        (run(Canary(problem="no pods")), Answer.INCONCLUSIVE, 3),
        (run(Canary()), Answer.INCONCLUSIVE, 3),
    ],
)
def test_the_answer_and_its_exit_code(a_run: Run, answer: Answer, code: int) -> None:
    assert a_run.answer is answer
    assert as_json(a_run)["exitCode"] == code


def test_json_has_every_probe_and_what_it_means() -> None:
    data = as_json(run(odd=Status.WRONG))
    assert json.loads(json.dumps(data)) == data
    assert [o["id"] for o in data["observations"]] == [p.id for p in PROBES]
    odd = next(o for o in data["observations"] if o["id"] == ODD)
    assert (odd["expect"], odd["observed"], odd["deciding"]) == ("connected", "timed-out", ["shop/guard"])
    assert odd["says"].startswith("wrong: shop/api -> shop/web:8080/TCP by pod: expected connected, saw timed-out")
    assert data["counts"] == {"probes": len(PROBES), "pass": len(PROBES) - 1, "wrong": 1, "check-failed": 0, "seen": 0}


def test_junit_counts_failures_and_errors_apart() -> None:
    suite = ElementTree.fromstring(as_junit(run(odd=Status.WRONG)))[0]
    assert (suite.get("failures"), suite.get("errors"), suite.get("tests")) == ("1", "0", str(len(PROBES) + 1))
    (failed,) = [case for case in suite if case.find("failure") is not None]
    assert failed.get("name") == ODD
    suite = ElementTree.fromstring(as_junit(run(VOID, odd=Status.CHECK_FAILED)))[0]
    assert (suite.get("failures"), suite.get("errors")) == ("0", "2")


def test_the_matrix_marks_the_wrong_cell_and_aligns_the_rest() -> None:
    shown = text(run(odd=Status.WRONG))
    row = next(line for line in shown.splitlines() if line.startswith("shop/api"))
    assert "●>·" in row
    table = tables(run())[0]
    rendered = ["".join(part for part, _ in line) for line in lines(table)[1 : 2 + len(table.rows)]]
    assert len({len(line) for line in rendered}) == 1
    assert "wrong: shop/api -> shop/web:8080/TCP" in shown
    assert "deciding: shop/guard" in shown


def test_a_green_run_lists_nothing() -> None:
    assert "expected" not in text(run()).replace("a>b expected a, saw b", "")
    assert (
        summary(run())
        == f"green: every probe answered as predicted; {len(PROBES)} probes ({len(PROBES)} pass) in 7.5 s"
    )


def test_an_inconclusive_run_says_why() -> None:
    assert "canary: denial by the server's policy from w1 to w2: policy must stop it, and it was reached" in text(
        run(VOID)
    )
    assert "no pods" in text(run(Canary(problem="no pods")))


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "data", "srcset", "action")]


def test_the_page_fetches_nothing_and_holds_everything() -> None:
    page = as_html(run(odd=Status.WRONG))
    parser = _Links()
    parser.feed(page)
    assert parser.found == []
    assert not re.search(r"https?://|@import|url\(", page)
    assert page.count("<tr data-status=") == len(PROBES)
    assert 'data-status="wrong"' in page


def test_what_a_pod_printed_cannot_become_markup() -> None:
    page = as_html(run(odd=Status.WRONG))
    assert "<b>late</b>" not in page
    assert "&lt;b&gt;late&lt;/b&gt;" in page


def test_what_a_program_printed_cannot_spoil_the_xml() -> None:
    printed = "\x1b[31mOops\x00 \ud800 \N{SNOWMAN}"
    text = as_junit(run(Canary(problem=printed)))
    error = ElementTree.fromstring(text).find(".//error")
    assert error is not None and error.get("message") == "\ufffd[31mOops\ufffd \ufffd \N{SNOWMAN}"


def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Problem, match="the report could not be written"):
        write_reports(run(), tmp_path / "file")


@pytest.mark.parametrize("canary", [GOOD, VOID, Canary(problem="no pods")])
def test_every_report_is_written(tmp_path: Path, canary: Canary) -> None:
    page = write_reports(run(canary), tmp_path / "out" / "dev")
    assert page.name == HTML
    assert {p.name for p in page.parent.iterdir()} == {HTML, JSON, JUNIT}


def test_an_explanation_says_on_which_nodes() -> None:
    probe = FlowProbe("n", "outside", "shop/web", "node-port", 80, "TCP", Outcome.TIMED_OUT, nodes="without-endpoint")
    said = explain(Observation(probe, Status.WRONG, Outcome.CONNECTED))
    assert said == (
        "wrong: outside -> shop/web:80/TCP by node-port on nodes without endpoint: expected timed-out, saw connected"
    )


CAUSES = tuple(Cause(f"cause {n}", f"command {n}", (ODD,) if not n else (), 1 if not n else 0) for n in range(7))


def test_a_red_run_begins_with_its_causes_five_at_most() -> None:
    told = text(replace(run(odd=Status.WRONG), causes=CAUSES)).splitlines()
    assert told[:2] == ["cause 0 (explains 1 flow)", "  to set it right: command 0"]
    assert told[10:12] == ["... and 2 more causes in the report", ""]
    assert told[-1].startswith("red: ")


def test_every_report_has_all_causes() -> None:
    a_run = replace(run(odd=Status.WRONG), causes=CAUSES)
    assert as_json(a_run)["causes"][0] == {
        "what": "cause 0",
        "command": "command 0",
        "explains": "explains 1 flow",
        "flows": 1,
        "probes": [ODD],
    }
    page, suite = as_html(a_run), as_junit(a_run)
    for cause in CAUSES:
        assert all(cause.what in report and cause.command in report for report in (page, suite))
    failure = next(ElementTree.fromstring(suite).iter("failure"))
    assert failure.get("message", "").endswith("; cause: cause 0")


def test_what_is_not_the_specs_and_opens_nothing_is_listed() -> None:
    a_run = run()
    listed = tuple(
        replace(o, detail="not the spec's, and opens nothing: pod shop/x")
        if o.probe.id == "fact:undeclared:shop"
        else o
        for o in a_run.observations
    )
    assert "shop: not the spec's, and opens nothing: pod shop/x" in text(replace(a_run, observations=listed))
    assert a_run.answer is Answer.GREEN
