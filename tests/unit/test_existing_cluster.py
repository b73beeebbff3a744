"""A cluster that somebody else made: what the spec says of it, what is never touched, and what is taken back."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.deploy import existing
from netspec.deploy.existing import ExistingProvider
from netspec.diagnostics import Problem
from netspec.plan import CLUSTER, CNI_READY, ManifestNode, Plan, ReadyNode
from netspec.probes import OUTSIDE, FactProbe, FlowProbe
from netspec.spec.load import loads
from netspec.toolchain import programs, project
from netspec.toolchain.programs import Done

SPEC = """
apiVersion: netspec.dev/v1alpha1
kind: NetworkSpec
metadata: {name: shop}
namespaces:
  - {name: shop, labels: {team: shop}, defaultDeny: [ingress]}
  - {name: own}
workloads: [{name: web, namespace: shop, labels: {app: web}, ports: [{port: 8080}]}]
services: [{name: web, namespace: shop, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}]
stacks:
  prod:
    cluster: CLUSTER
    cni: CNI
"""
CLUSTER_OF = "{type: existing, context: prod, namespaces: [shop], podCIDRs: [10.8.0.0/16], serviceCIDRs: [10.9.0.0/20]}"


def compiled(cluster: str = CLUSTER_OF, cni: str = "{provider: calico, managed: false}") -> CompileResult:
    return compile_spec(loads(SPEC.replace("CLUSTER", cluster).replace("CNI", cni), "shop.yaml"), "prod", REGISTRY)


def plan_of(result: CompileResult) -> Plan:
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    return result.plan


def test_only_what_the_spec_declares_is_made() -> None:
    plan = plan_of(compiled())
    assert {n.id for n in plan.nodes} == {
        *(CLUSTER, CNI_READY, "namespace:shop", "namespace:own"),
        *("networkpolicy:shop/default-deny", "service:shop/web"),
    }
    ready = next(n for n in plan.nodes if n.id == CNI_READY)
    assert isinstance(ready, ReadyNode) and [c.resource for c in ready.conditions] == ["nodes"]


def test_of_a_namespace_that_is_there_only_the_labels_are_ours() -> None:
    patched = {n.id: n.patch for n in plan_of(compiled()).nodes if isinstance(n, ManifestNode)}
    assert patched["namespace:shop"] and not patched["namespace:own"]
    claimed = [c["metadata"]["name"] for c in existing.claims(plan_of(compiled()))]
    assert sorted(claimed) == ["default-deny", "own", "web"]


def test_its_ranges_and_dns_are_those_of_its_settings() -> None:
    ir = compiled().ir
    assert ir is not None
    assert [str(c) for c in (*ir.network.pod_cidrs, *ir.network.service_cidrs)] == ["10.8.0.0/16", "10.9.0.0/20"]
    assert ir.dns.address == "10.9.0.10"
    given = compiled(CLUSTER_OF.replace("context: prod", "dnsAddress: 10.9.0.53")).ir
    assert given is not None and given.dns.address == "10.9.0.53"


def test_nothing_is_asked_that_only_a_node_could_answer() -> None:
    probes = compiled().probes
    facts = {p.fact for p in probes if isinstance(p, FactProbe)}
    assert "pod-mtu" not in facts and "nodes" not in facts and "resolv-conf" in facts
    assert not any(isinstance(p, FactProbe) and p.read is not None for p in probes)
    assert not any(isinstance(p, FlowProbe) and OUTSIDE in (p.source, p.destination) for p in probes)
    counted = compiled(CLUSTER_OF.replace("context: prod", "nodes: 5")).probes
    assert [p.expect for p in counted if isinstance(p, FactProbe) and p.fact == "nodes"] == [5]


@pytest.mark.parametrize(
    ("cluster", "cni", "code", "path"),
    [
        (CLUSTER_OF, "{provider: calico}", "NS951", "stacks.prod.cni"),
        ("{type: kind}", "{provider: calico, managed: false}", "NS951", "stacks.prod.cni.managed"),
        ("{type: existing, namespaces: [sho]}", "{provider: calico, managed: false}", "NS950", "cluster.namespaces.0"),
    ],
)
def test_what_is_there_is_on_a_cluster_that_is(cluster: str, cni: str, code: str, path: str) -> None:
    (found,) = compiled(cluster, cni).diagnostics
    assert found.code == code and ".".join(map(str, found.path)).endswith(path) and found.hint


class Kubectl:
    """A cluster with these objects, by its kubeconfig's text."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.identity, self.objects, self.asked = "uid-1", list(objects), ""

    def __call__(self, kubeconfig: str, *words: str, stdin: str = "") -> Done:
        if "kube-system" in words:
            return Done([], 0, self.identity, "")
        self.asked = stdin
        names = {(i["kind"], i["metadata"]["name"]) for i in json.loads(stdin)["items"]}
        found = [o for o in self.objects if (o["kind"], o["metadata"]["name"]) in names]
        return Done([], 0, "" if not found else json.dumps({"items": found}), "")


