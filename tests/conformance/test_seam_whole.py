"""The acceptance test of the seam: backends that exist in tests only go the whole way without a line of the core.

A spec is checked, predicted, compiled and declared to Pulumi, and its facts are verified against recorded answers.
"""

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pulumi
import pytest
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks
from specs import EVERYTHING, load_spec
from toys import TOYS, given

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import PodEnd
from netspec.cli._changes import reachability_change
from netspec.compiler import CompileResult, check_spec, compile_spec
from netspec.deploy.layers import layers
from netspec.deploy.program import apply
from netspec.diagnostics import Diagnostic
from netspec.plan import CLUSTER, CNI_READY, NODES, ManifestNode, Plan, ResourceNode, needs_of, providers
from netspec.probes import OUTSIDE, FactProbe, FlowProbe
from netspec.verify.model import Status
from netspec.verify.readers import Readings, read_facts
from netspec.verify.state import State, parse_state

WIRE = {"provider": "wire", "mode": "tunnel", "windowSize": 32}
FRONT = {"controller": "front", "replicas": 2}


def compiled(changes: dict[str, Any] = EVERYTHING, **layers_: Any) -> CompileResult:
    return compile_spec(
        load_spec(changes, **{"cluster": given("cloud"), "cni": WIRE, "ingress": FRONT} | layers_), "dev", TOYS
    )


def plan_of(result: CompileResult) -> Plan:
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    return result.plan


def before(plan: Plan) -> dict[str, set[str]]:
    """Everything that comes before a node."""
    standing, out = providers(plan.nodes), {}  # type: ignore[var-annotated]
    for node in plan.nodes:
        needs = {standing[need] for need in needs_of(node)}
        out[node.id] = needs.union(*(out[need] for need in needs))
    return out


# Settings


def findings(**layers_: Any) -> list[Diagnostic]:
    return list(check_spec(load_spec({}, **{"cluster": given("cloud"), "cni": "wire"} | layers_), None, TOYS))


#: What a stack may choose.
CNIS = ", ".join(TOYS.providers("cni"))


@pytest.mark.parametrize(
    ("layers_", "path", "message", "hint"),
    [
        ({"cni": {"provider": "wier"}}, "cni.provider", "'wier' is not allowed here", "did you mean wire?"),
        ({"cni": {"provider": "wires3"}}, "cni.provider", f"expected one of {CNIS}", None),
        (
            {"cni": {"mode": "direct"}},
            "cni.provider",
            "required",
            f"it names the backend: one of {CNIS}",
        ),
        (
            {"cni": {"provider": 4}},
            "cni.provider",
            f"expected one of {CNIS}, found the number 4",
            None,
        ),
        ({"cni": []}, "cni", "expected a mapping", "write cni: {provider: calico}"),
        ({"cni": {"provider": "wire", "blockSize": 26}}, "cni.blockSize", "wire has no such setting; calico has", None),
        ({"cni": {"provider": "calico", "windowSize": 2}}, "cni.windowSize", "no such setting; wire has", "remove it"),
        ({"cni": {"provider": "wire", "windowSise": 2}}, "cni.windowSise", "unknown", "did you mean windowSize?"),
        ({"cni": {"provider": "wire", "mode": "tunel"}}, "cni.mode", "one of direct, tunnel", "did you mean tunnel?"),
        ({"cni": {"provider": "wire", "windowSize": 0}}, "cni.windowSize", "out of range: at least 1", None),
        ({"cluster": {"type": "cloud"}}, "cluster.zone", "this field is required", None),
        ({"cluster": {"type": "cloud", "zone": "north", "pool": {"sise": 3}}}, "cluster.pool.sise", "unknown", "size"),
        ({"cluster": {"type": "cloud", "zone": "north", "subnet": "x"}}, "cluster.subnet", "'x' is not a CIDR", None),
        ({"ingress": {"controller": "back"}}, "ingress.controller", "expected one of", None),
    ],
)
def test_settings_are_checked_as_the_core_s_own_fields(
    layers_: dict[str, Any], path: str, message: str, hint: str | None
) -> None:
    (found,) = findings(**layers_)
    assert ".".join(map(str, found.path)) == f"stacks.dev.{path}"
    assert message in found.message and (hint is None or hint in (found.hint or ""))
    assert found.position is not None


def test_a_layer_that_is_not_one_is_an_unknown_field() -> None:
    loaded = load_spec({})
    assert loaded.spec is not None
    loaded.spec.stacks["dev"]["ingres"] = {}
    (found,) = check_spec(loaded, None, TOYS)
    assert (found.path[-1], found.hint) == ("ingres", "did you mean ingress?")


def test_what_bounds_the_nodes_is_said_where_it_is_set() -> None:
    tight = {"type": "cloud", "zone": "north", "subnet": "192.168.0.0/29", "pool": {"size": 4}}
    (found,) = findings(cluster=tight)
    assert (found.code, found.path, found.hint) == (
        "NS108",
        ("stacks", "dev", "cluster", "subnet"),
        "a larger subnet",
    )


