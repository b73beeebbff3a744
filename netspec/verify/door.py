"""Asks the front door: HTTP and HTTPS from the outside host, as its clients speak them."""

import base64
import json
import math
import re
import ssl
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain
from typing import Any, TypeGuard

from netspec.ir.model import Ir
from netspec.probes import (
    CERTIFICATE,
    COPIES,
    DOOR_FACTS,
    ELSEWHERE,
    GRPC,
    KEPT,
    LIMIT,
    LOGIN,
    OUTSIDE,
    REDIRECT,
    REPLACED,
    SHARES,
    SOCKET,
    STAYS,
    SUCCESS,
    TIMES,
    TRACES,
    FactProbe,
    HttpAsk,
    Probe,
)
from netspec.probing.exchanges import TOO_LATE
from netspec.toolchain.programs import last_line
from netspec.verify.access import Access
from netspec.verify.client import BROKEN, REDIRECTS, Answer, Client, Connect, handshake
from netspec.verify.exchanges import (
    Seen,
    Shared,
    calls_seen,
    copies_seen,
    logs,
    socket_seen,
    times_seen,
    traces_seen,
)
from netspec.verify.login import login_seen
from netspec.verify.model import Observation, Status
from netspec.verify.resolve import Resolver, Unresolved
from netspec.verify.state import State, pods_by_workload
from netspec.verify.streams import Stream

#: Connections at once, and how often a question is asked whose answer did not come.
AT_ONCE, ATTEMPTS = 4, 3
#: Questions that mostly wait, and how many of them at once, beside the others.
WAITING, WAITING_AT_ONCE = (COPIES, TIMES, TRACES), 12
#: Requests that show the shares of backends, and how seldom chance may give as few or as many: once in a million runs.
REQUESTS, SELDOM = 200, 1e-6
#: Requests that show that a client stays, with its cookie, and that others do not.
WITH, WITHOUT = 10, 20
#: Seconds for which a limit is left alone, so that its burst is whole again; what takes longer has no lower bound.
REST = 5.0
_PER = {"second": 1, "minute": 60, "hour": 3600}
#: Of a certificate, its validity: two UTCTimes or GeneralizedTimes in a row (RFC 5280, 4.1.2.5).
_TIMES = re.compile(rb"(?:\x17\x0d(\d{12})|\x18\x0f(\d{14}))Z(?:\x17\x0d(\d{12})|\x18\x0f(\d{14}))Z")


def is_asked_of_door(probe: Probe) -> TypeGuard[FactProbe]:
    return isinstance(probe, FactProbe) and probe.fact in DOOR_FACTS


def ask_door(
    ir: Ir, state: State, access: Access, resolver: Resolver, probes: Sequence[FactProbe]
) -> dict[str, Observation]:
    """An observation for each, by the probe's id."""
    if not probes:
        return {}
    try:
        (asker,) = resolver.askers(OUTSIDE)
        if resolver.outside is None or resolver.outside.stream is None:
            raise Unresolved("no connections can be made from the outside host")
    except Unresolved as why:
        return {p.id: Observation(p, Status.CHECK_FAILED, None, str(why)) for p in probes}
    by_workload = pods_by_workload(state.pods, ir.inventory.workloads)
    names = {pod.name: workload for workload, pods in by_workload.items() for pod in pods}
    return Door(access, resolver, resolver.outside.stream, asker.id, asker.address, names).run(probes)


