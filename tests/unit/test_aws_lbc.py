"""Routes as an Application Load Balancer has them: read back as it and its controller do, they choose as predicted."""

import json
import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.analysis.exposure import exposures
from netspec.analysis.routes import chosen, rewritten, rules
from netspec.backends.edge.aws_lbc.install import ACCOUNT
from netspec.backends.edge.aws_lbc.routes import MOST_VALUES, SUFFIXES, ingresses
from netspec.backends.edge.aws_lbc.settings import AwsAlbSettings
from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.ir.http import HttpBackend, HttpPath, HttpRoute, Rewrite
from netspec.ir.model import Dns, Ir, Network, Service, ServicePort
from netspec.plan import CNI_READY, ManifestNode, Plan, ResourceNode, needs_of
from netspec.spec.load import loads
from tests.unit.test_http_routes import routes, slashed

KEY = "alb.ingress.kubernetes.io/"
HOSTS = ("a.test", "b.test", "c.test", "x.a.test")
SPEC = (Path(__file__).parent.parent / "golden" / "eks-load-balancers" / "spec.yaml").read_text()


class Met(NamedTuple):
    """What a request meets: the Ingress's name, the action, and its path afterwards."""

    ingress: str
    action: dict[str, Any]
    path: str


def _ir(found: list[HttpRoute]) -> Ir:
    service = Service("shop", "web", ports=(ServicePort(80, 80, "TCP"),))
    return Ir("t", "dev", Network((), ()), Dns(), services=(service,), http=tuple(found))


def _met(objects: list[dict[str, Any]], port: str, host: str, path: str, source: str = "192.0.2.1") -> Met | None:
    """The first rule of the listener that takes it: Ingresses by their order, then by name; of each host the exact
    paths, longer prefixes before shorter ones, then expressions, and what is equal as it stands."""

    def said(obj: dict[str, Any], name: str) -> str | None:
        value = obj["metadata"]["annotations"].get(KEY + name)
        return None if value is None else str(value)

    listening = [o for o in objects if port in (said(o, "listen-ports") or "")]
    for obj in sorted(listening, key=lambda o: (int(said(o, "group.order") or 0), o["metadata"]["name"])):
        for of_host in obj["spec"]["rules"]:
            exact = [p for p in of_host["http"]["paths"] if p["pathType"] == "Exact"]
            prefixes = [p for p in of_host["http"]["paths"] if p["pathType"] == "Prefix"]
            others = [p for p in of_host["http"]["paths"] if p["pathType"] == "ImplementationSpecific"]
            assert not others or said(obj, "use-regex-path-match") == "true"
            for item in [*exact, *sorted(prefixes, key=lambda p: -len(p["path"])), *others]:
                name, wanted = item["backend"]["service"]["name"], item["path"]
                patterns = [wanted] if item not in prefixes else ["/*"] if wanted == "/" else [wanted, f"{wanted}/*"]
                conditions = json.loads(said(obj, f"conditions.{name}") or "[]")
                values = [v for c in conditions for v in c["sourceIpConfig"]["values"]]
                assert len(values) + len(patterns) + ("host" in of_host) <= MOST_VALUES
                if item in others:
                    assert len(wanted) <= 129
                    patterns = [path] if re.search(wanted[1:], path) else []
                taken = any(path == p or (p.endswith("*") and path.startswith(p[:-1])) for p in patterns)
                if of_host.get("host", host) != host or not taken:
                    continue
                if conditions and not any(ip_address(source) in ip_network(v) for v in values):
                    continue
                url = f"{path}?q=/a"
                for change in json.loads(said(obj, f"transforms.{name}") or "[]"):
                    (one,) = change["urlRewriteConfig"]["rewrites"]
                    url = re.sub(one["regex"], one["replace"], url, count=1)
                assert url.endswith("?q=/a")
                return Met(
                    obj["metadata"]["name"], json.loads(said(obj, f"actions.{name}") or ""), url[: -len("?q=/a")]
                )
    return None