def test_ranges_of_nodes_are_held_against_the_others() -> None:
    (found,) = findings(cluster={"type": "cloud", "zone": "north", "subnet": "10.244.0.0/24"})
    assert (found.code, found.path) == ("NS102", ("stacks", "dev", "cluster", "subnet"))


# The plan


def test_what_comes_before_the_cluster_and_after_the_cni() -> None:
    plan = plan_of(compiled())
    needs, standing = before(plan), providers(plan.nodes)
    assert needs["control-plane"] == {"network", "cloud"} and needs["network"] == {"cloud"}
    assert standing[CLUSTER] == "access" and needs["access"] >= {"control-plane", "network"}
    assert needs["pool"] >= {"daemonset:kube-system/wire", "access"}
    assert needs[CNI_READY] >= {"pool"} and standing[NODES] == "pool"
    assert needs["deployment:kube-system/front"] >= {CNI_READY}


def test_needs_reach_the_cluster() -> None:
    nodes = {n.id: n for n in plan_of(compiled()).nodes}
    cluster, pool = nodes["control-plane"], nodes["pool"]
    assert isinstance(cluster, ResourceNode) and isinstance(pool, ResourceNode)
    assert cluster.properties["keep"] == {"window": 32}
    assert pool.properties["taints"] == [{"key": "wire/starting", "value": "", "effect": "NoSchedule"}]
    without = plan_of(compiled({"network": {"proxy": {"mode": "none"}}}))
    made = next(n for n in without.nodes if n.id == "control-plane")
    assert isinstance(made, ResourceNode) and made.properties["kubeProxy"] is False


def test_layers_of_the_progress() -> None:
    found = layers(plan_of(compiled()))
    assert {found[name] for name in ("network", "control-plane", "access", "pool")} == {"cluster"}
    assert found[CNI_READY] == "cni"


class _Recorded(Mocks):
    """What a provider's resources give out."""

    def __init__(self) -> None:
        self.made: dict[str, MockResourceArgs] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.made[args.name] = args
        outputs = {
            "control-plane": {"name": "c-1", "serial": "7", "version": 3, "endpoint": [{"address": "https://c-1"}]}
        }
        return f"{args.name}-id", {**args.inputs, **outputs.get(args.name, {})}

    def call(self, args: MockCallArgs) -> dict[str, Any]:
        return {}


def test_outputs_reach_the_resources_that_use_them() -> None:
    """Through Pulumi's own SDK: every resource by its token, refs resolved at whatever depth."""
    recorded = _Recorded()
    plan = plan_of(compiled())
    pulumi.runtime.set_mocks(recorded, preview=False)
    pulumi.runtime.test(lambda: apply(plan))()
    assert recorded.made["control-plane"].typ == "cloud:k8s:Cluster"
    assert recorded.made["control-plane"].inputs["networks"] == [{"id": "network-id"}]
    assert recorded.made["pool"].inputs["cluster"] == "c-1"
    kubernetes = recorded.made[f"{CLUSTER}-kubernetes"]
    assert "https://c-1" in json.dumps(kubernetes.inputs["kubeconfig"])
    assert json.loads(recorded.made["access"].inputs["policy"]) == {"who": "c-1", "version": 3}
    assert "3.0" not in recorded.made["access"].inputs["policy"]
    assert recorded.made["cloud"].typ == "pulumi:providers:cloud" and recorded.made["cloud"].inputs["zone"] == "north"
    assert all(recorded.made[name].provider.endswith("cloud-id") for name in ("network", "control-plane", "access"))
    assert recorded.made["daemonset:kube-system/wire"].typ == "kubernetes:apps/v1:DaemonSet"
    assert set(recorded.made) >= {n.id for n in plan.nodes}


def test_what_the_provider_installs_by_itself() -> None:
    helped = {"provider": "wire", "helped": True, "windowSize": 4}
    plan = plan_of(compiled(cni=helped))
    nodes = {n.id: n for n in plan.nodes}
    addon = nodes["addon:helper"]
    assert isinstance(addon, ResourceNode) and str(addon.properties["settings"]) == '{"window": 4}'
    assert "addon:helper" in before(plan)["pool"]
    result = compiled(cluster="kind", cni=helped)
    (found,) = [d for d in result.diagnostics if d.severity == "error"]
    assert (found.code, result.plan) == ("NS903", None)
    assert "helper is software of a cluster's provider, which kind does not have" in found.message


def test_what_goes_with_the_cluster_and_what_before_it() -> None:
    """A load balancer's Service is deleted for itself where what it makes would stay."""
    service = {"name": "w", "namespace": "shop", "type": "LoadBalancer", "selector": {"app": "web"}}
    changes = EVERYTHING | {"services": [*EVERYTHING["services"], service | {"ports": [{"port": 8080}]}]}
    for cluster, outlives in (("cloud", True), ("kind", False)):
        plan = plan_of(compiled(changes, cluster=given(cluster)))
        found = {n.id: n.outlives for n in plan.nodes if isinstance(n, ManifestNode)}
        assert found.pop("service:shop/w") is outlives
        assert not any(found.values())


