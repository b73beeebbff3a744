"""Names and labels as the spec takes them."""

import hashlib
import re
from collections.abc import Collection, Mapping
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from netspec.spec.types import Labels

_LIMIT = 63
_LABELS: TypeAdapter[dict[str, str]] = TypeAdapter(Labels)


def dns_label(text: str, taken: Collection[str] = (), fallback: str = "unnamed") -> str:
    """The nearest name that is a DNS label (RFC 1123) and not taken.

    >>> dns_label("Web_1.example"), dns_label("web", {"web", "web-2"}), dns_label("--")
    ('web-1-example', 'web-3', 'unnamed')
    """
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or fallback
    if len(name) > _LIMIT:
        name = f"{name[: _LIMIT - 9].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    number, wanted = 2, name
    while name in taken:
        ending = f"-{number}"
        name, number = wanted[: _LIMIT - len(ending)] + ending, number + 1
    return name


def split_labels(labels: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The labels that the spec takes, in order of their keys, and the keys of the others."""
    kept = {key: value for key, value in sorted(labels.items()) if _is_label(key, value)}
    return kept, sorted(labels.keys() - kept.keys())


@lru_cache(maxsize=1 << 14)
def _is_label(key: str, value: str) -> bool:
    try:
        _LABELS.validate_python({key: value})
    except ValidationError:
        return False
    return True