def thing(kind: str, name: str, stack: str = "") -> dict[str, Any]:
    annotations = {"annotations": {existing.STACK: stack}} if stack else {}
    return {"kind": kind, "metadata": {"name": name, "namespace": "shop", **annotations}}


@pytest.fixture
def kubectl(monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    made = Kubectl()
    monkeypatch.setattr(programs, "kubeconfig", lambda file, context: f"text of {file or 'default'} {context}")
    monkeypatch.setattr(existing, "_kubectl", made)
    return made


def props(**more: Any) -> dict[str, Any]:
    plan = plan_of(compiled())
    node = next(n for n in plan.nodes if n.id == CLUSTER)
    return {
        **getattr(node, "properties", {}),
        "stack": existing.owner_of(plan),
        "claims": existing.claims(plan),
        **more,
    }


def test_a_kubeconfig_is_looked_for_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pulumi runs what asks for it in a folder of its own."""
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Done:
        asked.append(command)
        return Done(command, 0, "server: https://192.0.2.1", "")

    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "Pulumi.yaml").touch()
    monkeypatch.setenv(project.VARIABLE, str(tmp_path / "project"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(programs, "run", run)
    for file in ("keys/prod", "/etc/prod", "~/prod", ""):
        programs.kubeconfig(file, "")
    assert [words[6:] for words in asked] == [
        [f"--kubeconfig={tmp_path}/project/keys/prod"],
        ["--kubeconfig=/etc/prod"],
        [f"--kubeconfig={Path.home()}/prod"],
        [],
    ]


def test_a_cluster_is_found_by_its_context_and_known_by_its_identity(kubectl: Kubectl) -> None:
    made = ExistingProvider().create(props())
    assert made.id == "uid-1" and made.outs is not None
    assert made.outs["kubeconfig"] == "text of default prod"
    assert ExistingProvider().diff(made.id, made.outs, props()).changes is False
    assert ExistingProvider().diff(made.id, made.outs, props(claims=[])).changes is True


def test_another_cluster_under_the_same_context_is_an_error(kubectl: Kubectl) -> None:
    made = ExistingProvider().create(props())
    assert made.outs is not None
    kubectl.identity = "uid-2"
    with pytest.raises(Problem, match="another cluster"):
        ExistingProvider().diff(made.id, made.outs, props())


def test_what_somebody_else_made_is_never_taken_over(kubectl: Kubectl) -> None:
    kubectl.objects = [thing("Service", "web"), thing("Namespace", "own", "other-prod"), thing("Service", "elsewhere")]
    with pytest.raises(Problem) as caught:
        ExistingProvider().create(props())
    assert caught.value.message == (
        "on the cluster already, and not of this stack: Service shop/web, Namespace shop/own"
    )


def test_what_a_killed_run_made_is_the_stack_s(kubectl: Kubectl) -> None:
    kubectl.objects = [thing("Service", "web", "shop-prod")]
    assert ExistingProvider().create(props()).id == "uid-1"
    assert '"default-deny"' in kubectl.asked


def test_objects_say_whose_they_are_and_are_deleted_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through Pulumi's own SDK: nothing goes with a cluster that stays."""
    import pulumi
    from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks

    from netspec.deploy.program import apply

    made: dict[str, MockResourceArgs] = {}

    class Recorded(Mocks):
        def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
            made[args.name] = args
            return f"{args.name}-id", {**args.inputs, "kubeconfig": "k"}

        def call(self, args: MockCallArgs) -> dict[str, Any]:
            return {}

    bound: list[Any] = []
    real = pulumi.ResourceOptions

    def options(*args: Any, **kwargs: Any) -> Any:
        bound.append(kwargs.get("deleted_with"))
        return real(*args, **kwargs)

    monkeypatch.setattr(
        "netspec.deploy.program.pulumi", SimpleNamespace(**{**vars(pulumi), "ResourceOptions": options})
    )
    options.merge = real.merge  # type: ignore[attr-defined]
    pulumi.runtime.set_mocks(Recorded(), preview=False)
    pulumi.runtime.test(lambda: apply(plan_of(compiled())))()
    assert made["service:shop/web"].inputs["metadata"]["annotations"][existing.STACK] == "shop-prod"
    assert made["namespace:shop"].typ == "kubernetes:core/v1:NamespacePatch"
    assert existing.STACK not in made["namespace:shop"].inputs["metadata"].get("annotations", {})
    assert not any(bound)
