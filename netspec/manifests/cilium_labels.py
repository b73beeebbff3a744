"""Cilium's selectors: labels with a source in front, which stand for pods, their namespaces, or what is reserved.

Sources of the rules: Cilium 1.19, pkg/labels (keys), pkg/labelsfilter (labels that count), pkg/k8s/apis/cilium.io/utils
(the namespace that a selector without one gets).
"""

import re
from typing import Any, NamedTuple

from netspec.diagnostics import Path
from netspec.ir.model import NAME_LABEL, Peer
from netspec.ir.selectors import Requirement, Selector
from netspec.manifests.fields import selector

#: Labels that Cilium gives every pod, beside its own.
NAMESPACE = "io.kubernetes.pod.namespace"
NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
_CLUSTER = "io.cilium.k8s.policy.cluster"
_SERVICE_ACCOUNT = "io.cilium.k8s.policy.serviceaccount"
#: Pods' labels that do not count unless the agent is told so (its option `labels`), by how they begin.
UNSEEN = (
    r"io\.kubernetes|kubernetes\.io|statefulset\.kubernetes\.io/pod-name|apps\.kubernetes\.io/pod-index"
    r"|batch\.kubernetes\.io/(?:job-completion-index|controller-uid)|.*beta\.kubernetes\.io|k8s\.io"
    r"|pod-template-generation|pod-template-hash|controller-revision-hash|controller-uid|annotation|etcd_node"
    r"|topology\.kubernetes\.io"
)
_UNSEEN = re.compile(UNSEEN)
_ANY, _PODS, _RESERVED = "any", "k8s", "reserved"
#: What is reserved and no pod, node or address of an inventory is in the long run.
_NOBODY = ("init", "health", "unmanaged", "none", "unknown", "overlay-to-encrypt")
ANYTHING = Peer(unread="anything")


class Asked(NamedTuple):
    """A requirement on a label of a source; `is_label`: from matchLabels."""

    source: str
    key: str
    requirement: Requirement
    is_label: bool = False

    @property
    def is_of_pods(self) -> bool:
        return self.source in (_ANY, _PODS)

    @property
    def is_of_namespace(self) -> bool:
        return self.is_of_pods and self.key == NAMESPACE


def asked(value: Any, path: Path) -> list[Asked]:
    """What a selector asks for. Raises Bad."""
    found = selector(value, path)
    wanted = [Requirement(key, "In", (label,)) for key, label in found.match_labels]
    return [
        *(Asked(*_sourced(r.key), r, True) for r in wanted),
        *(Asked(*_sourced(r.key), r) for r in found.expressions),
    ]


def _sourced(key: str) -> tuple[str, str]:
    """
    >>> _sourced("k8s:app"), _sourced("app"), _sourced("$host"), _sourced("reserved.host")
    (('k8s', 'app'), ('any', 'app'), ('reserved', 'host'), ('reserved', 'host'))
    """
    if key.startswith("$"):
        return _RESERVED, key[1:]
    source, colon, rest = key.partition(":")
    if not colon:
        source, rest = (_RESERVED, key[len("reserved.") :]) if key.startswith("reserved.") else (_ANY, key)
    return source, rest


def subject(wanted: list[Asked], namespace: str) -> Peer | None:
    """Whom a policy is about; None where that is nobody. A namespaced policy is about its own namespace, whatever its
    selector says of one by the key itself."""
    if namespace:
        wanted = [a for a in wanted if not (a.is_label and a.source == _PODS and a.key == NAMESPACE)]
        wanted.append(_in_namespace(namespace))
    return _pods(wanted)


def peers(wanted: list[Asked], namespace: str) -> list[Peer]:
    """Whom a selector of a rule describes. One that names no namespace is about the policy's own, or, where that has
    none, about every pod; it is about this cluster, and so about no node or address, unless it says `reserved`."""
    if any(a.source == _RESERVED for a in wanted):
        return _reserved(wanted)
    if any(a.key == _CLUSTER and a.requirement.operator in ("NotIn", "DoesNotExist") for a in wanted):
        return [ANYTHING]
    names_one = any(a.is_of_namespace or (a.is_of_pods and a.key.startswith(NAMESPACE_LABELS)) for a in wanted)
    if namespace and not names_one:
        wanted = [*wanted, _in_namespace(namespace)]
    found = _pods(wanted)
    return [found] if found else []


def _in_namespace(namespace: str) -> Asked:
    return Asked(_PODS, NAMESPACE, Requirement(NAMESPACE, "In", (namespace,)))


def _pods(wanted: list[Asked]) -> Peer | None:
    """The pods that a selector describes; None: none."""
    pods: list[Requirement] = []
    namespaces: list[Requirement] = []
    because: list[str] = []
    for source, key, (_, operator, values) in ((a.source, a.key, _parts(a.requirement)) for a in wanted):
        is_negative = operator in ("NotIn", "DoesNotExist")
        if source not in (_ANY, _PODS) or (_UNSEEN.match(key) and key != NAMESPACE):  # a label that no pod has
            if not is_negative:
                return None
        elif key == NAMESPACE or key.startswith(NAMESPACE_LABELS):
            name = NAME_LABEL if key == NAMESPACE else key.removeprefix(NAMESPACE_LABELS)
            namespaces.append(Requirement(name, operator, values))
        elif key in (_CLUSTER, _SERVICE_ACCOUNT):
            if operator == "DoesNotExist":
                return None
            because += [f"{key} {operator} {', '.join(values)}"] if operator != "Exists" else []
        else:
            pods.append(Requirement(key, operator, values))
    return Peer(_selector(pods), _selector(namespaces), unsure=bool(because), because="; ".join(because))


def _parts(requirement: Requirement) -> tuple[str, Any, tuple[str, ...]]:
    return requirement.key, requirement.operator, requirement.values


def _selector(requirements: list[Requirement]) -> Selector:
    """In its plain form: a label with one value is a matchLabel."""
    labels = [(r.key, r.values[0]) for r in requirements if r.operator == "In" and len(r.values) == 1]
    once = dict(labels)
    if len(once) != len(set(labels)):  # two values for one label: nobody has them
        return Selector((), tuple(sorted(set(requirements), key=str)))
    rest = {r for r in requirements if r.operator != "In" or len(r.values) != 1}
    return Selector(tuple(sorted(once.items())), tuple(sorted(rest, key=str)))


def _reserved(wanted: list[Asked]) -> list[Peer]:
    """Exactly what one reserved label says; what a selector asks for besides, or that there is none, may hold."""
    (first, *more) = wanted
    operator, values = first.requirement.operator, first.requirement.values
    if operator in ("NotIn", "DoesNotExist") or more:
        return [ANYTHING]
    if operator == "In" and "" not in values:  # their labels have no value
        return []
    return entity(first.key)


def entity(name: str) -> list[Peer]:
    """Whom an entity, or the reserved label of that name, stands for. Which node is the pod's own is not known."""
    if name in _NOBODY:
        return []
    known = {
        "all": Peer(entity="all"),
        "cluster": Peer(entity="cluster"),
        "world": Peer(entity="world"),
        "ingress": Peer(entity="proxy"),
        "kube-apiserver": Peer(unread="api-server"),
        "host": Peer(entity="nodes", unsure=True, because="the pod's own node"),
        "remote-node": Peer(entity="nodes", unsure=True, because="another node than the pod's"),
    }
    return [known.get(name, ANYTHING)]
