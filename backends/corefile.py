"""What the spec says of name resolution as CoreDNS's configuration, whoever installs it; and what must then be so."""

from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import Dns
from netspec.target import Fact, Field, ObjectRead, ReadyRead

NAMESPACE = KUBE_DNS.namespace
METRICS_PORT = 9153


def corefile(dns: Dns) -> str:
    """One server block for the cluster and the world, one for each stub domain.

    `loop` stands in the first block only: it stops the server when a query of its own comes back through the node's
    resolver. `cache` leaves out the cluster's zone, which the kubernetes plugin answers from memory, so that an
    answer about a Service is never stale.
    """
    zone = dns.cluster_domain
    cache = []
    if dns.cache_seconds:
        cache = [
            f"    cache {dns.cache_seconds} {{",
            f"        disable success {zone}",
            f"        disable denial {zone}",
            "    }",
        ]
    blocks = [
        [
            ".:53 {",
            "    errors",
            "    health {",
            "        lameduck 5s",
            "    }",
            "    ready",
            f"    kubernetes {zone} in-addr.arpa ip6.arpa {{",
            "        pods insecure",
            "        fallthrough in-addr.arpa ip6.arpa",
            "        ttl 30",
            "    }",
            f"    prometheus :{METRICS_PORT}",
            "    forward . /etc/resolv.conf {",
            "        max_concurrent 1000",
            "    }",
            *cache,
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
                *([f"    cache {dns.cache_seconds}"] if dns.cache_seconds else []),
                f"    forward . {' '.join(servers)}",
                "    reload",
                "}",
            ]
        )
    return "".join("\n".join(block) + "\n" for block in blocks)


def dns_facts(dns: Dns) -> tuple[Fact, ...]:
    text = ObjectRead("configmaps", (("Corefile", Field("data.Corefile")),), "coredns", NAMESPACE)
    facts = [
        Fact("dns-replicas", f"{NAMESPACE}/coredns", dns.replicas, ReadyRead()),
        Fact("dns-settings", "dns", {"Corefile": corefile(dns)}, text),
    ]
    if dns.stub_domains:
        wanted = {domain: sorted(servers) for domain, servers in dns.stub_domains}
        facts.append(Fact("stub-domains", "dns", wanted, text._replace(parse="corefile")))
    return tuple(facts)
