"""What of a live object is somebody else's change: declared fields everywhere, all of it where a field opens a way."""

import json
from typing import Any

import pytest

from netspec.deploy import drift
from netspec.deploy.drift import Kept, difference, kept_in

Json = dict[str, Any]


def kept(declared: Json, left: Json) -> Kept:
    """An object as it was declared and as the API server answered."""
    meta = {"name": "x", "namespace": "shop"}
    declared = {"apiVersion": "v1", "metadata": meta} | declared
    left = declared | left
    return Kept(
        "urn::service:shop/x", declared, left | {"metadata": left["metadata"] | {"uid": "u", "resourceVersion": "1"}}
    )


def now(of: Kept, version: str = "2", **sections: Any) -> Json:
    left = json.loads(json.dumps(of.left))
    meta = left["metadata"] | {"resourceVersion": version} | sections.pop("metadata", {})
    return {**left, **sections, "metadata": meta}


PORT = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}
SERVICE = kept(
    {"kind": "Service", "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}},
    {"spec": {"ports": [PORT], "type": "ClusterIP", "clusterIP": "10.96.0.9"}},
)
RULE = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}
POLICY = kept({"kind": "NetworkPolicy", "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [RULE]}}, {})
DENIAL = kept({"kind": "NetworkPolicy", "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}, {})
DEPLOYMENT = kept(
    {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 2, "template": {"spec": {"containers": []}}}},
    {"spec": {"replicas": 2, "paused": False, "template": {"spec": {"containers": [], "dnsPolicy": "ClusterFirst"}}}},
)


@pytest.mark.parametrize(
    ("of", "changed", "words", "operations"),
    [
        pytest.param(
            SERVICE,
            {"spec": SERVICE.left["spec"] | {"ports": [PORT | {"port": 81}]}},
            ["spec.ports[0].port 81 -> 80"],
            [{"op": "replace", "path": "/spec/ports/0/port", "value": 80}],
            id="a declared field",
        ),
        pytest.param(
            SERVICE,
            {"spec": SERVICE.left["spec"] | {"ports": [PORT, PORT | {"name": "more", "port": 9}]}},
            ["spec.ports 2 entries -> 1"],
            [{"op": "replace", "path": "/spec/ports", "value": [PORT]}],
            id="one more port",
        ),
        pytest.param(
            SERVICE,
            {"spec": SERVICE.left["spec"] | {"externalIPs": ["192.0.2.1"]}},
            ['spec.externalIPs ["192.0.2.1"] -> nothing'],
            [{"op": "remove", "path": "/spec/externalIPs"}],
            id="an undeclared field that opens a way",
        ),
        pytest.param(
            DENIAL,
            {"spec": DENIAL.left["spec"] | {"ingress": [{}]}},
            ["spec.ingress [{}] -> nothing"],
            [{"op": "remove", "path": "/spec/ingress"}],
            id="a denial that allows all",
        ),
        pytest.param(
            POLICY,
            {"metadata": {"labels": {"a~/b": "c"}}},
            None,
            None,
            id="an undeclared label is theirs",
        ),
        pytest.param(
            DEPLOYMENT,
            {"spec": DEPLOYMENT.left["spec"] | {"replicas": 0, "paused": True}, "status": {"replicas": 0}},
            ["spec.replicas 0 -> 2"],
            [{"op": "replace", "path": "/spec/replicas", "value": 2}],
            id="elsewhere what is declared alone",
        ),
        pytest.param(SERVICE, {"status": {"loadBalancer": {"ingress": []}}}, None, None, id="a status"),
    ],
)
def test_what_counts_and_what_sets_it_back(of: Kept, changed: Json, words: list[str] | None, operations: Any) -> None:
    found = difference(of, now(of, **changed))
    assert (found and list(found.changes)) == words
    assert (found and list(found.operations)) == operations


def test_the_same_version_is_the_same_object() -> None:
    assert difference(SERVICE, now(SERVICE, "1", spec={})) is None


@pytest.mark.parametrize(
    ("live", "word"), [(None, "was deleted"), (now(SERVICE, metadata={"uid": "v"}), "was deleted and made anew")]
)
def test_another_object_is_for_pulumi_to_refresh(live: Json | None, word: str) -> None:
    found = difference(SERVICE, live)
    assert found is not None and found.is_other and found.changes == (word,) and not found.operations


def test_a_label_that_is_gone_comes_back_at_its_place() -> None:
    of = kept({"kind": "Namespace", "metadata": {"name": "x", "labels": {"a~/b": "c"}}}, {})
    found = difference(of, now(of, metadata={"labels": {}}))
    assert found is not None
    assert found.operations == ({"op": "add", "path": "/metadata/labels/a~0~1b", "value": "c"},)


def test_what_the_api_server_does_not_keep_is_no_difference() -> None:
    of = kept({"kind": "ConfigMap", "data": {}, "immutable": None}, {"data": None})
    assert difference(of, now(of)) is None


def test_a_list_that_a_controller_completed_is_compared_where_it_is_declared() -> None:
    """An operator writes defaults into its own object after it was applied."""
    of = kept({"apiVersion": "o/v1", "kind": "Installation", "spec": {"pools": [{"cidr": "10.0.0.0/8"}]}}, {})
    assert difference(of, now(of, spec={"pools": [{"cidr": "10.0.0.0/8", "nodeSelector": "all()"}]})) is None
    found = difference(of, now(of, spec={"pools": [{"cidr": "10.0.0.0/16", "nodeSelector": "all()"}]}))
    assert found is not None and found.operations[0]["path"] == "/spec/pools/0/cidr"


def test_the_labels_of_a_custom_resource_are_its_operators() -> None:
    """calico-node moves those of a FelixConfiguration into an annotation when it starts (libcalico-go, backend/k8s)."""
    labels = {"name": "default", "labels": {"a": "b"}, "annotations": {"pulumi.com/patchForce": "true"}}
    of = kept({"apiVersion": "crd.projectcalico.org/v1", "kind": "FelixConfiguration", "metadata": labels}, {})
    moved = {"labels": None, "annotations": {"projectcalico.org/metadata": "{}"}}
    assert difference(of, now(of, metadata=moved)) is None
    policy = kept({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": labels, "spec": {}}, {})
    assert difference(policy, now(policy, metadata=moved)) is not None


def test_a_secrets_content_is_compared_and_not_shown() -> None:
    of = kept({"kind": "Secret", "stringData": {"key": "geheim"}}, {"stringData": None, "data": {"key": "Z2VoZWlt"}})
    found = difference(of, now(of, data={"key": "b2ZmZW4="}))
    assert found is not None and found.changes == ("data.key",)
    assert found.operations == ({"op": "replace", "path": "/data/key", "value": "Z2VoZWlt"},)


def test_many_differences_are_counted() -> None:
    labels = {str(i): "x" for i in range(5)}
    of = kept({"kind": "Namespace", "metadata": {"name": "x", "labels": labels}}, {})
    assert str(difference(of, now(of, metadata={"labels": {}}))).endswith("and 2 more")


def test_the_state_is_read_with_its_secrets() -> None:
    secret = {drift._SECRET[0]: drift._SECRET[1], "plaintext": json.dumps("text")}
    stack = {"type": "pulumi:pulumi:Stack", "urn": "s", "outputs": {"kubeconfig": secret}}
    service = {"type": "kubernetes:core/v1:Service", "urn": "u", "inputs": {"a": secret}, "outputs": {"b": [secret]}}
    old = service | {"delete": True}
    state = json.dumps({"deployment": {"resources": [stack, service, old, {"type": "other", "urn": "o"}]}})
    assert kept_in(state) == ("text", [Kept("u", {"a": "text"}, {"b": ["text"]})])
    assert kept_in('{"deployment": null}') == (None, [])
