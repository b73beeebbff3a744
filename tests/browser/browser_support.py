"""Specs to draw, and what a command prints as a file."""

import random
from pathlib import Path
from typing import Any

import pytest

from netspec.cli import main

BOUTIQUE = str(Path(__file__).parents[2] / "stacks" / "boutique.yaml")


class Written:
    """What a command prints, as a file."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._capsys = folder, capsys

    def __call__(self, *words: str) -> Path:
        assert main(list(words)) == 0
        path = self._folder / f"{words[0]}.{words[-1]}"
        path.write_text(self._capsys.readouterr().out, encoding="utf-8")
        return path


def spec_of(workloads: int, namespaces: int, calls: int) -> dict[str, Any]:
    """Workloads that each may call some others, drawn with a fixed seed, and cluster DNS."""
    draw = random.Random(1)
    ids = [(f"team-{i % namespaces}", f"service-{i}") for i in range(workloads)]
    policies = [
        {
            "name": f"p-{i}-{j}",
            "from": {"workload": "/".join(ids[i])},
            "to": {"workload": "/".join(ids[j])},
            "ports": [f"{8000 + j % 7}/TCP"],
        }
        for i in range(workloads)
        for j in draw.sample(range(workloads), calls)
        if i < j
    ]
    return {
        "apiVersion": "netspec.dev/v1alpha1",
        "kind": "NetworkSpec",
        "metadata": {"name": "big"},
        "network": {"podCIDRs": ["10.244.0.0/16"], "serviceCIDRs": ["10.96.0.0/16"]},
        "namespaces": [
            {"name": f"team-{i}", "defaultDeny": ["ingress", "egress"], "allowDNS": True} for i in range(namespaces)
        ],
        "workloads": [
            {
                "name": name,
                "namespace": space,
                "labels": {"app": name},
                "ports": [{"name": "http", "port": 8000 + i % 7}],
            }
            for i, (space, name) in enumerate(ids)
        ],
        "policies": policies,
        "stacks": {"dev": {"cluster": {"type": "kind", "workers": 2}, "cni": {"provider": "calico"}}},
    }