@dataclass(frozen=True)
class Door:
    """`workloads`: pod's name -> its workload.

    Each door is a Service's port. One that has answered nothing to all attempts of a question is asked no other: all
    would wait for as long.
    """

    access: Access
    resolver: Resolver
    stream: Stream
    asker: str
    address: str
    workloads: Mapping[str, str]
    _answered: set[tuple[str, int]] = field(default_factory=set, init=False)
    _silent: dict[tuple[str, int], str] = field(default_factory=dict, init=False)

    @cached_property
    def _logs(self) -> Shared:
        return Shared(partial(logs, self.access, self.workloads))

    def run(self, probes: Sequence[FactProbe]) -> dict[str, Observation]:
        """An observation for each. Limits come last: what is asked before them counts."""
        together: dict[object, list[FactProbe]] = defaultdict(list)
        for probe in probes:
            assert probe.request is not None
            key = (probe.peer, probe.port, probe.request.host) if probe.fact == "http-answer" else probe.id
            together[key].append(probe)
        waiting, limits, others = list[list[FactProbe]](), list[list[FactProbe]](), list[list[FactProbe]]()
        for group in together.values():
            fact = group[0].fact
            (waiting if fact in WAITING else limits if fact == LIMIT else others).append(group)
        seen: dict[str, Observation] = {}
        with ThreadPoolExecutor(AT_ONCE) as pool, ThreadPoolExecutor(WAITING_AT_ONCE) as patient:
            meanwhile = patient.map(self._group, waiting)
            for observations in chain(pool.map(self._group, others), meanwhile):
                seen |= {o.probe.id: o for o in observations}
            for observations in pool.map(self._group, limits):
                seen |= {o.probe.id: o for o in observations}
        return seen

    def _group(self, probes: Sequence[FactProbe]) -> list[Observation]:
        """Over one connection, as long as it lasts."""
        try:
            address, port = self.resolver.door(probes[0])
        except Unresolved as why:
            return [self._failed(probe, str(why), 1) for probe in probes]
        with self._client(probes[0], partial(self.stream, address, port)) as client:
            return [self._one(probe, client, partial(self.stream, address, port)) for probe in probes]

    def _client(self, probe: FactProbe, connect: Connect) -> Client:
        assert probe.request is not None
        return Client(connect, probe.request.tls, probe.port)

    def _one(self, probe: FactProbe, client: Client, connect: Connect) -> Observation:
        door, problem = (probe.peer, probe.port), ""
        if door in self._silent:
            return self._unanswered(probe, self._silent[door], 0)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                ok, seen, detail = self._look(probe, client, connect)
            except BROKEN as error:
                problem = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                continue
            self._answered.add(door)
            status = Status.PASS if ok else Status.WRONG
            return Observation(probe, status, seen, detail, self.asker, attempts=attempt)
        why = f"no answer from the front door: {problem}"
        if door not in self._answered:
            self._silent[door] = why
        return self._unanswered(probe, why, ATTEMPTS)

    def _unanswered(self, probe: FactProbe, why: str, attempts: int) -> Observation:
        """Some controllers serve no HTTPS with a certificate whose time is over: then that is why."""
        if probe.fact == CERTIFICATE and (secret := _secret(probe.expect)):
            try:
                stored = self._stored(secret)
            except OSError:
                stored = ""
            old = ssl.PEM_cert_to_DER_cert(stored) if stored else b""
            if is_over(old):
                seen = {"from": probe.expect["from"], "problem": "certificate has expired"}
                return Observation(probe, Status.WRONG, seen, valid(old), self.asker, attempts=attempts)
        return self._failed(probe, why, attempts)

    def _failed(self, probe: FactProbe, why: str, attempts: int) -> Observation:
        return Observation(probe, Status.CHECK_FAILED, None, why, self.asker, attempts=attempts)

    def _look(self, probe: FactProbe, client: Client, connect: Connect) -> Seen:
        ask = probe.request
        assert ask is not None
        match probe.fact:
            case "http-answer":
                return judged(probe.expect, client.ask(ask), ask, self.workloads, self.address)
            case name if name == SHARES:
                found = Counter(self._who(client.ask(ask)) for _ in range(REQUESTS))
                return shared(probe.expect, found)
            case name if name == STAYS:
                return self._stays(probe.expect, client, ask)
            case name if name == LIMIT:
                return limited(probe.expect, lambda: client.ask(ask).status)
            case name if name == GRPC:
                return calls_seen(probe.expect, ask, connect, self.workloads)
            case name if name == SOCKET:
                return socket_seen(probe.expect, ask, connect, self.workloads)
            case name if name == TIMES:
                return times_seen(probe.expect, ask, client, self._logs, TOO_LATE)
            case name if name == COPIES:
                return copies_seen(probe.expect, ask, client, self._logs)
            case name if name == TRACES:
                return traces_seen(probe.expect, ask, client, self._logs)
            case name if name == LOGIN:
                return login_seen(probe.expect, ask, partial(self._get, probe.port, connect), self._who)
            case name if name == CERTIFICATE:
                return self._certificate(probe.expect, ask.host, connect)
        return old_tls(probe.expect, ask.host, connect)

    def _get(self, port: int, connect: Connect, host: str, target: str, cookies: str) -> Answer:
        """Over HTTPS and a connection of its own."""
        with Client(connect, True, port) as client:
            return client.ask(HttpAsk("GET", host, target), *((("Cookie", cookies),) if cookies else ()))

    def _who(self, answer: Answer) -> str:
        """The workload of the pod that says its name, else what came."""
        said = answer.body.strip()
        return self.workloads.get(said, f"{answer.status} {said[:40]}")

    def _stays(self, expect: Mapping[str, str], client: Client, ask: HttpAsk) -> Seen:
        first = client.ask(ask)
        cookie = first.headers.get("set-cookie", "").partition(";")[0]
        seen = {"cookie": cookie.partition("=")[0]}
        with_it = {client.ask(ask, ("Cookie", cookie)).body.strip() for _ in range(WITH)} | {first.body.strip()}
        without = {client.ask(ask).body.strip() for _ in range(WITHOUT)}
        for name, pods in (("with", with_it), ("without", without)):
            seen[name] = "one pod" if len(pods) == 1 else "several pods"
        return (
            seen == expect,
            seen,
            f"{', '.join(sorted(with_it))} with the cookie, {', '.join(sorted(without))} without",
        )

    def _certificate(self, expect: Mapping[str, str], host: str, connect: Connect) -> Seen:
        """As a client sees it that trusts this certificate alone."""
        with connect() as sock, handshake(sock, host) as spoken:
            der = spoken.getpeercert(binary_form=True) or b""
        pem = ssl.DER_cert_to_PEM_cert(der)
        secret = _secret(expect)
        is_its = not secret or pem.split() == self._stored(secret).split()
        seen = {"from": expect["from"] if is_its else ELSEWHERE, "problem": ""}
        with connect() as sock:
            try:
                handshake(sock, host, pem, names=bool(secret)).close()
            except ssl.SSLCertVerificationError as error:
                seen["problem"] = error.verify_message
        return seen == expect, seen, valid(der)

    def _stored(self, secret: str) -> str:
        """The first certificate of a Secret, PEM; "" where there is none."""
        namespace, _, name = secret.partition("/")
        done = self.access.kubectl("get", "secret", name, "--namespace", namespace, "--output=json")
        if done.returncode:
            if "NotFound" in done.stderr:
                return ""
            raise OSError(last_line(done.stderr))
        text = base64.b64decode(json.loads(done.stdout).get("data", {}).get("tls.crt", "")).decode()
        end = "-----END CERTIFICATE-----"
        return text.partition(end)[0] + end if end in text else ""


