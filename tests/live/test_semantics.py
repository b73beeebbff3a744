"""Every rule of NetworkPolicy v1 on the running cluster: each verdict of the evaluator against what the CNI does.

A flow that Kubernetes leaves open has no expectation unless the CNI's dialect settles it; both kinds are listed in the
report, which goes to the file that NETSPEC_SEMANTICS_REPORT names.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import semantics_cases as cases
from live_cluster import Live
from semantics_ground import Ground, agreed, flows_of, pods_in, remove, settle, wait_until_ready

from netspec.catalogue import IMAGES
from netspec.manifests.read import read_texts
from netspec.verify.sites import addresses_of


@pytest.fixture(scope="module")
def ground(live: Live) -> Iterator[Ground]:
    (pod_cidr,) = (n for n in live.ir.network.pod_cidrs if n.version == 4)
    outside = addresses_of(f"{live.ir.cluster_name}-outside")[0]
    objects = cases.objects(IMAGES["agnhost"], str(pod_cidr), outside)
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    reading = read_texts([("semantics.json", text)])
    assert reading.diagnostics == ()
    inventory = replace(reading.inventory, pod_cidrs=live.ir.network.pod_cidrs, dialect=live.ir.traits.dialect)
    remove(live, cases.MARK)
    try:
        live.kubectl("apply", "-f", "-", stdin=text, limit=120)
        wait_until_ready(live, cases.NAMESPACES)
        ground = Ground(live, inventory, pods_in(live, cases.NAMESPACES), outside)
        settle(ground, {"no-rules": "deny", "namespaces": "deny", "open": "allow", "own-namespace": "allow"})
        yield ground
    finally:
        remove(live, cases.MARK)


def test_every_verdict_is_what_the_cluster_does(ground: Ground, record_property: Any) -> None:
    flows = flows_of(ground)
    listed, counts = agreed(ground, flows, record_property)
    # What is left open is a node's: a pod is open to its own, whatever the policies.
    near = [f for f in listed if f.from_its_node]
    assert {f.seen for f in near} == {"allow"}
    assert any(f.expected is None for f in near)
    assert counts["compared"] > 5000
    assert counts["allowed"] > 500
    assert counts["denied"] > 500
    assert counts["dialect"] > 50
