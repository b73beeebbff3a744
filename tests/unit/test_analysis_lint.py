"""Every lint code on the least input that shows it, and not on input that does not."""

import pytest

from netspec.analysis.lint import CODES, Finding, lint
from netspec.manifests.read import read_texts

PODS = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, ports: [{containerPort: 5432}]}]}
"""


def policy(name: str, spec: str) -> str:
    head = f"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\n"
    return f"{head}spec: {spec}\n"


def tier(name: str, spec: str, priority: int = 1) -> str:
    head = f"apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {{name: {name}}}\n"
    return f"{head}spec: {{priority: {priority}, subject: {{namespaces: {{}}}}, {spec}}}\n"


def findings(*objects: str, pods: str = PODS) -> list[Finding]:
    reading = read_texts([("x.yaml", "---\n".join((pods, *objects)))])
    assert reading.diagnostics == ()
    return list(lint(reading.inventory))


def of(code: str, *objects: str, pods: str = PODS) -> list[str]:
    """The subjects and messages of one code's findings."""
    return [f"{f.subject}: {f.message}" for f in findings(*objects, pods=pods) if f.code == code]


WEB = "podSelector: {matchLabels: {app: web}}"
FROM_DB = "from: [{podSelector: {matchLabels: {app: db}}}]"
KUBE_SYSTEM = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}"
DNS = f"{{to: [{KUBE_SYSTEM}], ports: [{{port: 53, protocol: UDP}}]}}"

SHOWN = {
    "NL001": (
        (policy("p", "{podSelector: {matchLabels: {app: gone}}}"),),
        "shop/p: podSelector {app=gone} matches no pod of namespace shop",
    ),
    "NL002": (
        (policy("p", f"{{{WEB}, ingress: [{{from: [{{podSelector: {{matchLabels: {{app: gone}}}}}}]}}]}}"),),
        "shop/p: ingress[0]: there are no pods {app=gone} of namespace shop",
    ),
    "NL003": (
        (policy("p", f"{{{WEB}, ingress: [{{{FROM_DB}}}, {{{FROM_DB}, ports: [{{port: 8080}}]}}]}}"),),
        "shop/p: ingress[1] allows nothing that other rules for the same pods do not allow",
    ),
    "NL004": (
        (policy("p", f"{{{WEB}, ingress: [{{{FROM_DB}, ports: [{{port: 9999}}]}}]}}"),),
        "shop/p: ingress[0]: 9999/TCP is not a port of shop/web",
    ),
    "NL005": (
        (policy("p", f"{{{WEB}, ingress: [{{}}]}}"),),
        "shop/p: every flow would be the same without it",
    ),
    "NL006": ((), "shop/db: every pod and every address reaches it: no NetworkPolicy isolates it"),
    "NL007": (
        (policy("p", f"{{{WEB}, ingress: [{{{FROM_DB}}}]}}"), policy("q", "{podSelector: {}, policyTypes: [Egress]}")),
        "shop/p: ingress[0] allows flows that the egress of shop/db denies",
    ),
    "NL008": ((), "shop: nothing denies ingress by default: a new pod is open"),
    "NL009": (
        (policy("p", f"{{{WEB}, policyTypes: [Egress], egress: []}}"),),
        "shop/web: it cannot reach DNS (kube-system 53/UDP or openshift-dns 5353/UDP): names do not resolve",
    ),
    "NL010": (
        (tier("t", "ingress: [{action: Deny, from: [{namespaces: {}}]}, {action: Allow, from: [{namespaces: {}}]}]"),),
        "AdminNetworkPolicy/t: ingress[1] never decides: earlier rules match all of its flows",
    ),
    "NL011": (
        (
            tier("t", "ingress: [{action: Deny, from: [{namespaces: {}}]}]"),
            tier("u", "ingress: [{action: Allow, from: [{namespaces: {}}]}]"),
        ),
        "AdminNetworkPolicy/t: has the priority of AdminNetworkPolicy/u (1), and their ingress disagrees",
    ),
    "NL012": (
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: shop}\n"
            "spec: {selector: {app: gone}, ports: [{port: 80}]}\n",
        ),
        "shop/s: Service selector {app=gone} matches no pod",
    ),
    "NL013": (
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop, labels: {app: p}}\n"
            "spec: {containers: [{name: a, env: [{name: URL, value: 'https://api.example.com/v1'}]}]}\n",
        ),
        "shop/p: api.example.com: 6 queries are in vain before the one that answers (ndots 5); end it with a dot, "
        "or set ndots to 2 in dnsConfig",
    ),
}


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_found(code: str) -> None:
    objects, message = SHOWN[code]
    assert message in of(code, *objects)


