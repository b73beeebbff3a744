"""One verification from beginning to end; `netspec verify` and `pytest --stack` both come through here."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from netspec.diagnostics import Problem
from netspec.ir.model import Ir
from netspec.probes import FactProbe, Probe
from netspec.verify.access import Access, kubeconfig_file
from netspec.verify.asking import Prober, is_asked_of_pod, source_of
from netspec.verify.canary import canary_pods
from netspec.verify.drift import read_drift
from netspec.verify.ephemeral import ensure_probe_containers
from netspec.verify.judge import Judge
from netspec.verify.model import Canary, Observation, Run
from netspec.verify.readers import read_facts
from netspec.verify.resolve import Resolver, Unresolved
from netspec.verify.sites import Site, site_of
from netspec.verify.state import Pod, read_state

Say = Callable[[str], None]


def verify(ir: Ir, probes: Sequence[Probe], say: Say = lambda _: None) -> Run:
    """Asks every probe of the stack's cluster. Raises Problem where there is no cluster to ask."""
    if not probes:
        raise Problem("the spec gives nothing to ask", "declare workloads, Services or policies in it")
    site = site_of(ir)
    try:
        text = site.kubeconfig()
    except Problem as problem:
        raise Problem(problem.message, f"bring it up first: netspec up --stack {ir.stack}") from problem
    with kubeconfig_file(text) as kubeconfig:
        return verify_cluster(ir, probes, site, kubeconfig, say)


def verify_cluster(ir: Ir, probes: Sequence[Probe], site: Site, kubeconfig: Path, say: Say = lambda _: None) -> Run:
    """The same with a kubeconfig at hand."""
    clock = _Clock()
    access = Access(kubeconfig)
    state = read_state(access)
    clock.lap("state")
    say(f"{len(probes)} probes, {len(state.pods)} pods on {len(state.nodes)} nodes")
    with canary_pods(access, state) as pods, ThreadPoolExecutor(4) as pool:
        canary_problem = pool.submit(pods.start)
        facts = pool.submit(read_facts, access, site, state, probes)
        outside = pool.submit(site.outside)
        drift = pool.submit(read_drift, access, ir)
        resolver = Resolver(ir, state, outside.result())
        containers = ensure_probe_containers(access, _foreign_pods(resolver, probes))
        readings = facts.result()
        clock.lap("facts")
        problem = canary_problem.result()
        clock.lap("canary pods")
        canary = Canary(problem=problem) if problem else pods.check()
        clock.lap("canary")
        say("canary: " + ("traffic flows and policy is enforced" if canary.ok else "not as it must be"))
        judge = Judge(ir, state, readings.mtu)
        seen: dict[str, Observation] = {}
        if canary.ok:
            asked = [p for p in probes if is_asked_of_pod(p)]
            seen = Prober(access, resolver, judge, say, containers).run(asked)
        clock.lap("probes")
    clock.lap("clean-up")
    for probe in probes:
        if isinstance(probe, FactProbe) and not is_asked_of_pod(probe):
            if probe.fact == "policies":
                seen[probe.id] = drift.result().observe(probe)
            elif probe.read is not None:
                seen[probe.id] = readings.observe(probe, state)
            else:
                seen[probe.id] = judge.state_fact(probe)
    why = "this probe was never asked" if canary.ok else "not asked: the canary failed, so no answer could be trusted"
    observations = every_one(probes, seen, judge, why)
    return Run(ir.name, ir.stack, ir.cluster_name, clock.started, clock.total(), canary, observations, clock.laps)


def every_one(
    probes: Sequence[Probe], seen: Mapping[str, Observation], judge: Judge, why: str
) -> tuple[Observation, ...]:
    """An observation for each probe, in their order: one that was derived and never asked is a failed check."""
    return tuple(seen.get(p.id) or judge.failed(p, why) for p in probes)


def _foreign_pods(resolver: Resolver, probes: Sequence[Probe]) -> list[Pod]:
    """The pods that probe and are not stand-ins."""
    found: dict[str, Pod] = {}
    for source in sorted({source_of(p) for p in probes if is_asked_of_pod(p)}):
        if resolver.needs_ephemeral(source):
            try:
                found |= {a.id: a.pod for a in resolver.askers(source) if a.pod}
            except Unresolved:
                continue
    return list(found.values())


class _Clock:
    """Seconds of each phase."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._first = self._last = time.monotonic()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 2)
        self._last = now

    def total(self) -> float:
        return round(time.monotonic() - self._first, 2)
