"""The first step: the file's models as IR, every default filled in. Checks nothing; places are kept."""

from collections.abc import Iterator
from typing import Literal

from netspec.diagnostics import Path
from netspec.ir import model as ir
from netspec.ir.autoscale import Ladder, Linear
from netspec.passes.context import Context
from netspec.passes.endpoints import EVERY_PORT
from netspec.passes.resolve_gateways import gateway, gateway_routes
from netspec.passes.resolve_http import http_route
from netspec.passes.resolve_selectors import resolved_selector as _selector
from netspec.passes.resolve_services import endpoint_slice, service
from netspec.passes.resolve_workloads import dns_configs, workload
from netspec.spec import v1alpha1 as spec
from netspec.spec.dns import Autoscale
from netspec.spec.model import Model
from netspec.spec.peers import PeerRef
from netspec.spec.types import PortRange, network

_DIRECTIONS: dict[str, ir.Direction] = {"ingress": "Ingress", "egress": "Egress"}
#: kubeadm's GetDNSIP: CoreDNS gets the tenth address of the Service network.
_DNS_INDEX = 10


def resolve(file: spec.NetworkSpec, context: Context) -> ir.Ir:
    """Spec to IR, without what its backends say, the objects that the cluster brings and the expanded policies."""
    return ir.Ir(
        name=file.metadata.name,
        stack=context.stack,
        network=_network(file.network),
        dns=_dns(file),
        given=frozenset((*_given(file.network, ("network",)), *_given(file.dns, ("dns",)))),
        namespaces=tuple(_namespace(n, context, i) for i, n in enumerate(file.namespaces)),
        workloads=tuple(workload(w, dns_configs(file, w), context, i) for i, w in enumerate(file.workloads)),
        services=tuple(service(s, context, i) for i, s in enumerate(file.services)),
        slices=tuple(endpoint_slice(s) for s in file.services if s.endpoints),
        intents=tuple(_intent(p, context, i) for i, p in enumerate(file.policies)),
        policies=tuple(_policy(p, context, i) for i, p in enumerate(file.network_policies)),
        http=tuple(http_route(r, context, i) for i, r in enumerate(file.ingress)),
        gateways=tuple(gateway(g, context, i) for i, g in enumerate(file.gateways)),
        gateway_routes=tuple(gateway_routes(file, context)),
        expectations=tuple(_expectation(e, context, i) for i, e in enumerate(file.expectations)),
    )


def _network(given: spec.Network) -> ir.Network:
    return ir.Network(
        pod_cidrs=tuple(network(c) for c in given.pod_cidrs),
        service_cidrs=tuple(network(c) for c in given.service_cidrs),
        proxy_mode=given.proxy.mode,
        node_mask=given.node_cidr_mask,
        max_pods=given.max_pods,
    )


def _dns(file: spec.NetworkSpec) -> ir.Dns:
    server, local = file.dns.coredns, file.dns.node_local
    return ir.Dns(
        ndots=file.dns.ndots,
        replicas=server.replicas,
        cache_seconds=server.cache_seconds,
        stub_domains=tuple(sorted((d, tuple(a)) for d, a in file.dns.stub_domains.items())),
        cluster_domain=file.dns.cluster_domain,
        address=dns_of(network(file.network.service_cidrs[0])),
        upstreams=tuple(file.dns.upstreams),
        hosts=tuple(sorted((name, tuple(a)) for name, a in file.dns.hosts.items())),
        rewrites=tuple(sorted(file.dns.rewrites.items())),
        negative_seconds=server.negative_cache_seconds,
        prefetch=(server.prefetch.hits, server.prefetch.seconds) if server.prefetch else None,
        stale_seconds=server.serve_stale_seconds,
        pods=server.pods,
        autopath=server.autopath,
        max_unavailable=server.max_unavailable,
        apart=server.spread == "required",
        autoscale=_autoscale(server.autoscale),
        node_local=local.address if local is not None and local.enabled else "",
    )


def dns_of(services: ir.IPNetwork) -> str:
    """The DNS Service's address in the Service network."""
    return str(services[min(_DNS_INDEX, services.num_addresses - 1)])