def test_a_clean_namespace_has_no_findings() -> None:
    found = findings(
        policy("default-deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}"),
        policy("dns", f"{{podSelector: {{}}, policyTypes: [Egress], egress: [{DNS}]}}"),
        policy("web", f"{{{WEB}, ingress: [{{{FROM_DB}, ports: [{{port: http}}]}}]}}"),
        policy(
            "db",
            "{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress], "
            f"egress: [{{to: [{{{WEB}}}], ports: [{{port: 8080}}]}}]}}",
        ),
    )
    assert found == []


def test_of_two_equal_rules_one_is_redundant() -> None:
    rule = f"{{{FROM_DB}, ports: [{{port: 8080}}]}}"
    assert len(of("NL003", policy("p", f"{{{WEB}, ingress: [{rule}, {rule}]}}"))) == 1


def test_a_rule_is_not_redundant_where_another_covers_it_for_some_pods_only() -> None:
    wide = policy("wide", f"{{podSelector: {{}}, ingress: [{{{FROM_DB}}}]}}")
    narrow = policy("narrow", f"{{{WEB}, ingress: [{{{FROM_DB}}}]}}")
    assert of("NL003", wide, narrow) == [
        "shop/narrow: ingress[0] allows nothing that other rules for the same pods do not allow"
    ]


def test_a_redundant_policy_changes_nothing_but_a_default_deny_is_spared() -> None:
    deny = policy("default-deny", "{podSelector: {}}")
    both = policy("both", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")
    again = policy("again", f"{{{WEB}, ingress: [{{from: [{{podSelector: {{}}}}]}}]}}")
    assert of("NL005", deny, both, again) == ["shop/again: every flow would be the same without it"]


def test_ports_are_not_complained_about_where_pods_declare_none() -> None:
    silent = PODS.replace(", ports: [{name: http, containerPort: 8080}]", "")
    assert of("NL004", policy("p", f"{{{WEB}, ingress: [{{ports: [{{port: 9999}}]}}]}}"), pods=silent) == []


def test_a_service_port_that_no_pod_has() -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: shop}\n"
        "spec: {selector: {app: web}, ports: [{port: 80, targetPort: grpc}]}\n"
    )
    assert of("NL012", service) == ["shop/s: Service port 80: no pod behind it has grpc/TCP"]


def test_a_route_to_a_service_that_is_not_there() -> None:
    ingress = (
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, namespace: shop}\n"
        "spec: {defaultBackend: {service: {name: gone, port: {number: 80}}}}\n"
    )
    assert of("NL012", ingress) == ["shop/i: Ingress sends to Service shop/gone, which is not there"]


def test_an_external_name_answers_on_any_port() -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: out, namespace: shop}\n"
        "spec: {type: ExternalName, externalName: example.com}\n"
    )
    ingress = (
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, namespace: shop}\n"
        "spec: {defaultBackend: {service: {name: out, port: {number: 443}}}}\n"
    )
    assert of("NL012", service, ingress) == []


def test_a_workload_scaled_to_nothing_is_something_to_lead_to() -> None:
    idle = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: idle, namespace: shop}\n"
        "spec: {replicas: 0, template: {metadata: {labels: {app: idle}}, spec: {containers: [{name: c, "
        "ports: [{containerPort: 8080, name: http}]}]}}}\n"
    )
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: shop}\n"
        "spec: {selector: {app: idle}, ports: [{port: 80, targetPort: %s}]}\n"
    )
    for target in ("http", "8080"):
        assert of("NL012", idle, service % target) == []
    assert of("NL012", idle, service % "grpc") == ["shop/s: Service port 80: no pod behind it has grpc/TCP"]


def test_of_two_equal_policies_one_changes_nothing() -> None:
    spec = f"{{{WEB}, ingress: [{{{FROM_DB}}}]}}"
    assert of("NL005", policy("one", spec), policy("two", spec)) == [
        "shop/two: every flow would be the same without it"
    ]


