"""netspec diff between two stacks of one spec: what their CNIs decide otherwise, besides what the policies say."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from eks_support import CLUSTER, SPEC

from netspec.analysis.services import Endpoints, service_dialect
from netspec.backends.registry import REGISTRY
from netspec.cli import DIFFERENT, OK, main
from netspec.compiler import compile_spec
from netspec.spec.load import load

ROOT = Path(__file__).parent.parent.parent
BOUTIQUE = str(ROOT / "stacks" / "boutique.yaml")
APP: dict[str, Any] = {
    "namespaces": [{"name": "shop", "defaultDeny": ["egress"]}],
    "workloads": [
        {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "ports": [{"port": 8080}]},
        {"name": "api", "namespace": "shop", "labels": {"app": "api", "tier": "back"}, "ports": [{"port": 8080}]},
    ],
    "services": [
        {"name": "api", "namespace": "shop", "selector": {"app": "api"}, "ports": [{"port": 80, "targetPort": 8080}]}
    ],
}
STACKS = {
    "one": {"cluster": {"type": "kind"}, "cni": {"provider": "calico"}},
    "two": {"cluster": CLUSTER, "cni": {"provider": "vpc-cni"}},
}


def written(path: Path, **changes: Any) -> str:
    file = path / "spec.yaml"
    file.write_text(yaml.safe_dump({**SPEC, **APP, **changes, "stacks": STACKS}, sort_keys=False))
    return str(file)


def test_stacks_of_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", f"{BOUTIQUE}@dev", f"{BOUTIQUE}@prod"]) == OK
    out, err = capsys.readouterr()
    assert out == "no difference\n"
    assert err == "dialect: egress to a Service is judged before its address becomes a pod's with vpc-cni\n"
    assert main(["diff", f"{BOUTIQUE}@dev", f"{BOUTIQUE}@prod-calico"]) == OK
    assert capsys.readouterr().err == ""
    assert main(["diff", f"{BOUTIQUE}@dev", f"{BOUTIQUE}@nowhere"]) == 2
    assert "has no stack 'nowhere'" in capsys.readouterr().err
    assert main(["diff", f"{BOUTIQUE}@dev", f"{BOUTIQUE}@prod", "--stack", "dev"]) == 2
    assert "names its stack itself" in capsys.readouterr().err


def test_a_call_that_the_other_cni_stops_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rule opens the pods' port, and the Service has another: its own address is not let through."""
    rule = {"to": [{"podSelector": {"matchLabels": {"app": "api"}}}], "ports": [{"port": 8080}]}
    policy = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"], "egress": [rule]}
    native = {"networkPolicies": [{"name": "out", "namespace": "shop", "spec": policy}]}
    file = written(tmp_path, **native)
    assert main(["diff", f"{file}@one", f"{file}@two"]) == OK
    assert "dialect: shop/web does not reach service:shop/api:80: AWS admits" in capsys.readouterr().err
    # No policy closes DNS's own pods or the api's, and none of the others calls it.
    assert main(["diff", f"{file}@two", f"{file}@one"]) == OK
    assert "does not reach" not in capsys.readouterr().err


def test_an_intent_opens_the_service_s_own_port_where_that_is_judged_first(tmp_path: Path) -> None:
    intent = {"policies": [{"name": "call", "from": {"workload": "shop/web"}, "to": {"service": "shop/api"}}]}
    file = written(tmp_path, **intent)
    ports = {}
    for stack in STACKS:
        ir = compile_spec(load(file), stack, REGISTRY).ir
        assert ir is not None
        (policy,) = [p for p in ir.policies if p.name == "call-egress"]
        ports[stack] = [p.port for p in policy.egress[0].ports]
        service = ir.services_by_id["shop/api"]
        (endpoint,) = Endpoints(ir.inventory).of_service(service)
        # Its labels are more than the Service's selector, so the rule's selector does not match that: AWS's own limit.
        reason = service_dialect(ir.inventory, ir.workloads_by_id["shop/web"], endpoint, service)
        assert bool(reason) == (stack == "two")
    assert ports == {"one": [8080], "two": [8080, 80]}


def test_what_differs_between_dialects_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block = {
        "podSelector": {"matchLabels": {"app": "api"}},
        "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
    }
    file = written(tmp_path, networkPolicies=[{"name": "b", "namespace": "shop", "spec": block}])
    manifests = tmp_path / "m.yaml"
    manifests.write_text(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Pod\n"
        "metadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: a, image: a}]}\n"
    )
    assert main(["diff", str(manifests), f"{file}@two", "--cni", "cilium"]) == DIFFERENT
    err = capsys.readouterr().err
    assert "dialect: an ipBlock matches a pod: cilium no, vpc-cni yes" in err
    assert "dialect: an ipBlock matches a node: cilium no, vpc-cni yes" in err
