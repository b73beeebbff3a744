"""Calico's BGP objects: whom a node exchanges routes with. Source: projectcalico/api v3, BGPConfiguration and BGPPeer;
a node that is a route reflector says so in an annotation (libcalico-go/lib/backend/k8s/resources/node.go)."""

from dataclasses import replace
from typing import Any

from netspec.backends.cni.calico.modes import REFLECTOR_PEERS, bgp_enabled, full_mesh
from netspec.backends.cni.calico.pools import node_selector
from netspec.backends.cni.calico.settings import CalicoSettings
from netspec.backends.objects import Manifest, manifest, node
from netspec.ir.model import Ir
from netspec.plan import NODES, ManifestNode

VERSION = "crd.projectcalico.org/v1"
#: On a node that is one, for peers to select it by.
REFLECTOR = "netspec.dev/route-reflector"
_CLUSTER_ID = "projectcalico.org/RouteReflectorClusterID"


def objects(ir: Ir, settings: CalicoSettings, *after: str) -> tuple[ManifestNode, ...]:
    """Nothing where BGP is off. Reflectors are marked before anybody is told to peer with them."""
    if not bgp_enabled(settings):
        return ()
    marks = tuple(replace(node(_mark(name, settings), NODES), patch=True) for name in _reflectors(settings))
    before = (*after, *(mark.id for mark in marks))
    return *marks, *(node(made, *before) for made in (_configuration(ir, settings), *_peers(settings)))


def _reflectors(settings: CalicoSettings) -> list[str]:
    return settings.bgp.route_reflectors.nodes if settings.bgp.route_reflectors else []


def _mark(name: str, settings: CalicoSettings) -> Manifest:
    assert settings.bgp.route_reflectors is not None
    metadata = {
        "name": name,
        "labels": {REFLECTOR: "true"},
        "annotations": {_CLUSTER_ID: settings.bgp.route_reflectors.cluster_id},
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata}


def _configuration(ir: Ir, settings: CalicoSettings) -> Manifest:
    spec: dict[str, Any] = {"asNumber": settings.bgp.as_number, "nodeToNodeMeshEnabled": full_mesh(settings)}
    if settings.bgp.advertise_services:
        spec["serviceClusterIPs"] = [{"cidr": str(cidr)} for cidr in ir.network.service_cidrs]
    return manifest(VERSION, "BGPConfiguration", "default", spec=spec)


def _peers(settings: CalicoSettings) -> list[Manifest]:
    made = [
        manifest(
            VERSION,
            "BGPPeer",
            peer.name,
            spec={"peerIP": peer.address, "asNumber": peer.as_number, "nodeSelector": node_selector(peer.nodes)},
        )
        for peer in settings.bgp.peers
    ]
    if settings.bgp.route_reflectors:
        spec = {"nodeSelector": "all()", "peerSelector": f"has({REFLECTOR})"}
        made.append(manifest(VERSION, "BGPPeer", REFLECTOR_PEERS, spec=spec))
    return made
