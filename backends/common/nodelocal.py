"""NodeLocal DNSCache: a DNS cache on every node, by its official objects (kubernetes, cluster/addons/dns/nodelocaldns).

In iptables mode it takes the DNS Service's address for its own on every node, so that pods ask it without knowing, and
asks the servers through a Service of its own. Where the CNI redirects lookups (`Traits.redirects`) it is a pod like any
other and does nothing to the node (cilium, examples/kubernetes-local-redirect/node-local-dns.yaml).
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from netspec.backends.objects import CHECKSUM, Manifest, manifest, node
from netspec.catalogue import IMAGES
from netspec.ir.dns import KUBE_DNS, NODE_CACHE, is_redirected
from netspec.ir.model import Dns, Ir
from netspec.plan import CLUSTER, CNI_READY, ManifestNode
from netspec.target import Fact, Field, NodeRead, ObjectRead

NAMESPACE, NAME, UPSTREAM = NODE_CACHE.namespace, NODE_CACHE.workload, "kube-dns-upstream"
LABELS = dict(NODE_CACHE.labels)
#: The interface that has its addresses.
LINK = "nodelocaldns"
METRICS_PORT, HEALTH_PORT = 9253, 8080
#: The program fills these in when it starts.
_SERVERS, _RESOLVERS = "__PILLAR__CLUSTER__DNS__", "__PILLAR__UPSTREAM__SERVERS__"


def node_local(ir: Ir) -> tuple[ManifestNode, ...]:
    if not ir.dns.node_local:
        return ()
    text = corefile(ir)
    account = node(manifest("v1", "ServiceAccount", NAME, NAMESPACE), CLUSTER)
    lookups = [("dns", 53, "UDP"), ("dns-tcp", 53, "TCP")]
    upstream = node(_service(UPSTREAM, KUBE_DNS.labels, lookups), CLUSTER, wait=False)
    metrics = node(_service(NAME, LABELS, [("metrics", METRICS_PORT, "TCP")], headless=True), CLUSTER, wait=False)
    config = node(manifest("v1", "ConfigMap", NAME, NAMESPACE, data={"Corefile": text}), CLUSTER)
    # Pods are told of Services that are there before them.
    before = (account.id, upstream.id, config.id, *([CNI_READY] if is_redirected(ir) else []))
    return account, upstream, metrics, config, node(_daemon_set(ir, text), *before)


def _service(name: str, selector: Any, ports: Sequence[tuple[str, int, str]], *, headless: bool = False) -> Manifest:
    listed = [{"name": n, "port": p, "targetPort": p, "protocol": protocol} for n, p, protocol in ports]
    spec = {"selector": dict(selector), "ports": listed} | ({"clusterIP": "None"} if headless else {})
    return manifest("v1", "Service", name, NAMESPACE, labels=LABELS, spec=spec)


def corefile(ir: Ir) -> str:
    """The official one. What the servers know besides the cluster's own names (stub domains, hosts, rewrites, servers
    of the spec's choice) would be lost on the way to the node's resolvers: then everything is asked of them."""
    dns = ir.dns
    knows = dns.stub_domains or dns.hosts or dns.rewrites or dns.upstreams
    cache = ["    cache {", "        success 9984 30", "        denial 9984 5", "    }"]
    blocks = [
        _block(ir, dns.cluster_domain, cache, _SERVERS, health=True),
        *(_block(ir, zone, ["    cache 30"], _SERVERS) for zone in ("in-addr.arpa", "ip6.arpa")),
        _block(ir, ".", ["    cache 30"], _SERVERS if knows else _RESOLVERS),
    ]
    return "".join("\n".join(block) + "\n" for block in blocks)


def _block(ir: Ir, zone: str, cache: list[str], to: str, *, health: bool = False) -> list[str]:
    own = "0.0.0.0" if is_redirected(ir) else f"{ir.dns.node_local} {ir.dns.address}"
    checked = "    health" if is_redirected(ir) else f"    health {ir.dns.node_local}:{HEALTH_PORT}"
    forced = [f"    forward . {to} {{", "        force_tcp", "    }"]
    return [
        f"{zone}:53 {{",
        "    errors",
        *cache,
        "    reload",
        "    loop",
        f"    bind {own}",
        *(forced if to == _SERVERS else [f"    forward . {to}"]),
        f"    prometheus :{METRICS_PORT}",
        *([checked] if health else []),
        "}",
    ]


def _daemon_set(ir: Ir, text: str) -> Manifest:
    base, redirected = {"key": "Corefile", "path": "Corefile.base"}, is_redirected(ir)
    lock = {"name": "xtables-lock", "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}}
    pod = {
        "priorityClassName": "system-node-critical",
        "serviceAccountName": NAME,
        **({} if redirected else {"hostNetwork": True}),
        "dnsPolicy": "Default",  # it must not ask itself
        "tolerations": [
            {"key": "CriticalAddonsOnly", "operator": "Exists"},
            {"effect": "NoExecute", "operator": "Exists"},
            {"effect": "NoSchedule", "operator": "Exists"},
        ],
        "containers": [_in_a_pod(_container(ir.dns)) if redirected else _container(ir.dns)],
        "volumes": [
            *([] if redirected else [lock]),
            {"name": "kube-dns-config", "configMap": {"name": "kube-dns", "optional": True}},
            {"name": "config-volume", "configMap": {"name": NAME, "items": [base]}},
        ],
    }
    annotations = {
        CHECKSUM: hashlib.sha256(text.encode()).hexdigest(),
        "prometheus.io/port": str(METRICS_PORT),
        "prometheus.io/scrape": "true",
    }
    return manifest(
        "apps/v1",
        "DaemonSet",
        NAME,
        NAMESPACE,
        labels=LABELS,
        spec={
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS, "annotations": annotations}, "spec": pod},
        },
    )


def _container(dns: Dns) -> dict[str, Any]:
    return {
        "name": "node-cache",
        "image": IMAGES["node-cache"],
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": {"cpu": "25m", "memory": "5Mi"}},
        "args": [
            *("-localip", f"{dns.node_local},{dns.address}"),
            *("-conf", "/etc/Corefile"),
            *("-upstreamsvc", UPSTREAM),
        ],
        "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}},
        "ports": [
            {"containerPort": 53, "hostPort": 53, "name": "dns", "protocol": "UDP"},
            {"containerPort": 53, "hostPort": 53, "name": "dns-tcp", "protocol": "TCP"},
            {"containerPort": METRICS_PORT, "hostPort": METRICS_PORT, "name": "metrics", "protocol": "TCP"},
        ],
        "livenessProbe": {
            "httpGet": {"host": dns.node_local, "path": "/health", "port": HEALTH_PORT},
            "initialDelaySeconds": 60,
            "timeoutSeconds": 5,
        },
        "volumeMounts": [
            {"mountPath": "/run/xtables.lock", "name": "xtables-lock"},
            {"name": "config-volume", "mountPath": "/etc/coredns"},
            {"name": "kube-dns-config", "mountPath": "/etc/kube-dns"},
        ],
    }


def _in_a_pod(container: dict[str, Any]) -> dict[str, Any]:
    """One that makes no interface and no rules, and needs no rights for them."""
    checked = {k: v for k, v in container["livenessProbe"]["httpGet"].items() if k != "host"}
    return {key: value for key, value in container.items() if key != "securityContext"} | {
        "args": [*container["args"], "-skipteardown=true", "-setupinterface=false", "-setupiptables=false"],
        "ports": [{k: v for k, v in port.items() if k != "hostPort"} for port in container["ports"]],
        "livenessProbe": container["livenessProbe"] | {"httpGet": checked},
        "volumeMounts": [m for m in container["volumeMounts"] if m["name"] != "xtables-lock"],
    }


def node_local_facts(ir: Ir) -> tuple[Fact, ...]:
    """One that runs on every node, with the spec's configuration, and has both addresses there."""
    if not ir.dns.node_local:
        return ()
    running = ObjectRead("daemonsets.apps", (("ready", Field("status.numberReady", 0)),), NAME, NAMESPACE)
    settings = ObjectRead("configmaps", (("Corefile", Field("data.Corefile")),), NAME, NAMESPACE)
    addresses = f"{LINK} {' '.join(sorted((ir.dns.node_local, ir.dns.address)))}"
    on_node = Fact("node-local-dns-addresses", "nodes", addresses, NodeRead(_ADDRESSES))
    return (
        Fact("node-local-dns", "dns", {"ready": ir.traits.nodes}, running),
        Fact("node-local-dns-settings", "dns", {"Corefile": corefile(ir)}, settings),
        *([] if is_redirected(ir) else [on_node]),
    )


#: The name of the link, and what addresses it has: none where there is no such link, which is an answer too.
_ADDRESSES = (
    f"ip -4 -o addr show dev {LINK} 2>/dev/null | sed -n 's/.* inet \\([0-9.]*\\).*/\\1/p' | sort | xargs echo {LINK}"
)
