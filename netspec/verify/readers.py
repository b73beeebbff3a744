"""Reads the facts that backends give as data: fields of objects, what a command prints on every node, readiness."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from difflib import ndiff
from ipaddress import ip_address, ip_network
from typing import Any

from netspec.probes import FactProbe, Probe
from netspec.target import Field, NodeRead, ObjectRead, ReadyRead
from netspec.toolchain.programs import last_line
from netspec.verify.access import Access
from netspec.verify.model import Observation, Status
from netspec.verify.sites import Site
from netspec.verify.state import State

#: Lines of a text that differ: so many are told.
_TOLD = 6
#: The interface that pods' packets leave a node by.
_MTU = "cat /sys/class/net/eth0/mtu"


@dataclass(frozen=True, slots=True)
class Readings:
    """`mtu`: of each node's own interface. `nodes`: command -> node -> what it printed. `objects`: what `get` gave.
    `problem` says why the nodes gave nothing."""

    nodes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    objects: Mapping[ObjectRead, "list[dict[str, Any]] | str"] = field(default_factory=dict)
    problem: str = ""

    @property
    def mtu(self) -> dict[str, int]:
        return {node: int(text) for node, text in self.nodes.get(_MTU, {}).items() if text.isdigit()}

    def observe(self, probe: FactProbe, state: State) -> Observation:
        """One of the facts that were read."""
        match probe.read:
            case NodeRead(command):
                return self._of_nodes(probe, command)
            case ReadyRead():
                deployment = state.deployments.get(probe.subject)
                return _compared(probe, deployment.ready if deployment else 0, "API server")
            case ObjectRead() as read:
                found = self.objects[read]
                if isinstance(found, str):
                    return Observation(probe, Status.CHECK_FAILED, None, found, "API server")
                if read.name and not found:
                    return Observation(probe, Status.WRONG, None, "it is not there", "API server")
                return _compared(probe, _value(read, found, probe.expect), "API server")
        raise ValueError(f"{probe.id} says nothing of where it is read")

    def _of_nodes(self, probe: FactProbe, command: str) -> Observation:
        """Every node must agree with the expectation."""
        values = self.nodes.get(command, {})
        if self.problem or not values:
            return Observation(probe, Status.CHECK_FAILED, None, self.problem or "no node could be asked")
        if silent := [node for node, value in values.items() if not value]:
            return Observation(probe, Status.CHECK_FAILED, None, f"{', '.join(silent)} gave no answer")
        distinct = sorted(set(values.values()))
        return _compared(probe, distinct[0] if len(distinct) == 1 else dict(values), ", ".join(sorted(values)))


def _compared(probe: FactProbe, seen: Any, asked_from: str) -> Observation:
    """What differs in texts of several lines is told line by line."""
    if seen == probe.expect:
        return Observation(probe, Status.PASS, seen, asked_from=asked_from)
    told = []
    if isinstance(seen, dict) and isinstance(probe.expect, dict):
        texts = [(v, seen.get(k)) for k, v in probe.expect.items() if isinstance(v, str) and "\n" in v]
        told = [line for wanted, text in texts for line in _lines_that_differ(wanted, str(text or ""))]
    return Observation(probe, Status.WRONG, seen, "; ".join(told[:_TOLD]), asked_from)


def _lines_that_differ(wanted: str, text: str) -> list[str]:
    """
    >>> _lines_that_differ("a {\\n  cache 30\\n}", "a {\\n  cache 60\\n}")
    ["not in the spec: 'cache 60'", "missing: 'cache 30'"]
    """
    lines = [line for line in ndiff(wanted.splitlines(), text.splitlines()) if line[2:].strip() not in ("", "}")]
    added, removed = ([line[2:].strip() for line in lines if line.startswith(sign)] for sign in "+-")
    return [*(f"not in the spec: {line!r}" for line in added), *(f"missing: {line!r}" for line in removed)]


def read_facts(access: Access, site: Site, state: State, probes: Sequence[Probe]) -> Readings:
    """All that these probes read, each kind of objects and each node asked once."""
    reads = dict.fromkeys(p.read for p in probes if isinstance(p, FactProbe) and p.read is not None)
    by_resource: dict[str, list[ObjectRead]] = defaultdict(list)
    for read in reads:
        if isinstance(read, ObjectRead):
            by_resource[read.resource].append(read)
    commands = dict.fromkeys([_MTU, *(read.command for read in reads if isinstance(read, NodeRead))])
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda reads: _get_all(access, reads), by_resource.values())
        said = pool.map(lambda node: _ask(site, node.name, list(commands)), state.nodes)
        answers = dict(zip((node.name for node in state.nodes), said, strict=True))
        problems = [answer for answer in answers.values() if isinstance(answer, str)]
        nodes = {
            command: {node: answer.get(command, "") for node, answer in answers.items() if isinstance(answer, dict)}
            for command in commands
        }
        objects = {read: items for some in found for read, items in some.items()}
        return Readings(nodes, objects, "; ".join(problems))


def _ask(site: Site, node: str, commands: Sequence[str]) -> dict[str, str] | str:
    """Command -> what it prints, in one go, or why the node could not be asked."""
    host = site.node(node)
    if host is None:
        return f"node {node} cannot be entered"
    result = host.run("\n".join(f"printf '%s\\n' \"{i}=$({command})\"" for i, command in enumerate(commands)))
    if result.rc:
        return f"node {node} could not be asked: {last_line(result.stderr)}"
    rows = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
    return {command: rows.get(str(i), "") for i, command in enumerate(commands)}


def _get_all(access: Access, reads: Sequence[ObjectRead]) -> "dict[ObjectRead, list[dict[str, Any]] | str]":
    """Of one resource: of several objects the whole list, for a kubectl takes its time; one by one where it may not be
    listed."""
    whole = _get(access, ObjectRead(reads[0].resource, ())) if len(reads) > 1 else ""
    if isinstance(whole, str):
        return {read: _get(access, read) for read in reads}

    def is_of(read: ObjectRead, item: Mapping[str, Any]) -> bool:
        meta = item["metadata"]
        return read.name in ("", meta["name"]) and read.namespace in ("", meta.get("namespace", ""))

    return {read: [item for item in whole if is_of(read, item)] for read in reads}


def _get(access: Access, read: ObjectRead) -> "list[dict[str, Any]] | str":
    """The objects, none where the one that is named is not there, or why they could not be read."""
    where = ["--namespace", read.namespace] if read.namespace else ["--all-namespaces"]
    done = access.kubectl("get", read.resource, *([read.name] if read.name else []), *where, "--output=json")
    if read.name and "(NotFound)" in done.stderr:
        return []
    if done.returncode:
        return last_line(done.stderr)
    answer = json.loads(done.stdout)
    return list(answer["items"]) if "items" in answer else [answer]


def _value(read: ObjectRead, items: Sequence[Mapping[str, Any]], expect: Any) -> Any:
    """What the objects hold, in the shape of the expectation."""
    kept = [
        item
        for item in items
        if all(at(item, path) == v for path, v in read.where)
        and not any(at(item, path) == v for path, v in read.without)
    ]
    if read.parse:
        ((_, wanted),) = read.fields
        parsed = PARSERS[read.parse](at(kept[0], wanted.path, "") if kept else "")
        return {key: parsed.get(key) for key in expect}
    return {
        name: _together(wanted, [at(item, wanted.path, wanted.default) for item in kept])
        for name, wanted in read.fields
    }


def _together(wanted: Field, values: list[Any]) -> Any:
    """One value where all objects agree, else each as text."""
    if wanted.every:
        return sorted(values, key=str)
    if wanted.outside:
        ranges = [ip_network(cidr) for cidr in wanted.outside]
        return sorted(v for v in values if v and not any(ip_address(v) in found for found in ranges))
    distinct = list(dict.fromkeys(json.dumps(value, sort_keys=True) for value in values))
    return json.loads(distinct[0]) if len(distinct) == 1 else sorted(distinct)


def at(item: Any, path: str, default: Any = None) -> Any:
    """
    >>> at({"spec": {"a.b": {"c": 1}}}, 'spec."a.b".c'), at({}, "spec.c", 2)
    (1, 2)
    """
    for key in re.findall(r'"([^"]+)"|([^.]+)', path):
        item = item.get(key[0] or key[1]) if isinstance(item, Mapping) else None
    return default if item is None else item


def parse_corefile(text: str) -> dict[str, list[str]]:
    """Server block's zone -> the resolvers it forwards to.

    >>> parse_corefile("corp.example:53 {\\n    forward . 10.0.0.53 10.0.0.54\\n}\\n")
    {'corp.example': ['10.0.0.53', '10.0.0.54']}
    """
    out: dict[str, list[str]] = {}
    zone, depth = "", 0
    for line in text.splitlines():
        words = line.split()
        if depth == 0 and line.rstrip().endswith("{") and words:
            zone = words[0].partition(":")[0]
        elif depth == 1 and words[:2] == ["forward", "."]:
            out[zone] = sorted(w for w in words[2:] if w != "{")
        depth += line.count("{") - line.count("}")
    return out


def parse_env(containers: Any) -> dict[str, str]:
    """
    >>> parse_env([{"env": [{"name": "MODE", "value": "strict"}, {"name": "NODE", "valueFrom": {}}]}, {}])
    {'MODE': 'strict', 'NODE': ''}
    """
    return {e["name"]: e.get("value", "") for c in containers or () for e in c.get("env") or ()}


def parse_conditions(found: Any) -> dict[str, str]:
    """Type -> status of an object's conditions, or of those that each of its parents gives it: True where all do.

    >>> parse_conditions([{"conditions": [{"type": "A", "status": s}]} for s in ("True", "False", "True")])
    {'A': 'False'}
    """
    out: dict[str, str] = {}
    for condition in (c for entry in found or () for c in entry.get("conditions", [entry])):
        if out.get(condition["type"], "True") == "True":
            out[condition["type"]] = condition["status"]
    return out


#: netspec.target.ObjectRead.parse
PARSERS: dict[str, Callable[[Any], Mapping[str, Any]]] = {
    "conditions": parse_conditions,
    "corefile": parse_corefile,
    "env": parse_env,
}
