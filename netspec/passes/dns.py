"""Checks name resolution: stub domains, pods that `ndots` cannot reach, and pods that cannot ask at all."""

from collections import defaultdict
from ipaddress import ip_address, ip_network
from itertools import pairwise

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import PodEnd
from netspec.diagnostics import Path
from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import Ir, Workload
from netspec.ir.pods import PodDns
from netspec.ir.resolver import of_others, resolv_conf
from netspec.passes.context import Context
from netspec.spec.workloads import MAX_NAMESERVERS, DnsConfig

#: RFC 3927.
LINK_LOCAL = ip_network("169.254.0.0/16")
#: CoreDNS's kubernetes plugin answers for the addresses of pods and Services too.
REVERSE_ZONES = ("in-addr.arpa", "ip6.arpa")
#: `name, name, name and 4 more`: how many workloads a message names.
NAMED = 8


def dns(ir: Ir, context: Context) -> Ir:
    _stub_domains(ir, context)
    _ndots(ir, context)
    _way_to_dns(ir, context)
    _pod_dns(ir, context)
    _server(ir, context)
    _node_local(ir, context)
    return ir


def _stub_domains(ir: Ir, context: Context) -> None:
    """A stub domain takes over all names below it: from the cluster's own zones, those of addresses among them."""
    cluster = ir.dns.cluster_domain
    for domain, servers in ir.dns.stub_domains:
        path = ("dns", "stubDomains", domain)
        taken = next((zone for zone in (cluster, *REVERSE_ZONES) if _is_within(zone, domain)), None)
        if taken or _is_within(domain, cluster):
            message = f"{domain} takes over {taken or domain}, which the cluster's DNS answers itself"
            context.report.error("NS603", path, message, "name a domain of your own")
        for index, server in enumerate(servers):
            if ip_address(server).version != 4:
                message = f"{server} is IPv6; the cluster's family is ipv4"
                context.report.error("NS109", (*path, index), message, "give an IPv4 address")


