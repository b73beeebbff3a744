"""How pods look up names, and which names their environment says: lenient, for no verdict hangs on it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from netspec.ir.pods import DnsPolicy, PodDns

_POLICIES: dict[str, DnsPolicy] = {"Default": "Default", "None": "None"}
_HOST = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)+"
_URL = re.compile(rf"[a-z][a-z0-9+.-]*://(?:[^/@\s]*@)?({_HOST}\.?)(?=[:/?,\s]|$)")
_WITH_PORT = re.compile(rf"({_HOST}):\d{{1,5}}")
_BARE = re.compile(_HOST)
#: Endings of file names, which look like names of two labels or more.
_FILES = frozenset(("cfg", "conf", "crt", "csv", "html", "ini", "jar", "js", "json", "key", "log", "md", "pem", "php"))
_FILES |= frozenset(("properties", "py", "sh", "so", "sock", "toml", "txt", "xml", "yaml", "yml"))


def pod_dns(spec: Mapping[str, Any]) -> PodDns:
    """Of a PodSpec; what is not as the API has it counts as not given."""
    config = spec.get("dnsConfig")
    given = config if isinstance(config, Mapping) else {}
    policy = spec.get("dnsPolicy")
    options = {}
    for option in _list(given.get("options")):
        if isinstance(option, Mapping) and isinstance(option.get("name"), str):
            value = option.get("value")
            options[option["name"]] = value if isinstance(value, str) else ""
    return PodDns(
        _POLICIES.get(policy, "ClusterFirst") if isinstance(policy, str) else "ClusterFirst",
        tuple(s for s in _list(given.get("nameservers")) if isinstance(s, str)),
        tuple(s for s in _list(given.get("searches")) if isinstance(s, str)),
        tuple(options.items()),
    )


def hosts(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of hosts in the environment of a PodSpec's containers."""
    found: dict[str, None] = {}
    for container in (c for field in ("initContainers", "containers") for c in _list(spec.get(field))):
        for variable in _list(container.get("env")) if isinstance(container, Mapping) else ():
            value = variable.get("value") if isinstance(variable, Mapping) else None
            found |= dict.fromkeys(named_in(value) if isinstance(value, str) else ())
    return tuple(found)


def named_in(value: str) -> Iterator[str]:
    """
    >>> list(named_in("postgres://u:p@db.data.svc:5432/x,https://api.stripe.com/v1"))
    ['db.data.svc', 'api.stripe.com']
    >>> [list(named_in(v)) for v in ("redis.cache.svc:6379", "www.example.com")]
    [['redis.cache.svc'], ['www.example.com']]
    >>> [list(named_in(v)) for v in ("app.conf", "10.0.0.1:80", "1.2.3", "a b.c", "org.example.Main")]
    [[], [], [], [], ['org.example.main']]
    """
    text = value.strip().lower()
    urls = [match[1] for match in _URL.finditer(text)]
    if urls:
        yield from (host for host in urls if not host.rpartition(".")[2].isdigit())
        return
    match = _WITH_PORT.fullmatch(text) or _BARE.fullmatch(text)
    if match:
        host = match[1] if match.re is _WITH_PORT else match[0]
        ending = host.rpartition(".")[2]
        is_name = match.re is _WITH_PORT or host.count(".") > 1 or ending == "svc"
        if is_name and len(ending) > 1 and ending.isalpha() and ending not in _FILES:
            yield host


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
