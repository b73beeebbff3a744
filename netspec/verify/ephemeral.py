"""Ephemeral containers: what probes from a pod that is not a stand-in. Nothing removes them, so they are used again."""

import itertools
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from netspec.catalogue import IMAGES
from netspec.toolchain.programs import last_line
from netspec.verify.access import Access
from netspec.verify.state import Pod

#: The container's name; one that ended is never started again (the kubelet), and its name stays taken in the pod.
NAME = "netspec-probe"
#: How often and how far apart (seconds) a new container is looked at until it runs.
LOOKS, PAUSE = 60, 0.5


@dataclass(frozen=True, slots=True)
class ProbeContainers:
    """Pod id -> the container to ask from, or why none runs."""

    names: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def ensure_probe_containers(access: Access, pods: Sequence[Pod]) -> ProbeContainers:
    """Starts the probe container where none runs, and waits for one that another run has just started."""
    names = {pod.id: _name(pod) for pod in pods}
    missing = [pod for pod in pods if pod.ephemeral.get(names[pod.id]) != "running"]
    with ThreadPoolExecutor(4) as pool:
        problems = list(pool.map(lambda pod: _start(access, pod, names[pod.id]), missing))
    return ProbeContainers(names, {pod.id: problem for pod, problem in zip(missing, problems, strict=True) if problem})


def _name(pod: Pod) -> str:
    """The first of netspec-probe, netspec-probe-2, ... that has not ended."""
    names = itertools.chain([NAME], (f"{NAME}-{n}" for n in itertools.count(2)))
    return next(name for name in names if pod.ephemeral.get(name) != "terminated")


def _start(access: Access, pod: Pod, container: str) -> str:
    if container not in pod.ephemeral:
        made = access.kubectl(
            *("debug", pod.name, "--namespace", pod.namespace, f"--container={container}"),
            *(f"--image={IMAGES['agnhost']}", "--image-pull-policy=IfNotPresent", "--profile=baseline"),
            *("--quiet", "--", "/agnhost", "pause"),
        )
        if made.returncode and "Duplicate value" not in made.stderr:  # another run was quicker
            return f"no probe container in {pod.id}: {last_line(made.stderr)}"
    path = f'{{.status.ephemeralContainerStatuses[?(@.name=="{container}")].state}}'
    for _ in range(LOOKS):
        state = access.kubectl("get", "pod", pod.name, "--namespace", pod.namespace, "-o", f"jsonpath={path}").stdout
        if "running" in state:
            return ""
        time.sleep(PAUSE)
    return f"the probe container in {pod.id} does not start: {state or 'no status'}"
