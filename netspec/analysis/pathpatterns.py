"""Paths by regular expression: what all of RE2, Go and PCRE read alike, so that every controller means the same. A
pattern is for a whole path, and says what it takes by an example of its own.

    pattern = sequence {"|" sequence}      sequence = {atom [quantifier]}
    atom = letter | "." | escape | class | "(" ["?:"] pattern ")"
    quantifier = "*" | "+" | "?" | "{n}" | "{n,}" | "{n,m}"
    escape = "\\\\" and one of dw.+*?()[]{}|^$/-      class = "[" ["^"] members "]"

No anchors (a pattern is for all of a path), no groups that look around, nothing that depends on letters' case.
"""

import re
from functools import cache

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_~%:@,=-")
_ESCAPED = frozenset(".+*?()[]{}|^$/-")
_SETS = {"d": "0123456789", "w": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"}
#: What stands for any character in an example, and for one that is not in a class.
_ANY, _CANDIDATES = "x", "x0a-_~:@"
#: More repetitions RE2 does not take.
_MOST = 1000


def example(pattern: str) -> str:
    """A path that it takes, as short as its quantifiers let it be. Raises ValueError where it is no such pattern.

    >>> example("/v[0-9]+/(cart|order)s?/.*")
    '/v0/cart/'
    """
    reader = _Reader(pattern)
    found = reader.pattern()
    if reader.rest:
        raise ValueError(f"there is a {reader.rest[0]!r} too many")
    if not (pattern.startswith("/") and found.startswith("/")):
        raise ValueError("it begins with /")
    return found


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


def takes(pattern: str, path: str) -> bool:
    """
    >>> takes("/v[0-9]+", "/v12"), takes("/v[0-9]+", "/v12/x")
    (True, False)
    """
    return _compiled(pattern).fullmatch(path) is not None


class _Reader:
    def __init__(self, rest: str) -> None:
        self.rest = rest

    def _take(self) -> str:
        if not self.rest:
            raise ValueError("it ends too early")
        char, self.rest = self.rest[0], self.rest[1:]
        return char

    def _has(self, text: str) -> bool:
        if not self.rest.startswith(text):
            return False
        self.rest = self.rest[len(text) :]
        return True

    def pattern(self) -> str:
        first = self._sequence()
        while self._has("|"):
            self._sequence()
        return first

    def _sequence(self) -> str:
        out = ""
        while self.rest and self.rest[0] not in "|)":
            atom = self._atom()
            out += atom * self._least()
        return out

    def _atom(self) -> str:
        char = self._take()
        if char in _LETTERS:
            return char
        if char == ".":
            return _ANY
        if char == "\\":
            return self._escape()[0]
        if char == "[":
            return self._class()
        if char == "(":
            self._has("?:")
            found = self.pattern()
            if not self._has(")"):
                raise ValueError("a ( is not closed")
            return found
        raise ValueError(f"{char!r} is not of what all controllers read alike")

    def _escape(self) -> str:
        """The characters that it stands for."""
        char = self._take()
        if char in _SETS:
            return _SETS[char]
        if char in _ESCAPED:
            return char
        raise ValueError(f"\\{char} is not of what all controllers read alike")

    def _class(self) -> str:
        negated, members = self._has("^"), ""
        while not self._has("]"):
            first = self._member()
            if len(first) == 1 and self.rest[:1] == "-" and self.rest[1:2] != "]":
                self._take()
                last = self._member()
                if len(last) != 1 or last < first:
                    raise ValueError(f"{first}-{last} is no range")
                first = "".join(map(chr, range(ord(first), ord(last) + 1)))
            members += first
        if not members:
            raise ValueError("a class is empty")
        found = next((c for c in _CANDIDATES if c not in members), "") if negated else members[0]
        if not found:
            raise ValueError("a class leaves nothing")
        return found

    def _member(self) -> str:
        char = self._take()
        if char == "\\":
            return self._escape()
        if char in _LETTERS or char == ".":
            return char
        raise ValueError(f"{char!r} stands in a class")

    def _least(self) -> int:
        """How often at least."""
        if self._has("*") or self._has("?"):
            least = 0
        elif self._has("+"):
            least = 1
        elif found := re.match(r"\{([0-9]{1,4})(,([0-9]{1,4})?)?\}", self.rest):
            self.rest = self.rest[found.end() :]
            least, most = int(found[1]), int(found[3] or found[1])
            if most < least or most > _MOST:
                raise ValueError(f"{found[0]} is no number of times")
        else:
            return 1
        if self.rest[:1] in ("*", "+", "?", "{") and self.rest:
            raise ValueError(f"two quantifiers in a row: {self.rest[0]}")
        return least
