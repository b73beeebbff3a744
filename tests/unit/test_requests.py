"""`netspec request`: one request walked through the front door, by Gateways and by the spec's `ingress`."""

import json
from pathlib import Path

import pytest

from netspec.cli import main

ROOT = Path(__file__).parent.parent.parent
GATEWAYS, EDGE = (str(ROOT / "stacks" / name) for name in ("gateways.yaml", "edge.yaml"))


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object], list[str]]:
    code = main(["request", *words, "--output", "json"])
    found = json.loads(capsys.readouterr().out)
    return code, found, [f"{step['at']}: {step['what']}" for step in found["steps"]]


@pytest.mark.parametrize(
    ("words", "code", "answer", "step"),
    [
        (["https://shop.example.com/"], 0, "what shop/web says", "rule: rule 1"),
        (["https://shop.example.com/", "--header", "X-Version=next"], 0, "what shop/next says", "rule: rule 2"),
        (["https://shop.example.com/beta?user=ann"], 0, "what shop/next says", "rule: rule 3"),
        (["https://shop.example.com/pay/a", "--method", "post"], 0, "what bank/ledger says", "Service: bank/ledger:80"),
        (["http://shop.example.com/x"], 0, "301 to https://shop.example.com/x", "route: HTTPRoute shop/to-https"),
        (["http://else.org/"], 1, "404", "route: none takes it"),
        (["https://else.org/"], 1, "nothing: no listener", "listener: no HTTPS listener at 443 is for else.org"),
    ],
)
def test_through_a_gateway(
    capsys: pytest.CaptureFixture[str], words: list[str], code: int, answer: str, step: str
) -> None:
    seen, found, steps = asked(capsys, GATEWAYS, *words)
    assert (seen, found["answer"]) == (code, answer)
    assert step in steps


def test_through_the_spec_s_ingress(capsys: pytest.CaptureFixture[str]) -> None:
    code, found, steps = asked(capsys, EDGE, "https://shop.example.com/api/x")
    assert (code, found["answer"]) == (0, "what shop/api says")
    assert "filter: rewritten to /x" in steps and "pods: shop/api:8080" in steps
    assert asked(capsys, EDGE, "http://shop.example.com/login")[1]["answer"] == (
        "a redirect to https://shop.example.com/login"
    )
    assert asked(capsys, EDGE, "http://nobody.example.org/")[0] == 1


def test_a_policy_that_closes_the_way_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The check of the spec would say it first: a route whose Service has two workloads, one of them closed."""
    text = (ROOT / "stacks" / "gateways.yaml").read_text().replace("service: bank/ledger", "service: shop/next")
    spec = tmp_path / "closed.yaml"
    spec.write_text(text)
    assert main(["request", str(spec), "https://shop.example.com/"]) == 2
    assert "NS845" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["shop.example.com"], ["https://shop.example.com/", "--header", "x"]])
def test_what_is_no_request_is_said(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(["request", GATEWAYS, *words]) == 2
    assert capsys.readouterr().err.startswith("error: ")
