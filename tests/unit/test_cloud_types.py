"""Every resource of Azure and Google Cloud in a plan, against the SDKs: names, types, what is required, outputs."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cloud_support import compiled, resources
from sdk_types import wrong_mapping
from test_aks import CLUSTER_ as AKS
from test_aks import CNI as AZURE_CNI
from test_aks import POD_SUBNET, SYSTEM, aks
from test_gke import CNI as GKE_CNI
from test_gke import GKE, gke

from netspec.plan import PROVIDER

TESTS = Path(__file__).parent.parent
#: By provider, what tests/aws/describe_types.py printed, by pulumi-azure 6.40.1 and pulumi-gcp 10.2.0.
TYPES: dict[str, dict[str, Any]] = {
    name: json.loads((TESTS / "sdk" / f"{name}.json").read_text()) for name in ["azure", "gcp"]
}
EVERYTHING = aks(
    {**SYSTEM, "zones": ["1", "2"], "labels": {"a": "b"}, "taints": [{"key": "CriticalAddonsOnly", "value": "true"}]},
    {"name": "work", "mode": "user", "max": 5},
    {"name": "more", "mode": "user", "taints": [{"key": "a"}]},
    subscription="01234567-89ab-cdef-0123-456789abcdef",
    dnsServiceIP="10.96.0.99",
    **POD_SUBNET,
)
GKE_EVERYTHING = gke(
    {"name": "a", "max": 3, "labels": {"a": "b"}},
    {"name": "b", "taints": [{"key": "a"}]},
    zones=["europe-west1-b", "europe-west1-c"],
    privateEndpoint=True,
    deletionProtection=True,
)
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "aks": ("azure", AKS, AZURE_CNI),
    "aks-everything": ("azure", EVERYTHING, AZURE_CNI | {"mode": "podSubnet"}),
    "gke": ("gcp", GKE, GKE_CNI),
    "gke-everything": ("gcp", GKE_EVERYTHING, GKE_CNI),
}


@pytest.mark.parametrize("case", CASES)
def test_resources_are_what_the_sdk_takes(case: str) -> None:
    provider, cluster, cni = CASES[case]
    found = resources(compiled(cluster, cni))
    ours = {name: node for name, node in found.items() if not node.token.startswith(PROVIDER)}
    types = TYPES[provider]
    assert len(ours) >= 5 and {node.token for node in ours.values()} <= types.keys()
    problems = [
        text
        for name, node in ours.items()
        for text in wrong_mapping(dict(node.properties), types[node.token]["inputs"], name, found, types)
    ]
    assert problems == []
    outputs = [(node, ref) for node in ours.values() for ref in node.outputs.values()]
    assert all(hasattr(ref, "value") or ref.output in types[node.token]["outputs"] for node, ref in outputs)
    assert all(node.provider == provider for node in ours.values())


@pytest.mark.parametrize("provider", TYPES)
def test_all_that_is_described_is_used(provider: str) -> None:
    used = {n.token for p, *stack in CASES.values() if p == provider for n in resources(compiled(*stack)).values()}
    assert TYPES[provider].keys() <= used


@pytest.mark.parametrize("provider", TYPES)
def test_the_committed_types_are_the_sdk_s(provider: str) -> None:
    if find_spec(f"pulumi_{provider}") is None:
        pytest.skip(f"pulumi_{provider} is not installed: pip install pulumi-{provider} beside netspec to run this")
    words = [sys.executable, TESTS / "aws" / "describe_types.py", *TYPES[provider]]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == TYPES[provider]
