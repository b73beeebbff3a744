"""Nodes reach pods (Kubernetes docs, The Kubernetes network model): each node asks pods of the canary, on it and on the
next, whom they see. They must see an address of the node itself: nothing between them may put another in its place.
"""

import shlex
from concurrent.futures import ThreadPoolExecutor

from netspec.probes import FactProbe
from netspec.toolchain.programs import last_line
from netspec.verify.canary import ECHO, NODES_AT_ONCE, CanaryPods
from netspec.verify.model import Observation, Status
from netspec.verify.sites import Site

#: Seconds for one answer, and how often a node is asked that did not get one.
_LIMIT, _ATTEMPTS = 3, 3


def ask_nodes(site: Site, pods: CanaryPods, probe: FactProbe) -> Observation:
    """Seen are the nodes that reach the pods as themselves."""
    clients = list(pods.clients)
    with ThreadPoolExecutor(NODES_AT_ONCE) as pool:
        said = list(pool.map(lambda i: _until_answered(site, pods, clients, i), range(len(clients))))
    failed = [why for is_answer, why in said if why and not is_answer]
    wrong = [why for is_answer, why in said if why and is_answer]
    good = sorted(pods.clients[c] for c, (_, why) in zip(clients, said, strict=True) if not why)
    status = Status.WRONG if wrong else Status.CHECK_FAILED if failed else Status.PASS
    return Observation(probe, status, good, "; ".join([*wrong, *failed]), ", ".join(sorted(pods.clients.values())))


def _until_answered(site: Site, pods: CanaryPods, clients: list[str], number: int) -> tuple[bool, str]:
    """A busy machine may be late with an answer; a wrong one stays wrong."""
    found = _ask(site, pods, clients, number)
    for _ in range(_ATTEMPTS - 1):
        if not found[1]:
            break
        found = _ask(site, pods, clients, number)
    return found


def _ask(site: Site, pods: CanaryPods, clients: list[str], number: int) -> tuple[bool, str]:
    """What is wrong with what one node sees, "" for nothing; and whether that is an answer."""
    node = pods.clients[clients[number]]
    host = site.node(node)
    if host is None:
        return False, f"node {node} cannot be entered"
    asked = dict.fromkeys((clients[number], clients[(number + 1) % len(clients)]))
    urls = [_url(pods.addresses[client]) for client in asked]
    # The node's own addresses first, then a line for each pod.
    lines = ["ip -o addr show | sed -n 's/.* inet6* \\([^/ ]*\\).*/\\1/p' | xargs"]
    lines += [f"curl -s --max-time {_LIMIT} {shlex.quote(url)} || true; echo" for url in urls]
    done = host.run("\n".join(lines))
    rows = done.stdout.splitlines()
    if done.rc or not rows or not rows[0].strip():
        return False, f"node {node} could not be asked: {last_line(done.stderr)}"
    own = set(rows[0].split())
    for client, row in zip(asked, [*rows[1:], *[""] * len(urls)], strict=False):
        seen, of = row.rpartition(":")[0].strip("[]"), f"the pod on node {pods.clients[client]}"
        if not seen:
            return True, f"node {node} does not reach {of}"
        if seen not in own:
            return True, f"{of} sees {seen} in place of node {node}"
    return True, ""


def _url(address: str) -> str:
    return f"http://{f'[{address}]' if ':' in address else address}:{ECHO}/clientip"
