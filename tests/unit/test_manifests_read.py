"""Reading manifests: files and lists, what is refused, reported, skipped, and where it stands."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import Answer, PodEnd
from netspec.backends.cni.dialects import DIALECTS
from netspec.diagnostics import Problem, Severity
from netspec.ir.model import Place
from netspec.manifests import libyaml
from netspec.manifests.kinds import REFUSED, policy_resources
from netspec.manifests.read import Reading, read, read_texts
from netspec.manifests.scalars import resolve

POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec:
"""


def of(text: str, file: str = "x.yaml") -> Reading:
    return read_texts([(file, text)])


def only_error(reading: Reading) -> str:
    (found,) = reading.diagnostics
    return found.render()


def pod(name: str, **fields: object) -> str:
    extra = "".join(f", {k}: {v}" for k, v in fields.items())
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}{extra}}}\nspec: {{containers: [{{name: c}}]}}\n"


def test_directories_lists_and_json_are_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: List\nitems:\n- " + pod("one").replace("\n", "\n  "))
    (tmp_path / "sub" / "b.yml").write_text(f"# first\n---\n{pod('two')}---\n---\n{pod('three')}")
    (tmp_path / "c.json").write_text(
        '{"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "four"}, "spec": {}}]}'
    )
    (tmp_path / ".git" / "d.yaml").write_text("not: [read")
    (tmp_path / "README.md").write_text("not: [read")
    reading = read([str(tmp_path)])
    assert reading.diagnostics == ()
    assert [w.id for w in reading.inventory.workloads] == [
        "default/four",
        "default/one",
        "default/three",
        "default/two",
    ]
    assert reading.objects == 4


def test_standard_input_is_read() -> None:
    assert [w.name for w in read(["-"], io.StringIO(pod("one"))).inventory.workloads] == ["one"]


def test_standard_input_that_is_no_text_is_reported() -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"a: \xff"), encoding="utf-8")
    assert "<stdin>:1:1: document is not UTF-8 text [NM001]" in only_error(read(["-"], stream))


@pytest.mark.parametrize("path", ["nowhere.yaml", "/"])
def test_what_cannot_be_read_at_all_is_a_problem(path: str, tmp_path: Path) -> None:
    with pytest.raises(Problem):
        read([str(tmp_path / path) if path != "/" else str(tmp_path)])


def test_a_broken_document_is_reported_and_the_rest_is_read() -> None:
    reading = of(f"{pod('one')}---\na: [b\nc: d\n---\n{pod('two')}")
    assert only_error(reading).startswith("x.yaml:7:1: document is not YAML")
    assert [w.name for w in reading.inventory.workloads] == ["one", "two"]


def test_a_file_that_is_no_text_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_bytes(b"a: b\nc: \xff\n")
    (tmp_path / "good.yaml").write_text(pod("one"))
    reading = read([str(tmp_path)])
    assert ":2:1: document is not UTF-8 text [NM001]" in only_error(reading)
    assert len(reading.inventory.workloads) == 1


def test_other_kinds_are_counted() -> None:
    reading = of("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\nkey: value\n---\n" + pod("one"))
    assert dict(reading.skipped) == {"ConfigMap": 1, "(no kind)": 1}
    assert reading.diagnostics == ()


def test_an_object_twice_is_an_error_that_names_both_places() -> None:
    reading = of(f"{pod('one')}---\n{pod('one')}")
    assert only_error(reading).startswith("x.yaml:6:1: Pod one is declared twice; first at x.yaml:1:1 [NM003]")


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("crd.antrea.io/v1beta1", "NetworkPolicy"),
        ("projectcalico.org/v4", "GlobalNetworkPolicy"),
        ("cilium.io/v2", "CiliumEgressGatewayPolicy"),
        ("cilium.io/v3", "CiliumNetworkPolicy"),
        ("policy.networking.k8s.io/v1beta9", "AdminNetworkPolicy"),
        ("policy.example.com/v1", "NetworkPolicy"),
    ],
)
def test_policies_in_other_languages_are_refused_by_name(version: str, kind: str) -> None:
    reading = of(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: guard}}\nspec: {{}}\n")
    message = only_error(reading)
    assert f"{kind} guard" in message
    assert "[NM004]" in message
    assert message.startswith("x.yaml:")


@pytest.mark.parametrize(
    ("version", "kind", "hint"),
    [
        ("v1", "NetworkPolicy", "networking.k8s.io/v1"),
        ("networking.k8s.io/v1", "ClusterNetworkPolicy", "policy.networking.k8s.io/v1alpha2"),
    ],
)
def test_a_policy_in_a_group_that_has_none_is_an_error(version: str, kind: str, hint: str) -> None:
    message = only_error(of(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: guard}}\nspec: {{}}\n"))
    assert f"x.yaml:1:1: {kind} guard: apiVersion {version} has no {kind} [NM002]" in message
    assert f"write {hint}" in message


