"""Calico's own policies on the running cluster: each verdict of the evaluator against what Calico does.

Not run on stack dev, for CI's time, and where the CNI is another one: NETSPEC_LIVE_STACK names the running stack. What
they mean is a table of docs/semantics.md.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import semantics_calico_cases as cases
from live_cluster import STACK, Live
from semantics_cases import MARK
from semantics_ground import Ground, agreed, flows_of, pods_in, remove, settle, wait_until_ready

from netspec.catalogue import IMAGES
from netspec.manifests.read import read_texts
from netspec.verify.sites import addresses_of

#: A mark of their own: the other suite removes by its.
OWN_MARK = f"{MARK}-calico"


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
    remove(live, OWN_MARK, "globalnetworkpolicies.crd.projectcalico.org")
    try:
        live.kubectl("apply", "-f", "-", stdin=text, limit=120)
        wait_until_ready(live, cases.NAMESPACES)
        found = Ground(live, inventory, pods_in(live, cases.NAMESPACES), outside)
        settle(found, {"no-rules": "deny", "first-decides": "deny", "everyone": "allow", "own-namespace": "allow"})
        yield found
    finally:
        remove(live, OWN_MARK, "globalnetworkpolicies.crd.projectcalico.org")


def test_every_verdict_is_what_calico_does(ground: Ground, record_property: Any) -> None:
    flows = flows_of(ground)
    _, counts = agreed(ground, flows, record_property)
    assert counts["compared"] > 1500
    assert counts["allowed"] > 300
    assert counts["denied"] > 300
