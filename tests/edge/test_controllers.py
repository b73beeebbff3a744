"""What is compiled for a controller, given to the controller itself: it is valid for the API, and requests fare as the
spec says and as `netspec.analysis.routes` predicts. Answers in seconds, without a cluster."""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from airgap.build import bin_dir, path_of
from airgap.errors import AirgapError
from netspec import catalogue
from netspec.analysis.routes import chosen, rewritten, rules
from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.ir.model import Ir
from netspec.plan import ManifestNode
from netspec.spec.load import loads
from netspec.target import Feature
from tests.edge.asked import ASKED, BESIDES, PARENT, TRACE
from tests.edge.controllers import CONTROLLERS
from tests.edge.definitions import chart_definitions, on_this_host
from tests.edge.features import NAMES, SEEN

HERE = Path(__file__).parent


PODS = {
    **{name: ((f"{name}-1", "http"),) for name in ("web", "api", "limited", "patient", "asking", "login", "pages")},
    "pair": (("pair-1", "http"), ("pair-2", "http")),
    "half": (("half-1", "http"), ("half-2", "dead")),
    "grpc": (("grpc-1", "grpc"),),
    "copy": (("copy-1", "http"),),
    "collector": (("collector-1", "collector"),),
    "sealed": (("sealed-1", "tls"),),
    "stuck": (("stuck-1", "http"), ("stuck-2", "http")),
    "id": (("id-1", "provider"),),
}


