"""The queries that `netspec dns` predicts, against those that a server gets: a DNS server of the test's own, which only
the test's pods know and which logs every query, with the cluster's real records."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from faulting import WAIT, cluster_ip, created
from live_cluster import Live

from netspec.catalogue import IMAGES
from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import Workload
from netspec.ir.pods import PodDns
from netspec.ir.resolver import resolv_conf
from netspec.probing.lookup import TYPES, Lookups

NAME, NAMESPACE = "netspec-lookups", "default"
NDOTS = (5, 2)
_QUERY = re.compile(r'"(A|AAAA) IN (\S+) udp ')


def corefile(domain: str) -> str:
    """The cluster's own names as its servers have them; of the world, example.com alone."""
    records = ["    kubernetes {", "        pods insecure", "        ttl 30", "    }"]
    example = [
        "    template IN A {",
        '        answer "{{ .Name }} 60 IN A 192.0.2.1"',
        "    }",
        "    template IN AAAA {",
        "        rcode NOERROR",
        "    }",
    ]
    nothing = ["    template IN ANY {", "        rcode NXDOMAIN", "    }", "    ready"]
    blocks = ((domain, records), ("example.com", example), (".", nothing))
    return "".join("\n".join([f"{zone}:53 {{", "    log", *lines, "}"]) + "\n" for zone, lines in blocks)


def pod(name: str, namespace: str, image: str, **spec: Any) -> dict[str, Any]:
    main = {"name": "main", "image": IMAGES[image], "imagePullPolicy": "IfNotPresent"} | spec.pop("main")
    meta = {"name": name, "namespace": namespace, "labels": {"app": name}}
    body = {"containers": [main], "terminationGracePeriodSeconds": 1} | spec
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": body}


def client(ndots: int) -> Workload:
    """As `netspec dns` knows it."""
    options = (("ndots", str(ndots)),)
    return Workload(NAMESPACE, f"{NAME}-{ndots}", {}, dns=PodDns(options=options), stand_in=True)


@pytest.fixture(scope="module")
def server(live: Live) -> Iterator[str]:
    """A DNS server's pod with the rights of the cluster's, and a client for each ndots; the server's address."""
    home = KUBE_DNS.namespace
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": home},
        "data": {"Corefile": corefile(live.ir.dns.cluster_domain)},
    }
    main = {"args": ["-conf", "/etc/coredns/Corefile"], "volumeMounts": [{"name": "own", "mountPath": "/etc/coredns"}]}
    main["readinessProbe"] = {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1}
    volume = {"name": "own", "configMap": {"name": NAME}}
    ours = pod(NAME, home, "coredns", main=main, volumes=[volume], serviceAccountName="coredns", dnsPolicy="Default")
    with ExitStack() as stack:
        stack.enter_context(created(live, config, "configmap"))
        stack.enter_context(created(live, ours, "pod"))
        live.kubectl("wait", "pod", NAME, "-n", home, "--for=condition=Ready", WAIT, limit=130)
        address = live.kubectl("get", "pod", NAME, "-n", home, "-o=jsonpath={.status.podIP}")
        for ndots in NDOTS:
            conf = resolv_conf(live.ir.dns, client(ndots))
            options = [{"name": "ndots", "value": str(ndots)}]
            dns = {"nameservers": [address], "searches": list(conf.searches), "options": options}
            asks = pod(
                f"{NAME}-{ndots}", NAMESPACE, "agnhost", main={"args": ["pause"]}, dnsPolicy="None", dnsConfig=dns
            )
            stack.enter_context(created(live, asks, "pod"))
        names = [client(ndots).name for ndots in NDOTS]
        live.kubectl("wait", "pod", *names, "-n", NAMESPACE, "--for=condition=Ready", WAIT, limit=130)
        yield address


def table(live: Live) -> list[str]:
    """Names of the cluster in every way to write them, names outside, and such as nobody has."""
    service, zone = cluster_ip(live), live.ir.dns.cluster_domain
    of_cluster = [f"{s.name}.{s.namespace}" for s in (service, live.ir.services_by_id[KUBE_DNS.service_id])]
    written = [
        form for name in of_cluster for form in (name, f"{name}.svc", f"{name}.svc.{zone}", f"{name}.svc.{zone}.")
    ]
    outside = ["www.example.com", "www.example.com.", "a.b.c.d.e.example.com", "example.com"]
    return [*written, *outside, "nobody.nowhere", "nobody", f"nobody.nowhere.svc.{zone}."]


@pytest.mark.parametrize("ndots", NDOTS)
def test_a_server_gets_the_queries_that_are_predicted(live: Live, server: str, ndots: int) -> None:
    asker, names = client(ndots), table(live)
    ir = replace(live.ir, workloads=(*live.ir.workloads, asker))
    plans = [Lookups(ir).plan(asker, name) for name in names]
    # Between two names, one that tells them apart in the log.
    marks = [f"mark-{ndots}-{i}." for i in range(len(names) + 1)]
    words = [marks[0], *(word for pair in zip(names, marks[1:], strict=True) for word in pair)]
    asked = "; ".join(f"/agnhost connect {word}:9 --timeout=500ms >/dev/null 2>&1" for word in words)
    live.kubectl("exec", asker.name, "-n", NAMESPACE, "--", "sh", "-c", f"{asked}; true", limit=120)
    seen = queries(live, marks)
    for plan, got in zip(plans, seen, strict=True):
        in_order = list(dict.fromkeys(name.rstrip(".") for _, name in got))
        assert in_order == [q.name for q in plan.queries], plan.name
        # A name that has an address is looked up twice: before it is dialled, and by dialling it.
        times = len(got) // plan.sent
        assert times in (1, 2), plan.name
        wanted = [(kind, f"{q.name}.") for q in plan.queries for kind in TYPES] * times
        assert sorted(got) == sorted(wanted), plan.name


def queries(live: Live, marks: list[str]) -> list[list[tuple[str, str]]]:
    """(record type, name) of what came between two marks."""
    for _ in range(20):
        log = live.kubectl("logs", NAME, "-n", KUBE_DNS.namespace)
        found = [(m[1], m[2]) for m in map(_QUERY.search, log.splitlines()) if m]
        last = [name for _, name in found if name == marks[-1]]
        if len(last) >= 2:
            break
        time.sleep(0.5)
    out: list[list[tuple[str, str]]] = []
    for before, after in pairwise(marks):
        start = max(i for i, (_, name) in enumerate(found) if name == before) + 1
        end = min(i for i, (_, name) in enumerate(found) if name == after)
        out.append(found[start:end])
    return out
