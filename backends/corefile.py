"""What the spec says of name resolution as CoreDNS's configuration, whoever installs it; and what must then be so."""

from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import Dns
from netspec.target import Fact, Feature, Field, ObjectRead, ReadyRead

NAMESPACE = KUBE_DNS.namespace
METRICS_PORT = 9153


#: What CoreDNS does, whoever installs it, as long as it takes a Corefile.
FEATURES = frozenset(
    {
        Feature.DNS_CACHE,
        Feature.STUB_DOMAINS,
        Feature.DNS_UPSTREAMS,
        Feature.DNS_HOSTS,
        Feature.DNS_REWRITES,
        Feature.DNS_CACHE_TUNING,
        Feature.DNS_PODS,
        Feature.DNS_AUTOPATH,
    }
)
#: The cache plugin's own number of answers that it keeps (plugin/cache, defaultCap).
_CAPACITY = 9984


def corefile(dns: Dns) -> str:
    """One server block for the cluster and the world, one for each stub domain. The order of plugins is CoreDNS's own
    (plugin.cfg): rewrite, cache, hosts, autopath, kubernetes, forward.

    `loop` stands in the first block only: it stops the server when a query of its own comes back through the node's
    resolver. `cache` leaves out the cluster's zone, which the kubernetes plugin answers from memory, so that an
    answer about a Service is never stale.
    """
    zone = dns.cluster_domain
    upstreams = " ".join(dns.upstreams) or "/etc/resolv.conf"
    blocks = [
        [
            ".:53 {",
            "    errors",
            "    health {",
            "        lameduck 5s",
            "    }",
            "    ready",
            *(f"    rewrite name exact {name} {other}" for name, other in dns.rewrites),
            *_hosts(dns),
            *(["    autopath @kubernetes"] if dns.autopath else []),
            f"    kubernetes {zone} in-addr.arpa ip6.arpa {{",
            f"        pods {dns.pods}",
            "        fallthrough in-addr.arpa ip6.arpa",
            "        ttl 30",
            "    }",
            f"    prometheus :{METRICS_PORT}",
            f"    forward . {upstreams} {{",
            "        max_concurrent 1000",
            "    }",
            *_cache(dns, [f"        disable success {zone}", f"        disable denial {zone}"]),
            "    loop",
            "    reload",
            "    loadbalance",
            "}",
        ]
    ]
    for domain, servers in dns.stub_domains:
        blocks.append(
            [
                f"{domain}:53 {{",
                "    errors",
                *_cache(dns, []),
                f"    forward . {' '.join(servers)}",
                "    reload",
                "}",
            ]
        )
    return "".join("\n".join(block) + "\n" for block in blocks)


def _hosts(dns: Dns) -> list[str]:
    """Names that are not among them go on."""
    if not dns.hosts:
        return []
    rows = [f"        {address} {name}" for name, addresses in dns.hosts for address in addresses]
    return ["    hosts {", *rows, "        fallthrough", "    }"]


def _cache(dns: Dns, zones: list[str]) -> list[str]:
    """`zones`: lines that leave zones out."""
    if not dns.cache_seconds:
        return []
    own = list(zones)
    if dns.negative_seconds == 0:
        own.append("        disable denial")
    elif dns.negative_seconds is not None:
        own.append(f"        denial {_CAPACITY} {dns.negative_seconds}")
    if dns.prefetch:
        hits, seconds = dns.prefetch
        own.append(f"        prefetch {hits} {seconds}s")
    if dns.stale_seconds:
        own.append(f"        serve_stale {dns.stale_seconds}s")
    return [f"    cache {dns.cache_seconds} {{", *own, "    }"] if own else [f"    cache {dns.cache_seconds}"]


def dns_facts(dns: Dns, nodes: int = 1) -> tuple[Fact, ...]:
    """How many servers there are is not known where it follows the nodes' cores."""
    text = ObjectRead("configmaps", (("Corefile", Field("data.Corefile")),), "coredns", NAMESPACE)
    servers = dns.servers(nodes)
    facts = [] if servers is None else [Fact("dns-replicas", f"{NAMESPACE}/coredns", servers, ReadyRead())]
    facts.append(Fact("dns-settings", "dns", {"Corefile": corefile(dns)}, text))
    if dns.stub_domains:
        wanted = {domain: sorted(addresses) for domain, addresses in dns.stub_domains}
        facts.append(Fact("stub-domains", "dns", wanted, text._replace(parse="corefile")))
    return tuple(facts)
