"""NetworkPolicies as the wild has them: which become defaultDeny, allowDNS or an intent, and which stay, and why."""

from dataclasses import replace
from typing import Any

import pytest
from import_support import DENY, app, deployment, imported, meaning, namespace, of_reading, policy, reading, spec

from netspec.importing.convert import Imported
from netspec.importing.intents import Translation, Translator
from netspec.ir.model import NetworkPolicy, Peer

SHOP = [
    namespace("shop", team="shop"),
    namespace("monitoring", purpose="monitoring"),
    deployment("web", ports=[("http", 8080)]),
    deployment("api", ports=[("http", 8080), ("admin", 9090)]),
    deployment("db", ports=[5432]),
    deployment("job"),
    deployment("prometheus", "monitoring"),
]
DNS_PORTS = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
KUBE_SYSTEM = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
KUBE_DNS = {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
EXCEPT = "a range with exceptions is not the peer of an intent"
DB = [{"port": 5432}]
NODE_LOCAL = {"cidr": "169.254.20.10/32"}
MONITORING = {"namespaceSelector": {"matchLabels": {"purpose": "monitoring"}}}
INGRESS = policy("deny", policyTypes=["Ingress"])


def expression(operator: str, *values: str) -> dict[str, Any]:
    return {"podSelector": {"matchExpressions": [{"key": "app", "operator": operator, "values": list(values)}]}}


def shop(*policies: dict[str, Any]) -> Imported:
    """The import, which must say the same."""
    found = imported([*SHOP, *policies])
    meaning(found)
    assert (found.proof.changes, found.proof.shown) == ((), 0)
    return found


def namespace_of(found: Imported, name: str = "shop") -> dict[str, Any]:
    (entry,) = (n for n in spec(found)["namespaces"] if n["name"] == name)
    return {key: value for key, value in entry.items() if key not in ("name", "labels")}


def intents(found: Imported) -> list[tuple[Any, Any, list[str]]]:
    """(from, to, ports), a workload by its id."""
    listed = spec(found).get("policies", [])
    return [(_end(p["from"]), _end(p["to"]), p["ports"]) for p in listed]


def _end(peer: Any) -> Any:
    return peer.get("workload", peer) if isinstance(peer, dict) else peer


def why(found: Imported, name: str) -> str:
    """Why a policy stays native; it must."""
    (fate,) = (f for f in found.fates if f.policy == f"shop/{name}")
    assert fate.became == ("networkPolicies",)
    assert name in [p["name"] for p in spec(found)["networkPolicies"]]
    return fate.why


@pytest.mark.parametrize(
    ("types", "directions"),
    [(["Ingress"], ["ingress"]), (["Egress"], ["egress"]), (["Egress", "Ingress"], ["ingress", "egress"])],
)
def test_a_policy_that_closes_every_pod_is_default_deny(types: list[str], directions: list[str]) -> None:
    found = shop(policy("anything", policyTypes=types))
    assert namespace_of(found) == {"defaultDeny": directions}
    assert "networkPolicies" not in spec(found)


def test_two_that_close_one_direction_each_are_one_default_deny() -> None:
    found = shop(policy("in", policyTypes=["Ingress"]), policy("out", policyTypes=["Egress"]))
    assert namespace_of(found) == {"defaultDeny": ["ingress", "egress"]}


@pytest.mark.parametrize(
    "peer",
    [
        {**KUBE_SYSTEM, **KUBE_DNS},
        {"namespaceSelector": {}, **KUBE_DNS},
        KUBE_SYSTEM,  # nothing else is known to be there
    ],
)
def test_the_way_to_dns_is_allow_dns(peer: dict[str, Any]) -> None:
    dns = policy("dns", policyTypes=["Egress"], egress=[{"to": [peer], "ports": DNS_PORTS}])
    assert namespace_of(shop(DENY, dns)) == {"defaultDeny": ["ingress", "egress"], "allowDNS": True}


def test_a_policy_for_dns_alone_closes_too() -> None:
    dns = policy("dns", policyTypes=["Egress"], egress=[{"to": [{**KUBE_SYSTEM, **KUBE_DNS}], "ports": DNS_PORTS}])
    assert namespace_of(shop(dns)) == {"defaultDeny": ["egress"], "allowDNS": True}


def test_allow_dns_is_not_said_where_others_of_kube_system_are_meant_too() -> None:
    dns = policy("dns", policyTypes=["Egress"], egress=[{"to": [KUBE_SYSTEM], "ports": DNS_PORTS}])
    found = imported([*SHOP, deployment("metrics-server", "kube-system"), DENY, dns])
    assert found.proof.shown == 0 and "allowDNS" not in namespace_of(found)
    assert intents(found) == [({"namespace": "shop"}, {"namespace": "kube-system"}, ["53/UDP", "53/TCP"])]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"to": [{**KUBE_SYSTEM, **KUBE_DNS}], "ports": DNS_PORTS[:1]}, ("kube-system/coredns", ["53/UDP"])),
        ({"ports": DNS_PORTS}, ("anywhere", ["53/UDP", "53/TCP"])),
        (
            {"to": [{"ipBlock": NODE_LOCAL}], "ports": DNS_PORTS[:1]},
            (NODE_LOCAL, ["53/UDP"]),
        ),
    ],
)
def test_other_ways_to_dns_are_intents(rule: dict[str, Any], expected: tuple[Any, list[str]]) -> None:
    found = shop(DENY, policy("dns", policyTypes=["Egress"], egress=[rule]))
    assert intents(found) == [({"namespace": "shop"}, *expected)]
    assert "allowDNS" not in namespace_of(found)