def _is_within(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")


def _ndots(ir: Ir, context: Context) -> None:
    """DNS settings are fields of the pod: they reach pods that netspec deploys, and others where the API server writes
    them in."""
    if ir.traits.admission:
        return
    by_patch: dict[str, list[Workload]] = defaultdict(list)
    for workload in of_others(ir):
        by_patch[_patch(ir, workload)].append(workload)
    for patch, others in by_patch.items():
        own = next((w for w in others if w.dns != PodDns()), None)
        path: Path = own.place.path if own else ("dns", "ndots")
        message = f"the spec's DNS settings do not reach pods that netspec does not deploy: {_names(others)}"
        context.report.warning("NS601", path, message, f"put {patch} into the spec of those pods' templates")


def _patch(ir: Ir, workload: Workload) -> str:
    """What belongs into a pod's spec, as YAML."""
    own = workload.dns
    options = ({} if ir.dns.ndots is None else {"ndots": str(ir.dns.ndots)}) | dict(own.options)
    listed = [f"{{name: {name}" + (f', value: "{value}"' if value else "") + "}" for name, value in options.items()]
    given = {"nameservers": own.nameservers, "searches": own.searches, "options": listed}
    fields = [f"{key}: [{', '.join(values)}]" for key, values in given.items() if values]
    policy = [f"dnsPolicy: {own.policy}"] if own.policy != "ClusterFirst" else []
    return ", ".join([*policy, *([f"dnsConfig: {{{', '.join(fields)}}}"] if fields else [])])


def _way_to_dns(ir: Ir, context: Context) -> None:
    closed: dict[str, list[Workload]] = defaultdict(list)
    for workload in ir.workloads:
        if workload.system:
            continue
        verdict = evaluate(ir.inventory, PodEnd(workload.id), PodEnd(KUBE_DNS.workload_id), KUBE_DNS.port, "UDP")
        if verdict.egress.isolating and not verdict.egress.matching:
            closed[workload.namespace].append(workload)
    places = {n.name: n.place.path for n in ir.namespaces}
    for namespace, workloads in closed.items():
        message = f"these pods cannot ask the cluster's DNS because their egress is closed: {_names(workloads)}"
        path = places.get(namespace) or workloads[0].place.path
        context.report.warning("NS602", path, message, "set allowDNS: true on the namespace")


def _server(ir: Ir, context: Context) -> None:
    """What the cluster's DNS server answers itself, whom it asks, and what goes only together."""
    report, dns = context.report, ir.dns
    taken: dict[str, str] = {}
    for section, names in (("hosts", [n for n, _ in dns.hosts]), ("rewrites", [n for n, _ in dns.rewrites])):
        for name in names:
            path: Path = ("dns", section, name)
            stub = next((d for d, _ in dns.stub_domains if _is_within(name, d)), None)
            if section == "hosts" and _is_within(name, dns.cluster_domain):
                report.error("NS606", path, f"{name} is one of the cluster's own names", "give it another name")
            elif stub:
                message = f"{name} is below the stub domain {stub}: its servers are asked"
                report.error("NS606", path, message, "remove it")
            elif name in taken:
                report.error("NS606", path, f"{name} is in {taken[name]} too", "remove one")
            taken.setdefault(name, section)
    for name, addresses in dns.hosts:
        for index, address in enumerate(addresses):
            _of_family(("dns", "hosts", name, index), address, context)
    for index, address in enumerate(dns.upstreams):
        path = ("dns", "upstreams", index)
        _of_family(path, address, context)
        if address == dns.address:
            report.error("NS607", path, f"{address} is the cluster's DNS: it would ask itself", "name another server")
    if dns.autopath and dns.pods != "verified":
        message = "autopath has to know the namespace of the pod that asks: it needs pods: verified"
        hint = "add pods: verified; the server then watches all pods"
        report.error("NS608", ("dns", "coredns", "autopath"), message, hint)
    _autoscale(ir, context)
    count = dns.servers(ir.traits.nodes) or dns.replicas
    if dns.max_unavailable is not None and dns.max_unavailable >= count:
        message = f"all {count} DNS servers may be away at once"
        report.error("NS608", ("dns", "coredns", "maxUnavailable"), message, f"at most {count - 1}")
    nodes = ir.traits.nodes
    if context.stack and dns.apart and count > nodes:
        message = f"{count} DNS servers, each on a node of its own, and {nodes} nodes: some would wait"
        report.error("NS608", ("dns", "coredns", "spread"), message, "fewer replicas, or spread: preferred")
    settings = {
        "negativeCacheSeconds": dns.negative_seconds,
        "prefetch": dns.prefetch,
        "serveStaleSeconds": dns.stale_seconds,
    }
    if not dns.cache_seconds:
        for name in (name for name, value in settings.items() if value):
            message = f"{name} is about the cache, and cacheSeconds is 0"
            report.error("NS608", ("dns", "coredns", name), message, "remove it, or let the server keep answers")


def _autoscale(ir: Ir, context: Context) -> None:
    assert context.loaded.spec is not None
    server, report = context.loaded.spec.dns.coredns, context.report
    path: Path = ("dns", "coredns", "autoscale")
    given = server.autoscale
    if given is None:
        return
    if "replicas" in server.model_fields_set:
        message = "autoscale says how many DNS servers there are: replicas would be fought over"
        report.error("NS611", ("dns", "coredns", "replicas"), message, "remove it, and give autoscale a min")
    if (given.linear is None) is (given.ladder is None):
        report.error("NS611", path, "autoscale is by one way: linear or ladder", "give one of them")
    if (linear := given.linear) is not None:
        if linear.cores_per_replica is None and linear.nodes_per_replica is None:
            message = "linear counts neither cores nor nodes"
            report.error("NS611", (*path, "linear"), message, "give coresPerReplica or nodesPerReplica")
        if linear.max is not None and linear.max < linear.min:
            message = f"the most, {linear.max}, is less than the least, {linear.min}"
            report.error("NS611", (*path, "linear", "max"), message, "raise max, or lower min")
    if given.ladder is not None:
        tables = (
            ("coresToReplicas", given.ladder.cores_to_replicas),
            ("nodesToReplicas", given.ladder.nodes_to_replicas),
        )
        if not any(steps for _, steps in tables):
            report.error("NS611", (*path, "ladder"), "ladder has no steps", "give coresToReplicas or nodesToReplicas")
        for name, steps in tables:
            for i, (lower, higher) in enumerate(pairwise(steps), start=1):
                if higher[0] <= lower[0] or higher[1] < lower[1]:
                    message = f"step {higher} does not come after {lower}"
                    report.error("NS611", (*path, "ladder", name, i), message, "write the steps in ascending order")


def _node_local(ir: Ir, context: Context) -> None:
    """The cache takes lookups from kube-proxy by rules of the node; see docs/names.md."""
    report, mode = context.report, ir.network.proxy_mode
    if not ir.dns.node_local:
        return
    path: Path = ("dns", "nodeLocal")
    if ir.traits.redirects:
        pass  # neither kube-proxy nor the node's rules see the lookups
    elif mode in ("ipvs", "none"):
        message = f"with proxy mode {mode} the cache cannot take over the DNS Service's address"
        report.error("NS609", path, message, "use iptables, or leave nodeLocal out")
    elif mode == "nftables":
        message = "NodeLocal DNSCache beside kube-proxy in nftables mode is not documented"
        report.warning("NS610", path, message, "use iptables, or try it out first")
    if ip_address(ir.dns.node_local) not in LINK_LOCAL:
        message = f"{ir.dns.node_local} is not a link-local address: somebody else may have it"
        report.error("NS609", (*path, "address"), message, f"one of {LINK_LOCAL}")


def _of_family(path: Path, address: str, context: Context) -> None:
    if ip_address(address).version != 4:
        message = f"{address} is IPv6; the cluster's family is ipv4"
        context.report.error("NS109", path, message, "give an IPv4 address")


def _pod_dns(ir: Ir, context: Context) -> None:
    """What the API server refuses of a pod's dnsConfig, and what a resolver never comes to."""
    assert context.loaded.spec is not None
    given = context.loaded.spec
    configs: list[tuple[Path, DnsConfig | None]] = [(("dns",), given.dns.dns_config)]
    configs += [(context.loaded.path("namespaces", i), n.dns_config) for i, n in enumerate(given.namespaces)]
    configs += [(context.loaded.path("workloads", i), w.dns_config) for i, w in enumerate(given.workloads)]
    for path, config in configs:
        _dns_config((*path, "dnsConfig"), config, context)
    for workload in ir.workloads:
        conf, path = resolv_conf(ir.dns, workload), workload.place.path
        if workload.dns.policy == "None" and not workload.dns.nameservers:
            message = "dnsPolicy None gives the pods no name server: the API server refuses it"
            context.report.error("NS604", (*path, "dnsPolicy"), message, "add dnsConfig.nameservers")
        if len(conf.nameservers) > MAX_NAMESERVERS:
            message = (
                f"{workload.id} would have {len(conf.nameservers)} name servers: a resolver takes {MAX_NAMESERVERS}"
            )
            context.report.error("NS604", path, message, "the cluster's DNS is one of them: name fewer")


def _dns_config(path: Path, config: DnsConfig | None, context: Context) -> None:
    seen = set()
    for i, option in enumerate(config.options if config else ()):
        if option.name in seen:
            context.report.error("NS605", (*path, "options", i), f"option {option.name} is given twice", "remove one")
        seen.add(option.name)
        if option.name == "ndots" and not (option.value or "").isdigit():
            where = (*path, "options", i, "value") if option.value else (*path, "options", i)
            context.report.error("NS605", where, "ndots is a number", 'write it as text: value: "2"')
    for i, server in enumerate(config.nameservers if config else ()):
        if ip_address(server).version != 4:
            message = f"{server} is IPv6; the cluster's family is ipv4"
            context.report.error("NS109", (*path, "nameservers", i), message, "give an IPv4 address")


def _names(workloads: list[Workload]) -> str:
    names = [w.id for w in workloads]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
