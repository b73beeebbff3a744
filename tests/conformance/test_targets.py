"""netspec targets: what the compiler says of every cluster with every CNI."""

import json

import pytest
from specs import NEEDS
from toys import TOYS

from netspec.backends.registry import PROVEN, REGISTRY
from netspec.cli import OK, main
from netspec.compiler import compile_spec
from netspec.spec.load import loads
from netspec.target import LAYERS, Feature
from netspec.targets import Target, said, targets

FOUND = {(t.cluster, t.cni): t for t in targets(REGISTRY, PROVEN)}
WORKLOAD = {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "ports": [{"port": 8080}]}
SPEC = {
    "apiVersion": "netspec.dev/v1alpha1",
    "kind": "NetworkSpec",
    "metadata": {"name": "probe"},
    "namespaces": [{"name": "shop"}],
    "workloads": [WORKLOAD],
}
ASKED = (Feature.PROXY_NONE, Feature.NODE_MASK, Feature.LOAD_BALANCER, Feature.NETWORK_POLICY, Feature.NDOTS)


def test_pairs() -> None:
    assert FOUND["kind", "vpc-cni"].refused.endswith("which kind does not have")
    assert FOUND["eks", "vpc-cni"].proven == "engine" and FOUND["kind", "calico"].proven == "cluster"
    assert FOUND["existing", "calico"].given == {"managed": False}
    assert all(bool(t.refused) == (t.features is None) for t in FOUND.values())


@pytest.mark.parametrize("pair", [p for p, t in FOUND.items() if not t.refused], ids="-".join)
def test_a_feature_compiles_exactly_where_it_is_said(pair: tuple[str, str]) -> None:
    """Asked the other way round, by specs that give one feature each. Where a setting is to be set, a spec that gives
    the feature may set it by itself (Calico's data plane follows the proxy's mode)."""
    target = FOUND[pair]
    cluster, cni = (REGISTRY.providers(layer.name)[name] for layer, name in zip(LAYERS, pair, strict=False))
    stack = {"cluster": said(LAYERS[0], cluster), "cni": {**said(LAYERS[1], cni), **target.given}}
    for feature in ASKED:
        spec = {**SPEC, **NEEDS[feature], "stacks": {"dev": stack}}
        result = compile_spec(loads(json.dumps(spec), "probe"), "dev", REGISTRY)
        lacking = {d.code for d in result.diagnostics} & {"NS310", "NS901"}
        assert target.features is not None
        ways = target.features.get(feature)
        assert ways or bool(lacking) == (ways is None), feature


def test_backends_that_exist_in_tests_only_are_there_too() -> None:
    found: list[Target] = list(targets(TOYS, {}))
    assert {t.cni for t in found} >= {"wire", "calico"}
    wired = next(t for t in found if (t.cluster, t.cni) == ("kind", "wire"))
    assert wired.proven == "" and "front" in wired.beside


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "--cluster", "eks", "--cni", "vpc-cni", "--output", "json"]) == OK
    (found,) = json.loads(capsys.readouterr().out)["targets"]
    assert "proxy-iptables" in found["features"] and "proxy-none" not in found["features"]
    assert main(["targets", "--feature", "proxy-none", "--cni", "calico"]) == OK
    out = capsys.readouterr().out
    assert "set cni.dataplane to ebpf" in out and "with settings" in out
    assert main(["targets", "--cni", "calicoo"]) == 2
    assert "did you mean calico?" in capsys.readouterr().err
    assert main(["targets", "--feature", "proxy-nome"]) == 2
    assert "did you mean proxy-none?" in capsys.readouterr().err
