"""DNS settings of pods that netspec does not deploy: by admission policy where the cluster has it, else a finding; the
policies are asked of a real API server where airgap has built one."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import eks_support
import pytest
import yaml

from airgap.build import bin_dir
from airgap.errors import AirgapError
from netspec.backends.common.admission import admission, admission_facts
from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.ir.model import Ir
from netspec.plan import ManifestNode
from netspec.probes import FactProbe
from netspec.probing import derive_probes
from netspec.spec.load import load

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "tests" / "golden" / "dns-admission" / "spec.yaml"
OLD = 'nodeImage: "kindest/node:v1.33.7"'


def result(tmp_path: Path, cluster: str) -> Any:
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC.read_text().replace("type: kind", f"type: kind, {cluster}"))
    return compile_spec(load(file), "dev", REGISTRY)


def ir_of() -> Ir:
    found = compile_spec(load(SPEC), "dev", REGISTRY).ir
    assert found is not None
    return found


def test_a_cluster_that_has_none_is_a_finding_with_the_patch(tmp_path: Path) -> None:
    old = result(tmp_path, OLD)
    hints = sorted(d.hint for d in old.diagnostics if d.code == "NS601")
    assert hints == [
        'put dnsConfig: {searches: [corp.example], options: [{name: ndots, value: "2"}, {name: timeout, value: "1"}, '
        "{name: rotate}]} into the spec of those pods' templates",
        'put dnsPolicy: None, dnsConfig: {nameservers: [192.0.2.53], options: [{name: ndots, value: "2"}]} into the '
        "spec of those pods' templates",
    ]
    assert not [n for n in old.plan.nodes if "admission" in n.id]
    new = compile_spec(load(SPEC), "dev", REGISTRY)
    assert not [d for d in new.diagnostics if d.code == "NS601"]


def test_the_api_server_is_told_to_have_it_only_where_it_is_needed(tmp_path: Path) -> None:
    def config(plan: Any) -> dict[str, Any]:
        return dict(next(n for n in plan.nodes if n.id == "cluster").properties["config"])

    told = config(compile_spec(load(SPEC), "dev", REGISTRY).plan)
    assert told["featureGates"] == {"MutatingAdmissionPolicy": True}
    assert told["runtimeConfig"] == {"admissionregistration.k8s.io/v1beta1": "true"}
    assert "featureGates" not in config(result(tmp_path, OLD).plan)
    file = tmp_path / "own.yaml"
    others = [w for w in yaml.safe_load(SPEC.read_text())["workloads"] if w.get("standIn")]
    file.write_text(yaml.safe_dump(yaml.safe_load(SPEC.read_text()) | {"workloads": others}))
    assert "featureGates" not in config(compile_spec(load(file), "dev", REGISTRY).plan)


def test_a_resolv_conf_of_others_is_as_the_spec_has_it_where_it_reaches_them(tmp_path: Path) -> None:
    def expected(probes: Any) -> dict[str, Any]:
        return {p.subject: p.expect for p in probes if isinstance(p, FactProbe) and p.fact == "resolv-conf"}

    an_ir = ir_of()
    reached = expected(derive_probes(an_ir))
    assert reached["shop/theirs"]["ndots"] == 2 and reached["shop/theirs"]["options"] == {"timeout": "1", "rotate": ""}
    assert reached["shop/alone"]["nameservers"] == ["192.0.2.53"]
    without = expected(derive_probes(replace(an_ir, traits=replace(an_ir.traits, admission=""))))
    assert "ndots" not in without["shop/theirs"] and without["shop/alone"]["nameservers"] != ["192.0.2.53"]


def test_what_is_written_in_is_compared() -> None:
    facts = {f.subject: f.expect for f in admission_facts(ir_of())}
    ((mutation,),) = (f["mutations"] for s, f in facts.items() if s == "shop/alone")
    assert mutation["jsonPatch"]["expression"] == (
        '[JSONPatch{op: "add", path: "/spec/dnsConfig", value: Object.spec.dnsConfig{nameservers: ["192.0.2.53"], '
        'options: [Object.spec.dnsConfig.options{name: "ndots", value: "2"}]}}, '
        'JSONPatch{op: "replace", path: "/spec/dnsPolicy", value: "None"}]'
    )


@pytest.mark.parametrize(("version", "expected"), [("1.35", set()), ("1.36", {"v1"}), ("1.40", {"v1"})])
def test_eks_has_it_from_1_36_on(version: str, expected: set[str]) -> None:
    addons = eks_support.CLUSTER["addons"] | {"kube-proxy": f"v{version}.0-eksbuild.2"}
    result = eks_support.compiled(eks_support.cluster(version=version, addons=addons), dns={"ndots": 2})
    plan = eks_support.plan_of(result)
    made = [n.manifest for n in plan.nodes if isinstance(n, ManifestNode)]
    versions = {m["apiVersion"] for m in made if m["kind"].startswith("MutatingAdmissionPolicy")}
    assert versions == {f"admissionregistration.k8s.io/{v}" for v in expected}


# On a real API server, in a network namespace of its own


@pytest.fixture(scope="module")
def programs() -> dict[str, str]:
    if shutil.which("unshare") is None or shutil.which("openssl") is None:
        pytest.skip("not run: there is no unshare or openssl here")
    try:
        found = {"etcd": bin_dir("etcd") / "etcd"}
        found |= {name: bin_dir("kubernetes") / name for name in ("kube-apiserver", "kubectl")}
    except AirgapError as error:
        pytest.skip(f"not run: {error}")
    return {name: str(path) for name, path in found.items()}


def pod(name: str, labels: dict[str, str], **spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": "none"}]
    meta = {"name": name, "namespace": "shop", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": containers} | spec}


def test_an_api_server_writes_the_settings_into_pods_that_have_none(programs: dict[str, str], tmp_path: Path) -> None:
    own = {"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}}
    plan = {
        "programs": programs,
        "folder": str(tmp_path),
        "awaited": ["theirs", "alone"],
        "policies": [dict(n.manifest) for n in admission(ir_of())],
        "pods": [
            pod("theirs", {"app": "theirs", "more": "x"}),
            pod("alone", {"app": "alone"}),
            pod("own", {"app": "theirs"}, **own),
            pod("stranger", {"app": "web"}),
        ],
    }
    script = ROOT / "tests" / "unit" / "admission_server.py"
    words = [
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        sys.executable,
        str(script),
    ]
    done = subprocess.run(words, input=json.dumps(plan), capture_output=True, text=True, timeout=300, check=False)
    if done.returncode and "unshare" in done.stderr:
        pytest.skip(f"not run: no namespaces of our own: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    options = [{"name": "ndots", "value": "2"}, {"name": "timeout", "value": "1"}, {"name": "rotate"}]
    assert seen["theirs"] == ["ClusterFirst", {"searches": ["corp.example"], "options": options}]
    alone = {"nameservers": ["192.0.2.53"], "options": [{"name": "ndots", "value": "2"}]}
    assert seen["alone"] == ["None", alone]
    assert seen["own"] == ["ClusterFirst", own["dnsConfig"]]
    assert seen["stranger"] == ["ClusterFirst", None]
