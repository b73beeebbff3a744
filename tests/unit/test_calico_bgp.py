"""Routes by BGP: what a node's daemon is asked and what its answers mean, and which images have such a daemon."""

import re
import subprocess
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from airgap import engine
from airgap.recipes.calico_bgp import without_tunnels
from netspec.backends.cni.calico import Calico
from netspec.backends.cni.calico.operator import installation
from netspec.backends.cni.calico.settings import CalicoSettings
from netspec.ir.model import Dns, Ir, Network
from netspec.target import Fact, NodeGroup, NodeRead, Traits

NETWORK = Network((IPv4Network("10.244.0.0/16"),), (IPv4Network("10.96.0.0/16"),))
IR = Ir("shop", "dev", NETWORK, Dns(address="10.96.0.10"), Traits(nodes=3), {"cluster": "kind", "cni": "calico"})
PEER = {"name": "router", "address": "172.30.0.250", "asNumber": 65000}
REFLECTORS = {"nodes": ["shop-dev-worker"]}

#: As bird 1.6.8 answers `show protocols` on its control socket, greeting and end included.
ANSWER = """0001 BIRD 1.6.8 ready.
2002-name     proto    table    state  since       info
1002-static1  Static   master   up     17:35:10    \x20
 kernel1  Kernel   master   up     17:35:10    \x20
 device1  Device   master   up     17:35:10    \x20
 Mesh_172_30_0_3 BGP      master   up     17:35:14    Established  \x20
 Mesh_172_30_0_4 BGP      master   {state}
0000\x20
"""


def facts(ir: Ir = IR, **settings: Any) -> dict[str, Fact]:
    found = Calico().facts(ir, CalicoSettings.model_validate({"encapsulation": "none", **settings}))
    return {fact.name: fact for fact in found if fact.name.startswith("bgp-")}


def said(fact: Fact, answer: str, tmp_path: Path) -> str:
    """What the fact's command prints where the daemon answers so: `socat` is a program of ours."""
    assert isinstance(fact.read, NodeRead)
    (tmp_path / "answer").write_text(answer)
    socat = tmp_path / "socat"
    socat.write_text(f'#!/bin/sh\n[ "$3" = UNIX-CONNECT:/var/run/calico/bird.ctl ] && cat {tmp_path}/answer\n')
    socat.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(["sh", "-c", fact.read.command], capture_output=True, text=True, check=True, env=env)
    return done.stdout.rstrip("\n")


@pytest.mark.parametrize(
    ("bgp", "expected"),
    [
        ({}, "2 established"),
        ({"peers": [PEER]}, "3 established"),
        ({"peers": [PEER | {"nodes": {"rack": "1"}}]}, "all established"),
        ({"routeReflectors": REFLECTORS}, "all established"),
        ({"fullMesh": False, "peers": [PEER]}, "all established"),
    ],
)
def test_how_many_sessions_a_node_has(bgp: Any, expected: str) -> None:
    assert facts(bgp=bgp)["bgp-sessions"].expect == expected


def test_where_nodes_come_and_go_all_sessions_count() -> None:
    traits = Traits(nodes=3, groups=(NodeGroup("general", 3, 9),))
    assert facts(replace(IR, traits=traits))["bgp-sessions"].expect == "all established"


def test_a_single_node_has_nobody_to_talk_to() -> None:
    assert facts(replace(IR, traits=Traits(nodes=1))) == {}


@pytest.mark.parametrize(
    ("state", "counted", "all_of_them"),
    [
        ("up     17:35:14    Established", "2 established", "all established"),
        (
            "start  17:35:14    Active        Socket: Connection refused",
            "1 established, Mesh_172_30_0_4 is Active",
            "1 established, Mesh_172_30_0_4 is Active",
        ),
        ("down   17:35:14", "1 established, Mesh_172_30_0_4 is down", "1 established, Mesh_172_30_0_4 is down"),
    ],
)
def test_what_the_daemon_says_of_its_sessions(state: str, counted: str, all_of_them: str, tmp_path: Path) -> None:
    answer = ANSWER.format(state=state)
    assert said(facts()["bgp-sessions"], answer, tmp_path) == counted
    assert said(facts(bgp={"routeReflectors": REFLECTORS})["bgp-sessions"], answer, tmp_path) == all_of_them


def test_a_daemon_that_is_not_there_has_no_sessions(tmp_path: Path) -> None:
    assert said(facts()["bgp-sessions"], "", tmp_path) == "0 established"
    assert said(facts(bgp={"routeReflectors": REFLECTORS})["bgp-sessions"], "", tmp_path) == "0 established"


def test_only_routes_without_a_tunnel_are_looked_for_in_the_kernel() -> None:
    assert facts()["bgp-routes"].expect == "yes"
    assert "bgp-routes" not in facts(encapsulation="ipip")


@pytest.mark.parametrize(
    ("settings", "registry"),
    [
        ({}, None),
        ({"encapsulation": "none"}, "quay.io/"),
        ({"registry": "mirror.example:5000"}, "mirror.example:5000/"),
        ({"encapsulation": "none", "registry": "mirror.example"}, "mirror.example/"),
    ],
)
def test_the_operator_is_told_the_registry_where_it_matters(settings: Any, registry: str | None) -> None:
    chosen = CalicoSettings.model_validate(settings)
    assert installation(IR, chosen)["spec"].get("registry") == registry
    images = Calico().images(IR, chosen)
    assert len(images) == (4 if registry else 0)
    assert all(image.startswith(f"{registry}calico/") for image in images)


def test_agents_with_a_daemon_are_built_for_the_plans_that_need_one() -> None:
    of_bgp = Calico().images(IR, CalicoSettings(encapsulation="none"))
    assert engine.extras(of_bgp) == ["calico-bgp-images"]
    assert engine.extras(Calico().images(IR, CalicoSettings())) == []


def test_templates_lose_tunnels_and_keep_their_blocks() -> None:
    template = """
  if ( net ~ {{$data.cidr}} ) then {
{{- if eq $data.ipip_mode "cross-subnet"}}
    if defined(bgp_next_hop) && ( bgp_next_hop ~ {{$network}} ) then
      krt_tunnel = "";                     {{- /* on subnet */}}
    else
      krt_tunnel = "{{$data.ipip}}";       {{- /* off subnet */}}
    accept;
  } {{- else}}
    krt_tunnel = "{{$data.ipip}}";
    accept;
  } {{- end}}
"""
    kept = without_tunnels(template)
    assert re.findall(r"krt|bgp_next_hop|^\s*else$", kept, re.MULTILINE) == []
    assert kept.count("accept;") == 2 and kept.count("{{-") == 3 and kept.count("} {{-") == 2
