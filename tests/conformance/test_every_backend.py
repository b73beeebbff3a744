"""One suite for every backend, the real ones and those that exist in tests only: nothing here names one."""

import json
import re
from dataclasses import asdict, dataclass
from functools import cache
from itertools import combinations
from typing import Any

import pytest
from draw import Stack, cover, shuffled
from manifest_schema import duplicates, is_canonical, problems, quantities
from specs import EVERYTHING, NEEDS, load_spec
from toys import LACKING, TOYS, excluded, given, has_own_dns, is_there, without

from netspec.backends.registry import REGISTRY, Backends
from netspec.catalogue import IMAGES
from netspec.compiler import LACKING as OWN_RULES
from netspec.compiler import CompileResult, check_spec, compile_spec
from netspec.ir.features import required
from netspec.plan import CLUSTER, CNI_READY, NODES, ManifestNode, Plan, ResourceNode, SweepNode, needs_of, providers
from netspec.planfiles import render
from netspec.probes import FactProbe
from netspec.spec.errors import field_names
from netspec.spec.reference import render as render_reference
from netspec.spec.schema import definition_of, schema
from netspec.target import LAYERS, Backend, Feature, Layer, ObjectRead
from netspec.verify.readers import PARSERS

#: What the backends of a stack may exclude by a rule of their own: two of them, the rule's code.
EXCLUDED = {
    ("cloud", "metallb"): "NS833",
    ("eks", "metallb"): "NS833",
    ("aks", "metallb"): "NS833",
    ("gke", "metallb"): "NS833",
    ("existing", "metallb"): "NS831",
}
#: A CNI that is software of one cluster's provider -> that cluster.
HOME = {"vpc-cni": "eks", "azure-cni": "aks", "gke-cni": "gke"}
# Load balancers of AWS are for clusters there, and those of requests for pods with addresses of the VPC.
_AWS = dict.fromkeys(("aws-alb", "aws-nlb", "aws-alb-gateway"), "NS880")
EXCLUDED |= {(name, of): code for name in TOYS.providers("cluster") if name != "eks" for of, code in _AWS.items()}
EXCLUDED |= {
    (name, of): "NS880"
    for name in TOYS.providers("cni")
    if HOME.get(name) != "eks"
    for of in ("aws-alb", "aws-alb-gateway")
}
_OPTIONAL = [(layer.name, name) for layer in LAYERS if not layer.required for name in TOYS.providers(layer.name)]
#: Every cluster with every CNI, with and without what else a stack may choose.
STACKS: list[Stack] = [
    (("cluster", cluster), ("cni", cni), *more)
    for cluster in TOYS.providers("cluster")
    for cni in TOYS.providers("cni")
    if not excluded(cluster, cni)
    for more in [(), *((c,) for c in _OPTIONAL if not {(cluster, c[1]), (cni, c[1])} & EXCLUDED.keys())]
]
#: Those whose whole plans are looked at: every cluster with every CNI, and every two backends together.
PLANNED = [*(stack for stack in STACKS if len(stack) == 2), *cover([s for s in STACKS if len(s) > 2], 2)]
#: Every feature with every backend, each time in other stacks.
ASKED = [(f, stack) for place, f in enumerate(Feature) for stack in cover(shuffled(STACKS, place), 1)]
#: What netspec has no backend for. A gap that closes must be taken out here.
GAPS = {
    # Kubernetes makes that namespace: netspec would have to take it over, and to delete it on the way down.
    Feature.DEFAULT_NAMESPACE_LABELS,
}
#: Features whose lack has a rule of its own.
CODES = {Feature.LOAD_BALANCER: "NS310"}

CHOSEN = [(layer, backend) for layer in LAYERS for backend in TOYS.providers(layer.name).values()]
ALL = [*(backend for _, backend in CHOSEN), TOYS.dns, TOYS.common]


