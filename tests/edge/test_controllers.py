"""What is compiled for a controller, given to the controller itself: it is valid for the API, and requests fare as the
spec says and as `netspec.analysis.routes` predicts. Answers in seconds, without a cluster."""

import json
import os
import random
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from airgap.build import bin_dir
from airgap.errors import AirgapError
from netspec.analysis.routes import chosen, rewritten, rules
from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.ir.model import Ir
from netspec.plan import ManifestNode
from netspec.spec.load import loads
from tests.edge.features import NAMES, SEEN

HERE = Path(__file__).parent
#: Controller -> the component that it is built by.
CONTROLLERS = {"traefik": "traefik"}
CLIENT, OTHER = "10.200.0.1", "10.200.0.2"
#: Requests whose answers are compared with the prediction.
DRAWN = 150
PODS = {
    **{name: ((f"{name}-1", "http"),) for name in ("web", "api")},
    "pair": (("pair-1", "http"), ("pair-2", "http")),
    "half": (("half-1", "http"), ("half-2", "dead")),
    "grpc": (("grpc-1", "grpc"),),
    "copy": (("copy-1", "http"),),
    "collector": (("collector-1", "collector"),),
    "sealed": (("sealed-1", "tls"),),
}


def _programs(controller: str) -> dict[str, str]:
    """The programs, built already; without them there is nothing to run."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("openssl") is None:
        pytest.skip("not run: a network namespace needs root")
    try:
        kubernetes, etcd = bin_dir("kubernetes"), bin_dir("etcd")
        found = {"controller": str(bin_dir(CONTROLLERS[controller]) / controller)}
    except AirgapError as error:
        pytest.skip(f"not run: {error}")
    return found | {
        "etcd": str(etcd / "etcd"),
        **{name: str(kubernetes / name) for name in ("kube-apiserver", "kubectl")},
    }


def _drawn() -> list[dict[str, Any]]:
    draw = random.Random(1)
    hosts = ["paths.example.com", "x.example.com", "y.x.example.com", "other.test", "rewrite.example.com"]
    hosts += ["root.example.com", "whole.example.com"]
    parts = ["a", "b", "c", "api", "old", "ab", "health", "a%2Fb"]
    paths = [
        "/" + "/".join(draw.choices(parts, k=draw.randint(0, 4))) + draw.choice(["", "", "/"]) for _ in range(DRAWN)
    ]
    return [{"host": draw.choice(hosts), "path": path.replace("//", "/")} for path in paths]


#: A trace, and its last span before the controller's: W3C Trace Context.
TRACE, PARENT, OTHER_TRACE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "1bf7651916cd43dd8448eb211c80319c"


def _traced(host: str, trace: str, flags: str) -> dict[str, Any]:
    return {"host": host, "headers": {"traceparent": f"00-{trace}-{PARENT}-{flags}"}}


#: Name -> the requests of a feature.
ASKED: dict[str, list[dict[str, Any]]] = {
    "tls": [{"host": "tls.example.com", "tls": True}, {"host": "tls.example.com"}],
    "redirect": [{"host": "redirect.example.com", "path": "/x?y=1"}, {"host": "redirect.example.com", "tls": True}],
    "canary": [{"host": "canary.example.com"}] * 100,
    "body": [{"host": "body.example.com", "method": "POST", "size": size} for size in (1024, 1025)],
    "rate": [{"host": "rate.example.com"}] * 3 + [{"host": "rate.example.com", "source": OTHER}],
    "allow": [{"host": "allow.example.com"}, {"host": "allow.example.com", "source": OTHER}],
    "basic": [
        {"host": "basic.example.com"},
        {"host": "basic.example.com", "headers": {"Authorization": "Basic YW5uOnB3"}},  # ann:pw
        {"host": "basic.example.com", "headers": {"Authorization": "Basic YW5uOnB4"}},  # ann:px
    ],
    "asked": [
        {"host": "asked.example.com", "headers": {"X-User": "forged"}},
        {"host": "asked.example.com", "headers": {"Authorization": "Bearer good", "X-User": "forged"}},
    ],
    "cors": [
        {"host": "cors.example.com", "method": "OPTIONS"}
        | {"headers": {"Origin": origin, "Access-Control-Request-Method": "PUT"}}
        for origin in ("https://app.example.com", "https://else.example.com")
    ],
    "headers": [{"host": "headers.example.com", "headers": {"X-Debug": "1"}}],
    "errors": [{"host": "errors.example.com", "path": path} for path in ("/status/503", "/status/404", "/")],
    "retries": [{"host": "retries.example.com"}] * 10,
    "sticky": [{"host": "sticky.example.com"}],
    "grpc": [{"host": "grpc.example.com", "grpc": True}],
    "rewrite": [{"host": "rewrite.example.com", "path": "/api/x"}, {"host": "root.example.com", "path": "/api/old"}],
    "websocket": [{"host": "ws.example.com", "websocket": "hello"}],
    "unread": [{"host": "unread.example.com", "tls": True}, {"host": "unread.example.com"}],
    "slow": [{"host": "slow.example.com", "path": path} for path in ("/slow/0.3", "/slow/4", "/slow-end/2")],
    "mirror": [
        {"host": "mirror.example.com", "path": "/one/1", "method": "POST", "size": 9},
        *[{"host": "mirror.example.com", "path": "/two/2"}] * 4,
        {"seen": "copy-1", "until": 5},
    ],
    "traced": [
        _traced("traced.example.com", TRACE, "01"),
        _traced("headers.example.com", OTHER_TRACE, "01"),
        {"host": "traced.example.com"},
        {"spans": TRACE, "from": PARENT},
        {"spans": OTHER_TRACE},
    ],
    "drawn": _drawn(),
}


class Answers:
    """What came back, by the name of the feature."""

    def __init__(self, ir: Ir, result: dict[str, Any]) -> None:
        self.ir, self.refused, self.digest, self.log = ir, result["refused"], result["digest"], result["log"]
        rest = iter(result["answers"])
        self.by_name = {name: [next(rest, {}) for _ in requests] for name, requests in ASKED.items()}

    def __getitem__(self, name: str) -> list[dict[str, Any]]:
        return self.by_name[name]

    def statuses(self, name: str) -> list[Any]:
        return [answer["status"] for answer in self[name]]


@cache
def _compiled(controller: str) -> tuple[Ir, list[dict[str, Any]]]:
    text = (HERE / "spec.yaml").read_text().replace("CONTROLLER", controller)
    result = compile_spec(loads(text.encode(), "spec.yaml"), "dev", REGISTRY)
    assert result.plan is not None and result.ir is not None, [d.render() for d in result.diagnostics]
    return result.ir, [dict(n.manifest) for n in result.plan.nodes if isinstance(n, ManifestNode)]


def _slices(ir: Ir) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """EndpointSlices, which no controller makes here, and the backends that listen at their addresses."""
    slices, backends = [], []
    for number, (name, pods) in enumerate(PODS.items()):
        (port,) = ir.services_by_id[f"shop/{name}"].ports
        found = [f"10.200.{number + 1}.{i + 1}" for i in range(len(pods))]
        metadata = {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": name}}
        slices.append(
            {
                **{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4"},
                "metadata": metadata,
                "ports": [{"name": port.name or "", "port": 9090, "protocol": "TCP"}],
                "endpoints": [{"addresses": [a], "conditions": {"ready": True, "serving": True}} for a in found],
            }
        )
        rows = zip(pods, found, strict=True)
        backends += [{"service": name, "pod": pod, "kind": kind, "address": a, "port": 9090} for (pod, kind), a in rows]
    return slices, backends


@pytest.fixture(scope="module", params=CONTROLLERS)
def answers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    controller = request.param
    programs = _programs(controller)
    ir, manifests = _compiled(controller)
    slices, backends = _slices(ir)
    front = ir.traits.front
    assert front is not None
    (pods,) = [
        m for m in manifests if m["kind"] == "Deployment" and m["metadata"]["namespace"] == front.workload.namespace
    ]
    own = [m for m in manifests if m["metadata"].get("namespace") == "shop" and m["kind"] != "Deployment"]
    plan = {
        "folder": str(tmp_path_factory.mktemp("edge")),
        "programs": programs,
        "definitions": [
            m for m in manifests if m["kind"] == "CustomResourceDefinition" and "traefik" in m["metadata"]["name"]
        ],
        "namespaces": [m for m in manifests if m["kind"] == "Namespace" and m["metadata"]["name"] == "shop"],
        "objects": [*own, *slices],
        "backends": backends,
        "args": pods["spec"]["template"]["spec"]["containers"][0]["args"],
        "ready": {"host": "paths.example.com"},
        "last": {"host": "headers.example.com"},
        "requests": [r for requests in ASKED.values() for r in requests],
    }
    command = ["unshare", "--net", "--mount", "setpriv", "--pdeathsig", "KILL", sys.executable, HERE / "frontdoor.py"]
    done = subprocess.run(command, input=json.dumps(plan), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return Answers(ir, json.loads(done.stdout))


def test_every_feature_that_is_said_to_be_asked_is() -> None:
    assert set(NAMES) <= set(ASKED) and set(SEEN) == set(CONTROLLERS)


def test_the_objects_are_valid_for_the_api(answers: Answers) -> None:
    assert answers.refused == ""


def test_requests_go_where_the_prediction_says(answers: Answers) -> None:
    """Host, path, precedence and rewriting, for requests drawn at random."""
    found = list(rules(answers.ir.http))
    reached = set()
    for request, answer in zip(ASKED["drawn"], answers["drawn"], strict=True):
        rule = chosen(found, request["host"], request["path"])
        if rule is None:
            assert answer["status"] == 404, (request, answer)
            continue
        (backend,) = rule.path.backends
        pods = {pod for pod, kind in PODS[backend.service] if kind != "dead"}
        if answer["status"] == 502 and backend.service == "half":
            continue  # one of its two pods is dead
        assert (answer["status"], answer["got"]["path"]) == (200, rewritten(rule, request["path"])), (request, answer)
        assert answer["got"]["pod"] in pods, (request, answer)
        reached.add(rule.route.name)
    assert reached == {"paths", "wild", "rest", "rewrite", "rewrite-root", "rewrite-path"}


def test_rewriting_a_prefix(answers: Answers) -> None:
    got = [(answer["got"]["pod"], answer["got"]["path"]) for answer in answers["rewrite"]]
    assert got == [("web-1", "/v2/x"), ("api-1", "/")]


def test_tls_with_a_given_certificate(answers: Answers) -> None:
    assert answers.statuses("tls") == [200, 200]
    assert answers["tls"][0]["certificate"] == answers.digest


def test_redirect_to_https(answers: Answers) -> None:
    plain, secure = answers["redirect"]
    assert plain["status"] in (301, 308) and plain["headers"]["Location"] == "https://redirect.example.com/x?y=1"
    assert secure["status"] == 200 and secure["certificate"] != answers.digest


def test_weights(answers: Answers) -> None:
    """Of 100 requests 10 are expected; fewer than 2 or more than 23 come less than once in ten thousand runs."""
    pods = [answer["got"]["pod"] for answer in answers["canary"]]
    assert set(pods) == {"web-1", "api-1"} and 2 <= pods.count("api-1") <= 23


def test_a_body_at_the_limit_passes_and_a_larger_one_does_not(answers: Answers) -> None:
    assert answers.statuses("body") == [200, 413]
    assert answers["body"][0]["got"]["bytes"] == 1024


def test_the_rate_limit_counts_each_client(answers: Answers) -> None:
    assert answers.statuses("rate") == [200, 200, 429, 200]


def test_client_addresses(answers: Answers) -> None:
    assert answers.statuses("allow") == [403, 200]


def test_basic_authentication(answers: Answers) -> None:
    assert answers.statuses("basic") == [401, 200, 401]


def test_external_authentication(answers: Answers) -> None:
    """What the Service answers is what the backend gets, whatever the client says."""
    assert answers.statuses("asked") == [401, 200]
    assert answers["asked"][1]["got"]["headers"]["X-User"] == "ann"


def test_cors_answers_preflight_requests_before_anybody_logs_in(answers: Answers) -> None:
    allowed, other = answers["cors"]
    name = "Access-Control-Allow-Origin"
    assert (allowed["status"], allowed["headers"][name]) == (200, "https://app.example.com")
    assert allowed["headers"]["Access-Control-Max-Age"] == "60"
    assert name not in other["headers"]


def test_headers(answers: Answers) -> None:
    (answer,) = answers["headers"]
    assert answer["got"]["headers"]["X-From"] == "edge" and "X-Debug" not in answer["got"]["headers"]
    assert answer["headers"]["X-Answer"] == "edge" and "X-Backend" not in answer["headers"]


def test_error_pages(answers: Answers) -> None:
    page, own, fine = answers["errors"]
    assert (page["status"], page["got"]["pod"], page["got"]["path"]) == (503, "api-1", "/pages/503.html")
    assert (own["status"], own["got"]["pod"]) == (404, "web-1") and fine["status"] == 200


def test_a_request_that_no_pod_took_is_sent_again(answers: Answers) -> None:
    assert answers.statuses("retries") == [200] * 10


def test_a_client_gets_the_cookie_of_its_pod(answers: Answers) -> None:
    (answer,) = answers["sticky"]
    assert answer["status"] == 200 and answer["headers"]["Set-Cookie"].startswith("pod=")


def test_a_websocket_through_all_that_looks_at_bodies_and_answers(answers: Answers) -> None:
    assert answers["websocket"] == [{"status": 101, "text": "web-1 hello"}]


def test_what_is_not_read_reaches_a_pod_that_speaks_tls_alone(answers: Answers) -> None:
    secure, plain = answers["unread"]
    assert (secure["status"], secure["got"]["pod"]) == (200, "sealed-1")
    assert plain["status"] in (301, 308) and plain["headers"]["Location"] == "https://unread.example.com/"


def test_an_answer_that_begins_too_late_is_504_and_one_that_ends_late_is_not(answers: Answers) -> None:
    assert answers.statuses("slow") == [200, 504, 200]


def test_the_mirror_gets_each_request_once(answers: Answers) -> None:
    *asked, copies = answers["mirror"]
    assert [answer["status"] for answer in asked] == [200] * 5
    assert [answer["got"]["pod"] for answer in asked[:1]] == ["web-1"]
    assert {answer["got"]["pod"] for answer in asked[1:]} == {"web-1", "api-1"}
    assert sorted(copies["seen"]) == [["/one/1", 9], *[["/two/2", 0]] * 4]


def test_a_trace_goes_on_from_the_client_s_span_to_the_backend(answers: Answers) -> None:
    """The collector gets the controller's spans with that trace and parent, the backend the last of them as parent."""
    traced, other, unsampled, spans, of_other = answers["traced"]
    _, trace, parent, flags = traced["got"]["headers"]["Traceparent"].split("-")
    assert (trace, flags) == (TRACE, "01") and parent != PARENT
    assert spans == {"has": True, "parent": True}
    assert not of_other["has"] and other["status"] == 200
    assert unsampled["got"]["headers"].get("Traceparent", "-00").endswith("-00")


def test_grpc_in_clear(answers: Answers) -> None:
    assert answers["grpc"] == [{"status": "OK", "text": "grpc-1 hello"}]