def _secret(expect: Mapping[str, str]) -> str:
    """Namespace and name of the Secret that a certificate must be from; "" where the controller makes it."""
    return expect["from"].removeprefix("Secret ") if expect["from"].startswith("Secret ") else ""


def judged(expect: Mapping[str, Any], answer: Answer, ask: HttpAsk, workloads: Mapping[str, str], address: str) -> Seen:
    """One answer against what is expected of it (netspec.probing.http.answer). `address`: the client's."""
    body = answer.body.strip()
    seen: dict[str, Any] = {"status": answer.status}
    for key, wanted in expect.items():
        match key:
            case "status":
                fits = {REDIRECT: answer.status in REDIRECTS, SUCCESS: 200 <= answer.status < 300}
                seen[key] = wanted if fits.get(wanted) else answer.status
            case "location":
                seen[key] = answer.headers.get("location", "")
            case "login":
                seen[key] = answer.sent_to
            case "from":
                said = workloads.get(body)
                seen[key] = wanted if said in wanted else [said] if said else []
            case "headers":
                seen[key] = {name: answer.headers.get(name.lower()) for name in wanted}
            case "text":
                seen[key] = body[:200]
            case "own":
                seen[key] = body == "netspec"
            case "client":
                seen[key] = KEPT if body.partition(",")[0].strip() == address else REPLACED
            case "allows":
                origin = dict(ask.headers).get("Origin")
                seen[key] = answer.headers.get("access-control-allow-origin") in (origin, "*")
    ok = {**seen, **({} if "status" in expect else {"status": None})} == {"status": None, **expect}
    return ok, seen, "" if ok else body[:100]


