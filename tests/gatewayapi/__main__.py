"""`netspec exec --stack S -- python -m tests.gatewayapi CONTROLLER`: runs the Gateway API's conformance suite
(sigs.k8s.io/gateway-api/conformance) against the controller of the stack, and says what passed. Its log and its report
are kept in out/gateway-conformance/; with `--keep` what it said becomes docs/gateway-conformance.md."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

from airgap import build, engine
from airgap.recipes.gateways import SUITE_IMAGES
from netspec.toolchain.engine import choose
from tests.gatewayapi.controllers import ALWAYS, CONTROLLERS, CORE, Controller
from tests.gatewayapi.results import PAGE, ROOT, Results, keep, page, read

OUT = ROOT / "out" / "gateway-conformance"


def kubectl(*words: str, stdin: str = "") -> None:
    subprocess.run(["kubectl", *words], input=stdin, text=True, check=True, stdout=subprocess.DEVNULL)


def suite(options: argparse.Namespace, controller: Controller, report: Path) -> list[str]:
    profiles = options.profiles.split(",") if options.profiles else controller.profiles
    features = dict.fromkeys((*sorted(CORE), *ALWAYS, *(controller.extended if options.extended else ())))
    words = [
        str(build.bin_dir("gateway-conformance") / "conformance"),
        *("-test.v", "-test.timeout", f"{options.minutes}m", "-test.run", "^TestConformance$"),
        *("-gateway-class", controller.class_name, "-conformance-profiles", ",".join(profiles)),
        *("-report-output", str(report), "-organization", controller.organization, "-project", controller.project),
        *("-url", controller.url, "-version", controller.version, "-contact", "netspec"),
        *("-supported-features", ",".join(f for f in features if _claimed(f, profiles))),
    ]
    if controller.skipped:
        words += ["-skip-tests", ",".join(name for name, _ in controller.skipped)]
    return words + (["-run-test", options.only] if options.only else [])


def _claimed(feature: str, profiles: "list[str] | tuple[str, ...]") -> bool:
    """A kind of route is asked where its profile is.

    >>> _claimed("TCPRoute", ["GATEWAY-HTTP"]), _claimed("Gateway", ["GATEWAY-HTTP"])
    (False, True)
    """
    kind = feature.removesuffix("Route") if feature in CORE and feature.endswith("Route") else ""
    return not kind or f"GATEWAY-{kind}" in profiles


def summary(found: Results) -> str:
    """One line a profile, as the suite reports it, and the tests that failed."""
    outcomes = [test.outcome for test in found.tests.values()]
    counted = (
        f"{outcomes.count(o)} {said}" for o, said in (("pass", "passed"), ("fail", "failed"), ("skip", "skipped"))
    )
    lines = [f"{len(outcomes)} tests: {', '.join(counted)}"]
    lines += [f"  failed: {name}" for name, test in found.tests.items() if test.outcome == "fail"]
    lines += [f"{name} {level}: {told}" for name, levels in found.profiles.items() for level, told in levels.items()]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gatewayapi", description=__doc__)
    parser.add_argument("controller", choices=CONTROLLERS)
    parser.add_argument("--profiles", default="", help="those of the controller, unless given")
    parser.add_argument("--extended", action="store_true", help="what the controller claims beyond the core")
    parser.add_argument("--only", default="", help="one test of the suite")
    parser.add_argument("--minutes", type=int, default=25, help="after which it is stopped")
    parser.add_argument("--keep", action="store_true", help="write it into docs/gateway-conformance.md")
    options = parser.parse_args()
    controller = CONTROLLERS[options.controller]
    if "KUBECONFIG" not in os.environ:
        print(f"run it as: netspec exec --stack {controller.stack} -- python -m tests.gatewayapi", file=sys.stderr)
        return 2
    if choose() == "private":
        engine.ensure_images(SUITE_IMAGES)
    OUT.mkdir(parents=True, exist_ok=True)
    report, log = OUT / f"{options.controller}.yaml", OUT / f"{options.controller}.log"
    report.unlink(missing_ok=True)
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": controller.objects()})
    started = time.monotonic()
    if controller.objects():
        kubectl("apply", "--server-side", "-f", "-", stdin=listed)
    try:
        with log.open("w") as output:
            command = suite(options, controller, report)
            code = subprocess.run(command, stdout=output, stderr=output, check=False).returncode
    finally:
        if controller.objects():
            kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=listed)
    told = yaml.safe_load(report.read_text()) if report.exists() else {}
    found = read(log.read_text(errors="replace"), told, controller.version, time.monotonic() - started)
    print(summary(found))
    print(f"{found.seconds} s; {log.relative_to(ROOT)}, {report.relative_to(ROOT)}")
    if options.keep:
        keep(options.controller, found)
        PAGE.write_text(page())
    return code


if __name__ == "__main__":
    sys.exit(main())