def _autoscale(given: Autoscale | None) -> Linear | Ladder | None:
    """That both are given is said by a pass."""
    if given is None:
        return None
    if (linear := given.linear) is not None:
        cores, nodes = linear.cores_per_replica or 0, linear.nodes_per_replica or 0
        return Linear(cores, nodes, linear.min, linear.max, linear.prevent_single_point_failure)
    ladder = given.ladder
    return Ladder(_steps(ladder.cores_to_replicas), _steps(ladder.nodes_to_replicas)) if ladder else None


def _steps(given: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((size, replicas) for size, replicas in given)


def _given(model: Model, path: Path) -> Iterator[Path]:
    """The paths of what the file gives of a section."""
    for name in model.model_fields_set:
        value, at = getattr(model, name), (*path, type(model).model_fields[name].alias or name)
        if isinstance(value, Model):
            yield from _given(value, at)
        elif value is not None and value != {}:
            yield at


def _namespace(namespace: spec.Namespace, context: Context, index: int) -> ir.Namespace:
    return ir.Namespace(
        name=namespace.name,
        labels={ir.NAME_LABEL: namespace.name} | namespace.labels,
        default_deny=tuple(d for key, d in _DIRECTIONS.items() if key in namespace.default_deny),
        allow_dns=namespace.allow_dns,
        place=context.place(context.loaded.path("namespaces", index)),
    )


def _peer(peer: PeerRef) -> ir.IntentPeer:
    return ir.IntentPeer(peer.kind, peer.name)


def _range(port: PortRange) -> ir.PolicyPort:
    return ir.PolicyPort(port.protocol, port.port, port.end_port)


def _intent(policy: spec.Policy, context: Context, index: int) -> ir.IntentPolicy:
    return ir.IntentPolicy(
        name=policy.name,
        source=_peer(policy.from_),
        destination=_peer(policy.to),
        ports=_ports(policy.ports),
        requests=tuple(ir.HttpRequest(r.method, r.path, tuple(sorted(r.headers.items()))) for r in policy.http),
        place=context.place(context.loaded.path("policies", index)),
    )


def _ports(ports: list[PortRange | Literal["all"]]) -> tuple[ir.PolicyPort, ...]:
    named = tuple(dict.fromkeys(_range(p) for p in ports if isinstance(p, PortRange)))
    return EVERY_PORT if "all" in ports else named


def _expectation(expectation: spec.Expectation, context: Context, index: int) -> ir.Expectation:
    return ir.Expectation(
        source=_peer(expectation.from_),
        destination=_peer(expectation.to),
        port=None if expectation.port is None else _range(expectation.port),
        expect=expectation.expect,
        place=context.place(context.loaded.path("expectations", index)),
    )


def _policy(policy: spec.NetworkPolicy, context: Context, index: int) -> ir.NetworkPolicy:
    body, path = policy.spec, context.loaded.path("networkPolicies", index)
    types: tuple[ir.Direction, ...] = ("Ingress", "Egress") if body.egress else ("Ingress",)
    if body.policy_types:  # the API server takes an empty list as none given
        types = tuple(d for d in _DIRECTIONS.values() if d in body.policy_types)
    return ir.NetworkPolicy(
        namespace=policy.namespace,
        name=policy.name,
        pods=_selector(body.pod_selector),
        types=types,
        ingress=tuple(
            _rule(r.from_, r.ports, context, (*path, "spec", "ingress", i)) for i, r in enumerate(body.ingress)
        ),
        egress=tuple(_rule(r.to, r.ports, context, (*path, "spec", "egress", i)) for i, r in enumerate(body.egress)),
        place=context.place(path),
    )


def _rule(
    peers: list[spec.NetworkPolicyPeer], ports: list[spec.NetworkPolicyPort], context: Context, path: Path
) -> ir.Rule:
    return ir.Rule(
        tuple(_rule_peer(p) for p in peers),
        tuple(ir.PolicyPort(p.protocol, p.port, p.end_port) for p in ports),
        context.place(path),
    )


def _rule_peer(peer: spec.NetworkPolicyPeer) -> ir.Peer:
    block = peer.ip_block
    return ir.Peer(
        None if peer.pod_selector is None else _selector(peer.pod_selector),
        None if peer.namespace_selector is None else _selector(peer.namespace_selector),
        None if block is None else ir.IpBlock(network(block.cidr), tuple(network(c) for c in block.except_)),
    )