_SCHEMA = cache(lambda: schema(TOYS))
_REFERENCE = cache(lambda: render_reference(TOYS))


def _stack_id(stack: Stack) -> str:
    return "-".join(name for _, name in stack)


def _id(value: object) -> str | None:
    return getattr(value, "name", None) if not isinstance(value, Feature) else value.value


def _layers(stack: Stack, feature: Feature | None = None) -> dict[str, Any]:
    """The stack's entry, by layer, set so that it has `feature` where it can."""
    layers = {layer: given(name, feature) for layer, name in stack}
    if is_there(layers["cluster"]):
        said = layers["cni"]
        layers["cni"] = {**(said if isinstance(said, dict) else {"provider": said}), "managed": False}
    return layers


def _compiled(stack: Stack) -> CompileResult:
    """Its plan with everything. Compiled anew."""
    layers = _layers(stack)
    everything = EVERYTHING | ({"dns": {"ndots": 2}} if has_own_dns(dict(stack)["cluster"]) else {})
    return compile_spec(load_spec(everything, **layers), "dev", TOYS)


def _plan(stack: Stack) -> Plan:
    result = _compiled(stack)
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    return result.plan


_plan_once = cache(_plan)


@pytest.fixture(params=PLANNED, ids=_stack_id)
def plan(request: pytest.FixtureRequest) -> Plan:
    return _plan_once(request.param)


def _text(plan: Plan) -> str:
    """All that a plan holds but definitions of kinds, which name fields and hold nothing; as it is ordered."""
    kept = [n for n in plan.nodes if not n.id.startswith("customresourcedefinition:")]
    return json.dumps([asdict(node) for node in kept])


def test_there_is_a_spec_for_every_feature() -> None:
    assert set(NEEDS) == set(Feature)


def test_what_is_drawn_leaves_no_backend_pair_or_feature_out() -> None:
    backends = {one for stack in STACKS for one in stack}
    asked = {(feature, one) for feature, stack in ASKED for one in stack}
    assert asked == {(feature, one) for feature in Feature for one in backends}
    pairs = {pair for stack in STACKS for pair in combinations(stack, 2)}
    assert {pair for stack in PLANNED for pair in combinations(stack, 2)} == pairs


@pytest.mark.parametrize(("pair", "code"), EXCLUDED.items(), ids=str)
def test_what_excludes_each_other_is_an_error_with_its_rule(pair: tuple[str, str], code: str) -> None:
    layers = {layer.name: given(name) for layer, backend in CHOSEN for name in pair if backend.name == name}
    codes = {d.code for d in compile_spec(load_spec({}, **layers), "dev", TOYS).diagnostics}
    assert code in codes


def test_a_registry_key_is_the_backend_s_name() -> None:
    for layer in LAYERS:
        assert all(key == backend.name for key, backend in TOYS.providers(layer.name).items())


def test_the_gaps_are_known() -> None:
    real = [b for layer in LAYERS for b in REGISTRY.providers(layer.name).values()]
    supported = {f for backend in (*real, REGISTRY.dns, REGISTRY.common) for f in backend.supports}
    assert set(Feature) - supported == GAPS


@pytest.mark.parametrize(("feature", "stack"), ASKED, ids=[f"{f.value}-{_stack_id(s)}" for f, s in ASKED])
def test_a_feature_of_any_backend_of_the_stack_compiles_and_any_other_is_an_error(
    feature: Feature, stack: Stack
) -> None:
    result = compile_spec(load_spec(NEEDS[feature], **_layers(stack, feature)), "dev", TOYS)
    assert result.ir is not None and feature in required(result.ir)
    errors = [d for d in result.diagnostics if d.severity == "error"]
    dns = [] if result.ir.traits.brings_dns else [TOYS.dns.name]
    chosen = [b for b in ALL if b.name in (*dict(stack).values(), *dns, TOYS.common.name)]
    if any(feature in backend.supports for backend in chosen):
        assert errors == []
        assert result.plan is not None
        return
    # One that needs another is not alone: an option of a route needs routes.
    (unsupported,) = [error for error in errors if f" {feature.value}: " in error.message]
    assert unsupported.code == CODES.get(feature, "NS901")
    assert all(name in unsupported.message for _, name in stack) and feature.value in unsupported.message
    able = [b.name for _, b in CHOSEN if feature in b.supports]
    assert unsupported.position is not None and unsupported.hint
    assert all(name in unsupported.hint for name in able)
    assert result.plan is None


