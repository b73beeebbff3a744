"""`netspec exec --stack S -- python -m tests.gatewayapi [--profiles P,...] [--extended] [--only TEST]`: runs the suite
(sigs.k8s.io/gateway-api/conformance) with a GatewayClass of its own, for its Gateways listen on the same ports, and
says what passed. The report is kept in out/gateway-conformance/."""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from airgap import build, engine
from airgap.recipes.gateways import ECHO_IMAGES
from netspec.catalogue import ENVOY_GATEWAY, IMAGES
from netspec.toolchain.engine import choose

ROOT = Path(__file__).parent.parent.parent
OUT = ROOT / "out" / "gateway-conformance"
NAME, NAMESPACE = "gateway-conformance", "envoy-gateway-system"
PROFILES = ("GATEWAY-HTTP", "GATEWAY-GRPC", "GATEWAY-TLS")
#: Extended features that Envoy Gateway's own report of 1.9 names.
EXTENDED = (
    *("HTTPRouteQueryParamMatching", "HTTPRouteMethodMatching", "HTTPRouteResponseHeaderModification"),
    *("HTTPRoutePortRedirect", "HTTPRouteSchemeRedirect", "HTTPRoutePathRedirect", "HTTPRouteHostRewrite"),
    *("HTTPRoutePathRewrite", "HTTPRouteRequestMirror", "HTTPRouteRequestTimeout", "HTTPRouteCORS"),
)
_LINE = re.compile(r"^\s+--- (PASS|FAIL|SKIP): TestConformance/(\w+) \(([\d.]+)s\)", re.MULTILINE)


def objects() -> list[dict[str, Any]]:
    """A class whose Gateways have a proxy each, with the images that netspec's own has."""
    group = "gateway.envoyproxy.io"
    kubernetes = {
        "envoyDeployment": {"container": {"image": IMAGES["envoy"], "resources": {}}},
        "envoyService": {"externalTrafficPolicy": "Cluster"},
    }
    proxy = {
        "apiVersion": f"{group}/v1alpha1",
        "kind": "EnvoyProxy",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"provider": {"type": "Kubernetes", "kubernetes": kubernetes}},
    }
    parameters = {"group": group, "kind": "EnvoyProxy", "name": NAME, "namespace": NAMESPACE}
    return [
        proxy,
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": NAME},
            "spec": {"controllerName": f"{group}/gatewayclass-controller", "parametersRef": parameters},
        },
    ]


def kubectl(*words: str, stdin: str = "") -> None:
    subprocess.run(["kubectl", *words], input=stdin, text=True, check=True, stdout=subprocess.DEVNULL)


def suite(options: argparse.Namespace, report: Path) -> list[str]:
    words = [
        str(build.bin_dir("gateway-conformance") / "conformance"),
        *("-test.v", "-test.timeout", f"{options.minutes}m", "-test.run", "^TestConformance$"),
        *("-gateway-class", NAME, "-conformance-profiles", options.profiles, "-report-output", str(report)),
        *("-organization", "envoyproxy", "-project", "envoy-gateway", "-url", "https://gateway.envoyproxy.io"),
        *("-version", f"v{ENVOY_GATEWAY.airgap}", "-contact", "netspec"),
    ]
    features = ("Gateway", "ReferenceGrant", "HTTPRoute", "GRPCRoute", "TLSRoute")
    words += ["-supported-features", ",".join(features + (EXTENDED if options.extended else ()))]
    return words + (["-run-test", options.only] if options.only else [])


def summary(text: str, report: Path) -> str:
    """One line a profile, as the suite reports it; where there is no report, of the tests that it ran."""
    found = _LINE.findall(text)
    failed = [name for outcome, name, _ in found if outcome == "FAIL"]
    lines = [f"{len(found)} tests: {sum(o == 'PASS' for o, _, _ in found)} passed, {len(failed)} failed"]
    lines += [f"  failed: {name}" for name in failed]
    if report.exists():
        for profile in yaml.safe_load(report.read_text())["profiles"]:
            for kind in ("core", "extended"):
                told = profile.get(kind, {})
                counts = {k.lower(): v for k, v in (told.get("statistics") or {}).items() if v}
                if told:
                    said = ", ".join(f"{v} {k}" for k, v in counts.items())
                    lines.append(f"{profile['name']} {kind}: {told['result']} ({said})")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gatewayapi", description=__doc__)
    parser.add_argument("--profiles", default=",".join(PROFILES))
    parser.add_argument("--extended", action="store_true", help="extended features of HTTPRoute too")
    parser.add_argument("--only", default="", help="one test of the suite")
    parser.add_argument("--minutes", type=int, default=30, help="after which it is stopped")
    options = parser.parse_args()
    if "KUBECONFIG" not in os.environ:
        print("run it as: netspec exec --stack gateways -- python -m tests.gatewayapi", file=sys.stderr)
        return 2
    if choose() == "private":
        engine.ensure_images(ECHO_IMAGES)
    OUT.mkdir(parents=True, exist_ok=True)
    report, log = OUT / "report.yaml", OUT / "log.txt"
    report.unlink(missing_ok=True)
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects()})
    started = time.monotonic()
    kubectl("apply", "--server-side", "-f", "-", stdin=listed)
    try:
        with log.open("w") as output:
            code = subprocess.run(suite(options, report), stdout=output, stderr=output, check=False).returncode
    finally:
        kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=listed)
    print(summary(log.read_text(errors="replace"), report))
    print(f"{time.monotonic() - started:.0f} s; {log.relative_to(ROOT)}, {report.relative_to(ROOT)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
