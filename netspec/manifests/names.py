"""Names and labels as the API server takes them (apimachinery, pkg/util/validation); they are printed as they are."""

import re
from functools import lru_cache

_LONGEST_NAME, _LONGEST_LABEL, _LONGEST_PORT_NAME = 253, 63, 15
_DNS_LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAME = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*\Z")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]*\Z")
_PORT_NAME = re.compile(rf"(?=.*[a-z])(?!.*--){_DNS_LABEL}\Z")
_LABEL_WORD = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?\Z")


def is_object_name(text: str) -> bool:
    """A DNS subdomain (RFC 1123)."""
    return len(text) <= _LONGEST_NAME and _NAME.match(text) is not None


@lru_cache(maxsize=1 << 12)
def is_dns_label(text: str) -> bool:
    """A namespace's name, a Service port's."""
    return len(text) <= _LONGEST_LABEL and "." not in text and _NAME.match(text) is not None


def is_kind(text: str) -> bool:
    return _KIND.match(text) is not None


@lru_cache(maxsize=1 << 12)
def is_port_name(text: str) -> bool:
    """An IANA service name (RFC 6335), in lower case."""
    return len(text) <= _LONGEST_PORT_NAME and _PORT_NAME.match(text) is not None


def is_label_value(text: str) -> bool:
    return not text or (len(text) <= _LONGEST_LABEL and _LABEL_WORD.match(text) is not None)


def is_label_key(text: str) -> bool:
    prefix, slash, name = text.rpartition("/")
    return bool(name) and is_label_value(name) and (not slash or is_object_name(prefix))


@lru_cache(maxsize=1 << 16)
def is_label(key: str, value: str) -> bool:
    return is_label_key(key) and is_label_value(value)
