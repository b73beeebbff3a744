"""What the Gateway API's suite said is read from its log and its report, and the page is what was kept."""

from typing import Any

import pytest

from tests.gatewayapi import results
from tests.gatewayapi.controllers import CONTROLLERS
from tests.gatewayapi.results import Results, kept, page, read

LOG = """\
=== RUN   TestConformance/HTTPRouteCORS
    conformance.go:71: 2026-11-27T18:00:00.1Z: Running HTTPRouteCORS, relying on the following features: \
Gateway-standard, HTTPRoute-standard, HTTPRouteCORS-standard
=== RUN   TestConformance/HTTPRouteCORS/preflight
=== RUN   TestConformance/HTTPRouteRetry
    conformance.go:57: Skipping HTTPRouteRetry: suite does not support HTTPRouteRetry
=== RUN   TestConformance/HTTPRouteMultipleGateways
    conformance.go:70: Skipping HTTPRouteMultipleGateways: test explicitly skipped
--- FAIL: TestConformance (12.00s)
    --- FAIL: TestConformance/HTTPRouteCORS (3.20s)
        --- FAIL: TestConformance/HTTPRouteCORS/preflight (1.00s)
    --- SKIP: TestConformance/HTTPRouteRetry (0.00s)
    --- SKIP: TestConformance/HTTPRouteMultipleGateways (0.00s)
"""
REPORT: dict[str, Any] = {
    "gatewayAPIVersion": "v1.6.1",
    "gatewayAPIChannel": "standard",
    "profiles": [
        {
            "name": "GATEWAY-HTTP",
            "core": {"result": "success", "statistics": {"Passed": 33, "Failed": 0, "Skipped": 0}},
            "extended": {"result": "failure", "statistics": {"Passed": 1, "Failed": 1, "Skipped": 0}},
        }
    ],
}


@pytest.fixture
def found() -> Results:
    return read(LOG, REPORT, "v1.9.1", 12.3)


def test_a_test_is_one_line_with_its_features(found: Results) -> None:
    assert list(found.tests) == ["HTTPRouteCORS", "HTTPRouteMultipleGateways", "HTTPRouteRetry"]
    cors = found.tests["HTTPRouteCORS"]
    assert (cors.outcome, cors.seconds, cors.features) == ("fail", 3.2, ("Gateway", "HTTPRoute", "HTTPRouteCORS"))
    assert found.tests["HTTPRouteRetry"].features == ("HTTPRouteRetry",)
    assert found.profiles == {"GATEWAY-HTTP": {"core": "success: 33 passed", "extended": "failure: 1 passed, 1 failed"}}


def test_what_is_kept_is_read_back_and_told(found: Results, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(results, "explained", lambda: {"traefik-gateway": {"HTTPRouteCORS": "Traefik: it has none."}})
    results.keep("traefik-gateway", found)
    assert kept("traefik-gateway") == found
    text = page()
    assert "1 failed, 2 skipped, in 12 s" in text and "| HTTPRouteCORS |  | 1 |  |" in text
    assert "- **HTTPRouteCORS**: Traefik: it has none." in text
    assert "- **HTTPRouteMultipleGateways**: of Gateways that share" in text


def test_the_page_is_what_was_kept_and_each_failure_has_its_reason() -> None:
    listed = [name for name in CONTROLLERS if (results.FOLDER / f"{name}.json").exists()]
    assert (results.PAGE.read_text() if listed else page()) == page()
    reasons = results.explained()
    for name in listed:
        failed = {test for test, result in kept(name).tests.items() if result.outcome == "fail"}
        assert failed == set(reasons.get(name, {}))
