"""The canary: pods of our own that show, before all probes, that traffic flows and that policy is enforced at all.

A client and a server on every node that pods can run on; each client asks the server of its own node and that of the
next. Every server listens on three ports. A policy on the servers lets in the open port and the one that egress guards;
a policy on the clients lets out to the open port and the one that ingress guards. So of the same two pods one flow must
pass (the positive control), one must stop at the server and one at the client (the deny canary). Anything else, and no
answer of this run can be trusted. Its policies are younger than the spec's: a node that enforces them has had time to
come to enforce the spec's.
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
PORTS = {"open": OPEN, "ingress-guarded": GUARDED_BY_INGRESS, "egress-guarded": GUARDED_BY_EGRESS}
#: A policy takes a moment to reach its node; how often and how long (seconds) the checks are asked until they hold.
ATTEMPTS, PAUSE = 6, 0.7
READY_LIMIT = 60
NODES_AT_ONCE = 8


class CanaryPods:
    """The canary's pods in a namespace of their own. Made by `start`, asked by `check`."""

    def __init__(self, access: Access, state: State) -> None:
        self._access = access
        self.addresses: dict[str, str] = {}
        self.namespace = f"netspec-canary-{secrets.token_hex(4)}"
        self._hosts = [n.name for n in state.nodes if n.open] or [n.name for n in state.nodes]
        #: pod -> its node
        self.nodes = {f"{role}-{i}": node for i, node in enumerate(self._hosts) for role in ("client", "server")}

    def start(self) -> str:
        """Makes the objects and waits for the pods; returns why they do not run, or nothing."""
        objects = {"apiVersion": "v1", "kind": "List", "items": self.objects()}
        made = self._access.kubectl("create", "-f", "-", stdin=json.dumps(objects))
        if made.returncode:
            return f"the canary's objects were not accepted: {last_line(made.stderr)}"
        ready = self._access.kubectl(
            *("wait", "--namespace", self.namespace, "--for=condition=Ready", "pods", "--all"),
            *(f"--timeout={READY_LIMIT}s", '-o=jsonpath={.metadata.name} {.status.podIP}{"\\n"}'),
            limit=READY_LIMIT + 10,
        )
        if ready.returncode:
            return f"the canary's pods did not become ready: {last_line(ready.stderr)}"
        self.addresses = dict(line.split() for line in ready.stdout.splitlines() if len(line.split()) == 2)
        if missing := sorted(self.nodes.keys() - self.addresses.keys()):
            return f"the canary's pods have no address: {', '.join(missing)}"
        return ""

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
        wanted = [
            (f"{name}, {self._hosts[client]} to {self._hosts[server]}", server, port)
            for server in servers
            for name, port in PORTS.items()
        ]
        questions = [
            Question(number, "flow", f"{self.addresses[f'server-{server}']}:{port}")
            for number, (_, server, port) in enumerate(wanted)
        ]
        result = self._access.pod(self.namespace, f"client-{client}", "agnhost").run(script((), questions))
        answers = replies(result.stdout)
        if not answers:
            return Canary(problem=f"the canary on {self._hosts[client]} could not be asked: {last_line(result.stderr)}")
        checks = []
        for number, (name, _, port) in enumerate(wanted):
            rows = answers.get(number)
            seen = outcome(rows[0]) if rows else Outcome.CHECK_FAILED
            expect = Outcome.CONNECTED if port == OPEN else Outcome.TIMED_OUT
            checks.append(CanaryCheck(name, expect, seen, rows[0].output if rows else "no answer"))
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
            self._policy("client", "client", "Egress", (OPEN, GUARDED_BY_INGRESS)),
        ]
        return items + [self._pod(name, node) for name, node in self.nodes.items()]

    def _object(self, version: str, kind: str, name: str, **body: Any) -> dict[str, Any]:
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}

    def _policy(self, name: str, role: str, direction: str, ports: tuple[int, ...]) -> dict[str, Any]:
        rule = {"ports": [{"port": port, "protocol": "TCP"} for port in ports]}
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
            "args": ["pause" if role == "client" else "porter"],
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
        pod["metadata"]["labels"] = {"role": role}
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
