"""Lookups: their symbols as what the cluster has, and the words of nslookup."""

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from netspec.probes import NODATA, NXDOMAIN, DnsProbe
from netspec.verify.state import Pod, State

Pods = Mapping[str, tuple[Pod, ...]]

#: What nslookup prints when a server answered, be it that there is no such name.
_ANSWERED = re.compile(r"Name:|service = |canonical name|name = |NXDOMAIN|No answer|can't find", re.IGNORECASE)
#: What it prints of a name that has nothing of the type: the server that it asked (busybox).
_NOTHING = re.compile(r"Server:\s*\S+[\n|]+Address:\s*\S+[\n|]*")
#: A server that does not know, or does not say, has not answered.
_REFUSED = re.compile(r"SERVFAIL|REFUSED|timed out", re.IGNORECASE)


class Unknown(Exception):
    """Why the cluster cannot say what a lookup must find: a lookup that finds nothing then proves nothing."""


def filled(text: str, probe: DnsProbe, state: State, pods: Pods) -> str:
    """`text` of a probe with the address of its subject."""
    if not probe.subject:
        return text
    address, pod = _subject(probe.subject, state, pods)
    dashed = address.replace(".", "-").replace(":", "-")
    reverse = ip_address(address).reverse_pointer
    return text.format(address=address, dashed=dashed, reverse=reverse, pod=pod)


def _subject(subject: str, state: State, pods: Pods) -> tuple[str, str]:
    """Its address, and its name if it is a pod."""
    kind, _, rest = subject.partition(":")
    if kind == "service":
        service = state.services.get(rest)
        if service is None:
            raise Unknown(f"Service {rest} is not on the cluster")
        if not service.cluster_ip or service.cluster_ip == "None":
            raise Unknown(f"Service {rest} has no cluster IP")
        return service.cluster_ip, ""
    found = pods.get(rest, ())
    if not found:
        raise Unknown(f"no ready pod of {rest}")
    return found[0].address, found[0].name


def wanted(probe: DnsProbe, state: State, pods: Pods) -> list[str]:
    """The symbols of `expect` as what a lookup prints."""
    out: list[str] = []
    of_pods: list[str] = []
    for symbol in probe.expect:
        kind, _, rest = filled(symbol, probe, state, pods).partition(":")
        if kind == "pods":
            of_pods.append(rest)
            out += [pod.address for pod in pods.get(rest, ())]
        elif kind == "pod":
            pod = next((p for p in state.pods if p.id == rest and p.address), None)
            if pod is None:
                raise Unknown(f"pod {rest} is not on the cluster")
            out.append(pod.address)
        elif kind == "service":
            if rest not in state.services:
                raise Unknown(f"Service {rest} is not on the cluster")
            out.append(state.services[rest].cluster_ip)
        else:
            out.append(rest or kind)
    if of_pods and not any(pods.get(w) for w in of_pods):
        raise Unknown(f"no ready pod of {', '.join(of_pods)}")
    return sorted(set(out))


def found(output: str, record: str, expect: Sequence[str]) -> list[str]:
    """What the lookup found, in the shape of what is wanted; NXDOMAIN or NODATA alone where it found nothing. Raises
    Unknown where no server answered."""
    answered = _ANSWERED.search(output) or _NOTHING.fullmatch(output.strip())
    if not answered or _REFUSED.search(output):
        raise Unknown(f"the lookup got no answer: {output or 'no output'}")
    answers = parse_lookup(output, record)
    if record == "SRV":
        answers = sorted({f"{port}:{_owner(target, expect)}" for port, target in map(_split_srv, answers)})
    if answers:
        return answers
    return [NXDOMAIN if "NXDOMAIN" in output else NODATA]


#: What stands in a line for an answer of each type; an address only behind the name that it is of.
_LINES = {
    "A": re.compile(r"Address(?: \d+)?:\s*(\S+)"),
    "AAAA": re.compile(r"Address(?: \d+)?:\s*(\S+)"),
    "SRV": re.compile(r".*service = \d+ \d+ (\d+ \S+)"),
    "CNAME": re.compile(r".*canonical name = (\S+)"),
    "PTR": re.compile(r"(?!.*canonical).*\bname = (\S+)"),
}


def parse_lookup(output: str, record: str) -> list[str]:
    """The answers that nslookup printed, busybox's or BIND's: addresses, "port target" for SRV, names for CNAME and
    PTR.

    >>> parse_lookup("Server:  10.96.0.10|Address: 10.96.0.10:53||Name: web.shop|Address: 10.96.1.1|", "A")
    ['10.96.1.1']
    """
    out: set[str] = set()
    named = record not in ("A", "AAAA")
    for line in (line.strip() for line in re.split(r"[\n|]", output)):
        named = named or line.startswith("Name:")
        match = _LINES[record].match(line) if named else None
        if match:
            out.add(match[1].rstrip("."))
    return sorted(out)


def _split_srv(answer: str) -> tuple[str, str]:
    port, _, target = answer.partition(" ")
    return port, target


def _owner(target: str, expect: Sequence[str]) -> str:
    """A headless Service's SRV names each pod, below the Service's own name: that name, if it is among the wanted."""
    names = {w.partition(":")[2] for w in expect}
    return next((n for n in names if target == n or target.endswith("." + n)), target)
