"""What a spec needs of its backends: `required(ir)` against their `supports`."""

from netspec.diagnostics import Path
from netspec.ir.model import NAME_LABEL, Ir, NetworkPolicy, Place, ProxyMode, Rule, ServiceType
from netspec.ir.pods import PodDns
from netspec.target import Feature

_SERVICES: dict[ServiceType, Feature] = {
    "ClusterIP": Feature.CLUSTER_IP,
    "NodePort": Feature.NODE_PORT,
    "LoadBalancer": Feature.LOAD_BALANCER,
    "ExternalName": Feature.EXTERNAL_NAME,
}
_PROXIES: dict[ProxyMode, Feature] = {
    "iptables": Feature.PROXY_IPTABLES,
    "nftables": Feature.PROXY_NFTABLES,
    "ipvs": Feature.PROXY_IPVS,
    "none": Feature.PROXY_NONE,
}
#: Settings that are required of a backend where the spec gives them; left out, each target has a default of its own.
_SETTINGS: dict[Path, Feature] = {
    ("network", "ipFamily"): Feature.IPV4,
    ("network", "podCIDRs"): Feature.IPV4,
    ("network", "maxPods"): Feature.MAX_PODS,
    ("network", "nodeCIDRMask"): Feature.NODE_MASK,
    ("dns", "coredns", "replicas"): Feature.DNS_REPLICAS,
    ("dns", "coredns", "cacheSeconds"): Feature.DNS_CACHE,
    ("dns", "ndots"): Feature.NDOTS,
    ("dns", "stubDomains"): Feature.STUB_DOMAINS,
    ("dns", "upstreams"): Feature.DNS_UPSTREAMS,
    ("dns", "hosts"): Feature.DNS_HOSTS,
    ("dns", "rewrites"): Feature.DNS_REWRITES,
    ("dns", "coredns", "negativeCacheSeconds"): Feature.DNS_CACHE_TUNING,
    ("dns", "coredns", "prefetch", "hits"): Feature.DNS_CACHE_TUNING,
    ("dns", "coredns", "serveStaleSeconds"): Feature.DNS_CACHE_TUNING,
    ("dns", "coredns", "pods"): Feature.DNS_PODS,
    ("dns", "coredns", "autopath"): Feature.DNS_AUTOPATH,
    ("dns", "coredns", "maxUnavailable"): Feature.DNS_BUDGET,
    ("dns", "coredns", "spread"): Feature.DNS_SPREAD,
    ("dns", "clusterDomain"): Feature.CLUSTER_DOMAIN,
}


def required(ir: Ir) -> dict[Feature, Place]:
    """Every feature the spec gives, with the first place that does, in a stable order."""
    found: dict[Feature, Place] = {}

    def need(feature: Feature, place: Place) -> None:
        found.setdefault(feature, place)

    for path, feature in _SETTINGS.items():
        if path in ir.given:
            need(feature, Place(path))
    mode = ("network", "proxy", "mode")
    if mode in ir.given:
        need(_PROXIES[ir.network.proxy_mode], Place(mode))
    if ir.dns.autoscale is not None:
        need(Feature.DNS_AUTOSCALE, Place(("dns", "coredns", "autoscale")))
    if ir.dns.node_local:
        need(Feature.NODE_LOCAL, Place(("dns", "nodeLocal")))
    for namespace in ir.namespaces:
        if namespace.name == "default" and set(namespace.labels) - {NAME_LABEL}:
            need(Feature.DEFAULT_NAMESPACE_LABELS, namespace.place)
    for workload in ir.workloads:
        if workload.stand_in:
            need(Feature.STAND_IN, workload.place)
        if workload.dns != PodDns():
            need(Feature.POD_DNS, workload.place)
        if workload.host_network and not workload.system:
            need(Feature.HOST_NETWORK, workload.place)
        if any(port.host_port for port in workload.ports) and not workload.host_network:
            need(Feature.HOST_PORT, workload.place)
    for service in (s for s in ir.services if not s.system):
        need(Feature.HEADLESS if service.headless else _SERVICES[service.type], service.place)
        if any(port.protocol == "SCTP" for port in service.ports):
            need(Feature.SERVICE_SCTP, service.place)
        if service.affinity_seconds:
            need(Feature.SESSION_AFFINITY, service.place)
        if service.internal_traffic_policy == "Local":
            need(Feature.INTERNAL_LOCAL, service.place)
        if any(part.service == service.id for part in ir.slices):
            need(Feature.GIVEN_ENDPOINTS, service.place)
    for front in ir.traits.fronts:
        need(_SERVICES[front.service.type], front.service.place)
    for route in ir.http:
        for feature in route.features():
            need(feature, route.place)
    for gateway in ir.gateways:
        need(Feature.GATEWAYS, gateway.place)
    for gateway_route in ir.gateway_routes:
        for feature in gateway_route.features():
            need(feature, gateway_route.place)
    for policy in ir.policies:
        _policy_features(policy, found)
    for intent in ir.intents:
        kinds = {intent.source.kind, intent.destination.kind}
        for feature, is_given in (
            (Feature.HTTP_REQUESTS, bool(intent.requests)),
            (Feature.DNS_NAMES, "dns" in kinds),
            (Feature.ENTITIES, "entity" in kinds),
        ):
            if is_given:
                need(feature, intent.place)
    return {feature: found[feature] for feature in Feature if feature in found}


def _policy_features(policy: NetworkPolicy, found: dict[Feature, Place]) -> None:
    found.setdefault(Feature.NETWORK_POLICY, policy.place)
    rules: tuple[Rule, ...] = policy.ingress + policy.egress
    for port in (p for rule in rules for p in rule.ports):
        if port.end_port is not None:
            found.setdefault(Feature.END_PORT, policy.place)
        if isinstance(port.port, str):
            found.setdefault(Feature.NAMED_PORT, policy.place)
        if port.protocol == "SCTP":
            found.setdefault(Feature.SCTP, policy.place)
