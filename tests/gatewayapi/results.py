"""What the suite said, kept as one file a controller, and the page that is made of them."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.gatewayapi.controllers import CONTROLLERS, CORE

ROOT = Path(__file__).parent.parent.parent
FOLDER, PAGE = Path(__file__).parent / "results", ROOT / "docs" / "gateway-conformance.md"
#: Test -> by controller whose fault its failure is, and why.
EXPLAINED = Path(__file__).parent / "explained.yaml"
_OUTCOME = re.compile(r"^\s+--- (PASS|FAIL|SKIP): TestConformance/(\w+) \(([\d.]+)s\)", re.MULTILINE)
_FEATURES = re.compile(r"Running (\w+), relying on the following features: (.*)$", re.MULTILINE)
_SKIPPED = re.compile(r"Skipping (\w+): (?:suite does not support (\w+)|test explicitly skipped)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Test:
    """`features`: those that it asks; of one that was skipped, that which the controller does not claim."""

    __test__ = False

    outcome: str
    seconds: float
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """`profiles`: profile -> level -> what the suite's own report says of it."""

    version: str
    suite: str
    channel: str
    seconds: int
    tests: dict[str, Test]
    profiles: dict[str, dict[str, str]] = field(default_factory=dict)


def read(log: str, report: dict[str, Any], version: str, seconds: float) -> Results:
    """`log`: of the suite as a test program, verbose."""
    features = {name: _names(text) for name, text in _FEATURES.findall(log)}
    features |= {name: (missing,) if missing else () for name, missing in _SKIPPED.findall(log)}
    tests = {
        name: Test(outcome.lower(), float(took), features.get(name, ()))
        for outcome, name, took in sorted(_OUTCOME.findall(log), key=lambda found: found[1])
    }
    profiles = {
        profile["name"]: {level: _told(profile[level]) for level in ("core", "extended") if profile.get(level)}
        for profile in sorted(report.get("profiles", ()), key=lambda p: str(p["name"]))
    }
    suite, channel = str(report.get("gatewayAPIVersion", "")), str(report.get("gatewayAPIChannel", ""))
    return Results(version, suite, channel, round(seconds), tests, profiles)


def _names(text: str) -> tuple[str, ...]:
    """
    >>> _names("Gateway-standard, HTTPRoute-standard")
    ('Gateway', 'HTTPRoute')
    """
    return tuple(part.rpartition("-")[0] for part in text.strip().split(", "))


def _told(level: dict[str, Any]) -> str:
    counts = {key.lower(): number for key, number in (level.get("statistics") or {}).items() if number}
    return f"{level['result']}: " + ", ".join(f"{number} {key}" for key, number in counts.items())


def keep(controller: str, found: Results) -> Path:
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{controller}.json"
    head = {key: value for key, value in asdict(found).items() if key != "tests"}
    rows = ",\n".join(f"    {json.dumps(name)}: {json.dumps(asdict(test))}" for name, test in found.tests.items())
    path.write_text(json.dumps(head, indent=2)[:-2] + f',\n  "tests": {{\n{rows}\n  }}\n}}\n')
    return path


def kept(controller: str) -> Results:
    raw = json.loads((FOLDER / f"{controller}.json").read_text())
    tests = {name: Test(t["outcome"], t["seconds"], tuple(t["features"])) for name, t in raw.pop("tests").items()}
    return Results(**raw, tests=tests)


# The page

_HEAD = """\
The suite of the Gateway API itself (`sigs.k8s.io/gateway-api/conformance`) against clusters that `netspec up` made.
This page is written by `netspec exec --stack STACK -- python -m tests.gatewayapi CONTROLLER --extended --keep`, of what
the suite said (`tests/gatewayapi/results`); why a test fails stands in `tests/gatewayapi/explained.yaml`. A test is
skipped where the controller does not claim what it asks.
"""


def explained() -> dict[str, dict[str, str]]:
    """Controller -> test -> why it fails, beginning with whose fault it is."""
    text = EXPLAINED.read_text() if EXPLAINED.exists() else ""
    return {controller: dict(tests) for controller, tests in (yaml.safe_load(text) or {}).items()}


def page() -> str:
    return "".join(_page())


def _page() -> Iterator[str]:
    reasons = explained()
    yield "# The Gateway API's conformance suite\n\n"
    yield _HEAD
    for name, controller in CONTROLLERS.items():
        if (FOLDER / f"{name}.json").exists():
            yield from _controller(name, controller.stack, reasons.get(name, {}))


def _controller(name: str, stack: str, reasons: dict[str, str]) -> Iterator[str]:
    found = kept(name)
    outcomes = [test.outcome for test in found.tests.values()]
    yield f"\n## {name} {found.version}\n\n"
    yield (
        f"Stack {stack}, suite {found.suite}, {found.channel} channel: {outcomes.count('pass')} tests passed, "
        f"{outcomes.count('fail')} failed, {outcomes.count('skip')} skipped, in {found.seconds} s.\n\n"
    )
    yield "| profile | core | extended |\n|---|---|---|\n"
    for profile, levels in found.profiles.items():
        yield f"| {profile} | {levels.get('core', '')} | {levels.get('extended', '')} |\n"
    yield "\n| feature | passed | failed | skipped |\n|---|---|---|---|\n"
    for feature, counts in sorted(_by_feature(found).items()):
        cells = (str(counts.get(outcome, "")) for outcome in ("pass", "fail", "skip"))
        yield f"| {feature} | {' | '.join(cells)} |\n"
    if failed := [test for test, result in found.tests.items() if result.outcome == "fail"]:
        yield "\nFailed, and whose fault it is:\n\n"
        for test in failed:
            yield f"- **{test}**: {reasons.get(test, 'not explained')}\n"
    if left_out := [test for test, result in found.tests.items() if result.outcome == "skip" and not result.features]:
        why = dict(CONTROLLERS[name].skipped)
        yield "\nLeft out:\n\n"
        for test in left_out:
            yield f"- **{test}**: {why[test]}\n"


def _by_feature(found: Results) -> dict[str, dict[str, int]]:
    """A test of extended features counts for these alone."""
    out: dict[str, dict[str, int]] = {}
    for test in found.tests.values():
        extended = [feature for feature in test.features if feature not in CORE]
        for feature in extended or [f for f in test.features if f not in ("Gateway", "ReferenceGrant")] or ["Gateway"]:
            counts = out.setdefault(feature, {})
            counts[test.outcome] = counts.get(test.outcome, 0) + 1
    return out
