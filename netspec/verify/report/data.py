"""results.json: the run as data. The shape is documented in docs/verify.md and named by `version`."""

from typing import Any

from netspec.probes import DnsProbe, FlowProbe, PacketProbe
from netspec.verify.model import Answer, Observation, Run, Status, explain

VERSION = "verify/v1"

#: The exit code of `netspec verify` and of `pytest --stack`.
EXIT_CODES = {Answer.GREEN: 0, Answer.RED: 1, Answer.INCONCLUSIVE: 3}


def as_json(run: Run) -> dict[str, Any]:
    return {
        "version": VERSION,
        "spec": run.name,
        "stack": run.stack,
        "cluster": run.cluster,
        "started": run.started,
        "seconds": run.seconds,
        "phases": run.phases,
        "answer": run.answer.value,
        "exitCode": EXIT_CODES[run.answer],
        "counts": {"probes": len(run.observations)} | {s.value: run.count(s) for s in Status},
        "canary": {
            "ok": run.canary.ok,
            "problem": run.canary.problem,
            "checks": [
                {"name": c.name, "expect": c.expect.value, "observed": c.observed.value, "ok": c.ok, "detail": c.detail}
                | {"from": c.source, "to": c.target, "says": c.says}
                for c in run.canary.checks
            ],
        },
        "causes": [
            {"what": c.what, "command": c.command, "explains": c.extent, "flows": c.flows, "probes": list(c.probes)}
            for c in run.causes
        ],
        "observations": [observation_json(o) for o in run.observations],
    }


def observation_json(observation: Observation) -> dict[str, Any]:
    probe = observation.probe
    out: dict[str, Any] = {"id": probe.id, "status": observation.status.value}
    if isinstance(probe, FlowProbe):
        out |= {
            "kind": "flow",
            "via": probe.via,
            "source": probe.source,
            "destination": probe.destination,
            "port": probe.port,
            "protocol": probe.protocol,
            "expect": probe.expect.value if probe.expect else None,
            "observed": observation.observed.value,
            "deciding": list(probe.deciding),
            "reason": probe.reason,
            "control": observation.control,
            "dials": _dials(observation),
        }
        if probe.via == "node-port":
            out["nodes"] = probe.nodes
        if probe.name:
            out["name"] = probe.name
    elif isinstance(probe, DnsProbe):
        out |= {
            "kind": "dns",
            "source": probe.source,
            "name": probe.name,
            "record": probe.record,
            "subject": probe.subject,
            "expect": list(probe.expect),
            "observed": observation.observed,
        }
    elif isinstance(probe, PacketProbe):
        out |= {
            "kind": "packets",
            "via": probe.via,
            "protocol": probe.protocol,
            "expect": probe.expect.value,
            "observed": observation.observed.value,
            "dials": _dials(observation),
        }
    else:
        out |= {
            "kind": "fact",
            "fact": probe.fact,
            "subject": probe.subject,
            "expect": probe.expect,
            "observed": observation.observed,
        }
        if probe.peer:
            out |= {"peer": probe.peer, "port": probe.port}
    out |= {"askedFrom": observation.asked_from, "attempts": observation.attempts, "detail": observation.detail}
    if observation.status in (Status.WRONG, Status.CHECK_FAILED):
        out["says"] = explain(observation)
    return out


def _dials(observation: Observation) -> list[dict[str, Any]]:
    return [
        {
            "from": d.source,
            "to": d.target,
            "address": d.address,
            "outcome": d.outcome.value,
            "sameNode": d.same_node,
            "start": d.start,
            "end": d.end,
        }
        for d in observation.dials
    ]
