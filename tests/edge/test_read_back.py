"""A controller's own kinds, given to a real API server with their definitions: what it gives back is what the facts of
a verification compare with. An API server fills in defaults, and takes away what a definition does not know."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airgap.build import bin_dir
from airgap.errors import AirgapError
from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.probes import FactProbe
from netspec.spec.load import loads
from netspec.target import ObjectRead
from netspec.verify.model import Status
from netspec.verify.readers import Readings
from netspec.verify.state import parse_state

HERE = Path(__file__).parent
#: Controller -> the group of its kinds.
GROUPS = {"traefik": "traefik.io"}


def _programs() -> dict[str, str]:
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("openssl") is None:
        pytest.skip("not run: a network namespace needs root")
    try:
        kubernetes, etcd = bin_dir("kubernetes"), bin_dir("etcd")
    except AirgapError as error:
        pytest.skip(f"not run: {error}")
    found = {name: str(kubernetes / name) for name in ("kube-apiserver", "kubectl")}
    return found | {"etcd": str(etcd / "etcd")}


@pytest.mark.parametrize("controller", GROUPS)
def test_an_api_server_gives_back_what_the_facts_say(controller: str, tmp_path: Path) -> None:
    """Of every option: the spec whose features are asked has each of them."""
    group = GROUPS[controller]
    text = (HERE / "spec.yaml").read_text().replace("CONTROLLER", controller)
    result = compile_spec(loads(text.encode(), "spec.yaml"), "dev", REGISTRY)
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    manifests = [dict(m) for m in result.plan.manifests()]
    facts = [
        (p, p.read)
        for p in result.probes
        if isinstance(p, FactProbe) and isinstance(p.read, ObjectRead) and p.read.resource.endswith(f".{group}")
    ]
    kinds = {fact.fact for fact, _ in facts}
    assert kinds == {"ingress-route", "ingress-option"} and len(facts) > 20
    plan: dict[str, Any] = {
        "folder": str(tmp_path),
        "programs": _programs(),
        "definitions": [
            m
            for m in manifests
            if m["kind"] == "CustomResourceDefinition" and m["metadata"]["name"].endswith(f".{group}")
        ],
        "namespaces": [m for m in manifests if m["kind"] == "Namespace"],
        "objects": [m for m in manifests if m["apiVersion"].startswith(f"{group}/")],
        "reads": [[read.resource, read.namespace, read.name] for _, read in facts],
    }
    command = ["unshare", "--net", "--mount", "setpriv", "--pdeathsig", "KILL", sys.executable, HERE / "readback.py"]
    done = subprocess.run(command, input=json.dumps(plan), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    state = parse_state([])
    for (fact, read), thing in zip(facts, json.loads(done.stdout), strict=True):
        seen = Readings(objects={read: [thing]}).observe(fact, state)
        assert seen.status is Status.PASS, (fact.id, seen.observed, fact.expect)
