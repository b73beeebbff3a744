"""The script that asks all of one pod's questions in one exec, and the reader of its answers.

It needs what the official agnhost image and the one that `airgap/` builds both have: a POSIX shell, busybox and
/agnhost. One line an answer, tab-separated: kind, number, start, end, exit status, output. Times come from
/proc/uptime, which a shell reads without starting a process. Single quotes are avoided: they are costly to quote
three times over on the way into the pod.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from netspec.diagnostics import Problem
from netspec.probes import Outcome

#: Seconds. A denial is a time-out, so this is what every denied probe costs.
TIMEOUT = 1.0
#: How many questions a pod asks at once. 200 at once from one pod gave false time-outs on a busy machine.
LANES = 10
#: Resolvers wait longer than this before they ask again; a name that takes this long counts as unresolved.
NAME_TIMEOUT = 2
#: To get a line over HTTP: a flow like any other.
GET_TIMEOUT = 1
#: Seconds for a large payload. TCP: less than a sender needs that shrinks its segments because nothing comes back
#: (tcp_mtu_probing, after three retransmissions). UDP has no such thing, and agnhost takes longer to start than wget.
LARGE_TCP_TIMEOUT, LARGE_UDP_TIMEOUT = 1, 1.5

Kind = Literal["flow", "name-flow", "lookup", "client-address", "file", "large", "queries"]

#: What is sent to a UDP server: agnhost's netexec answers "hostname" alone; a DNS server answers this text, whose
#: bytes are a query with an unknown opcode, with "not implemented".
UDP_DATA = {"agnhost": "hostname", "dns": "netspec-probe"}

# One thread and no garbage collector are enough for one connection, and start quicker.
_PRELUDE = r"""export GOMAXPROCS=1 GOGC=off
nl="
"
now() { read -r t x </proc/uptime; }
say() { printf "%s\t%s\t%s\t%s\t%s\t%s\n" "$1" "$2" "$3" "$t" "$4" "$5"; }
f() { now; s=$t; o=$(AGNHOST connect "$2" --protocol="$3" --timeout="$4" $5 2>&1); r=$?; now
say flow "$1" "$s" "$r" "${o%%"$nl"*}"; }
n() { now; s=$t; o=$(timeout NAME_TIMEOUT AGNHOST connect "$2" --protocol="$3" --timeout="$4" $5 2>&1); r=$?; now
say name-flow "$1" "$s" "$r" "${o%%"$nl"*}"; }
d() { now; s=$t; o=$(timeout NAME_TIMEOUT busybox nslookup -type="$3" "$2" 2>&1 | tr "\n\t" "| "); now
say lookup "$1" "$s" 0 "$o"; }
w() { now; s=$t; o=$(timeout GET_TIMEOUT busybox wget -q -O - "$2" 2>&1); r=$?; now
say client-address "$1" "$s" "$r" "${o%%"$nl"*}"; }
l() { now; s=$t; if [ "$3" = tcp ]; then
o=$(timeout LARGE_TCP_TIMEOUT busybox wget -q -O - "http://$2/echo?msg=$big" 2>&1); r=$?
case $r:$o in 0:"$big") o= ;; 124:*|137:*|143:*|*timed?out*) o=TIMEOUT ;; *refused*) o=REFUSED ;;
*) r=1; o="OTHER: $o" ;; esac
else o=$(AGNHOST connect "$2" --protocol=udp --timeout=LARGE_UDP_TIMEOUTs --udp-data="echo $big" 2>&1); r=$?; fi; now
say large "$1" "$s" "$r" "${o%%"$nl"*}"; }
u() { while read -r k w x y z r; do case $k$w in Udp:[0-9]*) v=$z ;; esac; done </proc/net/snmp; }
q() { now; s=$t; o=""; n=$1; IFS=/; set -- $2; unset IFS; for i; do u; b=$v
AGNHOST connect "$i:53" --protocol=tcp --timeout=1s >/dev/null 2>&1; u; o="$o $((v-b))"; done
now; say queries "$n" "$s" 0 "$o"; }
c() { now; s=$t; o=$(tr "\n\t" "| " <"$2" 2>&1); r=$?; now; say file "$1" "$s" "$r" "$o"; }
"""
for _name, _seconds in (
    ("NAME_TIMEOUT", NAME_TIMEOUT),
    ("GET_TIMEOUT", GET_TIMEOUT),
    ("LARGE_TCP_TIMEOUT", LARGE_TCP_TIMEOUT),
    ("LARGE_UDP_TIMEOUT", LARGE_UDP_TIMEOUT),
):
    _PRELUDE = _PRELUDE.replace(_name, str(_seconds))

# Two packets of the pod's own MTU, both full (IP 20, UDP 8, "echo " 5 and a line feed 1, a fragment a multiple of 8):
# on a path of a smaller MTU, once it is known, it would have to be three.
_LARGE = r"""read m </sys/class/net/eth0/mtu
m=$((m - ON_ROUTE))
big=$(head -c $(( 2 * ((m - 20) / 8 * 8) - 14 )) /dev/zero | tr "\\0" x)
"""

_LETTER: dict[Kind, str] = {
    "flow": "f",
    "name-flow": "n",
    "lookup": "d",
    "client-address": "w",
    "file": "c",
    "large": "l",
    "queries": "q",
}
_SAFE = re.compile(r"[A-Za-z0-9_./:\[\]-]+\Z")


@dataclass(frozen=True, slots=True)
class Question:
    """One line of the script. `target`: host:port, a name, a URL or a file; names between slashes, of which it is
    counted how many datagrams the pod sends for each. `protocol` (flows) TCP or UDP, `record` (lookups) the record
    type."""

    number: int
    kind: Kind
    target: str
    protocol: str = "TCP"
    record: str = "A"
    udp_data: str = UDP_DATA["agnhost"]
    timeout: float = TIMEOUT


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for a question; times in seconds since the machine started."""

    number: int
    kind: str
    start: float
    end: float
    status: int
    output: str


