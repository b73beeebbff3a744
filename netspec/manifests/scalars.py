"""What a YAML scalar means to Kubernetes: the rules of go-yaml v2, which kubectl reads with (sigs.k8s.io/yaml v1.6,
go.yaml.in/yaml/v2, resolve.go), and then of JSON, which kubectl makes of it: a whole number is an integer however it
was written (8080, 8.08e3, 0x1f90), a date is text, `yes` is true.

tests/property/test_reach_kubectl.py holds them against that code.
"""

import math
import re
import struct

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
_BETWEEN = re.compile(r"(?<=[0-9])_(?=[0-9])")
_NUMBER_STARTS = frozenset("0123456789+-.")
#: Longer numbers do not fit into 64 bits, and are slow to convert.
_INT_LENGTH = 70
_LOWEST, _INT64, _UINT64 = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
#: JSON writes floats below this without an exponent (encoding/json, floatEncoder).
_PLAIN_FLOAT = 1e21
_TAG = "tag:yaml.org,2002:"


class NotThat(ValueError):
    """A scalar that is not what its tag says."""


def resolve(text: str) -> Scalar:
    """A plain scalar without a tag; an infinity and NaN as floats, which JSON has none of.

    >>> [resolve(t) for t in ("yes", "8080", "0o17", "1e3", "8.5", "2024-01-01", "8:30", "v1")]
    [True, 8080, 15, 1000, 8.5, '2024-01-01', '8:30', 'v1']
    """
    found = _resolve(text)
    return whole(found) if type(found) is float else found


def whole(number: float) -> int | float:
    """As JSON has it: no difference between 80 and 80.0.

    >>> whole(8080.0), whole(0.5), whole(1e30)
    (8080, 0.5, 1e+30)
    """
    return int(number) if number.is_integer() and abs(number) < _PLAIN_FLOAT else number


def _resolve(text: str) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if text[0] == ".":  # strconv.ParseFloat alone reads these, and it takes underscores between digits only
        plain = _BETWEEN.sub("", text)
    else:
        plain = text.replace("_", "")
        if len(plain) <= _INT_LENGTH and _INT.match(plain):
            digits = plain.lstrip("+-")
            octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
            number = int(plain, 8) if octal else int(plain, 0)
            if _LOWEST <= number <= (_INT64 if plain[0] in "+-" else _UINT64):
                return number
    if _FLOAT.match(plain):
        value = float(plain)
        return text if math.isinf(value) else value
    return text


def tagged(tag: str, text: str) -> Scalar:
    """A scalar with a tag. Raises NotThat.

    >>> tagged("tag:yaml.org,2002:int", "0x10"), tagged("tag:yaml.org,2002:str", "1"), tagged("!other", "1")
    (16, '1', '1')
    """
    if tag == f"{_TAG}binary":
        import base64  # hardly ever
        import binascii

        try:
            return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True).decode(errors="replace")
        except binascii.Error:
            raise NotThat("is not base64") from None
    kinds: dict[str, tuple[type, ...]] = {
        f"{_TAG}bool": (bool,),
        f"{_TAG}int": (int,),
        f"{_TAG}float": (float, int),
        f"{_TAG}null": (type(None),),
    }
    if tag not in kinds:
        return text
    found = _resolve(text)
    if type(found) not in kinds[tag]:
        raise NotThat(f"{text!r} is not a !!{tag.removeprefix(_TAG)}")
    return whole(found) if type(found) is float else found


def key_text(text: str) -> str:
    """A plain key: Kubernetes reads YAML as JSON, whose keys are text. Raises NotThat for null, which is none.

    >>> [key_text(t) for t in ("app", "0x10", "yes", "1.50", "1e6")]
    ['app', '16', 'true', '1.5', '1e+06']
    """
    return text_of(_resolve(text))


def text_of(value: Scalar) -> str:
    """What sigs.k8s.io/yaml makes of a key that is not text (convertToJSONableObject)."""
    if isinstance(value, str):
        return value
    if value is None:
        raise NotThat("a key must not be null")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if value > _INT64:
            raise NotThat("a key must not be a number of more than 63 bits")
        return str(value)
    if math.isnan(value) or math.isinf(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return _shortest(value)


def _shortest(value: float) -> str:
    """strconv.FormatFloat(value, 'g', -1, 32)."""
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return ".inf" if value > 0 else "-.inf"
    if math.isinf(single):
        return ".inf" if value > 0 else "-.inf"
    for precision in range(9):
        shown = f"{single:.{precision}e}"
        if struct.unpack("f", struct.pack("f", float(shown)))[0] == single:
            break
    mantissa, _, exponent = shown.partition("e")
    power = int(exponent)
    if -5 < power < 6:
        return f"{float(shown):.{max(0, precision - power)}f}"
    return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
