"""What of the cluster's own objects is not as the spec has it: the evidence that wrong answers are explained by."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`what`: one sentence; `command` sets it right. `tags` say which observations it can explain: those that have one
    of them ("pod:shop/web-1", "service:shop/web", "node:w1", "probe:<id>", "namespace:shop", "cluster")."""

    what: str
    command: str
    tags: frozenset[str]


def probe_tag(probe_id: str) -> str:
    return f"probe:{probe_id}"


def set_back(stack: str) -> str:
    """The command for what the spec declares."""
    return f"netspec up --stack {stack}"


def kubectl(stack: str, *words: str) -> str:
    """The command for what the spec does not have, or what only runs."""
    return f"netspec exec --stack {stack} -- kubectl {' '.join(words)}"


def delete(stack: str, resource: str, id_: str) -> str:
    """`id_`: namespace/name, or the name of what has no namespace.

    >>> delete("dev", "service", "shop/web")
    'netspec exec --stack dev -- kubectl delete service web --namespace shop'
    """
    namespace, _, name = id_.rpartition("/")
    return kubectl(stack, "delete", resource, name, *(("--namespace", namespace) if namespace else ()))


def first_of(findings: Iterable[Finding]) -> dict[str, Finding]:
    """By what they say, each once."""
    out: dict[str, Finding] = {}
    for finding in findings:
        out.setdefault(finding.what, finding)
    return out
