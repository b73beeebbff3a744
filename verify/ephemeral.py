"""Ephemeral containers: what probes from a pod that is not a stand-in. Nothing removes them, so they are used again."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from netspec.catalogue import IMAGES
from verify.access import Access, last_line
from verify.state import PROBE_CONTAINER, Pod

#: How often and how far apart (seconds) a new container is looked at until it runs.
LOOKS, PAUSE = 60, 0.5


def ensure_probe_containers(access: Access, pods: Sequence[Pod]) -> dict[str, str]:
    """Starts the probe container where it is missing; pod id -> why it does not run."""
    missing = [pod for pod in pods if PROBE_CONTAINER not in pod.ephemeral]
    with ThreadPoolExecutor(4) as pool:
        problems = list(pool.map(lambda pod: _start(access, pod), missing))
    return {pod.id: problem for pod, problem in zip(missing, problems, strict=True) if problem}


def _start(access: Access, pod: Pod) -> str:
    made = access.kubectl(
        *("debug", pod.name, "--namespace", pod.namespace, f"--container={PROBE_CONTAINER}"),
        *(f"--image={IMAGES['agnhost']}", "--image-pull-policy=IfNotPresent", "--profile=baseline"),
        *("--quiet", "--", "/agnhost", "pause"),
    )
    if made.returncode:
        return f"no probe container in {pod.id}: {last_line(made.stderr)}"
    path = f'{{.status.ephemeralContainerStatuses[?(@.name=="{PROBE_CONTAINER}")].state}}'
    for _ in range(LOOKS):
        state = access.kubectl("get", "pod", pod.name, "--namespace", pod.namespace, "-o", f"jsonpath={path}").stdout
        if "running" in state:
            return ""
        time.sleep(PAUSE)
    return f"the probe container in {pod.id} does not start: {state or 'no status'}"