def test_both_sides_of_a_call_are_one_intent_that_names_both() -> None:
    found = shop(
        DENY,
        policy("db-in", **app("db"), ingress=[{"from": [app("api")], "ports": DB}]),
        policy("api-out", **app("api"), policyTypes=["Egress"], egress=[{"to": [app("db")], "ports": DB}]),
    )
    assert intents(found) == [("shop/api", "shop/db", ["5432/TCP"])]
    (item,) = found.draft.sections["policies"]
    assert item.data["name"] == "api-to-db"
    assert [word.partition(" ")[0] for word in item.comment.split(", ")] == ["shop/api-out", "shop/db-in"]
    assert {f.policy: f.became for f in found.fates} == {
        "shop/deny": ("defaultDeny",),
        "shop/api-out": ("api-to-db",),
        "shop/db-in": ("api-to-db",),
    }


def test_one_side_of_a_call_whose_other_side_is_closed_stays_as_it_is() -> None:
    found = shop(DENY, policy("db-in", **app("db"), ingress=[{"from": [app("api")], "ports": DB}]))
    assert intents(found) == []
    assert why(found, "db-in") == "the egress of shop/api does not let all of it through"


def test_one_side_is_enough_where_the_other_is_open() -> None:
    found = shop(INGRESS, policy("db-in", **app("db"), ingress=[{"from": [app("api")], "ports": DB}]))
    assert intents(found) == [("shop/api", "shop/db", ["5432/TCP"])]


def test_pods_of_a_namespace_that_may_call_each_other_are_one_intent() -> None:
    found = shop(policy("same-namespace", ingress=[{"from": [{"podSelector": {}}]}]))
    assert namespace_of(found) == {"defaultDeny": ["ingress"]}
    assert intents(found) == [({"namespace": "shop"}, {"namespace": "shop"}, ["all"])]


def test_a_policy_that_alone_closes_its_pods_stays() -> None:
    found = shop(policy("db-in", **app("db"), ingress=[{"from": [app("api")], "ports": DB}]))
    assert why(found, "db-in") == "it alone closes its pods' ingress, and an intent closes nothing"
    both = policy("db", **app("db"), policyTypes=["Ingress", "Egress"], ingress=[{}])
    assert why(shop(INGRESS, both), "db") == "it alone closes its pods' egress, and an intent closes nothing"


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ({"ipBlock": {"cidr": "192.0.2.0/24"}}, {"cidr": "192.0.2.0/24"}),
        ({"ipBlock": {"cidr": "192.0.2.7/24"}}, {"cidr": "192.0.2.0/24"}),
        ({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.244.0.0/16", "10.96.0.0/16"]}}, "outside"),
        (MONITORING, {"namespace": "monitoring"}),
        ({**MONITORING, **app("prometheus")}, "monitoring/prometheus"),
        (expression("In", "api"), "shop/api"),
        (expression("NotIn", "api", "db", "job"), "shop/web"),
    ],
)
def test_the_peers_of_an_intent(peer: dict[str, Any], expected: Any) -> None:
    found = shop(INGRESS, policy("p", **app("api"), ingress=[{"from": [peer], "ports": [{"port": 8080}]}]))
    assert intents(found) == [(expected, "shop/api", ["8080/TCP"])]


def test_everyone_is_anywhere() -> None:
    found = shop(INGRESS, policy("p", **app("web"), ingress=[{"ports": [{"port": "http"}]}]))
    assert intents(found) == [("anywhere", "shop/web", ["http/TCP"])]
    found = shop(INGRESS, policy("p", **app("web"), ingress=[{}]))
    assert intents(found) == [("anywhere", "shop/web", ["all"])]