@settings(max_examples=300, deadline=None)
@given(routes(), st.sampled_from(HOSTS), slashed, st.sampled_from([None, Rewrite("/", None), Rewrite("/v2", None)]))
def test_requests_go_where_the_prediction_says(
    drawn: list[HttpRoute], host: str, path: str, rewrite: Rewrite | None
) -> None:
    """Hosts without a wildcard, which it lacks."""
    found = [
        HttpRoute(r.namespace, r.name, tuple(h for h in r.hosts if "*" not in h), r.paths, rewrite=rewrite)
        for r in drawn
        if not r.hosts or any("*" not in h for h in r.hosts)
    ]
    predicted = chosen(rules(found), host, path)
    met = _met(list(ingresses(_ir(found), AwsAlbSettings())), "HTTP", host, path)
    if predicted is None:
        assert met is None
        return
    assert met is not None and met.ingress.partition(".")[0] == predicted.route.name
    if not (predicted.path.exact or predicted.path.regex) or rewrite is None:  # NS843
        assert met.path == rewritten(predicted, path)


def test_every_object_of_a_route_is_known_as_its() -> None:
    web = (HttpBackend("web", 80),)
    one = HttpRoute(
        "shop", "one", ("a.test", "b.test", ""), (HttpPath("/", False, web),), tls="t", redirect_to_https=True
    )
    two = HttpRoute("shop", "two", ("a.test",), (HttpPath("/a", False, web),))
    names = {o["metadata"]["name"] for o in ingresses(_ir([one, two]), AwsAlbSettings())}
    assert names <= {f"{name}{suffix}" for name in ("one", "two") for suffix in SUFFIXES}
    assert {"one", "one.1", "one.http", "one.1.http", "two"} <= names


@pytest.mark.parametrize(("source", "status"), [("192.0.2.9", None), ("203.0.113.9", None), ("198.18.0.1", "403")])
def test_other_addresses_get_403_and_no_other_route(source: str, status: str | None) -> None:
    """For the path of the allow-list, though a shorter one of the same host would take them."""
    allowed = tuple(ip_network(c) for c in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))
    web = (HttpBackend("web", 80),)
    inner = HttpRoute("shop", "inner", ("a.test",), (HttpPath("/in", False, web),), allow_from=allowed)
    outer = HttpRoute("shop", "outer", ("a.test",), (HttpPath("/", False, web),))
    met = _met(list(ingresses(_ir([inner, outer]), AwsAlbSettings())), "HTTP", "a.test", "/in/x", source)
    assert met is not None and met.ingress == "inner"
    assert met.action.get("fixedResponseConfig", {}).get("statusCode") == status


@pytest.fixture(scope="module")
def compiled() -> CompileResult:
    result = compile_spec(loads(SPEC.encode(), "spec.yaml"), "prod", REGISTRY)
    assert result.plan is not None and result.ir is not None, [d.render() for d in result.diagnostics]
    return result


def test_plain_requests_are_redirected_where_the_route_says_so(compiled: CompileResult) -> None:
    assert compiled.plan is not None
    found = [dict(o.manifest) for o in _objects(compiled.plan, "Ingress")]
    to_https = _met(found, '"HTTP"', "shop.example.com", "/x")
    assert to_https is not None and to_https.action["redirectConfig"]["statusCode"] == "HTTP_301"
    secure, plain = _met(found, "HTTPS", "shop.example.com", "/x"), _met(found, '"HTTP"', "shop.example.com", "/api/x")
    assert secure is not None and secure.action["type"] == "forward"
    assert plain is not None and (plain.action["type"], plain.path) == ("forward", "/v2/x")


def test_what_an_object_made_in_aws_goes_before_the_controller_does(compiled: CompileResult) -> None:
    plan = compiled.plan
    assert plan is not None
    for node in (*_objects(plan, "Ingress"), *_objects(plan, "Service")):
        is_balanced = node.manifest["kind"] == "Ingress" or node.manifest["spec"]["type"] == "LoadBalancer"
        assert (node.outlives, "aws-load-balancers" in needs_of(node)) == (is_balanced, is_balanced)
    (chart,) = [n for n in plan.nodes if isinstance(n, ResourceNode) and n.token.endswith("helm.sh/v3:Release")]
    assert {CNI_READY, ACCOUNT.node} <= set(needs_of(chart))
    assert chart.properties["values"]["enableServiceMutatorWebhook"] is False