def _programs(controller: str) -> dict[str, str]:
    """The programs, built already; without them there is nothing to run."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("openssl") is None:
        pytest.skip("not run: a network namespace needs root")
    try:
        kubernetes, etcd = bin_dir("kubernetes"), bin_dir("etcd")
        how = CONTROLLERS[controller]
        found = {name: str(bin_dir(component) / component) for name, component in how.programs}
        if how.image:
            found["image"] = str(path_of(how.image) / "images.tar")
    except AirgapError as error:
        pytest.skip(f"not run: {error}")
    return found | {
        "etcd": str(etcd / "etcd"),
        **{name: str(kubernetes / name) for name in ("kube-apiserver", "kubectl")},
    }


def _supported(controller: str) -> frozenset[Feature]:
    layers = (REGISTRY.providers(layer) for layer in ("ingress", "gateway"))
    return next(found[controller].supports for found in layers if controller in found)


def _asked(controller: str) -> dict[str, list[dict[str, Any]]]:
    """Of the features that it has."""
    more = BESIDES.get(controller, {})
    supported = _supported(controller)
    return {name: asks + more.get(name, []) for name, asks in ASKED.items() if NAMES[name] in supported}


class Answers:
    """What came back, by the name of the feature."""

    def __init__(self, controller: str, ir: Ir, result: dict[str, Any]) -> None:
        self.controller, self.ir = CONTROLLERS[controller], ir
        self.supported = _supported(controller)
        self.refused, self.digest, self.log = result["refused"], result["digest"], result["log"]
        rest = iter(result["answers"])
        self.by_name = {name: [next(rest, {}) for _ in requests] for name, requests in _asked(controller).items()}

    def __getitem__(self, name: str) -> list[dict[str, Any]]:
        if NAMES[name] not in self.supported:
            pytest.skip(f"it has no feature {NAMES[name].value}")
        return self.by_name[name][: len(ASKED[name])]

    def besides(self, name: str) -> list[dict[str, Any]]:
        if not (found := self.by_name.get(name, [])[len(ASKED[name]) :]):
            pytest.skip("it is asked nothing besides")
        return found

    def statuses(self, name: str) -> list[Any]:
        return [answer["status"] for answer in self[name]]


@cache
def _compiled(controller: str) -> tuple[Ir, list[dict[str, Any]]]:
    file = CONTROLLERS[controller].spec
    text = (HERE / file).read_text().replace("CONTROLLER", controller)
    result = compile_spec(loads(text.encode(), file), "dev", REGISTRY)
    assert result.plan is not None and result.ir is not None, [d.render() for d in result.diagnostics]
    return result.ir, [dict(n.manifest) for n in result.plan.nodes if isinstance(n, ManifestNode)]


def _slices(ir: Ir, also: tuple[int, ...]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """EndpointSlices, which no controller makes here, and the backends that listen at their addresses."""
    slices, backends = [], []
    for number, (name, pods) in enumerate(PODS.items()):
        if f"shop/{name}" not in ir.services_by_id:
            continue
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
        ports = [9090, *also]
        backends += [
            {"service": name, "pod": pod, "kind": kind, "address": a, "ports": ports} for (pod, kind), a in rows
        ]
    return slices, backends


@pytest.fixture(scope="module", params=CONTROLLERS)
def answers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    controller = request.param
    programs, how = _programs(controller), CONTROLLERS[controller]
    ir, manifests = _compiled(controller)
    slices, backends = _slices(ir, how.also)
    plan = {
        "folder": str(tmp_path_factory.mktemp("edge")),
        "programs": programs,
        "version": catalogue.ENVOY.official,
        "ports": dict(zip(("http", "https"), how.ports, strict=True)),
        "users": how.users,
        "crypt": how.crypt,
        "backends": backends,
        "ready": {"host": "paths.example.com"},
        "last": {"host": how.last},
        "requests": [r for requests in _asked(controller).values() for r in requests],
        **(_routes(manifests) if "envoy" in programs else _own_routes(ir, manifests)),
    }
    plan["objects"] += slices
    # In a namespace of processes too: what it leaves ends with it.
    alone = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = [*alone, "setpriv", "--pdeathsig", "KILL", sys.executable, HERE / "frontdoor.py"]
    done = subprocess.run(command, input=json.dumps(plan), capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-8000:]
    return Answers(controller, ir, json.loads(done.stdout))


def _own_routes(ir: Ir, manifests: list[dict[str, Any]]) -> dict[str, Any]:
    """The routes as objects, what else the controller reads of its own namespace, and its arguments."""
    front = ir.traits.front
    assert front is not None
    homes = ("shop", front.workload.namespace)
    (pods,) = [
        m for m in manifests if m["kind"] == "Deployment" and m["metadata"]["namespace"] == front.workload.namespace
    ]
    return {
        "definitions": [
            m for m in manifests if m["kind"] == "CustomResourceDefinition" and "traefik" in m["metadata"]["name"]
        ],
        "namespaces": [m for m in manifests if m["kind"] == "Namespace" and m["metadata"]["name"] in homes],
        "objects": [
            m
            for m in manifests
            if m["kind"] == "IngressClass" or (m["metadata"].get("namespace") in homes and m["kind"] != "Deployment")
        ],
        "args": pods["spec"]["template"]["spec"]["containers"][0]["args"],
    }


def _routes(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    """Objects of the Gateway API and of Envoy Gateway, with the definitions of its chart."""
    groups = ("gateway.networking.k8s.io", "gateway.envoyproxy.io")
    own = [m for m in manifests if m["apiVersion"].partition("/")[0] in groups]
    own += [m for m in manifests if m["kind"] == "Service" and m["metadata"]["namespace"] == "shop"]
    return {
        "definitions": chart_definitions(path_of("envoy-gateway-images")),
        "namespaces": [m for m in manifests if m["kind"] == "Namespace"],
        "objects": [on_this_host(m) for m in own],
    }


def test_every_feature_that_is_said_to_be_asked_is() -> None:
    """And of each controller that was seen all that is asked which it has."""
    assert set(NAMES) == set(ASKED) and set(CONTROLLERS) <= set(SEEN)
    for controller in set(SEEN) & set(CONTROLLERS):
        assert {NAMES[name] for name in _asked(controller)} <= SEEN[controller]


def test_the_objects_are_valid_for_the_api(answers: Answers) -> None:
    assert answers.refused == ""


def test_requests_go_where_the_prediction_says(answers: Answers) -> None:
    """Host, path, precedence and rewriting, for requests drawn at random."""
    found = list(rules(answers.ir.http))
    reached = set()
    for request, answer in zip(ASKED["drawn"], answers["drawn"], strict=True):
        if "%2F" in request["path"] and answers.controller.unescapes:
            assert answer["headers"]["Location"].endswith(request["path"].replace("%2F", "/")), (request, answer)
            assert answer["status"] == 307
            continue
        rule = chosen(found, request["host"], request["path"])
        if rule is None:
            assert answer["status"] == 404, (request, answer)
            continue
        (backend,) = rule.path.backends
        pods = {pod for pod, kind in PODS[backend.service] if kind != "dead"}
        if answer["status"] == answers.controller.gone and backend.service == "half":
            continue  # one of its two pods is dead
        assert (answer["status"], answer["got"]["path"]) == (200, rewritten(rule, request["path"])), (request, answer)
        assert answer["got"]["pod"] in pods, (request, answer)
        reached.add(rule.route.name)
    names = {"paths", "wild", "wild-rewrite", "rest", "rewrite", "rewrite-root", "rewrite-path", "others"}
    assert reached == names & {route.name for route in answers.ir.http} and len(reached) > 5


def test_patterns_of_paths_go_where_the_prediction_says(answers: Answers) -> None:
    """Whole paths, after exact ones and before prefixes, the longest pattern first, whatever a wildcard's host has."""
    found, reached = list(rules(answers.ir.http)), set()
    for request, answer in zip(ASKED["patterns"], answers["patterns"], strict=True):
        if "%2F" in request["path"] and answers.controller.unescapes:
            continue
        rule = chosen(found, request["host"], request["path"])
        assert answer["status"] == (404 if rule is None else 200), (request, answer)
        if rule is not None:
            (backend,) = rule.path.backends
            assert answer["got"]["pod"] in {pod for pod, _ in PODS[backend.service]}, (request, answer)
            reached.add((rule.host, rule.path.path))
    known = {(rule.host, rule.path.path) for rule in found if "patterns" in rule.route.name}
    beaten = {"/v1/orders/of/last/year/and/before", "/a/longer/than/patterns"}
    assert known - reached == {(host, path) for host, path in known if path in beaten}