@pytest.mark.parametrize(("layer", "name", "feature"), LACKING, ids=_id)
def test_a_feature_that_settings_leave_out_is_an_error_that_says_what_to_set(
    layer: str, name: str, feature: Feature
) -> None:
    beside: dict[str, Any] = {"cluster": given(HOME[name])} if name in HOME else {}
    if is_there(name):
        beside = {"cni": {"provider": "calico", "managed": False}}
    loaded = load_spec(NEEDS[feature], **beside, **{layer: without(name, feature)})
    result = compile_spec(loaded, "dev", REGISTRY)
    code = CODES.get(feature, "NS901")
    (unsupported,) = [d for d in result.diagnostics if d.code == code and f" {feature.value}:" in d.message]
    backend = REGISTRY.providers(layer)[name]
    assert feature in backend.supports and result.ir is not None and result.plan is None
    assert unsupported.position is not None
    stack = loaded.spec.stacks["dev"] if loaded.spec is not None else {}
    settings = backend.settings.model_validate({k: v for k, v in stack[layer].items() if k not in ("type", "provider")})
    assert unsupported.hint == backend.lacks(result.ir, settings)[feature]


def test_only_what_the_spec_gives_is_required() -> None:
    result = compile_spec(load_spec({}), "dev", REGISTRY)
    assert result.ir is not None and required(result.ir) == {}


@dataclass
class _Less(Backend):
    """A backend that does not declare one of its features."""

    backend: Backend
    without: Feature

    def __getattribute__(self, name: str) -> Any:
        if name in ("backend", "without"):
            return object.__getattribute__(self, name)
        return self.backend.supports - {self.without} if name == "supports" else getattr(self.backend, name)


@pytest.mark.parametrize("feature", [f for f in Feature if f not in GAPS], ids=_id)
def test_a_feature_that_backends_stop_declaring_becomes_an_error(feature: Feature) -> None:
    less = Backends(
        {
            layer.name: {name: _Less(b, feature) for name, b in REGISTRY.providers(layer.name).items()}
            for layer in LAYERS
        },
        _Less(REGISTRY.dns, feature),
        _Less(REGISTRY.common, feature),
    )
    has = [(layer, b) for layer, b in CHOSEN if feature in b.supports and not layer.required]
    # Not one that the spec's cluster or CNI excludes.
    more = next((row for row in has if not {("kind", row[1].name), ("calico", row[1].name)} & EXCLUDED.keys()), None)
    layers = {more[0].name: given(more[1].name)} if more and more[1].name in REGISTRY.providers(more[0].name) else {}
    result = compile_spec(load_spec(NEEDS[feature], **layers), "dev", less)
    errors = [d for d in result.diagnostics if d.severity == "error"]
    assert [(e.code, e.hint) for e in errors] == [OWN_RULES.get(feature, ("NS901", "no backend has it"))]
    assert feature.value in errors[0].message


def _manifests(plan: Plan) -> list[ManifestNode]:
    return [node for node in plan.nodes if isinstance(node, ManifestNode)]


def _needs(plan: Plan) -> dict[str, set[str]]:
    """Everything that comes before a node, by its id."""
    out: dict[str, set[str]] = {}
    standing = providers(plan.nodes)
    for node in plan.nodes:
        before = {standing[need] for need in needs_of(node)}
        out[node.id] = before.union(*(out[need] for need in before))
    return out