X = "{namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}"


def test_tied_policies_disagree_only_where_their_first_matching_rules_do() -> None:
    rules = f"ingress: [{{action: Allow, from: [{X}]}}, {{action: Deny, from: [{{namespaces: {{}}}}]}}]"
    assert of("NL011", tier("t", rules), tier("u", rules)) == []
    first = f"ports: [{{namedPort: http}}], from: [{X}]"
    named = f"ingress: [{{action: Allow, {first}}}, {{action: Deny, {first}}}]"
    assert of("NL011", tier("t", named), tier("u", named)) == []
    assert len(of("NL011", tier("t", named), tier("u", f"ingress: [{{action: Deny, {first}}}]"))) == 1


def test_one_side_is_not_closed_where_a_flow_is_left_open_for_either_ip_version() -> None:
    other = policy("other", '{podSelector: {matchLabels: {app: gone}}, ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}')
    out = policy(
        "out", f"{{podSelector: {{matchLabels: {{app: db}}}}, policyTypes: [Egress], egress: [{{to: [{{{WEB}}}]}}]}}"
    )
    into = policy("into", f"{{{WEB}, ingress: [{{from: [{{ipBlock: {{cidr: 10.0.0.0/8}}}}]}}]}}")
    assert of("NL007", out, into, other) == []


def test_a_default_deny_is_what_denies_a_new_pod() -> None:
    """Also a tier's; not a policy that selects every pod and allows everything."""
    both = "policyTypes: [Ingress, Egress]"
    assert of("NL008", policy("deny", f"{{podSelector: {{}}, {both}}}")) == []
    assert len(of("NL008", policy("allow", f"{{podSelector: {{}}, {both}, ingress: [{{}}], egress: [{{}}]}}"))) == 2
    near = policy("near", f"{{podSelector: {{}}, {both}, ingress: [{{from: [{{namespaceSelector: {{}}}}]}}]}}")
    assert of("NL008", near) == []
    peers = '[{namespaces: {}}, {networks: [0.0.0.0/0, "::/0"]}]'
    baseline = (
        "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\nmetadata: {name: default}\n"
        f"spec: {{subject: {{namespaces: {{}}}}, egress: [{{action: Deny, to: {peers}}}]}}\n"
    )
    ingress = "shop: nothing denies ingress by default: a new pod is open"
    assert of("NL008", baseline) == [ingress]
    some = tier("some", "egress: [{action: Deny, to: [{namespaces: {matchLabels: {team: ops}}}]}]")
    assert len(of("NL008", some)) == 2


def test_a_tier_cuts_off_from_dns_too() -> None:
    denied = tier("t", "egress: [{action: Deny, to: [{namespaces: {}}]}]")
    assert [f.partition(":")[0] for f in of("NL009", denied)] == ["shop/db", "shop/web"]
    dns = "{action: Allow, to: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]}"
    assert of("NL009", tier("t", f"egress: [{dns}, {{action: Deny, to: [{{namespaces: {{}}}}]}}]")) == []


@pytest.mark.parametrize(
    ("value", "more", "expected"),
    [
        ("https://api.example.com./v1", "", []),
        ("www.example.com", "dnsConfig: {options: [{name: ndots, value: '2'}]}", []),
        ("www.example.com", "dnsPolicy: Default", []),
        ("db.data.svc:5432", "", ["db.data.svc: 4 queries"]),
        ("postgres://u:p@db.data.svc.cluster.local:5432/x", "", ["db.data.svc.cluster.local: 6 queries"]),
        ("postgres://db.data/x", "", []),
        ("postgres://db/x", "", []),
        ("app.config.yaml", "", []),
        ("10.1.2.3:80", "", []),
    ],
)
def test_names_that_cost_are_told_of_as_their_resolver_sees_them(value: str, more: str, expected: list[str]) -> None:
    body = f"containers: [{{name: a, env: [{{name: X, value: '{value}'}}]}}]"
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop, labels: {app: p}}\n"
    found = of("NL013", f"{pod}spec: {{{body}, {more}}}\n")
    assert [f.partition(" are in vain")[0].removeprefix("shop/p: ") for f in found] == expected