def shared(weights: Mapping[str, int], found: Mapping[str, int]) -> Seen:
    """Whether requests fell on workloads as their weights say, but for chance.

    >>> shared({"a": 9, "b": 1}, {"a": 183, "b": 17})[0], shared({"a": 9, "b": 1}, {"a": 100, "b": 100})[0]
    (True, False)
    """
    total, asked = sum(weights.values()), sum(found.values())
    ok = found.keys() <= weights.keys()
    for workload, weight in weights.items():
        seen, share = found.get(workload, 0), weight / total
        ok &= min(_at_most(seen, asked, share), _at_most(asked - seen, asked, 1 - share)) > SELDOM
    return ok, dict(sorted(found.items())), f"of {asked} requests"


def _at_most(seen: int, asked: int, share: float) -> float:
    """How probable it is that so many or fewer of the requests fall on a share.

    >>> _at_most(0, 2, 0.5), _at_most(1, 2, 0.5), _at_most(2, 2, 0.5)
    (0.25, 0.75, 1.0)
    """
    return sum(math.comb(asked, n) * share**n * (1 - share) ** (asked - n) for n in range(seen + 1))


def limited(
    expect: Mapping[str, Any],
    ask: Callable[[], int],
    clock: Callable[[], float] = time.monotonic,
    rest: Callable[[float], None] = time.sleep,
) -> Seen:
    """Requests as fast as they are answered, until one is refused: those before it are the burst, and what the limit
    let in meanwhile."""
    rate, burst = expect["requests"] / _PER[expect["per"]], expect["burst"]
    whole = burst / rate <= REST
    if whole:
        rest(burst / rate)
    began, passed, status = clock(), 0, 0
    while passed <= 2 * burst + 20:
        status = ask()
        if status == expect["then"]:
            break
        passed += 1
    most = burst + rate * (clock() - began) + 1
    ok = status == expect["then"] and (burst if whole else 0) <= passed <= most
    seen = {**expect, "burst": burst if ok else passed, "then": status}
    return ok, seen, f"{passed} in a row"


def old_tls(expect: Mapping[str, str], host: str, connect: Connect) -> Seen:
    """Which versions the door speaks. That one is refused says something only where the next is not."""
    seen = {}
    for name in expect:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # else OpenSSL itself offers no TLS 1.1
        version = ssl.TLSVersion[name.replace(".", "_")]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        with connect() as sock:
            try:
                context.wrap_socket(sock, server_hostname=host).close()
                seen[name] = "accepted"
            except (ssl.SSLError, ConnectionError) as error:
                if getattr(error, "reason", "") == "NO_PROTOCOLS_AVAILABLE":
                    raise OSError(f"this machine's OpenSSL does not speak {name}") from error
                seen[name] = "refused"
    if "accepted" not in seen.values():
        raise OSError("no version of TLS at all")
    return seen == expect, seen, ""


def valid(der: bytes) -> str:
    """From when until when a certificate is.

    >>> valid(b"..\\x17\\x0d200101000000Z\\x17\\x0d491231235959Z..")
    'valid from 2020-01-01 to 2049-12-31'
    """
    times = _validity(der)
    return "valid from {} to {}".format(*(f"{t[:4]}-{t[4:6]}-{t[6:8]}" for t in times)) if times else ""


def is_over(der: bytes) -> bool:
    """Whether a certificate's time is over.

    >>> is_over(b"..\\x17\\x0d200101000000Z\\x17\\x0d210101000000Z.."), is_over(b"")
    (True, False)
    """
    times = _validity(der)
    return bool(times) and times[1] < time.strftime("%Y%m%d%H%M%S", time.gmtime())


def _validity(der: bytes) -> list[str]:
    """Two times of 14 digits (UTC); none where there are none."""
    found = _TIMES.search(der)
    times = [g.decode() for g in found.groups() if g] if found is not None else []
    # RFC 5280: a year of two digits is 2000 to 2049, or 1950 to 1999.
    return [t if len(t) == 14 else f"{'20' if t < '50' else '19'}{t}" for t in times]