def test_rewriting_a_prefix(answers: Answers) -> None:
    got = [(answer["got"]["pod"], answer["got"]["path"]) for answer in answers["rewrite"]]
    assert got == [("web-1", "/v2/x"), ("api-1", "/")]


def test_tls_with_a_given_certificate(answers: Answers) -> None:
    assert answers.statuses("tls") == [200, 200]
    assert answers["tls"][0]["certificate"] == answers.digest


def test_redirect_to_https(answers: Answers) -> None:
    plain, secure = answers["redirect"]
    assert plain["status"] in (301, 308) and plain["headers"]["Location"] == "https://redirect.example.com/x?y=1"
    assert secure["status"] == 200
    assert (secure["certificate"] != answers.digest) == (Feature.HTTP_SELF_SIGNED in answers.supported)


def test_weights(answers: Answers) -> None:
    """Of 100 requests 10 are expected; fewer than 2 or more than 23 come less than once in ten thousand runs."""
    pods = [answer["got"]["pod"] for answer in answers["canary"]]
    assert set(pods) == {"web-1", "api-1"} and 2 <= pods.count("api-1") <= 23


def test_a_body_at_the_limit_passes_and_a_larger_one_does_not(answers: Answers) -> None:
    assert answers.statuses("body") == [200, 413]
    assert answers["body"][0]["got"]["bytes"] == 1024


def test_the_rate_limit_counts_each_client(answers: Answers) -> None:
    assert answers.statuses("rate") == [200, 200, 429, 200]


def test_the_rate_limit_counts_the_requests_of_one_connection(answers: Answers) -> None:
    assert [answer["status"] for answer in answers.besides("rate")] == [429]


def test_client_addresses(answers: Answers) -> None:
    assert answers.statuses("allow") == [403, 200]


def test_basic_authentication(answers: Answers) -> None:
    assert answers.statuses("basic") == [401, 200, 401]


def test_external_authentication(answers: Answers) -> None:
    """What the Service answers is what the backend gets, whatever the client says."""
    assert answers.statuses("asked") == [401, 200]
    assert answers["asked"][1]["got"]["headers"]["X-User"] == "ann"


