"""Ways of asking that the committed stacks do not use, on the running cluster."""

from dataclasses import replace

from live_cluster import Live

from netspec.ir.model import WORKLOAD_LABEL
from netspec.probes import FlowProbe, Outcome
from netspec.probing import derive_probes
from netspec.verify.asking import is_asked_of_pod, source_of
from netspec.verify.ephemeral import NAME
from netspec.verify.model import Answer, explain
from netspec.verify.runner import verify_cluster
from netspec.verify.sites import site_of


def test_a_pod_that_is_not_a_stand_in_is_probed_from_an_ephemeral_container(live: Live) -> None:
    """The same pod, taken for one that netspec knows by its labels alone."""
    target = next(w for w in live.ir.workloads if w.stand_in and w.replicas == 1 and w.ports)
    foreign = replace(target, stand_in=False)
    ir = replace(live.ir, workloads=tuple(foreign if w.id == target.id else w for w in live.ir.workloads))
    probes = [p for p in derive_probes(ir) if is_asked_of_pod(p) and source_of(p) == target.id]
    assert {p.expect for p in probes if isinstance(p, FlowProbe)} >= {Outcome.CONNECTED, Outcome.TIMED_OUT}
    selector = f"{WORKLOAD_LABEL}={target.name}"
    try:
        run = verify_cluster(ir, probes, site_of(ir), live.kubeconfig)
        names = "-o=jsonpath={.items[*].spec.ephemeralContainers[*].name}"
        assert live.kubectl("get", "pods", "-n", target.namespace, "-l", selector, names) == NAME
        again = verify_cluster(ir, probes, site_of(ir), live.kubeconfig)
    finally:  # an ephemeral container goes with its pod only
        live.kubectl("delete", "pods", "-n", target.namespace, "-l", selector, "--timeout=60s")
        deployment = f"deployment/{target.name}"
        live.kubectl("rollout", "status", deployment, "-n", target.namespace, "--timeout=120s", limit=130)
    assert run.answer is Answer.GREEN, [explain(o) for o in run.unexpected]
    assert again.answer is Answer.GREEN, [explain(o) for o in again.unexpected]
