"""The host beside the nodes with an address of its own: what is then predicted of it, also by name."""

from pathlib import Path

from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.plan import CLUSTER, ResourceNode
from netspec.probes import FlowProbe, Outcome
from netspec.spec.load import loads

BANK = (Path(__file__).resolve().parents[1] / "golden" / "bank" / "spec.yaml").read_text()
SEEN = Outcome.CONNECTED, Outcome.TIMED_OUT
UNSET = BANK.replace(", outsideAddress: 172.30.128.1", "")
#: Nothing but NetworkPolicies, on another CNI.
PLAIN = f"""{BANK.partition("policies:")[0].replace("mode: none", "mode: iptables")}
policies:
  - {{name: abroad, from: bank/vault, to: {{cidr: 172.30.128.0/24}}, ports: [8080/TCP]}}
stacks:
  bank: {{cluster: {{type: kind, outsideAddress: 172.30.128.1}}, cni: {{provider: calico}}}}
"""


def compiled(text: str) -> CompileResult:
    result = compile_spec(loads(text, "bank.yaml"), "bank", REGISTRY)
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    return result


def flows(text: str, via: str) -> dict[str, Outcome | None]:
    """What is predicted: source, port -> outcome."""
    found = [p for p in compiled(text).probes if isinstance(p, FlowProbe) and p.via == via]
    return {f"{p.source}:{p.port}": p.expect for p in found}


def test_by_name_it_is_predicted_what_by_address_is_open() -> None:
    through, not_ = SEEN
    by_name, by_address = flows(BANK, "outside-name"), flows(BANK, "outside")
    assert by_name == {
        "bank/counter:8080": not_,
        "bank/counter:8081": not_,
        "bank/courier:8080": not_,
        "bank/courier:8081": through,
        "bank/teller:8080": through,
        "bank/teller:8081": not_,
        "bank/vault:8080": through,
        "bank/vault:8081": not_,
        "street/passer:8080": through,
        "street/passer:8081": through,
    }
    opened_by_name = {"bank/teller:8080", "bank/courier:8081"}
    assert by_address == {flow: None if flow in opened_by_name else expect for flow, expect in by_name.items()}


def test_without_kube_proxy_it_is_open_what_a_node_without_an_endpoint_does() -> None:
    found = [p for p in compiled(BANK).probes if isinstance(p, FlowProbe) and p.via == "node-port"]
    assert {p.nodes: p.expect for p in found} == {"with-endpoint": Outcome.CONNECTED, "without-endpoint": None}


def test_a_pod_that_looked_another_name_of_the_address_up_may_have_its_way_open() -> None:
    two = BANK.replace("{rates.exchange.example: [172.30.128.1]}", "{a.other.example: [172.30.128.1]}")
    assert flows(two, "outside-name")["bank/teller:8080"] is None


def test_a_name_of_several_addresses_and_a_pod_that_cannot_look_names_up_are_not_asked() -> None:
    assert flows(BANK.replace("[172.30.128.1]", "[172.30.128.1, 172.30.128.2]"), "outside-name") == {}
    deaf = flows(BANK.replace(", allowDNS: true", ""), "outside-name")
    # Who may go to a name may look it up.
    able = ("bank/teller", "bank/courier", "street/passer")
    assert deaf.keys() == {f"{who}:{port}" for who in able for port in (8080, 8081)}


def test_the_address_decides_whether_a_block_holds_it() -> None:
    assert flows(PLAIN, "outside")["bank/vault:8080"] is Outcome.CONNECTED
    assert flows(PLAIN, "outside-name")["bank/vault:8080"] is Outcome.CONNECTED
    unset = flows(PLAIN.replace(", outsideAddress: 172.30.128.1", ""), "outside")
    assert unset["bank/vault:8080"] is None and unset.keys() == flows(PLAIN, "outside").keys()


def test_it_is_a_property_of_the_cluster_where_it_is_given() -> None:
    def properties(text: str) -> dict[str, object]:
        (cluster,) = [n for n in (compiled(text).plan or ()).nodes if n.id == CLUSTER]  # type: ignore[union-attr]
        assert isinstance(cluster, ResourceNode)
        return dict(cluster.properties)

    assert properties(BANK)["outsideAddress"] == "172.30.128.1"
    assert "outsideAddress" not in properties(UNSET)
    assert flows(UNSET, "outside-name") == {}
