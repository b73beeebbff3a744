"""The models of the file, and what is generated from them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from spec_support import ROOT

from netspec.backends.registry import REGISTRY
from netspec.compiler import check_spec
from netspec.diagnostics import Severity, render_path
from netspec.spec import reference, schema
from netspec.spec.load import LoadedSpec, loads
from netspec.spec.types import did_you_mean
from netspec.spec.v1alpha1 import NetworkSpec

HEAD = "apiVersion: netspec.dev/v1alpha1\nkind: NetworkSpec\nmetadata: {name: sample}\n"
VALID = [
    *sorted((ROOT / "tests" / "specs").glob("valid-*.yaml")),
    ROOT / "stacks/shop.yaml",
    ROOT / "stacks/boutique.yaml",
]


def test_the_committed_schema_is_current() -> None:
    assert schema.FILE.read_text() == schema.render(REGISTRY), "netspec schema > netspec/spec/netspec.schema.json"


def test_the_reference_is_current() -> None:
    committed = (ROOT / "docs" / "spec.md").read_text()
    assert committed == reference.render(REGISTRY), "netspec schema --output markdown > docs/spec.md"


def test_every_field_is_described() -> None:
    definitions = [schema.schema(REGISTRY), *schema.schema(REGISTRY)["$defs"].values()]
    fields = {(d["title"], name): f for d in definitions for name, f in d["properties"].items()}
    assert [key for key, field in fields.items() if not field.get("description")] == []


def _accepts(node: dict[str, Any], value: Any, whole: dict[str, Any]) -> bool:
    """The part of JSON Schema that the models use."""
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "null": type(None)}
    if "$ref" in node:
        return _accepts(whole["$defs"][node["$ref"].rpartition("/")[2]], value, whole)
    if "anyOf" in node:
        return any(_accepts(option, value, whole) for option in node["anyOf"])
    if "oneOf" in node:
        return sum(_accepts(option, value, whole) for option in node["oneOf"]) == 1
    if "type" in node and (not isinstance(value, types[node["type"]]) or (node["type"] == "integer" and value is True)):
        return False
    if ("enum" in node and value not in node["enum"]) or ("const" in node and value != node["const"]):
        return False
    if isinstance(value, str):
        return len(value) <= node.get("maxLength", 10**9) and bool(re.search(node.get("pattern", ""), value))
    if isinstance(value, int):
        return bool(node.get("minimum", value) <= value <= node.get("maximum", value))
    if isinstance(value, list):
        return len(value) >= node.get("minItems", 0) and all(_accepts(node["items"], item, whole) for item in value)
    if isinstance(value, dict):
        if not set(node.get("required", [])) <= value.keys():
            return False
        known = node.get("properties", {})
        other = node.get("additionalProperties", next(iter(node.get("patternProperties", {}).values()), True))
        rest = {key: item for key, item in value.items() if key not in known}
        if isinstance(other, bool):
            return (other or not rest) and all(_accepts(known[k], v, whole) for k, v in value.items() if k in known)
        return all(_accepts(other, item, whole) for item in rest.values())
    return True


@pytest.mark.parametrize("path", VALID, ids=lambda p: p.stem)
def test_the_schema_accepts_what_netspec_accepts(path: Path) -> None:
    whole = schema.schema(REGISTRY)
    assert _accepts(whole, yaml.safe_load(path.read_text()), whole)


@pytest.mark.parametrize(
    "changes",
    [
        "netwrok: {}",
        "network: {maxPods: '5'}",
        "network: {proxy: {mode: userspace}}",
        "namespaces: [{}]",
        "namespaces: [{name: Shop}]",
        "policies: [{name: a, from: nowhere, to: shop/web}]",
        "policies: [{name: a, from: {workload: shop/web, cidr: x}, to: shop/web}]",
        "stacks: {dev: {cluster: {type: kind}, cni: {provider: calico, blockSize: 33}}}",
    ],
)
def test_the_schema_refuses_what_netspec_refuses(changes: str) -> None:
    whole = schema.schema(REGISTRY)
    assert any(d.severity is Severity.ERROR for d in check_spec(loads(HEAD + changes), None, REGISTRY))
    assert not _accepts(whole, yaml.safe_load(HEAD + changes), whole)


def _messages(loaded: LoadedSpec) -> list[str]:
    return [f"{render_path(d.path)}: {d.message} ({d.hint})" for d in loaded.report.sorted()]


READER = """
netwrok: {}
    netwrok: unknown field (did you mean network?)
