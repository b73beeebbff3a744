"""Calico's selectors: expressions over labels, as alternatives of conditions on pods and on their namespaces.

Sources: projectcalico/calico, libcalico-go/lib/selector (tokenizer, parser; `!=` and `not in` match where the label is
absent), lib/backend/k8s/conversion (labels that pods get), lib/backend/syncersv1/updateprocessors (what stands for a
namespace).
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from netspec.diagnostics import Path
from netspec.ir.model import NAME_LABEL, Peer
from netspec.ir.selectors import Operator, Requirement, Selector
from netspec.manifests.fields import Bad, Missing

#: Labels that Calico gives every pod, beside its own.
NAMESPACE, NAMESPACE_LABELS = "projectcalico.org/namespace", "pcns."
_ORCHESTRATOR = ("projectcalico.org/orchestrator", "k8s")
#: The name of a namespace, in a selector of namespaces.
_NAME = "projectcalico.org/name"
_ACCOUNTS = ("projectcalico.org/serviceaccount", "pcsa.")
#: More alternatives than this, and the expression is left open.
_MOST = 64

Of = Literal["pods", "namespaces"]
_TOKENS = re.compile(
    r"\s*(?:(?P<call>all|global|has)\s*\(\s*(?P<inside>[^()\s]*)\s*\)|(?P<not_in>not\s+in(?![\w./-]))"
    r"|(?P<word>(?:contains|starts\s+with|ends\s+with|in)(?![\w./-]))|(?P<sign>&&|\|\||==|!=|!|\(|\)|\{|\}|,)"
    r"|(?P<quoted>\"[^\"]*\"|'[^']*')|(?P<label>[A-Za-z0-9_./-]+))"
)
_INVERSE: dict[Operator, Operator] = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}


class _Term(NamedTuple):
    """One condition. `requirement` None: it holds for every pod, or (`is_inverse`) for none."""

    requirement: Requirement | None
    of: Of = "pods"
    is_inverse: bool = False

    def negated(self) -> "_Term":
        found = self.requirement
        if found is None:
            return self._replace(is_inverse=not self.is_inverse)
        return self._replace(requirement=Requirement(found.key, _INVERSE[found.operator], found.values))


#: Terms that hold together.
_All = tuple[_Term, ...]


def alternatives(text: str, path: Path, of: Of) -> list[Peer]:
    """Whom an expression is about, as peers any of which it may be; none: nobody. An empty one is everyone. Raises Bad
    for what Calico does not take, Missing for what the input does not say."""
    found = _Parser(text, path, of).read()
    peers = []
    for terms in found:
        if any(t.requirement is None and t.is_inverse for t in terms):
            continue
        wanted = [(t.of, t.requirement) for t in terms if t.requirement is not None]
        pods = [r for where, r in wanted if where == "pods"]
        namespaces = [r for where, r in wanted if where == "namespaces"]
        peers.append(Peer(_selector(pods), _selector(namespaces)))
    return list(dict.fromkeys(peers))


def both(one: Peer, other: Peer) -> Peer:
    """Who is described by both."""
    pods, namespaces = one.pods or Selector(), one.namespaces or Selector()
    more, others = other.pods or Selector(), other.namespaces or Selector()
    return Peer(_joined(pods, more), _joined(namespaces, others))


def of_namespace(name: str) -> Peer:
    return Peer(Selector(), Selector.of({NAME_LABEL: name}))


def _joined(one: Selector, other: Selector) -> Selector:
    labels = dict(one.match_labels)
    extra = [Requirement(k, "In", (v,)) for k, v in other.match_labels if labels.get(k, v) != v]
    labels |= {k: v for k, v in other.match_labels if k not in labels}
    return Selector(tuple(sorted(labels.items())), (*one.expressions, *extra, *other.expressions))


def _selector(requirements: list[Requirement]) -> Selector:
    """Equalities are labels, where a key has one."""
    labels: dict[str, str] = {}
    expressions = []
    for each in requirements:
        if each.operator == "In" and len(each.values) == 1 and labels.get(each.key, each.values[0]) == each.values[0]:
            labels[each.key] = each.values[0]
        elif each not in expressions:
            expressions.append(each)
    return Selector(tuple(sorted(labels.items())), tuple(expressions))


class _Parser:
    """`||` binds least, then `&&`, then `!`. What is read is negated on the way: only terms are left."""

    def __init__(self, text: str, path: Path, of: Of) -> None:
        self._path, self._of, self._text = path, of, text
        self._tokens = list(self._split(text))
        self._at = 0

    def read(self) -> list[_All]:
        if not self._tokens:
            return [()]
        found = self._either(False)
        if self._at < len(self._tokens):
            raise self._wrong()
        return found

    def _split(self, text: str) -> Iterator[tuple[str, str]]:
        at = 0
        while text[at:].strip():
            found = _TOKENS.match(text, at)
            if found is None:
                raise Bad(self._path, f"is not a selector: {text[at:].strip()[:30]!r}")
            at = found.end()
            kind = "call" if found["call"] else str(found.lastgroup)
            yield kind, f"{found['call']}({found['inside']})" if found["call"] else str(found[kind])

    def _wrong(self) -> Bad:
        rest = " ".join(value for _, value in self._tokens[self._at :])
        return Bad(
            self._path, f"is not a selector: {rest[:30]!r} is not expected" if rest else "is not a whole selector"
        )

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise self._wrong()
        self._at += 1
        return self._tokens[self._at - 1]

    def _takes(self, sign: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == ("sign", sign):
            self._at += 1
            return True
        return False

    def _either(self, negate: bool) -> list[_All]:
        parts = [self._every(negate)]
        while self._takes("||"):
            parts.append(self._every(negate))
        return self._product(parts) if negate else self._few([terms for part in parts for terms in part])

    def _every(self, negate: bool) -> list[_All]:
        parts = [self._one(negate)]
        while self._takes("&&"):
            parts.append(self._one(negate))
        return self._few([terms for part in parts for terms in part]) if negate else self._product(parts)

    def _product(self, parts: list[list[_All]]) -> list[_All]:
        found: list[_All] = [()]
        for part in parts:
            found = self._few([(*one, *other) for one in found for other in part])
        return found

    def _few(self, found: list[_All]) -> list[_All]:
        if len(found) > _MOST:
            raise Missing(self._path, f"has more than {_MOST} alternatives, and is not analysed")
        return found

    def _one(self, negate: bool) -> list[_All]:
        if self._takes("!"):
            return self._one(not negate)
        if self._takes("("):
            found = self._either(negate)
            if not self._takes(")"):
                raise self._wrong()
            return found
        term = self._term()
        return [(term.negated() if negate else term,)]

    def _term(self) -> _Term:
        kind, value = self._next()
        if kind == "call":
            return self._call(value)
        if kind != "label":
            self._at -= 1
            raise self._wrong()
        kind, operator = self._next()
        if kind == "sign" and operator in ("==", "!="):
            return self._about(value, "In" if operator == "==" else "NotIn", (self._quoted(),))
        if kind in ("not_in", "word") and operator.split()[-1] == "in":
            return self._about(value, "In" if kind == "word" else "NotIn", self._set())
        if kind == "word":
            raise Missing(self._path, f"asks for a part of a label's value ({operator}), and is not analysed")
        self._at -= 1
        raise self._wrong()

    def _call(self, value: str) -> _Term:
        name, _, inside = value.partition("(")
        label = inside.removesuffix(")")
        if name == "has":
            if not label:
                raise Bad(self._path, "is not a selector: has() is about a label")
            return self._about(label, "Exists", ())
        if label:
            raise Bad(self._path, f"is not a selector: {name}() takes nothing")
        # global() is what has no namespace: no pod.
        return _Term(None, is_inverse=name == "global")

    def _quoted(self) -> str:
        kind, value = self._next()
        if kind != "quoted":
            self._at -= 1
            raise self._wrong()
        return value[1:-1]

    def _set(self) -> tuple[str, ...]:
        if not self._takes("{"):
            raise self._wrong()
        values: list[str] = []
        while not self._takes("}"):
            values.append(self._quoted())
            if not self._takes(",") and self._tokens[self._at : self._at + 1] != [("sign", "}")]:
                raise self._wrong()
        return tuple(dict.fromkeys(values))

    def _about(self, label: str, operator: Operator, values: tuple[str, ...]) -> _Term:
        """A condition on a label of the pod, or on what stands for its namespace."""
        if label == _ORCHESTRATOR[0]:
            holds = Requirement(label, operator, values).matches(dict([_ORCHESTRATOR]))
            return _Term(None, is_inverse=not holds)
        if label == _ACCOUNTS[0] or label.startswith(_ACCOUNTS[1]):
            raise Missing(self._path, "asks for service accounts, which are not analysed")
        if self._of == "namespaces":
            return _Term(Requirement(NAME_LABEL if label == _NAME else label, operator, values), "namespaces")
        if label == NAMESPACE:
            return _Term(Requirement(NAME_LABEL, operator, values), "namespaces")
        if label.startswith(NAMESPACE_LABELS):
            own = label.removeprefix(NAMESPACE_LABELS)
            return _Term(Requirement(NAME_LABEL if own == _NAME else own, operator, values), "namespaces")
        return _Term(Requirement(label, operator, values))