def test_a_cluster_is_asked_for_every_policy_that_it_serves() -> None:
    for (group, _), resource in REFUSED.items():
        assert resource.endswith(f".{group}")
        assert policy_resources(["pods", resource]) == [resource]
    own = "clusternetworkpolicies.policy.networking.k8s.io"
    assert policy_resources(["pods", own]) == [own]


def test_calicos_policies_are_asked_for_once() -> None:
    stored = "networkpolicies.crd.projectcalico.org"
    assert policy_resources([stored, "networkpolicies.projectcalico.org"]) == [stored]


BAD_POLICIES = {
    "{podSelector: {matchLabel: {a: b}}}": "spec.podSelector.matchLabel is an unknown field",
    "{podSelector: {matchLabels: {a: 1}}}": "spec.podSelector.matchLabels.a is a label and must be text",
    "{podSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}}": "operator is not one of In, NotIn",
    "{podSelector: {matchExpressions: [{key: a, operator: In}]}}": "values must be given with In",
    "{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}": "values must not be given",
    "{podSelector: [], policyTypes: [ingress]}": "spec.podSelector is not a mapping",
    "{policyTypes: [ingress]}": "spec.policyTypes[0] is neither Ingress nor Egress",
    "{ingres: []}": "spec.ingres is an unknown field",
    "{ingress: {}}": "spec.ingress is not a list",
    "{ingress: [{to: []}]}": "spec.ingress[0].to is an unknown field",
    "{ingress: [{from: [{}]}]}": "spec.ingress[0].from[0] is an empty peer",
    "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]}": "has an ipBlock and a selector",
    "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0}}]}]}": "ipBlock.cidr is not a CIDR",
    "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/8]}}]}]}": "is not strictly within 10.0.0.0/8",
    "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]}": "is not strictly within 10.0.0.0/8",
    "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/255.0.0.0}}]}]}": "ipBlock.cidr is not a CIDR",
    "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/0.255.255.255}}]}]}": "ipBlock.cidr is not a CIDR",
    "{ingress: [{from: [{ipBlock: {cidr: 'fe80::1%eth0/64'}}]}]}": "ipBlock.cidr is not a CIDR",
    "{ingress: [{ports: [{port: 0}]}]}": "port is not a port (1-65535)",
    "{ingress: [{ports: [{port: '80'}]}]}": "is neither a port (1-65535) nor a port name",
    "{ingress: [{ports: [{port: 80, protocol: ICMP}]}]}": "is not one of TCP, UDP and SCTP",
    "{ingress: [{ports: [{endPort: 80}]}]}": "endPort needs a port",
    "{ingress: [{ports: [{port: http, endPort: 80}]}]}": "endPort must not be below port",
    "{ingress: [{ports: [{port: 80, endPort: 79}]}]}": "endPort must not be below port",
}


@pytest.mark.parametrize("spec", BAD_POLICIES)
def test_what_the_api_server_refuses_is_an_error(spec: str) -> None:
    reading = of(f"{POLICY}  {spec}\n")
    message = only_error(reading)
    assert BAD_POLICIES[spec] in message
    assert message.startswith("x.yaml:5:")
    assert reading.inventory.policies == ()


@pytest.mark.parametrize("name", ["a/b", '"a\\eb"', '"a\\nb"'])
def test_a_name_that_is_not_one_word_on_the_terminal_is_an_error(name: str) -> None:
    assert "metadata.name is not a name [NM002]" in only_error(of(pod(name)))
    assert "metadata.namespace is not a name" in only_error(of(pod("web", namespace=name)))


def test_a_name_that_only_the_api_server_minds_is_read() -> None:
    reading = of(pod("web-1.example") + "---\n" + pod("Web_1"))
    assert (reading.diagnostics, [w.name for w in reading.inventory.workloads]) == ((), ["Web_1", "web-1.example"])


def test_made_up_names_are_not_one_object() -> None:
    job = "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: j-}\n"
    job += "spec: {template: {metadata: {labels: {a: x}}}}\n"
    reading = of(f"{job}---\n{job.replace('a: x', 'a: z')}")
    assert reading.diagnostics == ()
    assert [(w.id, w.labels) for w in reading.inventory.workloads] == [
        ("default/j-", {"a": "x"}),
        ("default/j-#2", {"a": "z"}),
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("x.json", '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "name": "b"}}'),
        ("x.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, name: b}\n"),
        ("x.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  name: b\n"),
    ],
)
def test_of_a_key_given_twice_the_last_counts_and_a_warning_says_so(file: str, text: str) -> None:
    reading = of(text, file)
    (found,) = reading.diagnostics
    assert (found.severity, found.code) == (Severity.WARNING, "NM005")
    assert "document has the key 'name' twice; kubectl takes the last" in found.render()
    assert [w.id for w in reading.inventory.workloads] == ["default/b"]


