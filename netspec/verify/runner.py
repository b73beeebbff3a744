"""One verification from beginning to end; `netspec verify` and `pytest --stack` both come through here."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from netspec.diagnostics import Problem
from netspec.ir.model import Ir
from netspec.probes import NODES_REACH, FactProbe, PacketProbe, Probe
from netspec.verify.about import About
from netspec.verify.access import Access, kubeconfig_file
from netspec.verify.asking import Prober, is_asked_of_pod, source_of
from netspec.verify.canary import canary_pods
from netspec.verify.causes import Causes
from netspec.verify.door import ask_door, is_asked_of_door
from netspec.verify.drift import Drift, compare
from netspec.verify.ephemeral import ensure_probe_containers
from netspec.verify.evidence import Evidence, causes_of_canary
from netspec.verify.judge import Judge
from netspec.verify.model import Canary, Observation, Run
from netspec.verify.nodes import ask_nodes
from netspec.verify.objects import read_objects
from netspec.verify.packets import ask_packets
from netspec.verify.readers import Readings, read_facts
from netspec.verify.resolve import Resolver, Unresolved
from netspec.verify.sites import Site, site_of
from netspec.verify.state import Pod, State, read_state, read_words
from netspec.verify.undeclared import Undeclared, find

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
        reading = pool.submit(read_facts, access, site, state, probes)
        outside = pool.submit(site.outside)
        listed = pool.submit(read_objects, access)
        words = pool.submit(read_words, access, state)
        resolver = Resolver(ir, state, outside.result())
        containers = ensure_probe_containers(access, _foreign_pods(resolver, probes))
        readings, objects = reading.result(), listed.result()
        judge = Judge(ir, state, readings.mtu)
        facts = _Facts(state, readings, compare(ir, objects, state.pods), find(ir, objects, state), judge)
        seen = {p.id: facts.observe(p) for p in probes if isinstance(p, FactProbe) and _is_read(p)}
        evidence = Evidence(ir, state, facts.drift, facts.undeclared, dict(seen), words.result())
        causes = Causes(About(ir, state, facts.drift.stated_if_other), evidence.findings())
        clock.lap("facts")
        problem = canary_problem.result()
        clock.lap("canary pods")
        canary = Canary(problem=problem, stuck=pods.stuck) if problem else pods.check()
        clock.lap("canary")
        say("canary: " + ("traffic flows and policy is enforced" if canary.ok else "not as it must be"))
        if canary.ok:
            payloads = [p for p in probes if isinstance(p, PacketProbe)]
            asked = Event()
            sent = pool.submit(ask_packets, access, pods, payloads, ir.traits.on_route, asked.wait)
            of_nodes = [p for p in probes if isinstance(p, FactProbe) and p.fact == NODES_REACH]
            reached = [pool.submit(ask_nodes, site, pods, probe) for probe in of_nodes]
            prober = Prober(access, resolver, judge, say, containers, causes.group)
            try:
                seen |= prober.run([p for p in probes if is_asked_of_pod(p)])
            finally:
                asked.set()
            seen |= sent.result()
            seen |= {o.probe.id: o for o in (r.result() for r in reached)}
            clock.lap("probes")
            seen |= ask_door(ir, state, access, resolver, [p for p in probes if is_asked_of_door(p)])
            clock.lap("front door")
    clock.lap("clean-up")
    why = "this probe was never asked" if canary.ok else "not asked: the canary failed, so no answer could be trusted"
    observations = every_one(probes, seen, judge, why)
    found = causes.of(observations) if canary.ok else causes_of_canary(canary, evidence, causes.findings)
    seconds = clock.total()
    return Run(ir.name, ir.stack, ir.cluster_name, clock.started, seconds, canary, observations, clock.laps, found)


def _is_read(probe: FactProbe) -> bool:
    return not is_asked_of_pod(probe) and not is_asked_of_door(probe) and probe.fact != NODES_REACH


@dataclass(frozen=True, slots=True)
class _Facts:
    """Who answers a fact that no pod is asked for."""

    state: State
    readings: Readings
    drift: Drift
    undeclared: Undeclared
    judge: Judge

    def observe(self, probe: FactProbe) -> Observation:
        if probe.fact == "policies":
            return self.drift.observe(probe)
        if probe.fact == "undeclared":
            return self.undeclared.observe(probe)
        if probe.read is not None:
            return self.readings.observe(probe, self.state)
        return self.judge.state_fact(probe)


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
