"""Run in a network namespace of its own: etcd and an API server. Reads a plan as JSON from standard input, applies its
objects, and prints what `reads` (resource, namespace, name) give back. What it started ends with it in any case."""

import json
import signal
import sys
from pathlib import Path

from frontdoor import addresses, apply, control_plane, kubectl, started, until


def main() -> None:
    plan = json.load(sys.stdin)
    folder, programs = Path(plan["folder"]), plan["programs"]
    addresses([])
    env = control_plane(folder, programs)
    until("the API server", lambda: kubectl(programs, env, "get", "--raw", "/readyz"))
    until("the definitions", lambda: apply(programs, env, plan["definitions"]))
    kubectl(programs, env, "wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    apply(programs, env, plan["namespaces"])
    apply(programs, env, plan["objects"])
    read = [
        json.loads(kubectl(programs, env, "get", resource, name, "--namespace", namespace, "--output=json"))
        for resource, namespace, name in plan["reads"]
    ]
    json.dump(read, sys.stdout)


if __name__ == "__main__":
    try:
        main()
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGKILL)
            process.wait()