def script(
    controls: Sequence[Question],
    questions: Sequence[Question],
    lanes: int = LANES,
    agnhost: str = "/agnhost",
    last: Sequence[Question] = (),
    on_route: int = 0,
) -> str:
    """The controls first and last, the questions between them, `lanes` at once, `last` after all of them, one by one.
    `agnhost`: where it is in the image. `on_route`: as in netspec.target.Traits.

    Questions go round the lanes, so that the slow ones (denials) spread if the caller mixed them.
    """
    before = _together(controls)
    large = _LARGE.replace("ON_ROUTE", str(on_route)) if any(q.kind == "large" for q in questions) else ""
    rows = [questions[i::lanes] for i in range(min(lanes, len(questions)))]
    middle = "\n".join("{ " + "; ".join(_line(q) for q in row) + "; } &" for row in rows)
    return "\n".join(
        part
        for part in (
            _PRELUDE.replace("AGNHOST", agnhost) + large + before,
            middle + "\nwait" if middle else "",
            before,
            "\n".join(map(_line, last)),
        )
        if part
    )


def _together(questions: Sequence[Question]) -> str:
    return "\n".join(f"{_line(q)} &" for q in questions) + ("\nwait" if questions else "")


def _line(question: Question) -> str:
    if not _SAFE.match(question.target):
        raise Problem(f"{question.target!r} is not an address, name or file to ask about")
    words = [_LETTER[question.kind], str(question.number), question.target]
    if question.kind in ("flow", "name-flow"):
        words += [question.protocol.lower(), f"{question.timeout:g}s"]
        if question.protocol == "UDP":
            words.append(f"--udp-data={question.udp_data}")
    elif question.kind == "large":
        words.append(question.protocol.lower())
    elif question.kind == "lookup":
        words.append(question.record.lower())
    return " ".join(words)


def replies(output: str) -> dict[int, list[Reply]]:
    """By question number, in the order they came; a control has two. Lines that are not answers are left out."""
    found: dict[int, list[Reply]] = {}
    for line in output.splitlines():
        parts = line.split("\t", 5)
        if len(parts) != 6 or parts[0] not in _LETTER:
            continue
        try:
            reply = Reply(int(parts[1]), parts[0], float(parts[2]), float(parts[3]), int(parts[4]), parts[5].strip())
        except ValueError:
            continue
        found.setdefault(reply.number, []).append(reply)
    return found


#: What agnhost's connect prints first, as an outcome (test/images/agnhost/connect). UNKNOWN and OTHER tell nothing.
_WORDS = {"TIMEOUT": Outcome.TIMED_OUT, "REFUSED": Outcome.REFUSED, "DNS": Outcome.UNRESOLVED}


def outcome(reply: Reply) -> Outcome:
    """
    >>> outcome(Reply(1, "flow", 0, 1, 1, "TIMEOUT"))
    <Outcome.TIMED_OUT: 'timed-out'>
    >>> outcome(Reply(1, "flow", 0, 0, 127, "sh: /agnhost: not found"))
    <Outcome.CHECK_FAILED: 'check-failed'>
    """
    if reply.status == 0:
        return Outcome.CONNECTED
    if reply.kind == "name-flow" and not reply.output:
        return Outcome.UNRESOLVED  # cut off by `timeout` while resolving
    return _WORDS.get(reply.output.partition(":")[0].strip(), Outcome.CHECK_FAILED)
