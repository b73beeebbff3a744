"""A cluster that somebody made by hand (handmade.py), as a stack's: what the spec declares is made on it and verified,
and `up` touches nothing else.

Run alone, on an engine without a stack: `python -m airgap engine up`, then NETSPEC_LIVE_STACK=handmade. Beside a
running stack its cluster did not become ready in time on two processors.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import faults_objects
import handmade
import pytest
from faulting import MADE, Fault
from live_cluster import STACK as LIVE_STACK
from live_cluster import Live, activated, engine_runs

from airgap import engine
from netspec.backends.registry import REGISTRY
from netspec.verify.access import Access
from netspec.verify.stack import load_stack

ROOT = Path(__file__).resolve().parents[2]
STACK = handmade.NAME
SPEC = """
apiVersion: netspec.dev/v1alpha1
kind: NetworkSpec
metadata: {name: handmade}
namespaces:
  - {name: shop, labels: {team: shop}, defaultDeny: [ingress]}
  - {name: lab, labels: {team: lab}}
workloads:
  - {name: db, namespace: shop, labels: {app: db}, ports: [{name: sql, port: 5432}]}
  - {name: web, namespace: shop, labels: {app: web}, ports: [{name: http, port: 8080}], replicas: 2, standIn: true}
  - {name: probe, namespace: lab, labels: {app: probe}, ports: [{name: http, port: 8080}], standIn: true}
services:
  - {name: web, namespace: shop, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
  - {name: db, namespace: shop, selector: {app: db}, ports: [{name: sql, port: 5432, targetPort: 5432}]}
policies:
  - {name: web-to-db, from: {workload: shop/web}, to: {service: shop/db}}
  - {name: lab-to-web, from: {namespace: lab}, to: {service: shop/web}}
expectations:
  - {from: shop/web, to: shop/db:5432, expect: allow}
  - {from: lab/probe, to: shop/db:5432, expect: deny}
stacks:
  handmade:
    cluster: {type: existing, kubeconfig: KUBECONFIG, context: kind-handmade, namespaces: [shop], nodes: 2}
    cni: {provider: calico, managed: false}
"""
#: Of the table: made to what the stack made, or by others beside it.
_IDS = ("deleted-policy", "allow-all")
CHOSEN = [fault for fault in MADE if fault.module == faults_objects.__name__ and fault.id in _IDS]
LIMIT = 300
#: Seconds until the cluster has removed what hung on what is gone.
SETTLED = 60.0


@dataclass(frozen=True)
class Project:
    """A project of its own, whose stack is on the cluster, and all that was there before it."""

    folder: Path
    access: Access
    before: dict[str, str]

    @property
    def spec(self) -> Path:
        return self.folder / "stacks" / "handmade.yaml"

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        own = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE")  # of the project that the tests are in
        env = {name: value for name, value in os.environ.items() if name not in own}
        done = subprocess.run(
            [sys.executable, "-m", "netspec", *words],
            cwd=self.folder,
            env=env | {"NETSPEC_PROJECT": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
        return done

    def touched(self) -> dict[str, tuple[str, str]]:
        """What was there before the stack and is not as it was: before, now ("" where it is gone)."""
        now = handmade.listed(self.access)
        return {name: (was, now.get(name, "")) for name, was in self.before.items() if now.get(name) != was}

    def new(self) -> set[str]:
        """What was not there before the stack."""
        return handmade.listed(self.access).keys() - self.before.keys()


@pytest.fixture(scope="module")
def project(not_run: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    if LIVE_STACK != STACK:
        pytest.skip("not run: wants an engine for itself (NETSPEC_LIVE_STACK=handmade)")
    if not engine_runs():
        not_run("no container engine (python -m airgap engine up)")
    folder = tmp_path_factory.mktemp("handmade")
    (folder / "stacks").mkdir()
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(ROOT / name, folder / name)
    with engine.back_outside():
        activated("kind", "kubectl", "pulumi")
        kubeconfig = folder / "kubeconfig"
        with handmade.made(kubeconfig) as access:
            handmade.with_calico(access)
            handmade.with_things(access)
            found = Project(folder, access, handmade.listed(access))
            found.spec.write_text(SPEC.replace("KUBECONFIG", str(kubeconfig)))
            yield found


@pytest.fixture(scope="module")
def stack(project: Project) -> Iterator[Live]:
    """The stack, up and seen green; gone afterwards."""
    try:
        done = project.run("up", str(project.spec), "--stack", STACK, "--output", "json")
        said = json.loads(done.stdout)
        assert said["verification"]["answer"] == "green" and said["changes"]["create"] > 8
        ir, probes = load_stack(STACK, str(project.spec), REGISTRY)
        yield Live(ir, probes, project.folder / "kubeconfig", project.access)
    finally:
        project.run("down", "--stack", STACK)


def test_of_what_was_there_only_the_labels_of_a_shared_namespace_are_others(project: Project, stack: Live) -> None:
    assert len(project.before) > 200
    assert list(project.touched()) == [f"Namespace.v1 /{handmade.SHARED}"]
    namespace = json.loads(stack.kubectl("get", "namespace", handmade.SHARED, "-o", "json"))
    assert {"owner": "somebody", "team": "shop"}.items() <= namespace["metadata"]["labels"].items()


def test_a_second_run_changes_nothing(project: Project, stack: Live) -> None:
    done = project.run("up", "--stack", STACK, "--no-verify", "--output", "json")
    assert set(json.loads(done.stdout)["changes"]) == {"same"}


@pytest.mark.parametrize("fault", CHOSEN, ids=lambda f: f.id)
def test_a_fault_is_caught_and_its_cause_named(stack: Live, fault: Fault) -> None:
    with fault.make(stack) as expected:
        run = stack.verify()
    assert not expected.missed(run)


def test_after_down_everything_is_as_it_was(project: Project, stack: Live) -> None:
    """Of what the stack made, somebody deleted one and made it again. A second `down`, of the fixture, has nothing to
    do. What the cluster itself removes, it does a little later."""
    assert stack.access is project.access
    project.run("down", "--stack", STACK)
    limit = time.monotonic() + SETTLED
    while (new := project.new() or project.touched()) and time.monotonic() < limit:
        time.sleep(2)
    assert not new