network: {proxy: {mod: x}}
    network.proxy.mod: unknown field (did you mean mode?)
network: {podcidrs: []}
    network.podcidrs: unknown field (did you mean podCIDRs?)
network: {proxy: {mode: iptable}}
    'iptable' is not allowed here; expected one of iptables, nftables, ipvs, none (did you mean iptables?)
network: {maxPods: '110'}
    network.maxPods: expected a whole number, found the text '110' (remove the quotes)
namespaces: [{name: a, labels: {v: 1.10}}]
    found the number 1.10 (quote it: "1.10")
namespaces: [{name: a, labels: {on: true}}]
    found true (quote it: "true")
network:
    expected a mapping (key: value), found nothing (remove the line, or give it a value)
services: [{name: a, namespace: b, clusterIP: none}]
    'none' is not an IP address
policies: [{name: a, from: {outside: true}, to: a/b}]
    outside takes no value (write the word alone: outside)
policies: [{name: a, from: {servcie: a/b}, to: a/b}]
    unknown kind of peer 'servcie' (did you mean service?)
policies: [{name: a, from: a/b, to: a/b, ports: [80/tcp]}]
    the protocol must be TCP, UDP or SCTP (did you mean TCP?)
"""


@pytest.mark.parametrize(("changes", "message"), re.findall(r"^(\S.*)\n    (.+)$", READER, re.MULTILINE))
def test_messages_are_for_a_reader(changes: str, message: str) -> None:
    (found,) = _messages(loads(HEAD + changes))
    assert message in found


def test_a_key_that_looks_like_pydantics_mark_is_a_key() -> None:
    """The mark "[key]" ends the path of a key's own error; a file may have such a key, and be wrong there."""
    text = '"[key]": 1\nnamespaces: [{name: a, "[key]": x}]\nstacks: {"[key]": 5, dev: {}}'
    found = {(d.code, render_path(d.path)) for d in loads(HEAD + text).report.sorted()}
    assert {("NS010", "[key]"), ("NS010", "namespaces[0].[key]"), ("NS201", "stacks.[key]")} <= found


def test_a_workload_has_no_more_ports_than_a_stand_in_can_serve() -> None:
    def codes(count: int) -> list[str]:
        ports = ", ".join(f"{{port: {n}}}" for n in range(1, count + 1))
        workload = f"{{name: a, namespace: b, labels: {{c: d}}, standIn: true, ports: [{ports}]}}"
        return [d.code for d in loads(f"{HEAD}workloads: [{workload}]").report.sorted()]

    assert (codes(1000), codes(1001)) == ([], ["NS015"])


def test_what_is_malformed_is_left_out_and_the_rest_keeps_its_place() -> None:
    loaded = loads(HEAD + "namespaces: [{name: a}, {nam: b}, {name: c}]\nnetwork: {maxPods: x, nodeCIDRMask: 25}")
    assert loaded.spec is not None
    assert [n.name for n in loaded.spec.namespaces] == ["a", "c"]
    assert loaded.path("namespaces", 1) == ("namespaces", 2)
    assert (loaded.spec.network.node_cidr_mask, loaded.spec.network.max_pods) == (25, 110)
    assert loaded.dropped == {("namespaces", 1), ("network", "maxPods")}
    assert loaded.may_have("namespaces", "anything") and not loaded.may_have("workloads", "anything")


def test_a_port_in_to_is_the_expectations_port() -> None:
    short = "{from: a/b, to: 'a/c:53/UDP', expect: deny}"
    spec = loads(f"{HEAD}expectations: [{short}, {{from: a/b, to: a/c, port: 53/UDP, expect: deny}}]").spec
    assert spec is not None
    assert spec.expectations[0] == spec.expectations[1]


def test_models_do_not_change() -> None:
    spec = NetworkSpec.model_validate(yaml.safe_load(HEAD))
    with pytest.raises(ValueError, match="frozen"):
        spec.kind = "NetworkSpec"


@pytest.mark.parametrize(
    ("word", "hint"),
    [("iptable", "did you mean iptables?"), ("IPTABLES", "did you mean iptables?"), ("ebpf", None), ("", None)],
)
def test_did_you_mean(word: str, hint: str | None) -> None:
    assert did_you_mean(word, ["iptables", "nftables"]) == hint