def test_ids_are_unique_and_every_dependency_comes_first(plan: Plan) -> None:
    seen: set[str] = set()
    for node in plan.nodes:
        assert node.id not in seen
        assert seen.issuperset(needs_of(node))
        seen.update((node.id, *(node.provides if isinstance(node, ResourceNode) else ())))


def test_the_cluster_comes_before_all_that_is_on_it(plan: Plan) -> None:
    cluster = providers(plan.nodes)[CLUSTER]
    needs = _needs(plan)
    # A sweep in which the cluster has no part is of what stands beside it.
    beside = [n.id for n in plan.nodes if isinstance(n, SweepNode) and n.cluster is None]
    on_it = [n.id for n in plan.nodes if not isinstance(n, ResourceNode) and n.id not in beside]
    assert all(cluster in needs[node] for node in on_it)


def test_pods_get_addresses_on_nodes_that_have_joined(plan: Plan) -> None:
    standing = providers(plan.nodes)
    assert standing[NODES] in {standing[CLUSTER]} | _needs(plan)[CNI_READY]


def test_pods_of_the_pod_network_wait_for_the_cni(plan: Plan) -> None:
    needs = _needs(plan)
    waiting = [n for n in _manifests(plan) if n.manifest["kind"] in ("Deployment", "DaemonSet")]
    pods = [n for n in waiting if not n.manifest["spec"]["template"]["spec"].get("hostNetwork")]
    assert len(pods) >= 3
    assert all(CNI_READY in needs[n.id] for n in pods)


def test_what_needs_no_pod_network_does_not_wait_for_it(plan: Plan) -> None:
    needs = _needs(plan)
    early = [
        n for n in _manifests(plan) if n.manifest["kind"] in ("Namespace", "NetworkPolicy", "Service", "ConfigMap")
    ]
    assert early and not any(CNI_READY in needs[n.id] for n in early)


def test_an_object_comes_after_its_namespace(plan: Plan) -> None:
    needs = _needs(plan)
    for node in _manifests(plan):
        namespace = node.manifest["metadata"].get("namespace")
        if namespace and namespace not in ("default", "kube-system"):
            assert f"namespace:{namespace}" in needs[node.id]


def test_a_workload_comes_after_the_policies_that_guard_it(plan: Plan) -> None:
    policies = {n.id for n in _manifests(plan) if n.manifest["kind"] == "NetworkPolicy"}
    guards = _needs(plan)["deployment:shop/web"] & policies
    assert guards == {
        "networkpolicy:shop/default-deny",
        "networkpolicy:shop/allow-dns-egress",
        "networkpolicy:shop/out-egress",
    }


def test_services_are_not_waited_for(plan: Plan) -> None:
    services = [n for n in _manifests(plan) if n.manifest["kind"] == "Service"]
    assert len(services) >= 2 and not any(n.wait for n in services)


def test_manifests_are_valid_for_the_api(plan: Plan) -> None:
    checked = 0
    for node in _manifests(plan):
        found = problems(dict(node.manifest))
        checked += found is not None
        assert not found, f"{node.id}: {found}"
        assert duplicates(dict(node.manifest)) == []
    assert checked >= 9


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"podSelector": {}, "policyType": ["Ingress"]}},
        {"spec": {"podSelector": {}, "ingress": [{"ports": [{"endPort": "8090"}]}]}},
        {"spec": {"pod_selector": {}}},
        {"metadata": {"name": "a", "labels": {"a": 1}}},
    ],
)
def test_the_api_check_finds_mistakes(change: dict[str, Any]) -> None:
    good = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "a"}}
    assert problems(good | {"spec": {"podSelector": {}}}) == ""
    assert problems(good | change)


@pytest.mark.parametrize(("quantity", "canonical"), [("1", 1), ("5m", 1), ("1000m", 0), ("1024Mi", 0), ("70Mi", 1)])
def test_canonical_quantities(quantity: str, canonical: int) -> None:
    assert is_canonical(quantity) == bool(canonical)