def test_no_header_that_the_asked_service_may_send_is_the_client_s(answers: Answers) -> None:
    (answer,) = answers.besides("asked")
    headers = answer["got"]["headers"]
    assert (answer["status"], headers["X-User"], headers.get("X-Role", "")) == (200, "ann", "")


def test_cors_answers_preflight_requests_before_anybody_logs_in(answers: Answers) -> None:
    allowed, other = answers["cors"]
    name = "Access-Control-Allow-Origin"
    # Fetch, 4.8: any status of success.
    assert 200 <= allowed["status"] < 300 and allowed["headers"][name] == "https://app.example.com"
    assert allowed["headers"]["Access-Control-Max-Age"] == "60"
    # Fetch, 3.2.2: the page gets the answer where the header is its own origin.
    assert other["headers"].get(name) not in ("*", "https://else.example.com")


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


def test_a_client_stays_with_the_pod_of_its_cookie_and_one_without_does_not(answers: Answers) -> None:
    """Of two pods one alone answers 30 requests less than once in a hundred million runs."""
    first, *others = answers.besides("sticky")
    assert first["status"] == 200 and first["headers"]["Set-Cookie"].startswith("pod=")
    assert first["again"] == [first["got"]["pod"]] * 10
    assert len({answer["got"]["pod"] for answer in others}) == 2


def test_a_websocket_through_all_that_looks_at_bodies_and_answers(answers: Answers) -> None:
    assert answers["websocket"] == [{"status": 101, "text": "web-1 hello"}]


def test_what_is_not_read_reaches_a_pod_that_speaks_tls_alone(answers: Answers) -> None:
    secure, plain = answers["unread"]
    assert (secure["status"], secure["got"]["pod"]) == (200, "sealed-1")
    assert plain["status"] in (301, 308) and plain["headers"]["Location"] == "https://unread.example.com/"


def test_an_answer_that_begins_too_late_is_504_and_one_that_ends_late_is_not(answers: Answers) -> None:
    *begun, paused = answers.statuses("slow")
    assert begun == [200, 504]
    assert paused == 0 if answers.controller.cuts else paused == 200


def test_an_answer_that_ends_too_late_is_504_or_cut_off(answers: Answers) -> None:
    fast, silent, begun = answers["late"]
    assert (fast["status"], silent["status"]) == (200, 504)
    assert begun["status"] == 0 and "IncompleteRead" in begun["text"]


def test_people_log_in_at_the_provider(answers: Answers) -> None:
    """The whole way: to the provider with what it must be told, back with a code, to where one was going; then a
    session, in cookies that scripts and plain HTTP do not get."""
    for pod, login in zip(("web-1", "api-1", "web-1"), answers["login"], strict=True):
        assert login["statuses"] == [302, 302, 200], login
        assert login["provider"] == "https://id.example.net:8444/authorize"
        asked = login["asked"]
        assert (asked["client_id"], asked["response_type"], asked["scope"]) == ("front-door", "code", "openid")
        assert asked["code_challenge_method"] == "S256"
        assert login["back"] == asked["redirect_uri"]
        assert login["came"] == login["back"].replace("/oauth2/callback", "/x?y=1")
        assert json.loads(login["text"])["pod"] == pod
        assert login["attributes"] and all({"httponly", "secure"} <= set(found) for found in login["attributes"])


def test_no_login_that_the_provider_did_not_vouch_for(answers: Answers) -> None:
    for login in answers["login"]:
        assert login["a made-up code"] == login["a made-up state"] == login["a stranger's code"] == 401
        assert login["after a made-up code"] == login["after a made-up state"] == login["a forged session"] == 302


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
    all_are = all(route.tracing or route.passthrough for route in answers.ir.http)
    assert of_other["has"] == all_are and other["status"] == 200
    assert unsampled["got"]["headers"].get("Traceparent", "-00").endswith("-00")


def test_grpc_in_clear(answers: Answers) -> None:
    assert answers["grpc"] == [{"status": "OK", "text": "grpc-1 hello"}]
