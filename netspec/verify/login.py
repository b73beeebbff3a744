"""A login at a provider of OpenID Connect, as a browser goes through it (netspec.probing.logins)."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from netspec.probes import HttpAsk
from netspec.verify.client import REDIRECTS, Answer
from netspec.verify.exchanges import Seen

#: Host, path with query, cookies as a header has them ("" for none) -> the answer over HTTPS.
Get = Callable[[str, str, str], Answer]


class Browser:
    """Of one host; it keeps cookies and follows no redirect by itself."""

    def __init__(self, host: str, get: Get) -> None:
        self.host, self._get = host, get
        #: Name -> value and path; and what was said of each in lower case.
        self.cookies: dict[str, tuple[str, str]] = {}
        self.said: dict[str, frozenset[str]] = {}

    def get(self, target: str) -> Answer:
        path = target.partition("?")[0]
        sent = "; ".join(f"{name}={value}" for name, (value, at) in self.cookies.items() if path.startswith(at))
        answer = self._get(self.host, target, sent)
        for line in answer.cookies:
            self._keep(line)
        return answer

    def _keep(self, line: str) -> None:
        """RFC 6265, 5.2: one whose time is over is forgotten."""
        (name, _, value), *rest = (part.strip().partition("=") for part in line.split(";"))
        said = {key.lower(): text for key, _, text in rest}
        if said.get("max-age") == "0" or " 1970 " in said.get("expires", "").replace("-", " "):
            self.cookies.pop(name, None)
        else:
            self.cookies[name], self.said[name] = (value, said.get("path") or "/"), frozenset(said)

    def forged(self) -> "Browser":
        """With cookies of the same names that nobody gave out."""
        other = Browser(self.host, self._get)
        other.cookies = {name: (secrets.token_urlsafe(len(v)), at) for name, (v, at) in self.cookies.items()}
        return other


def login_seen(expect: Mapping[str, Any], ask: HttpAsk, get: Get, who: Callable[[Answer], str]) -> Seen:
    """`who`: the workload that an answer is of."""
    browser = Browser(ask.host, get)
    first = browser.get(ask.path)
    seen: dict[str, Any] = {**dict.fromkeys(expect, "not asked"), "logs in at": _at(first)}
    if seen["logs in at"] != expect["logs in at"]:
        return False, seen, _said(first)
    back = _let_in(first, get)
    came = browser.get(target(back))
    seen["comes back to"] = came.headers.get("location", "") if came.status in REDIRECTS else came.status
    if seen["comes back to"] != expect["comes back to"]:
        return False, seen, _said(came)
    answered = who(browser.get(target(came.headers["location"])))
    seen["from"] = expect["from"] if answered in expect["from"] else [answered]
    open_ = [name for name in browser.cookies if not {"secure", "httponly"} <= browser.said[name]]
    seen["cookies"] = f"{', '.join(sorted(open_))} may be had" if open_ else expect["cookies"]
    if not browser.cookies:
        seen["cookies"] = "none"
    other = Browser(ask.host, get)
    made_up = other.get(target(_let_in(other.get(ask.path), get), code=secrets.token_urlsafe(16)))
    seen["made-up code"] = "refused" if 400 <= made_up.status < 500 else made_up.status
    again = browser.forged().get(ask.path)
    seen["made-up session"] = "sent to log in" if _at(again) == expect["logs in at"] else again.status
    return seen == expect, seen, ""


def _at(answer: Answer) -> str | int:
    """Where one is sent to; the status of an answer that sends nowhere."""
    return answer.sent_to if answer.status in REDIRECTS else answer.status


def _said(answer: Answer) -> str:
    return f"{answer.status} {answer.body.strip()[:100]}"


def _let_in(sent: Answer, get: Get) -> str:
    """Where the provider sends one who comes with what the front door sent along; a stand-in lets everybody in."""
    location = sent.headers.get("location", "")
    return get(urlsplit(location).hostname or "", target(location), "").headers.get("location", "")


def target(location: str, **change: str) -> str:
    """What is asked of the host of a URL, with other values of some of its query's names."""
    url = urlsplit(location)
    query = {name: values[0] for name, values in parse_qs(url.query).items()} | change
    return f"{url.path or '/'}?{urlencode(query)}" if query else url.path or "/"