@pytest.mark.parametrize(
    ("peer", "reason"),
    [
        ({"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.0/30"]}}, EXCEPT),
        ({"ipBlock": {"cidr": "2001:db8::/32"}}, "a range of IPv6 is not the peer of an intent"),
        (app("nobody"), "a peer of it selects no workload"),
        ({"namespaceSelector": {"matchLabels": {"team": "none"}}}, "a peer of it selects no workload"),
    ],
)
def test_peers_that_no_intent_has(peer: dict[str, Any], reason: str) -> None:
    found = imported([*SHOP, INGRESS, policy("p", **app("api"), ingress=[{"from": [peer], "ports": [{"port": 8080}]}])])
    assert not found.proof.changes and why(found, "p") == reason


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([{"port": 8080}], ["8080/TCP"]),
        ([{"port": "admin"}], ["admin/TCP"]),
        ([{"port": 8000, "endPort": 9000}], ["8000-9000/TCP"]),
        ([{"protocol": "TCP"}], ["1-65535/TCP"]),
        ([], ["all"]),
        ([{"protocol": "TCP"}, {"protocol": "UDP"}, {"protocol": "SCTP"}], ["all"]),
        ([{"port": 9090}, {"port": 8080}], ["9090/TCP", "8080/TCP"]),
    ],
)
def test_the_ports_of_an_intent(ports: list[dict[str, Any]], expected: list[str]) -> None:
    found = shop(INGRESS, policy("p", **app("api"), ingress=[{"from": [app("web")], "ports": ports}]))
    assert intents(found) == [("shop/web", "shop/api", expected)]


@pytest.mark.parametrize(
    ("ports", "reason"),
    [
        ([{"port": 7, "protocol": "SCTP"}], "shop/api declares no port 7/SCTP"),
        ([{"port": 22}], "shop/api declares no port 22/TCP"),
        ([{"port": 8080, "protocol": "UDP"}], "shop/api declares no port 8080/UDP"),
        ([{"port": "metrics"}], "no workload that it is about has a port named metrics"),
    ],
)
def test_ports_that_no_intent_has(ports: list[dict[str, Any]], reason: str) -> None:
    found = shop(INGRESS, policy("p", **app("api"), ingress=[{"from": [app("web")], "ports": ports}]))
    assert why(found, "p") == reason


def test_a_pod_that_declares_no_port_may_be_called_at_any() -> None:
    found = shop(INGRESS, policy("p", **app("job"), ingress=[{"from": [app("web")], "ports": [{"port": 22}]}]))
    assert intents(found) == [("shop/web", "shop/job", ["22/TCP"])]


def test_ports_of_one_pair_are_one_intent() -> None:
    one = policy("one", **app("api"), ingress=[{"from": [app("web")], "ports": [{"port": 8080}]}])
    other = policy("other", **app("api"), ingress=[{"from": [app("web")], "ports": [{"port": 9090}]}])
    assert intents(shop(INGRESS, one, other)) == [("shop/web", "shop/api", ["8080/TCP", "9090/TCP"])]
    everything = policy("other", **app("api"), ingress=[{"from": [app("web")]}])
    assert intents(shop(INGRESS, one, everything)) == [("shop/web", "shop/api", ["all"])]


def test_a_rule_for_a_crowd_stays_a_rule() -> None:
    crowd = [deployment(f"client-{i}", tier="client", app=f"client-{i}") for i in range(11)]
    rule = policy("p", **app("api"), ingress=[{"from": [{"podSelector": {"matchLabels": {"tier": "client"}}}]}])
    found = imported([*SHOP, *crowd, INGRESS, rule])
    assert found.proof.shown == 0 and why(found, "p") == "it would be more than 10 intents"


def test_a_policy_of_nobody_stays() -> None:
    found = shop(INGRESS, policy("p", **app("nobody"), ingress=[{}]))
    assert why(found, "p") == "its podSelector selects no workload"


def test_a_policy_that_closes_what_is_closed_already_needs_no_word() -> None:
    found = shop(DENY, policy("db", **app("db"), policyTypes=["Ingress"]))
    (fate,) = (f for f in found.fates if f.policy == "shop/db")
    assert (fate.became, fate.why) == ((), "other policies close already what it closes")
    assert "networkPolicies" not in spec(found)


def test_a_native_policy_is_field_for_field() -> None:
    body = {
        "podSelector": {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "app", "operator": "Exists"},
                {"key": "x", "operator": "NotIn", "values": ["1"]},
            ],
        },
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {
                "from": [
                    {"namespaceSelector": {}, "podSelector": {"matchLabels": {"a.example/b": "1.0"}}},
                    {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
                ],
                "ports": [{"port": "http"}, {"port": 1000, "endPort": 2000, "protocol": "UDP"}, {"protocol": "SCTP"}],
            }
        ],
        "egress": [{}],
    }
    found = shop(policy("native", **body))
    (entry,) = spec(found)["networkPolicies"]
    assert entry == {"name": "native", "namespace": "shop", "spec": body}


