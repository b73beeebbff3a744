"""What the API server takes is taken, and means what the API server makes of it once it has filled in its defaults.

Objects of every kind that is read, with one to three fields set to odd values, go to netspec and to the API server's
own decoder, defaults and validation (tests/oracle). An object that it takes and netspec does not would be missing:
where it is a policy, what it denies would read as allowed.
"""

import copy
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle.kubectl import Kubectl, running

from netspec.diagnostics import Severity
from netspec.manifests.read import read_texts

COUNT = int(os.environ.get("NETSPEC_FUZZ_DOCUMENTS", "300"))


@pytest.fixture(scope="session")
def kubectl() -> Iterator[Kubectl]:
    with running() as found:
        yield found


_POD = {
    "hostNetwork": False,
    "initContainers": [
        {"name": "i", "image": "i", "restartPolicy": "Always", "ports": [{"containerPort": 1, "name": "mesh"}]}
    ],
    "containers": [
        {"name": "c", "image": "i", "ports": [{"name": "http", "containerPort": 80, "protocol": "UDP"}]},
        {"name": "d", "image": "i"},
    ],
}
_LABELS = {"app": "web", "tier": "front"}
OBJECTS: list[dict[str, Any]] = [
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {
            "podSelector": {
                "matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}],
            },
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {
                    "from": [
                        {"podSelector": {"matchLabels": {"a": "b"}}, "namespaceSelector": {}},
                        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
                    ],
                    "ports": [{"protocol": "UDP", "port": 80, "endPort": 90}, {"port": "http"}],
                }
            ],
            "egress": [{"to": [{"ipBlock": {"cidr": "2001:db8::/32"}}], "ports": [{"port": 53}]}],
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "web"},
            "clusterIP": "10.96.0.9",
            "externalTrafficPolicy": "Local",
            "publishNotReadyAddresses": True,
            "externalIPs": ["192.0.2.1"],
            "ports": [
                {"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080, "protocol": "TCP"},
                {"name": "dns", "port": 53, "protocol": "UDP"},
            ],
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "labels": _LABELS},
        "spec": _POD,
    },
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": _LABELS},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": _LABELS}, "spec": {"containers": _POD["containers"]}},
        },
    },
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}},
            "rules": [
                {
                    "host": "shop.example",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "web", "port": {"name": "http"}}},
                            }
                        ]
                    },
                }
            ],
        },
    },
    {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "behind"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}],
        "endpoints": [
            {"addresses": ["192.0.2.9"], "conditions": {"ready": True, "serving": True, "terminating": False}},
            {"addresses": ["192.0.2.10"], "targetRef": {"kind": "Pod", "name": "web", "namespace": "shop"}},
        ],
    },
    {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "behind", "namespace": "shop"},
        "subsets": [
            {
                "addresses": [{"ip": "192.0.2.9"}, {"ip": "192.0.2.10", "targetRef": {"kind": "Pod", "name": "web"}}],
                "notReadyAddresses": [{"ip": "192.0.2.11"}],
                "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            }
        ],
    },
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "shop"}}},
    {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-1", "labels": {"role": "edge"}},
        "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00::/64"]},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.7"}]},
    },
]

_SCALARS = [
    *(None, "", "a", "TCP", "tcp", "SCTP", 0, 1, 80, 80.0, 8.08e3, 0.5, -1, 65536, True, False, "80", "true", "http"),
    *(
        "Ingress",
        "Egress",
        "In",
        "NotIn",
        "Exists",
        "DoesNotExist",
        "ClusterIP",
        "LoadBalancer",
        "ExternalName",
        "Local",
    ),
    *("None", "10.0.0.0/8", "010.001.0.0/016", "10.1.2.3/8", "::ffff:10.0.0.0/104", "2001:DB8::/032", "0.0.0.0/0"),
    *("::/0", "10.0.0.1", "Local", "192.0.2.0/24", "10.001.0.0/16", "::ffff:10.1.0.0/112"),
]
_COLLECTIONS: list[Any] = [{}, [], [None], [{}], {"a": None}, {"a": "b"}, {"a": 1}, [""], {"": "x"}, ["a", None]]
ODD = [*_SCALARS, *_COLLECTIONS]
odd = st.sampled_from(ODD).map(copy.deepcopy)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path and path not in {("kind",), ("apiVersion",), ("metadata",)}:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


PLACES = [list(places(body)) for body in OBJECTS]


@st.composite
def changed(draw: st.DrawFn, index: int) -> dict[str, Any]:
    body = copy.deepcopy(OBJECTS[index])
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(PLACES[index]))
        holder: Any = body
        try:
            for part in parents:
                holder = holder[part]
            if draw(st.booleans()):
                holder[last] = draw(odd)
            else:
                del holder[last]
        except (KeyError, IndexError, TypeError):
            continue
    return body


#: What slices are of.
_BESIDE = [
    (
        "beside.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: behind, namespace: shop}\n"
        "spec: {ports: [{name: http, port: 80}]}\n",
    )
]


def check(kubectl: Kubectl, body: dict[str, Any]) -> bool:
    """Whether the API server takes it."""
    text = json.dumps(body)
    (sent,) = kubectl.read(text).objects
    if sent.stored is None:
        return False
    ours, stored = (read_texts([("x.json", t), *_BESIDE]) for t in (text, json.dumps(sent.stored)))
    assert [d.render() for d in ours.diagnostics if d.severity is Severity.ERROR] == [], text
    assert ours.inventory == stored.inventory, text
    return True


@pytest.mark.parametrize("index", range(len(OBJECTS)), ids=[body["kind"] for body in OBJECTS])
def test_what_the_api_server_takes_is_taken_and_means_what_it_stores(kubectl: Kubectl, index: int) -> None:
    assert check(kubectl, OBJECTS[index])
    taken = 0

    @settings(max_examples=COUNT, deadline=None, suppress_health_check=list(HealthCheck))
    @given(changed(index))
    def fuzz(body: dict[str, Any]) -> None:
        nonlocal taken
        taken += check(kubectl, body)

    fuzz()
    assert taken > COUNT // 50


@pytest.mark.parametrize("index", range(len(OBJECTS)), ids=[body["kind"] for body in OBJECTS])
def test_every_field_alone_may_be_null_or_absent_where_the_api_server_takes_it(kubectl: Kubectl, index: int) -> None:
    """Every field, every odd value, one at a time."""
    taken = 0
    for *parents, last in PLACES[index]:
        for value in ODD:
            body = copy.deepcopy(OBJECTS[index])
            holder: Any = body
            for part in parents:
                holder = holder[part]
            holder[last] = copy.deepcopy(value)
            taken += check(kubectl, body)
    assert taken > len(PLACES[index])
