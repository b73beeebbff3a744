"""Cilium's own policies on the running cluster: each verdict of the evaluator against what Cilium does.

Not run where the running stack has another CNI (NETSPEC_LIVE_STACK names the stack). What they mean is a table of
docs/semantics.md; the flows that are left open are listed in the report that NETSPEC_SEMANTICS_REPORT names.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
import semantics_cilium_cases as cases
from live_cluster import Live
from semantics_cases import HTTP, MARK, OTHER
from semantics_ground import Ground, Pod, agreed, flows_of, judged, pods_in, remove, settle, wait_until_ready

from netspec.analysis.verdict import AddressEnd
from netspec.catalogue import IMAGES
from netspec.manifests.read import read_texts
from netspec.verify.script import Question, replies, script
from netspec.verify.script import outcome as outcome_of
from netspec.verify.sites import addresses_of

#: A mark of their own: the other suite removes by its.
OWN_MARK = f"{MARK}-cilium"


@pytest.fixture(scope="module")
def ground(live: Live, not_run: Callable[[str], None]) -> Iterator[Ground]:
    if live.ir.providers["cni"] != "cilium":
        pytest.skip("not run: the CNI of the running stack is another one")
    (pod_cidr,) = (n for n in live.ir.network.pod_cidrs if n.version == 4)
    outside = addresses_of(f"{live.ir.cluster_name}-outside")[0]
    objects = cases.objects(IMAGES["agnhost"], str(pod_cidr), outside, live.ir.dns.cluster_domain, OWN_MARK)
    around = [json.loads(live.kubectl("get", *what, "-o", "json")) for what in AROUND]
    texts = [("cilium.json", _list(objects)), *((f"around-{i}.json", json.dumps(o)) for i, o in enumerate(around))]
    reading = read_texts(texts)
    assert [d.render() for d in reading.diagnostics if d.severity == "error"] == []
    inventory = replace(reading.inventory, pod_cidrs=live.ir.network.pod_cidrs, dialect=live.ir.traits.dialect)
    remove(live, OWN_MARK, "ciliumclusterwidenetworkpolicies.cilium.io")
    try:
        live.kubectl("apply", "-f", "-", stdin=_list([*objects, *cases.names(outside)]), limit=120)
        wait_until_ready(live, cases.NAMESPACES)
        found = Ground(live, inventory, pods_in(live, cases.NAMESPACES), outside)
        settle(found, {"nobody": "deny", "deny-alone": "deny", "everyone": "allow", "own-namespace": "allow"})
        yield found
    finally:
        remove(live, OWN_MARK, "ciliumclusterwidenetworkpolicies.cilium.io")


#: What says which addresses are nodes', and which the API server's.
AROUND = (("nodes",), ("endpointslices", "-n", "default", "-l", "kubernetes.io/service-name=kubernetes"))


def _list(objects: list[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def _api_server(ground: Ground) -> str:
    slices = json.loads(ground.live.kubectl("get", *AROUND[1], "-o", "json"))["items"]
    return str(slices[0]["endpoints"][0]["addresses"][0])


def test_every_verdict_is_what_cilium_does(ground: Ground, record_property: Any) -> None:
    flows = flows_of(ground)
    server = _api_server(ground)
    for source, found in flows.items():
        found.append(judged(ground, source, "API server", AddressEnd(ip_address(server)), server, 6443, "TCP"))
    _, counts = agreed(ground, flows, record_property)
    assert counts["compared"] > 3000
    assert counts["allowed"] > 500
    assert counts["denied"] > 500


def test_a_name_is_open_to_the_pod_that_looked_it_up_and_for_its_port(ground: Ground) -> None:
    by_name = {p.name: p for p in ground.pods}
    named, domain = by_name["named"], ground.live.ir.dns.cluster_domain
    door, shut = (f"{name}.{cases.A}.svc.{domain}." for name in (cases.DOOR, cases.SHUT))

    def seen(pod: Pod, *targets: str) -> list[str]:
        questions = [
            Question(i, "flow" if t.startswith(ground.outside) else "name-flow", t) for i, t in enumerate(targets)
        ]
        words = ("exec", "-i", "-n", pod.namespace, pod.name, "--", "sh", "-s")
        said = replies(ground.live.kubectl(*words, stdin=script([], questions, lanes=1)))
        return [outcome_of(said[q.number][0]).value for q in questions]

    by_address = f"{ground.outside}:{HTTP}"
    assert seen(named, by_address) == ["timed-out"]
    # The first packet may come before what was looked up is in the node's tables.
    assert "connected" in seen(named, *[f"{door}:{HTTP}"] * 3)
    assert seen(named, by_address, f"{door}:{OTHER}", f"{shut}:{HTTP}") == ["connected", "timed-out", "unresolved"]
    # It is open to nobody else.
    assert seen(by_name["to-nobody"], by_address) == ["timed-out"]