def test_policies_of_kube_system_stay_and_its_labels_become_its_name() -> None:
    """A spec has no entry for kube-system, so neither its labels nor a defaultDeny of it."""
    infra = {"namespaceSelector": {"matchLabels": {"zone": "infra"}}}
    by_label = policy("p", **app("api"), ingress=[{"from": [infra]}])
    deny = policy("deny", "kube-system", policyTypes=["Ingress"])
    found = imported([*SHOP, namespace("kube-system", zone="infra"), deny, by_label])
    assert not found.proof.changes
    natives = {p["name"]: p["spec"] for p in spec(found)["networkPolicies"]}
    assert natives["deny"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    (peer,) = natives["p"]["ingress"][0]["from"]
    wanted = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["kube-system"]}
    assert peer == {"namespaceSelector": {"matchExpressions": [wanted]}}
    assert [r.what for r in found.draft.remarks if "by name" in r.why] == ["NetworkPolicy shop/p"]


def test_pods_of_the_default_namespace_get_its_entry_where_it_is_closed() -> None:
    found = imported([deployment("web", "default"), policy("deny", "default", policyTypes=["Ingress"])])
    assert found.proof.shown == 0 and namespace_of(found, "default") == {"defaultDeny": ["ingress"]}
    assert "namespaces" not in spec(imported([deployment("web", "default")]))


def test_names_of_intents_are_told_apart() -> None:
    found = imported(
        [
            namespace("one"), namespace("two"),
            *(deployment(n, where) for n in ("web", "db") for where in ("one", "two")),
            *(policy("deny", where, policyTypes=["Ingress"]) for where in ("one", "two")),
            *(policy("p", where, **app("db"), ingress=[{"from": [app("web")]}]) for where in ("one", "two")),
        ]
    )  # fmt: skip
    assert [p["name"] for p in spec(found)["policies"]] == ["web-to-db", "two-web-to-two-db"]


def test_policies_whose_names_the_api_server_makes_up_are_told_apart() -> None:
    made_up = [policy("x", **app(name), ingress=[{}]) for name in ("web", "api")]
    for entry in made_up:
        entry["metadata"] = {"generateName": "allow-", "namespace": "shop"}
    found = shop(*made_up, policy("allow", **app("db"), ingress=[{}]))
    assert sorted(p["name"] for p in spec(found)["networkPolicies"]) == ["allow", "allow-2", "allow-3"]
    assert not [r for r in found.draft.remarks if r.kind == "lost"]


def test_what_could_not_be_read_of_a_policy_is_not_in_the_spec() -> None:
    """A reader may leave parts of a policy open; its rules must not become wider for it."""
    found = reading(
        [*SHOP, INGRESS, policy("p", **app("api"), ingress=[{"from": [app("web")], "ports": [{"port": 8080}]}])]
    )
    (kept,) = (p for p in found.inventory.policies if p.name == "p")
    (rule,) = kept.ingress
    unread = Peer(unread="anything")
    for rules in ((replace(rule, peers=(unread,)),), (replace(rule, peers=(unread, *rule.peers)),)):
        others = tuple(p for p in found.inventory.policies if p.name != "p")
        inventory = replace(found.inventory, policies=(*others, replace(kept, ingress=rules)))
        result = of_reading(replace(found, inventory=inventory))
        meaning(result)
        assert not result.proof.changes
        assert [r.what for r in result.draft.remarks if r.kind == "lost"] == ["NetworkPolicy shop/p"]
        expected = [] if len(rules[0].peers) == 1 else [("shop/web", "shop/api", ["8080/TCP"])]
        assert intents(result) == expected


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_translation_that_says_something_else_is_taken_back(elsewhere: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """No translation is trusted: the proof sends the policies about what differs, in the end all, back to native."""
    translate = Translator.translate

    def wrong(self: Translator, policy: NetworkPolicy) -> Translation:
        found = translate(self, policy)
        return replace(found, intents=[] if (policy.namespace == "monitoring") is elsewhere else found.intents)

    monkeypatch.setattr(Translator, "translate", wrong)
    found = shop(
        INGRESS,
        policy("db-in", **app("db"), ingress=[{"from": [app("api")], "ports": DB}]),
        policy("deny", "monitoring", policyTypes=["Ingress"]),
        policy("scrape", "monitoring", ingress=[{"from": [{"podSelector": {}}, {"namespaceSelector": {}}]}]),
    )
    reason = "as intents the spec would say something else"
    assert {f.policy for f in found.fates if f.why == reason} >= (
        {"monitoring/scrape"} if elsewhere else {"shop/db-in"}
    )
    assert elsewhere or namespace_of(found, "monitoring") == {"defaultDeny": ["ingress"]}