def test_quantities_are_canonical(plan: Plan) -> None:
    found = [q for node in _manifests(plan) for q in quantities(node.manifest)]
    assert len(found) > 5 and all(map(is_canonical, found))


def test_images_come_from_the_catalogue(plan: Plan) -> None:
    def images(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["image"]] if isinstance(value.get("image"), str) else []
            return own + [i for v in value.values() for i in images(v)]
        return [i for v in value for i in images(v)] if isinstance(value, list) else []

    used = [image for node in _manifests(plan) for image in images(node.manifest)]
    assert used and set(used) <= set(IMAGES.values())


def test_the_plan_holds_nothing_secret(plan: Plan) -> None:
    assert not any(n.manifest["kind"] == "Secret" for n in _manifests(plan))
    text = _text(plan).lower()
    assert not any(word in text for word in ("private key", "client-key", "password", "begin certificate"))
    assert not re.search(r'certificate-authority-data": *"', text)  # what a kubeconfig is made of is named, not held


@pytest.mark.parametrize("stack", PLANNED, ids=_stack_id)
def test_the_same_spec_gives_the_same_bytes(stack: Stack) -> None:
    assert _text(_plan(stack)) == _text(_plan_once(stack))


@pytest.mark.parametrize("stack", cover(STACKS, 1), ids=_stack_id)
def test_the_same_plan_gives_the_same_files(stack: Stack) -> None:
    assert render(_plan(stack)) == render(_plan_once(stack))


@pytest.mark.parametrize("stack", PLANNED, ids=_stack_id)
def test_every_fact_is_a_probe_and_its_expectation_is_json(stack: Stack) -> None:
    result = _compiled(stack)
    probes = [p for p in result.probes if isinstance(p, FactProbe) and p.read is not None]
    assert [(p.fact, p.subject, p.expect) for p in probes] == [(f.name, f.subject, f.expect) for f in result.facts]
    assert json.loads(json.dumps([p.expect for p in probes])) == [p.expect for p in probes]
    assert len({p.id for p in result.probes}) == len(result.probes)
    assert {p.read for p in probes if isinstance(p.read, ObjectRead) and p.read.parse not in ("", *PARSERS)} == set()


@pytest.mark.parametrize(("layer", "backend"), CHOSEN, ids=_id)
def test_settings_are_described_in_the_schema_and_the_reference(layer: Layer, backend: Backend) -> None:
    name = definition_of(layer, backend)
    definition = _SCHEMA()["$defs"][name]
    assert definition["properties"][layer.key]["const"] == backend.name
    assert set(definition["properties"]) == {layer.key, *field_names(backend.settings)}
    assert all(field.get("description") for field in definition["properties"].values())
    page = _REFERENCE()
    assert f"## {name}\n" in page and (backend.settings.__doc__ or "?") in page
    assert all(
        f"| `{field}` |" in page.split(f"## {name}\n")[1].split("\n## ")[0] for field in definition["properties"]
    )


@pytest.mark.parametrize(("layer", "backend"), CHOSEN, ids=_id)
def test_a_typo_in_a_setting_has_its_place_and_what_was_meant(layer: Layer, backend: Backend) -> None:
    field = field_names(backend.settings)[0]
    typo = field[:-1] + field[-1] * 2
    said = given(backend.name)
    whole = {layer.key: said} if isinstance(said, str) else said
    loaded = load_spec({}, **{layer.name: {**whole, typo: 1}})
    (found,) = check_spec(loaded, None, TOYS)
    assert (found.code, found.path) == ("NS010", ("stacks", "dev", layer.name, typo))
    assert found.hint == f"did you mean {field}?"
    assert found.position == loaded.source.locate_key(found.path) != loaded.source.locate(("stacks", "dev", layer.name))