TIER = "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: t}\n"
BAD_TIERS = {
    "{priority: 1001, subject: {namespaces: {}}}": "spec.priority is not a priority",
    "{priority: 1, subject: {}}": "must have exactly one of namespaces, pods",
    "{priority: 1, subject: {namespaces: {}}, ingress: [{from: [{namespaces: {}}]}]}": "not one of Allow, Deny, Pass",
    "{priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: []}]}": "from must name a peer",
    "{priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{networks: []}]}]}": "not possible here",
    "{priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{domainNames: [a.b]}]}]}": "which addresses",
    "{priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{nodes: {}}]}]}": "nodes whose addresses",
}


@pytest.mark.parametrize("spec", BAD_TIERS)
def test_what_is_bad_in_a_tier_policy_is_said_and_the_rest_stands(spec: str) -> None:
    """tests/unit/test_unread_rules.py says what the rest means."""
    reading = of(f"{TIER}spec: {spec}\n---\n{pod('web')}")
    assert BAD_TIERS[spec] in only_error(reading)
    assert [t.name for t in reading.inventory.tiers] == ([] if "1001" in spec else ["t"])


def test_tier_policies_are_read() -> None:
    reading = of(
        """\
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: guard}
spec:
  tier: Baseline
  priority: 3
  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}}
  ingress:
  - action: Deny
    from: [{namespaces: {}}]
    protocols: [{tcp: {destinationPort: {range: {start: 10, end: 20}}}}, {udp: {}}, {destinationNamedPort: sql}]
---
"""
        + pod("db", labels="{app: db}")
        + "---\n"
        + pod("web")
    )
    assert reading.diagnostics == ()
    web, db = PodEnd("default/web"), PodEnd("default/db")
    flows = {(15, "TCP"): "deny", (21, "TCP"): "allow", (9, "UDP"): "deny", (15, "SCTP"): "allow"}
    for (port, protocol), expected in flows.items():
        assert evaluate(reading.inventory, web, db, port, protocol).expected == expected  # type: ignore[arg-type]


def test_nodes_of_a_tier_rule_are_their_addresses() -> None:
    node = (
        "apiVersion: v1\nkind: Node\nmetadata: {name: node-1, labels: {role: edge}}\n"
        "status: {addresses: [{type: InternalIP, address: 192.0.2.7}, {type: Hostname, address: n}]}\n"
    )
    policy = (
        "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: t}\n"
        "spec: {priority: 1, subject: {namespaces: {}}, "
        "egress: [{action: Deny, to: [{nodes: {matchLabels: {role: edge}}}]}]}\n"
    )
    reading = of(f"{policy}---\n{node}---\n{pod('web')}")
    assert reading.diagnostics == ()
    (block,) = [p.ip_block for p in reading.inventory.tiers[0].egress[0].peers]
    assert str(block and block.cidr) == "192.0.2.7/32"


def test_the_very_line_of_a_rule_is_found() -> None:
    text = f"# head\n---\n{POLICY}  podSelector: {{}}\n  ingress:\n  - ports:\n    - port: 80\n  - {{}}\n"
    reading = of(text)
    policy = reading.inventory.policies[0]
    position = policy.place.position
    assert (position and position.line) == 3
    rule = reading.locate(policy.ingress[1].place)
    assert (rule and rule.line) == 11
    assert reading.locate(Place()) is None


def test_places_in_one_document_are_found_without_reading_it_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    composed = []
    read_again = libyaml.documents
    monkeypatch.setattr(libyaml, "documents", lambda *given: composed.append(1) or read_again(*given))
    many = "".join("- " + pod(f"p{i}").replace("\n", "\n  ").rstrip(" ") for i in range(9))
    reading = of(f"apiVersion: v1\nkind: List\nitems:\n{many}")
    lines = [position.line for w in reading.inventory.workloads if (position := reading.locate(w.place))]
    assert lines == list(range(4, 40, 4))
    assert len(composed) == 1


def test_kubernetes_reads_scalars_its_own_way() -> None:
    reading = of("apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {sha: 1e3}}\nspec: {}\n")
    assert "is a label and must be text" in only_error(reading)
    assert resolve("1e3") == 1000.0
    assert resolve("on") is True
    assert resolve("010") == 8
    assert resolve("2024-01-01") == "2024-01-01"


def test_a_cni_is_known_by_its_daemonset() -> None:
    text = (
        "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: cilium, namespace: kube-system}\nspec: {template: {}}\n"
    )
    assert of(text.replace("template: {}", "template: {spec: {}}")).cni == "cilium"
    policy = f"{POLICY}  {{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: 0.0.0.0/0}}}}]}}]}}\n"
    pods = pod("a", namespace="shop") + "---\n" + pod("b", namespace="shop")
    found = replace(read_texts([("x", f"{policy}---\n{pods}")]).inventory, dialect=DIALECTS["cilium"])
    verdict = evaluate(found, PodEnd("shop/a"), PodEnd("shop/b"), 1, "TCP")
    assert (verdict.answer, verdict.expected) == (Answer.DIALECT, "deny")
