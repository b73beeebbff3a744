"""The canary: pods of our own that show, before all probes, that traffic flows and that policy is enforced at all.

A client and a server on every node that pods can run on; each client asks the server of its own node and that of the
next. Every server listens on three ports. A policy on the servers lets in the open port and the one that egress guards;
a policy on the clients lets out to the open port and the one that ingress guards. So of the same two pods one flow must
pass (the positive control), one must stop at the server and one at the client (the deny canary). Anything else, and no
answer of this run can be trusted. Its policies are younger than the spec's: a node that enforces them has had time to
come to enforce the spec's.

The clients echo as well: between them, and through a Service for each, large payloads are sent (`packets`).
"""

import json
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from netspec.catalogue import IMAGES
from netspec.probes import Outcome
from netspec.toolchain.programs import last_line
from netspec.verify.access import Access
from netspec.verify.model import Canary, CanaryCheck
from netspec.verify.script import Question, outcome, replies, script
from netspec.verify.state import CANARY_LABEL, State

OPEN, GUARDED_BY_INGRESS, GUARDED_BY_EGRESS = 8090, 8080, 8070
#: Where a client echoes: TCP and UDP.
ECHO = 8060
PORTS = {
    "positive control": OPEN,
    "denial by the server's policy": GUARDED_BY_INGRESS,
    "denial by the client's policy": GUARDED_BY_EGRESS,
}
#: A policy takes a moment to reach its node; how often and how long (seconds) the checks are asked until they hold.
ATTEMPTS, PAUSE = 6, 0.7
READY_LIMIT = 60
#: kubectl's output for each object that it makes.
_PRINT_SERVICE = '-o=jsonpath={.kind} {.metadata.name} {.spec.clusterIP}{"\\n"}'
NODES_AT_ONCE = 8


