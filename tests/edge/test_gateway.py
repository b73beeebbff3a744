"""What is compiled of a spec's Gateways, given to the controllers themselves beside a real API server: requests drawn
at random go where `netspec.analysis.gateway_routes` predicts, and filters do what they say."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airgap.build import bin_dir, path_of
from airgap.errors import AirgapError
from netspec import catalogue
from netspec.analysis.gateway_routes import Contested, Listening, Request
from netspec.ir.model import Ir
from tests.edge.definitions import chart_definitions, on_this_host
from tests.edge.features import GATEWAY_NAMES, SEEN
from tests.edge.gatewayspec import FEATURES, FILTERS, KINDS, ROUTES, drawn, requests, supported

HERE = Path(__file__).parent
#: Controller -> its programs, by the components that they are of.
CONTROLLERS = {
    "envoy-gateway": (("envoy-gateway", "envoy-gateway"), ("envoy", "envoy")),
    "traefik-gateway": (("controller", "traefik"),),
}
Run = tuple[Ir, dict[str, list[dict[str, Any]]]]


def _programs(controller: str) -> dict[str, str]:
    """The programs, built already; without them there is nothing to run."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("openssl") is None:
        pytest.skip("not run: a network namespace needs root")
    try:
        found = {"etcd": str(bin_dir("etcd") / "etcd")}
        for name, component in CONTROLLERS[controller]:
            found[name] = str(bin_dir(component) / component)
        if "envoy" in found:
            path_of("envoy-gateway-images")
        return found | {name: str(bin_dir("kubernetes") / name) for name in ("kube-apiserver", "kubectl")}
    except AirgapError as error:
        pytest.skip(f"not run: {error}")