def test_services_say_whose_they_are(compiled: CompileResult) -> None:
    assert compiled.plan is not None and compiled.ir is not None
    (mail,) = [n.manifest for n in _objects(compiled.plan, "Service") if n.manifest["metadata"]["name"] == "mail"]
    assert mail["spec"]["loadBalancerClass"] == "service.k8s.aws/nlb"
    assert mail["metadata"]["annotations"]["service.beta.kubernetes.io/aws-load-balancer-nlb-target-type"] == "ip"
    assert compiled.ir.services_by_id["shop/mail"].load_balancer_class == "service.k8s.aws/nlb"


def test_rights_that_change_something_are_for_what_has_the_cluster_s_tag(compiled: CompileResult) -> None:
    assert compiled.plan is not None
    policy = next(n for n in compiled.plan.nodes if n.id.endswith("aws-load-balancer-controller-own"))
    assert isinstance(policy, ResourceNode)
    everywhere, *conditioned = policy.properties["policy"].value["Statement"]
    deletes = ("DeleteLoadBalancer", "DeleteTargetGroup", "DeleteSecurityGroup", "DeleteTags")
    assert not [a for a in everywhere["Action"] if a.endswith(deletes)]
    assert all("Condition" in s or s["Resource"] != "*" for s in conditioned)
    found = {a.rpartition(":")[2] for s in conditioned for a in s["Action"]}
    assert set(deletes) <= found


def test_a_route_is_as_open_as_policies_let_the_load_balancer_s_subnets_in(compiled: CompileResult) -> None:
    """All of them: it may call from any."""
    assert compiled.ir is not None
    rows = [e for e in exposures(compiled.ir.inventory) if e.scope == "routes"]
    assert rows and {e.workload for e in rows} == {"shop/web", "shop/quotes"}
    for cidr, said in (("10.1.0.0/16", "policies keep 10.0.192.0/20, "), ("10.0.192.0/20", "policies keep some of ")):
        changed = yaml.safe_load(SPEC)
        changed["policies"][0]["from"]["cidr"] = cidr
        result = compile_spec(loads(yaml.safe_dump(changed).encode(), "spec.yaml"), "prod", REGISTRY)
        (message,) = {d.message.partition("10.0")[0] for d in result.diagnostics if d.code == "NS845"}
        assert said.startswith(message)


@pytest.mark.parametrize(
    ("layer", "controller"),
    [("ingress", name) for name in ("traefik", "haproxy", "f5-nginx", "ingress-nginx")]
    + [("gateway", "envoy-gateway")],
)
def test_a_controller_in_the_cluster_has_a_load_balancer_that_keeps_the_client_and_goes(
    layer: str, controller: str
) -> None:
    """What EKS makes by itself is a Classic Load Balancer, which connects anew: no allow-list sees a client (NS844)."""
    spec = yaml.safe_load(SPEC)
    spec["ingress"] = [spec["ingress"][1] | {"paths": [{"backends": [{"service": "web", "port": 80}]}]}]
    del spec["policies"], spec["namespaces"][0]["defaultDeny"]
    stack = spec["stacks"]["prod"]
    del stack["ingress"]
    stack[layer] = {"controller": controller}
    chosen = compile_spec(loads(yaml.safe_dump(spec).encode(), "spec.yaml"), "prod", REGISTRY)
    assert chosen.plan is not None, [d.render() for d in chosen.diagnostics]
    (made,) = [
        n for n in chosen.plan.nodes if isinstance(n, ManifestNode | ResourceNode) and n.outlives and "mail" not in n.id
    ]
    assert "aws-load-balancers" in needs_of(made)
    said = [n for n in chosen.plan.nodes if "aws-load-balancer-nlb-target-type" in str(n) and "mail" not in n.id]
    assert len(said) == 1
    del stack["loadBalancer"]
    alone = compile_spec(loads(yaml.safe_dump(spec).encode(), "spec.yaml"), "prod", REGISTRY)
    assert {d.code for d in alone.diagnostics if d.severity == "error"} == {"NS844"}


def _objects(plan: Plan, kind: str) -> list[ManifestNode]:
    return [n for n in plan.nodes if isinstance(n, ManifestNode) and n.manifest["kind"] == kind]