class CanaryPods:
    """The canary's pods in a namespace of their own. Made by `start`, asked by `check`."""

    def __init__(self, access: Access, state: State) -> None:
        self._access = access
        self.addresses: dict[str, str] = {}
        self.namespace = f"netspec-canary-{secrets.token_hex(4)}"
        self._hosts = [n.name for n in state.nodes if n.open] or [n.name for n in state.nodes]
        others = [n.name for n in state.nodes if n.ready and n.name not in self._hosts]
        #: pod -> its node; clients on every node, by their number
        self.clients = {f"client-{i}": node for i, node in enumerate([*self._hosts, *others])}
        self.nodes = self.clients | {f"server-{i}": node for i, node in enumerate(self._hosts)}
        #: pod -> the cluster IP of its Service
        self.services: dict[str, str] = {}
        #: the nodes on which pods did not become ready
        self.stuck: tuple[str, ...] = ()

    def start(self) -> str:
        """Makes the objects and waits for the pods; returns why they do not run, or nothing."""
        objects = {"apiVersion": "v1", "kind": "List", "items": self.objects()}
        made = self._access.kubectl("create", "-f", "-", _PRINT_SERVICE, stdin=json.dumps(objects), limit=READY_LIMIT)
        if made.returncode:
            return f"the canary's objects were not accepted: {last_line(made.stderr)}"
        ready = self._access.kubectl(
            *("wait", "--namespace", self.namespace, "--for=condition=Ready", "pods", "--all"),
            *(f"--timeout={READY_LIMIT}s", '-o=jsonpath={.metadata.name} {.status.podIP}{"\\n"}'),
            limit=READY_LIMIT + 10,
        )
        if ready.returncode:
            return self._why_not_ready() or f"the canary's pods did not become ready: {last_line(ready.stderr)}"
        self.addresses = dict(line.split() for line in ready.stdout.splitlines() if len(line.split()) == 2)
        rows = (line.split() for line in made.stdout.splitlines())
        self.services = {row[1]: row[2] for row in rows if len(row) == 3 and row[0] == "Service"}
        if missing := sorted(self.nodes.keys() - self.addresses.keys()):
            return f"the canary's pods have no address: {', '.join(missing)}"
        return ""

    def _why_not_ready(self) -> str:
        """The nodes whose pods are not ready, noted in `stuck`, and what was said of the first pod."""
        selector = '{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
        pods = self._access.kubectl("get", "pods", "--namespace", self.namespace, f"-o=jsonpath={selector}")
        late = sorted(row[0] for row in map(str.split, pods.stdout.splitlines()) if row and row[1:] != ["True"])
        self.stuck = tuple(sorted({self.nodes[pod] for pod in late if pod in self.nodes}))
        if not late:
            return ""
        about = f"--field-selector=type=Warning,involvedObject.name={late[0]}"
        form = "-o=jsonpath={.items[-1:].message}"
        events = self._access.kubectl("get", "events", "--namespace", self.namespace, about, form).stdout
        said = f": {last_line(events)}" if events.strip() else ""
        return f"the canary's pods on node {', '.join(self.stuck)} do not become ready{said}"

    def check(self) -> Canary:
        """Asks until every check holds, a bounded number of times."""
        canary = Canary(problem="the canary was not asked")
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE)
            canary = self._ask()
            if canary.ok:
                break
        return canary

    def _ask(self) -> Canary:
        with ThreadPoolExecutor(NODES_AT_ONCE) as pool:
            parts = list(pool.map(self._ask_from, range(len(self._hosts))))
        problems = [part.problem for part in parts if part.problem]
        return Canary(tuple(check for part in parts for check in part.checks), "; ".join(problems))

    def _ask_from(self, client: int) -> Canary:
        """What the client on one node sees of the server there and of the one on the next node."""
        servers = dict.fromkeys((client, (client + 1) % len(self._hosts)))
        wanted = [(name, server, port) for server in servers for name, port in PORTS.items()]
        questions = [
            Question(number, "flow", f"{self.addresses[f'server-{server}']}:{port}")
            for number, (_, server, port) in enumerate(wanted)
        ]
        result = self._access.pod(self.namespace, f"client-{client}", "agnhost").run(script((), questions))
        answers = replies(result.stdout)
        if not answers:
            return Canary(problem=f"the canary on {self._hosts[client]} could not be asked: {last_line(result.stderr)}")
        checks = []
        for number, (name, server, port) in enumerate(wanted):
            rows = answers.get(number)
            seen = outcome(rows[0]) if rows else Outcome.CHECK_FAILED
            expect = Outcome.CONNECTED if port == OPEN else Outcome.TIMED_OUT
            said = rows[0].output if rows else "no answer"
            checks.append(CanaryCheck(name, expect, seen, said, self._hosts[client], self._hosts[server]))
        return Canary(tuple(checks))

    def remove(self) -> None:
        """Does not wait for the end: the namespace goes by itself once its deletion is accepted."""
        remove(self._access, self.namespace)

    def objects(self) -> list[dict[str, Any]]:
        """Namespace and policies before the pods they guard. A service account of its own: `default` comes too late."""
        items: list[dict[str, Any]] = [
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": self.namespace, "labels": {CANARY_LABEL: "true"}},
            },
            self._object("v1", "ServiceAccount", "canary"),
            self._policy("servers", "server", "Ingress", (OPEN, GUARDED_BY_EGRESS)),
            self._policy("client", "client", "Egress", (OPEN, GUARDED_BY_INGRESS), ECHO),
        ]
        items += [self._service(name) for name in self.clients]
        return items + [self._pod(name, node) for name, node in self.nodes.items()]

    def _service(self, pod: str) -> dict[str, Any]:
        ports = [{"name": protocol.lower(), "port": ECHO, "protocol": protocol} for protocol in ("TCP", "UDP")]
        return self._object("v1", "Service", pod, spec={"selector": {"pod": pod}, "ports": ports})

    def _object(self, version: str, kind: str, name: str, **body: Any) -> dict[str, Any]:
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}

    def _policy(self, name: str, role: str, direction: str, ports: tuple[int, ...], both: int = 0) -> dict[str, Any]:
        """`both`: a port of TCP and UDP."""
        opened = [(port, "TCP") for port in ports] + ([(both, "TCP"), (both, "UDP")] if both else [])
        rule = {"ports": [{"port": port, "protocol": protocol} for port, protocol in opened]}
        spec = {"podSelector": {"matchLabels": {"role": role}}, "policyTypes": [direction], direction.lower(): [rule]}
        return self._object("networking.k8s.io/v1", "NetworkPolicy", name, spec=spec)

    def _pod(self, name: str, node: str) -> dict[str, Any]:
        role = name.partition("-")[0]
        # agnhost's porter serves every port that a variable of this form names.
        serve = [{"name": f"SERVE_PORT_{port}", "value": "canary"} for port in PORTS.values()]
        container = {
            "name": "agnhost",
            "image": IMAGES["agnhost"],
            "imagePullPolicy": "IfNotPresent",
            "args": ["netexec", f"--http-port={ECHO}", f"--udp-port={ECHO}"] if role == "client" else ["porter"],
            "env": serve,
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        spec = {
            "nodeName": node,
            "serviceAccountName": "canary",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        }
        pod = self._object("v1", "Pod", name, spec=spec)
        pod["metadata"]["labels"] = {"role": role, "pod": name}
        return pod


def remove(access: Access, namespace: str) -> None:
    access.kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


@contextmanager
def canary_pods(access: Access, state: State) -> Iterator[CanaryPods]:
    """Removes what was made, whatever happens in between, and what a killed run has left."""
    pods = CanaryPods(access, state)
    try:
        for namespace in state.stale_canaries:
            remove(access, namespace)
        yield pods
    finally:
        pods.remove()