def _slices(addresses: dict[tuple[str, str], str]) -> list[dict[str, Any]]:
    """No controller makes them here."""
    return [
        {
            **{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4"},
            "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "", "port": 9090, "protocol": "UDP" if KINDS.get(name) == "udp" else "TCP"}],
            "endpoints": [{"addresses": [address], "conditions": {"ready": True, "serving": True}}],
        }
        for (namespace, name), address in addresses.items()
    ]


def _given(controller: str, ir: Ir, objects: list[dict[str, Any]]) -> dict[str, Any]:
    """What an API server is given: the definitions, then namespaces, then the rest; and the controller's arguments."""
    groups = ("gateway.networking.k8s.io", "gateway.envoyproxy.io")
    own = [o for o in objects if o["apiVersion"].partition("/")[0] in groups]
    own += [o for o in objects if o["kind"] == "Service" and o["metadata"]["namespace"] != "kube-system"]
    out: dict[str, Any] = {
        "namespaces": [o for o in objects if o["kind"] == "Namespace"],
        "objects": [on_this_host(o) for o in own],
    }
    if controller == "envoy-gateway":
        return out | {"definitions": chart_definitions(path_of("envoy-gateway-images"))}
    front = ir.traits.front
    assert front is not None
    home = front.workload.namespace
    (pods,) = [o for o in objects if o["kind"] == "Deployment" and o["metadata"]["namespace"] == home]
    return out | {
        "definitions": [o for o in objects if o["kind"] == "CustomResourceDefinition"],
        "args": pods["spec"]["template"]["spec"]["containers"][0]["args"],
    }


@pytest.fixture(scope="module", params=CONTROLLERS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    controller = request.param
    programs = _programs(controller)
    ir, objects = drawn(controller)
    services = [(s.namespace, s.name) for s in ir.services if not s.system]
    addresses = {where: f"10.200.1.{i + 1}" for i, where in enumerate(services)}
    backends = [
        {"service": name, "pod": name, "kind": KINDS.get(name, "http"), "address": a, "ports": [9090]}
        for (_, name), a in addresses.items()
    ]
    at_random = []
    for one in requests():
        query = "&".join(f"{k}={v}" for k, v in one["query"].items())
        at_random.append(one | {"path": one["path"] + (f"?{query}" if query else "")})
    asked = {name: rows for name, rows in FEATURES.items() if GATEWAY_NAMES[name] in supported(controller)}
    plan = _given(controller, ir, objects) | {
        "folder": str(tmp_path_factory.mktemp("gateway")),
        "programs": programs,
        "version": catalogue.ENVOY.official,
        "backends": backends,
        "ready": [{"host": "patient.test.io", "port": FILTERS}, {"host": "weights.test.io", "port": FILTERS}],
        "requests": [*at_random, *({"port": FILTERS} | r for rows in asked.values() for r in rows)],
        "afterwards": [{"seen": "copy"}],
    }
    plan["objects"] += _slices(addresses)
    alone = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = [*alone, sys.executable, str(HERE / "gatewaydoor.py")]
    done = subprocess.run(command, input=json.dumps(plan), capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-8000:]
    answers = iter(json.loads(done.stdout)["answers"])
    found = {"drawn": [next(answers) for _ in at_random]}
    found |= {name: [next(answers) for _ in rows] for name, rows in asked.items()}
    return ir, found | {"copied": [next(answers)]}


def test_every_feature_of_gateways_that_is_said_to_be_asked_is() -> None:
    assert set(GATEWAY_NAMES) == {*FEATURES, "drawn"}
    for controller in CONTROLLERS:
        asked = {feature for feature in GATEWAY_NAMES.values() if feature in supported(controller)}
        assert {f for f in SEEN[controller] if f.value.startswith("gateway")} == asked


def test_requests_go_where_the_matcher_says(run: Run) -> None:
    listening = Listening.of(run[0])
    told, open_ = [], 0
    for request, answer in zip(requests(), run[1]["drawn"], strict=True):
        headers = {name.lower(): value for name, value in request["headers"].items()}
        asked = Request(request["host"], request["path"], request["method"], headers, request["query"])
        wanted = listening.chosen(request["port"], False, asked)
        seen = answer["got"].get("pod", answer["status"])
        if isinstance(wanted, Contested):
            open_ += 1
            may = {e.rule.backends[0].service for e in wanted.entries} | ({404} if wanted.or_nobody else set())
        else:
            may = {404 if wanted is None else wanted.rule.backends[0].service}
        if seen not in may:
            told.append(f"{request}: {seen}, not {may}")
    assert not told, f"{len(told)} of {len(run[1]['drawn'])}:\n" + "\n".join(told[:10])
    assert open_ < len(run[1]["drawn"]) / 3
    assert len({a["got"].get("pod") for a in run[1]["drawn"]}) > ROUTES


def test_redirects(run: Run) -> None:
    (to_https,), (moved,) = run[1]["redirect"], run[1]["moved"]
    assert (to_https["status"], to_https["headers"]["Location"]) == (308, "https://redirect.test.io:8443/x")
    # Neither scheme nor port is given: the listener's port stays.
    assert (moved["status"], moved["headers"]["Location"]) == (302, f"http://new.test.io:{FILTERS}/x")


def test_rewriting(run: Run) -> None:
    below, itself, beside = run[1]["rewrite"]
    assert (below["got"]["path"], below["got"]["headers"]["Host"]) == ("/x", "inner.test.io")
    assert (itself["got"]["path"], beside["status"]) == ("/", 404)


def test_headers(run: Run) -> None:
    (to,), (back,) = run[1]["to"], run[1]["from"]
    got = {name.lower(): value for name, value in to["got"]["headers"].items()}
    assert (got["x-a"], "x-c" in got) == ("1", False)
    assert "2" in got["x-b"]
    headers = {name.lower(): value for name, value in back["headers"].items()}
    assert (headers["x-backend"], "x-user" in headers) == ("hidden", False)


def _has(run: Run, *names: str) -> None:
    if missing := [name for name in names if name not in run[1]]:
        pytest.skip(f"this controller has no {', '.join(missing)}")


def test_copies_cors_and_timeouts(run: Run) -> None:
    _has(run, "mirror", "cors", "slow")
    assert run[1]["mirror"][0]["got"]["pod"] == "b0"
    assert ["/copied", 0] in [list(row) for row in run[1]["copied"][0]["got"]]
    allowed, other = ({k.lower(): v for k, v in a["headers"].items()} for a in run[1]["cors"])
    assert allowed["access-control-allow-origin"] == "https://app.example.com"
    assert "access-control-allow-origin" not in other
    assert [a["status"] for a in run[1]["slow"] + run[1]["patient"]] == [504, 200]


def test_streams_and_datagrams(run: Run) -> None:
    _has(run, "tcp", "udp")
    assert run[1]["tcp"][0]["got"]["pod"] == "b3"
    assert run[1]["udp"] == [{"text": "datagrams hello"}]


def test_https_ends_at_the_listener_that_has_the_certificate(run: Run) -> None:
    secure, plain = run[1]["secure"]
    assert (secure["status"], secure["got"]["pod"], secure["name"]) == (200, "b0", "*.test.io")
    assert plain["status"] == 404


def test_tls_goes_on_unread_by_the_name_that_is_asked_for(run: Run) -> None:
    sealed, other = run[1]["sealed"]
    assert (sealed["status"], sealed["got"]["pod"], sealed["name"]) == (200, "sealed", "sealed.example.com")
    assert other["status"] == 0


def test_other_namespaces_weights_and_calls(run: Run) -> None:
    assert run[1]["far"][0]["got"]["pod"] == "far"
    shares = [a["got"]["pod"] for a in run[1]["weights"]]
    assert set(shares) == {"b1", "b2"} and 40 <= shares.count("b1") <= 75
    say, gold, other = run[1]["grpc"]
    # A method counts for more than a header, a service for less.
    of_calls = [r for r in run[0].gateway_routes if r.kind == "GRPCRoute"]
    named = any(match.bare.count("/") > 1 for r in of_calls for rule in r.rules for match in rule.matches)
    assert (say["got"]["pod"], gold["got"]["pod"]) == ("calls", "calls" if named else "carts")
    assert other["status"] == "StatusCode.UNIMPLEMENTED"
