"""One suite for every backend in the registry: nothing here names one, except the table of known gaps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from manifest_schema import duplicates, is_canonical, problems, quantities
from specs import NEEDS, load_spec, spec_needing

from netspec.backends.registry import REGISTRY, Backends
from netspec.catalogue import IMAGES
from netspec.compiler import Backend, CompileResult, compile_spec
from netspec.diagnostics import Report
from netspec.ir.features import LAYERS, Feature, Layer, required
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, ManifestNode, Node, Plan
from netspec.planfiles import render

PAIRS = [(cluster, cni) for cluster in REGISTRY.clusters for cni in REGISTRY.cnis]

#: What a backend does not do, by its name. A gap that closes must be taken out here.
GAPS: dict[str, set[Feature]] = {
    "kind": {Feature.LOAD_BALANCER},
    "calico": set(),
    # Kubernetes makes that namespace: netspec would have to take it over, and to delete it on the way down.
    "common": {Feature.DEFAULT_NAMESPACE_LABELS},
}


#: Features whose lack has a rule of its own.
CODES = {Feature.LOAD_BALANCER: "NS310"}


def _backends(layer: Layer) -> Mapping[str, Backend]:
    return {
        "cluster": REGISTRY.clusters,
        "cni": REGISTRY.cnis,
        "common": {REGISTRY.common.name: REGISTRY.common},
    }[layer]


ALL = [(layer, backend) for layer in LAYERS for backend in _backends(layer).values()]
PER_FEATURE = [(backend, feature) for layer, backend in ALL for feature in Feature if feature.layer == layer]


def _id(value: object) -> str | None:
    return getattr(value, "name", None) if not isinstance(value, Feature) else value.value


def _compile(feature: Feature, backend: Backend, registry: Backends = REGISTRY) -> CompileResult:
    """The spec that needs the feature, on this backend and the first of the other layers."""
    cluster = backend.name if feature.layer == "cluster" else next(iter(registry.clusters))
    cni = backend.name if feature.layer == "cni" else next(iter(registry.cnis))
    return compile_spec(spec_needing(feature, cluster, cni), "dev", registry)


def test_there_is_a_spec_for_every_feature() -> None:
    assert set(NEEDS) == set(Feature)


def test_a_registry_key_is_the_backend_s_name() -> None:
    for layer in LAYERS:
        assert all(key == backend.name for key, backend in _backends(layer).items())


@pytest.mark.parametrize(("layer", "backend"), ALL, ids=_id)
def test_supports_names_features_of_its_layer_and_the_gaps_are_known(layer: Layer, backend: Backend) -> None:
    features = {feature for feature in Feature if feature.layer == layer}
    assert backend.supports <= features
    assert features - backend.supports == GAPS[backend.name]


@pytest.mark.parametrize(("backend", "feature"), PER_FEATURE, ids=_id)
def test_a_declared_feature_compiles_and_any_other_is_an_error(backend: Backend, feature: Feature) -> None:
    result = _compile(feature, backend)
    assert result.ir is not None and feature in required(result.ir)
    errors = [d for d in result.diagnostics if d.severity == "error"]
    if feature in backend.supports:
        assert errors == []
        assert result.plan is not None
    else:
        (unsupported,) = (e for e in errors if e.code in ("NS901", "NS310"))
        assert backend.name in unsupported.message and feature.value in unsupported.message
        assert unsupported.position is not None and unsupported.hint
        assert result.plan is None


@dataclass(frozen=True)
class _Less:
    """A backend that declares all but one of its features."""

    backend: Backend
    without: Feature

    @property
    def name(self) -> str:
        return self.backend.name

    @property
    def supports(self) -> frozenset[str]:
        return self.backend.supports - {self.without}

    def check(self, ir: Ir, report: Report) -> None:
        self.backend.check(ir, report)

    def lower(self, ir: Ir) -> tuple[Node, ...]:
        return self.backend.lower(ir)


@dataclass(frozen=True)
class _More(_Less):
    """Another backend of the same layer, which does have the feature."""

    @property
    def name(self) -> str:
        return "able"

    @property
    def supports(self) -> frozenset[str]:
        return frozenset({self.without})


@pytest.mark.parametrize(("backend", "feature"), [p for p in PER_FEATURE if p[1] in p[0].supports], ids=_id)
def test_a_feature_that_a_backend_stops_declaring_becomes_an_error(backend: Backend, feature: Feature) -> None:
    less, more = _Less(backend, feature), _More(backend, feature)
    registry = {
        "cluster": Backends(clusters={less.name: less, "able": more}, cnis=REGISTRY.cnis, common=REGISTRY.common),
        "cni": Backends(clusters=REGISTRY.clusters, cnis={less.name: less, "able": more}, common=REGISTRY.common),
        "common": Backends(clusters=REGISTRY.clusters, cnis=REGISTRY.cnis, common=less),
    }[feature.layer]
    result = _compile(feature, backend, registry)
    errors = [d for d in result.diagnostics if d.severity == "error"]
    assert [e.code for e in errors] == ["NS901"]
    assert backend.name in errors[0].message and feature.value in errors[0].message
    assert ("able" in (errors[0].hint or "")) == (feature.layer != "common")


def _everything() -> dict[str, Any]:
    """One spec with all that a plan can hold."""
    workloads = [
        {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "ports": [{"name": "http", "port": 8080}]},
        {
            "name": "dns",
            "namespace": "shop",
            "labels": {"app": "dns"},
            "ports": [{"port": 53}, {"port": 53, "protocol": "UDP"}],
        },
        {"name": "idle", "namespace": "default", "labels": {"app": "idle"}, "replicas": 3},
    ]
    return {
        "dns": {"ndots": 2, "stubDomains": {"corp.example": ["172.30.0.53"]}},
        "namespaces": [
            {"name": "shop", "labels": {"team": "shop"}, "defaultDeny": ["ingress", "egress"], "allowDNS": True},
            {"name": "default"},
        ],
        "workloads": [w | {"standIn": True} for w in workloads],
        "services": [
            {
                "name": "web",
                "namespace": "shop",
                "selector": {"app": "web"},
                "ports": [{"port": 80, "targetPort": "http"}],
            },
            {"name": "idle", "namespace": "default", "clusterIP": "None", "selector": {"app": "idle"}},
        ],
        "policies": [{"name": "out", "from": {"workload": "shop/web"}, "to": {"cidr": "172.30.0.0/16"}}],
        "cni": {"mtu": 1400},
    }


@pytest.fixture(params=PAIRS, ids="-".join)
def plan(request: pytest.FixtureRequest) -> Plan:
    cluster, cni = request.param
    result = compile_spec(load_spec(_everything(), cluster, cni), "dev", REGISTRY)
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    return result.plan


def _manifests(plan: Plan) -> list[ManifestNode]:
    return [node for node in plan.nodes if isinstance(node, ManifestNode)]


def _needs(plan: Plan) -> dict[str, set[str]]:
    """Everything that comes before a node, by its id."""
    out: dict[str, set[str]] = {}
    for node in plan.nodes:
        out[node.id] = set(node.depends_on).union(*(out[need] for need in node.depends_on))
    return out


def test_ids_are_unique_and_every_dependency_comes_first(plan: Plan) -> None:
    seen: set[str] = set()
    for node in plan.nodes:
        assert node.id not in seen
        assert seen.issuperset(node.depends_on)
        seen.add(node.id)


def test_the_cluster_comes_before_everything(plan: Plan) -> None:
    assert plan.nodes[0].id == CLUSTER
    assert all(CLUSTER in before for node, before in _needs(plan).items() if node != CLUSTER)


def test_pods_of_the_pod_network_wait_for_the_cni(plan: Plan) -> None:
    needs = _needs(plan)
    waiting = [n for n in _manifests(plan) if n.manifest["kind"] in ("Deployment", "DaemonSet")]
    pods = [n for n in waiting if not n.manifest["spec"]["template"]["spec"].get("hostNetwork")]
    assert len(pods) >= 4
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
    assert len(services) == 3 and not any(n.wait for n in services)


def test_manifests_are_valid_for_the_api(plan: Plan) -> None:
    checked = 0
    for node in _manifests(plan):
        found = problems(dict(node.manifest))
        checked += found is not None
        assert not found, f"{node.id}: {found}"
        assert duplicates(dict(node.manifest)) == []
    assert checked >= 15


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
    text = "".join(render(plan).values()).lower()
    assert not any(word in text for word in ("private key", "client-key", "password", "certificate-authority"))


@pytest.mark.parametrize(("cluster", "cni"), PAIRS)
def test_the_same_spec_gives_the_same_bytes(cluster: str, cni: str) -> None:
    first, second = (compile_spec(load_spec(_everything(), cluster, cni), "dev", REGISTRY).plan for _ in range(2))
    assert first is not None and second is not None
    assert render(first) == render(second)
