"""Label selectors, as the Kubernetes API defines them (meta/v1 LabelSelector)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Labels = Mapping[str, str]
Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One matchExpressions entry."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """NotIn and DoesNotExist match where the key is absent (meta/v1 LabelSelectorRequirement).

        >>> Requirement("tier", "NotIn", ("db",)).matches({})
        True
        """
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class Selector:
    """matchLabels and matchExpressions, all of which must hold; the empty selector matches everything."""

    match_labels: tuple[tuple[str, str], ...] = ()
    expressions: tuple[Requirement, ...] = ()

    @classmethod
    def of(cls, labels: Labels) -> "Selector":
        return cls(tuple(sorted(labels.items())))

    @property
    def is_empty(self) -> bool:
        return not self.match_labels and not self.expressions

    def matches(self, labels: Labels) -> bool:
        """
        >>> Selector.of({"app": "web"}).matches({"app": "web", "tier": "front"})
        True
        """
        return all(labels.get(k) == v for k, v in self.match_labels) and all(
            e.matches(labels) for e in self.expressions
        )

    def speaks_of(self, key: str) -> "Selector":
        """The part of it that is about one key."""
        return Selector(
            tuple(label for label in self.match_labels if label[0] == key),
            tuple(e for e in self.expressions if e.key == key),
        )

    def to_json(self) -> dict[str, object]:
        """The API's own shape."""
        out: dict[str, object] = {}
        if self.match_labels:
            out["matchLabels"] = dict(self.match_labels)
        if self.expressions:
            out["matchExpressions"] = [
                {"key": e.key, "operator": e.operator} | ({"values": list(e.values)} if e.values else {})
                for e in self.expressions
            ]
        return out