# Prediction


def verdict(result: CompileResult) -> str | None:
    assert result.ir is not None
    return evaluate(result.ir.inventory, PodEnd("shop/client"), PodEnd("shop/web"), 8080, "TCP").expected


BLOCK = {
    "workloads": [
        {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "ports": [{"port": 8080}], "standIn": True},
        {"name": "client", "namespace": "shop", "labels": {"app": "client"}, "standIn": True},
    ],
    "networkPolicies": [
        {
            "name": "block",
            "namespace": "shop",
            "spec": {
                "podSelector": {"matchLabels": {"app": "web"}},
                "ingress": [{"from": [{"ipBlock": {"cidr": "10.244.0.0/16"}}]}],
            },
        }
    ],
}


def test_its_dialect_decides_what_kubernetes_leaves_open() -> None:
    assert verdict(compiled(BLOCK)) == "deny"
    assert verdict(compiled(BLOCK, cni="calico")) == "allow"


def test_a_change_of_the_cni_changes_who_reaches_whom() -> None:
    new, old = compiled(BLOCK), plan_of(compiled(BLOCK, cni="calico"))
    assert new.ir is not None
    diff = reachability_change(new.ir, plan_of(new), old.manifests(), old.network)
    assert ("closed", "shop/client", "shop/web") in [(c.kind, c.source, c.destination) for c in diff.changes()]
    same = reachability_change(new.ir, plan_of(new), plan_of(new).manifests(), plan_of(new).network)
    assert list(same.changes()) == []


def test_its_traits_are_in_the_probes() -> None:
    probes = compiled().probes
    facts = {(p.fact, p.subject): p.expect for p in probes if isinstance(p, FactProbe)}
    assert facts["pod-mtu", "shop/web"] == "interface - 28"
    assert facts["nodes", "cluster"] == 2
    assert facts["wire-mode", "wire"] == {"mode": "tunnel"} and facts["zone", "nodes"] == {"zones": "north"}
    # There is no host outside to ask from.
    assert not any(isinstance(p, FlowProbe) and OUTSIDE in (p.source, p.destination) for p in probes)


def test_a_load_balancer_needs_a_layer_that_gives_one() -> None:
    service = {"name": "w", "namespace": "shop", "selector": {"app": "web"}, "ports": [{"port": 8080}]}
    changes = {"services": [service | {"type": "LoadBalancer"}]}
    on_kind = compile_spec(load_spec(changes, ingress=FRONT), "dev", TOYS)
    assert on_kind.plan is not None
    without = compile_spec(load_spec(changes), "dev", TOYS)
    (found,) = without.diagnostics
    assert found.code == "NS310"
    assert found.hint and found.hint.startswith("backends that have it: ") and "front (ingress)" in found.hint


# Verification, against recorded answers

RECORDED = Path(__file__).parent / "recorded"


class _Cluster:
    """Answers kubectl and its nodes from files; `changes`: a resource whose file is another one."""

    def __init__(self, **changes: str) -> None:
        self._changes = changes

    def kubectl(self, *words: str, **_: object) -> "CompletedProcess[str]":
        assert words[0] == "get"
        file = RECORDED / f"{self._changes.get(words[1].partition('.')[0], words[1])}.json"
        if not file.exists():
            return CompletedProcess(words, 1, "", f'error: the server doesn\'t have a resource type "{words[1]}"')
        return CompletedProcess(words, 0, file.read_text(), "")

    def node(self, name: str) -> Any:
        said = "\n".join(f"{number}={text}" for number, text in enumerate(["1500", "on"]))
        result = type("Result", (), {"rc": 0, "stdout": said, "stderr": ""})()
        return type("Host", (), {"run": lambda *_: result})()


def _state() -> State:
    return parse_state(json.loads((RECORDED / "state.json").read_text())["items"])


def _seen(cluster: _Cluster) -> dict[str, tuple[Status, Any]]:
    probes = [p for p in compiled().probes if isinstance(p, FactProbe) and p.read is not None]
    state = _state()
    readings: Readings = read_facts(cluster, cluster, state, probes)  # type: ignore[arg-type]
    found = {p.fact: readings.observe(p, state) for p in probes}
    return {fact: (o.status, o.observed) for fact, o in found.items()}


def test_the_facts_of_a_cluster_that_is_as_it_should_be() -> None:
    seen = _seen(_Cluster())
    assert {fact for fact, (status, _) in seen.items() if status is not Status.PASS} == {"stub-domains", "dns-settings"}
    assert seen["front-replicas"] == (Status.PASS, 2) and seen["agent"] == (Status.PASS, "on")
    # Nothing was recorded of it: a check that failed, not an answer.
    assert seen["stub-domains"] == (Status.CHECK_FAILED, None)


def test_a_cluster_that_is_set_otherwise_is_seen() -> None:
    seen = _seen(_Cluster(wires="direct-wires"))
    assert seen["wire-mode"] == (Status.WRONG, {"mode": "direct"})
    assert _seen(_Cluster(nodes="scattered-nodes"))["zone"][0] is Status.WRONG
