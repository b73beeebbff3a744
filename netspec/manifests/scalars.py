"""What a plain YAML scalar means to Kubernetes: the rules of go-yaml v2, which kubectl and the API server read with.

They are YAML 1.1's but for dates and numbers in base 60, which stay text (sigs.k8s.io/yaml, goyaml.v2/resolve.go).
"""

import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {"": None, "~": None}
for _value, _words in ((True, ("y", "yes", "true", "on")), (False, ("n", "no", "false", "off")), (None, ("null",))):
    for _word in _words:
        _WORDS |= {_word: _value, _word.capitalize(): _value, _word.upper(): _value}
for _word in (".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"):
    _WORDS[_word] = float("inf")
    _WORDS["-" + _word.lstrip("+")] = float("-inf")
_WORDS |= dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan"))

_INT = re.compile(r"[-+]?(?:0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NUMBER_STARTS = frozenset("0123456789+-.")
#: Longer numbers are no integers to Kubernetes (64 bits), and slow to convert.
_INT_LENGTH = 40


def resolve(text: str) -> Scalar:
    """
    >>> [resolve(t) for t in ("yes", "8080", "0o17", "1e3", "2024-01-01", "8:30", "v1")]
    [True, 8080, 15, 1000.0, '2024-01-01', '8:30', 'v1']
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    plain = text.replace("_", "")
    if len(plain) <= _INT_LENGTH and _INT.match(plain):
        digits = plain.lstrip("+-")
        octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
        return int(plain, 8) if octal else int(plain, 0)
    return float(plain) if _FLOAT.match(plain) else text
