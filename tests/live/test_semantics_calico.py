"""Calico's own policies on the running cluster: each verdict of the evaluator against what Calico does.

Not run on stack dev, for CI's time, and where the CNI is another one: NETSPEC_LIVE_STACK names the running stack. What
they mean is a table of docs/semantics.md.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import semantics_calico_cases as cases
from live_cluster import STACK, Live
from semantics_cases import HTTP, MARK
from semantics_ground import Flow, Ground, ask, ask_all, flows_of, pods_in, report, wait_until_ready

from netspec.catalogue import IMAGES
from netspec.manifests.read import read_texts
from netspec.verify.sites import addresses_of

#: A mark of their own: the other suite removes by its.
OWN_MARK = f"{MARK}-calico"
SETTLE_LIMIT = 90


@pytest.fixture(scope="module")
def ground(live: Live) -> Iterator[Ground]:
    if live.ir.providers["cni"] != "calico":
        pytest.skip("not run: the CNI of the running stack is another one")
    if STACK == "dev":
        pytest.skip("not run: asked on another stack with Calico (NETSPEC_LIVE_STACK)")
    (pod_cidr,) = (n for n in live.ir.network.pod_cidrs if n.version == 4)
    outside = addresses_of(f"{live.ir.cluster_name}-outside")[0]
    objects = cases.objects(IMAGES["agnhost"], str(pod_cidr), outside, OWN_MARK)
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    reading = read_texts([("calico.json", text)])
    assert [d.render() for d in reading.diagnostics] == []
    inventory = replace(reading.inventory, pod_cidrs=live.ir.network.pod_cidrs, dialect=live.ir.traits.dialect)
    _remove(live)
    try:
        live.kubectl("apply", "-f", "-", stdin=text, limit=120)
        wait_until_ready(live, cases.NAMESPACES)
        found = Ground(live, inventory, pods_in(live, cases.NAMESPACES), outside)
        _settle(found)
        yield found
    finally:
        _remove(live)


def _remove(live: Live) -> None:
    words = ("delete", "namespaces", "-l", OWN_MARK, "--ignore-not-found", "--wait", "--timeout=180s")
    live.kubectl("delete", "globalnetworkpolicies.crd.projectcalico.org", "-l", OWN_MARK, "--ignore-not-found")
    live.kubectl(*words, limit=190)


def _settle(ground: Ground) -> None:
    """Until a closed pod is closed and an open one is open."""
    by_name = {p.name: p for p in ground.pods}
    wanted = [("no-rules", "deny"), ("first-decides", "deny"), ("everyone", "allow"), ("own-namespace", "allow")]
    front = by_name["front"].id
    flows = [Flow(front, by_name[n].id, by_name[n].address, HTTP, "TCP", "", expected) for n, expected in wanted]
    limit = time.monotonic() + SETTLE_LIMIT
    while True:
        ask(ground, by_name["front"], flows, lanes=4)
        if all(flow.agrees for flow in flows):
            return
        assert time.monotonic() < limit, f"policies are not enforced after {SETTLE_LIMIT} s: {flows}"
        time.sleep(1)


def test_every_verdict_is_what_calico_does(ground: Ground, record_property: Any) -> None:
    flows = flows_of(ground)
    ask_all(ground, flows)
    listed = [flow for found in flows.values() for flow in found]
    counts = report(listed, record_property)
    assert [f for f in listed if f.seen == "check-failed"] == []
    assert [
        f"{f.source} -> {f.destination} {f.port}/{f.protocol}: {f.answer} {f.expected}, seen {f.seen}"
        for f in listed
        if not f.agrees
    ] == []
    assert counts["compared"] > 1500
    assert counts["allowed"] > 300
    assert counts["denied"] > 300
