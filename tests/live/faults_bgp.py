"""Faults of routes by BGP: sessions that break, and a daemon that is gone (stack dev-bgp)."""

import time
from collections.abc import Callable, Iterator

from faulting import Expected, fault, on_node, undone, worker
from live_cluster import Live

from netspec.verify.model import Answer
from netspec.verify.sites import addresses_of

SESSIONS, ROUTES = "fact:bgp-sessions:nodes", "fact:bgp-routes:nodes"
#: Seconds for sessions to come up again: both ends try every 5.
UP = 60.0
#: No session is opened. Of one that stands nothing is lost, or the other end would go on with it for minutes.
_RULE = "OUTPUT -p tcp -m multiport --ports 179 --tcp-flags SYN SYN -j DROP"
#: In the agent's container, by way of the process that supervises it.
_PROGRAM = "/proc/$(pgrep -o -f '[s]tart-calico')/root/usr/sbin/bird"


def established(live: Live) -> Callable[[], None]:
    def wait() -> None:
        limit = time.monotonic() + UP
        while live.verify().answer is not Answer.GREEN and time.monotonic() < limit:
            time.sleep(2)

    return wait


def _session_with(node: str) -> str:
    """What the others' daemons call their sessions with it: confd's template names them by address."""
    return f"Mesh_{addresses_of(node)[0].replace('.', '_')}"


@fault("a BGP session that breaks")
def bgp_session_breaks(live: Live) -> Iterator[Expected]:
    """The daemon starts again, and finds nobody. Routes stay: the others wait for it (graceful restart)."""
    node = worker(live)
    broken = f"iptables -w -I {_RULE} && pkill -KILL -x bird && sleep 5"
    with undone(established(live)), on_node(live, node, broken, f"iptables -w -D {_RULE} || true"):
        yield Expected(["bgp-sessions of node", _session_with(node)], only=(SESSIONS,))


@fault("a BGP daemon that is gone")
def bgp_daemon_is_gone(live: Live) -> Iterator[Expected]:
    """Its program is taken away, for it is started again."""
    node = worker(live)
    gone = f"mv {_PROGRAM} {_PROGRAM}.away && pkill -KILL -x bird; sleep 2"
    with undone(established(live)), on_node(live, node, gone, f"mv {_PROGRAM}.away {_PROGRAM} || true"):
        yield Expected(["bgp-sessions of node", _session_with(node)], only=(SESSIONS,))
