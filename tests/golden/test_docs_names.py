"""The tables of docs/names.md: kinds of records, and each field of a Service. `make golden` rewrites them."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.probes import DnsProbe, FactProbe, FlowProbe
from netspec.probing.names import KINDS, Lookup, lookups
from netspec.spec.errors import field_names
from netspec.spec.load import loads
from netspec.spec.services import Service, ServicePort

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "names.md"

#: Field -> (what it changes of who reaches whom, how that is asked: the beginning of probe ids).
MEANING: dict[str, tuple[str, tuple[str, ...]]] = {
    "name": ("", ("dns",)),
    "namespace": ("", ("dns",)),
    "type": ("doors: node ports, load balancer", ("flow:node-port", "flow:cluster-ip")),
    "clusterIP": ("None: no address, the name is the pods'", ("fact:service-ip-in-service-cidrs", "flow:name")),
    "selector": ("who is behind it", ("fact:service-endpoints",)),
    "endpoints": ("what is behind it; an intent opens the way to it", ("fact:service-endpoints", "dns")),
    "ports": ("at which ports", ("flow:cluster-ip", "dns")),
    "externalName": ("followed where it is a name of the cluster", ("dns",)),
    "externalTrafficPolicy": ("Local: no way in by a node without a pod", ("flow:node-port", "flow:load-balancer")),
    "internalTrafficPolicy": ("Local: nobody is reached from a node without a pod", ("flow:cluster-ip",)),
    "sessionAffinity": ("", ("fact:same-pod-again",)),
    "sessionAffinityConfig": ("", ("fact:service-spec",)),
    "trafficDistribution": ("", ("fact:own-node-answers",)),
    "loadBalancerClass": ("which balancer, if any: else no way in", ("fact:load-balancer-address",)),
    "loadBalancerSourceRanges": ("who may use the load balancer", ("flow:load-balancer",)),
    "allocateLoadBalancerNodePorts": ("false: no node ports besides", ("fact:service-spec",)),
    "healthCheckNodePort": ("", ("fact:health-check",)),
    "externalIPs": ("doors: these addresses", ("fact:service-spec",)),
    "ipFamilyPolicy": ("", ("fact:service-spec",)),
    "ipFamilies": ("", ()),
    "publishNotReadyAddresses": ("pods that are not ready are behind it", ("dns",)),
    "ports[].name": ("", ("dns",)),
    "ports[].port": ("the port to dial", ("flow:cluster-ip",)),
    "ports[].targetPort": ("the pods' port, which policies see", ("flow:cluster-ip", "fact:service-endpoints")),
    "ports[].protocol": ("which protocol", ("flow:cluster-ip",)),
    "ports[].nodePort": ("", ("flow:node-port",)),
    "ports[].appProtocol": ("", ("fact:service-spec",)),
}


#: Golden specs that between them have everything that is asked.
CASES = ("records", "services", "service-fields", "workloads", "metallb")


def _fields() -> list[str]:
    return [*field_names(Service), *(f"ports[].{name}" for name in field_names(ServicePort))]


def _rules(field: str) -> str:
    """The codes whose rule or source names the field."""
    word = re.compile(rf"\b{re.escape(field.rpartition('.')[2])}\b")
    rows = re.findall(r"^\| (NS3\d{2}) \|[^|]*\| (.*) \|$", (ROOT / "docs" / "rules.md").read_text(), re.M)
    return ", ".join(code for code, text in rows if word.search(text))


def _records() -> Iterator[str]:
    yield "| record | asked for | name | predicted and asked |\n|---|---|---|---|\n"
    for kind, (what, form) in KINDS.items():
        (record,) = {k.record for k in _all_lookups() if k.kind == kind}
        negative = "must not be there" if kind.startswith("no") else "yes"
        yield f"| `{kind}` | {what} | {form} | {record}: {negative} |\n"


def _all_lookups() -> list[Lookup]:
    found = (_compiled(case).ir for case in ("records", "workloads"))
    return [k for an_ir in found if an_ir is not None for k in lookups(an_ir)]


def _compiled(case: str) -> CompileResult:
    loaded = loads((HERE / case / "spec.yaml").read_bytes(), case)
    result = compile_spec(loaded, "dev", REGISTRY)
    assert result.ir is not None and result.plan is not None, [d.render() for d in result.diagnostics]
    return result


def _services() -> Iterator[str]:
    yield "| field | checked | changes who reaches whom | asked |\n|---|---|---|---|\n"
    for field in _fields():
        changes, asked = MEANING[field]
        yield f"| `{field}` | {_rules(field)} | {changes} | {', '.join(f'`{a}`' for a in asked)} |\n"


@pytest.mark.parametrize(("block", "rows"), [("records", _records), ("fields", _services)])
def test_the_tables_are_current(block: str, rows: Callable[[], Iterable[str]], request: pytest.FixtureRequest) -> None:
    table = "\n" + "".join(rows()) + "\n"
    pattern = re.compile(rf"(?<=<!-- {block} -->\n).*(?=<!-- /{block} -->)", re.DOTALL)
    text = PAGE.read_text()
    if request.config.getoption("--update-golden", default=False):
        PAGE.write_text(pattern.sub(lambda _: table, text))
        text = PAGE.read_text()
    found = pattern.search(text)
    assert found is not None and found[0] == table


def test_what_is_said_to_be_asked_is_asked_for_some_golden_spec() -> None:
    probes = [p for case in CASES for p in _compiled(case).probes]
    ids = {p.id for p in probes if isinstance(p, FlowProbe | DnsProbe | FactProbe)}
    for _, asked in MEANING.values():
        assert all(any(i.startswith(f"{start}:") for i in ids) for start in asked)


def test_every_field_is_said() -> None:
    assert set(_fields()) == MEANING.keys()
