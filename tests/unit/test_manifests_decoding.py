"""Manifests are decoded as kubectl and the API server decode them: the same values, defaults, documents.

What is expected here is what their own code answers; tests/property/test_reach_kubectl.py and test_reach_api.py ask it.
"""

from ipaddress import ip_address
from pathlib import Path

import pytest

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import PodEnd
from netspec.diagnostics import Severity
from netspec.manifests.read import Reading, read, read_texts

POD = "apiVersion: v1\nkind: Pod\nmetadata: {{name: {0}{1}}}\nspec: {{containers: [{{name: c, image: i}}]}}\n"


def of(text: str, file: str = "x.yaml") -> Reading:
    return read_texts([(file, text)])


def clean(text: str) -> Reading:
    reading = of(text)
    assert [d.render() for d in reading.diagnostics] == []
    return reading


def labels_of(written: str) -> dict[str, str]:
    (found,) = clean(POD.format("web", f", labels: {written}")).inventory.workloads
    return dict(found.labels)


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        ("{app: web, <<: {app: common, tier: front}}", {"app": "common", "tier": "front"}),
        ("{<<: {app: common, tier: front}, app: web}", {"app": "web", "tier": "front"}),
        ("{<<: [{app: first, a: x}, {app: second, b: x}]}", {"app": "first", "a": "x", "b": "x"}),
        ("{<<: &base {app: base}, a: x, <<: *base}", {"app": "base", "a": "x"}),
        ("{a: x, <<: {a: w}, a: z}", {"a": "z"}),
        ("{'<<': x, a: b}", {"<<": "x", "a": "b"}),
    ],
)
def test_a_merge_stands_where_it_is_written(written: str, labels: dict[str, str]) -> None:
    assert labels_of(written) == labels


def test_a_merge_behind_a_key_overrides_it_for_the_policy_that_selects_it() -> None:
    reading = clean(
        POD.format("web", ", labels: {app: web, <<: {app: common}}")
        + "---\n"
        + POD.format("other", "")
        + "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: lock}\n"
        "spec: {podSelector: {matchLabels: {app: common}}, policyTypes: [Ingress]}\n"
    )
    verdict = evaluate(reading.inventory, PodEnd("default/other"), PodEnd("default/web"), 80, "TCP")
    assert verdict.expected == "deny"


@pytest.mark.parametrize("written", ["{tier: }", "{tier: null}", "{tier: ~}", "{tier: ''}", "{tier: Null}"])
def test_a_label_that_is_null_is_empty_text(written: str) -> None:
    assert labels_of(written) == {"tier": ""}


@pytest.mark.parametrize(
    ("written", "number"),
    [
        *(("8080", 8080), ("8.08e3", 8080), ("080", 80), ("0x1f90", 8080), ("0o17620", 8080), ("017620", 8080)),
        *(("8_080", 8080), ("+8080", 8080), ("80.0", 80), ("0b1010000", 80), ("8080.", 8080), ("!!int '8080'", 8080)),
    ],
)
def test_a_port_is_a_whole_number_in_any_notation(written: str, number: int) -> None:
    reading = clean(POD.format("a", "").replace("image: i", f"image: i, ports: [{{containerPort: {written}}}]"))
    assert [p.port for p in reading.inventory.workloads[0].ports] == [number]
    policy = clean(POLICY + f"  ingress: [{{ports: [{{port: {written}, endPort: 9000}}]}}]\n").inventory.policies[0]
    assert policy.ingress[0].ports[0].port == number


@pytest.mark.parametrize("written", ["'8080'", "8080.5", "yes", "1e9", "0x", "8080a"])
def test_a_port_that_is_not_a_whole_number_is_an_error(written: str) -> None:
    reading = of(POD.format("a", "").replace("image: i", f"image: i, ports: [{{containerPort: {written}}}]"))
    assert "containerPort" in reading.diagnostics[0].render()


POLICY = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:\n  podSelector: {}\n"


@pytest.mark.parametrize(
    ("cidr", "network"),
    [
        *(("10.0.0.0/8", "10.0.0.0/8"), ("010.0.0.0/08", "10.0.0.0/8"), ("10.1.2.3/8", "10.0.0.0/8")),
        *(("192.168.001.010/32", "192.168.1.10/32"), ("2001:0DB8::/32", "2001:db8::/32"), ("::/0", "::/0")),
        *(("2001:db8::00010/128", "2001:db8::10/128"), ("::ffff:10.0.0.0/104", "10.0.0.0/8")),
        *(("::ffff:010.0.0.0/104", "10.0.0.0/8"), ("0.0.0.0/0", "0.0.0.0/0")),
    ],
)
def test_a_cidr_is_read_in_every_notation_that_the_api_server_takes(cidr: str, network: str) -> None:
    policy = clean(POLICY + f"  ingress: [{{from: [{{ipBlock: {{cidr: '{cidr}'}}}}]}}]\n").inventory.policies[0]
    block = policy.ingress[0].peers[0].ip_block
    assert str(block and block.cidr) == network


@pytest.mark.parametrize(
    "cidr", ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "0x0a.0.0.0/8", "fe80::1%eth0/64", "10.0.0.0/+8"]
)
def test_a_cidr_that_the_api_server_refuses_is_an_error(cidr: str) -> None:
    (found,) = of(POLICY + f"  ingress: [{{from: [{{ipBlock: {{cidr: '{cidr}'}}}}]}}]\n").diagnostics
    assert "ipBlock.cidr" in found.render()


@pytest.mark.parametrize("written", ["", ", protocol: ''", ", protocol: ", ", protocol: null", ", protocol: TCP"])
def test_a_protocol_that_is_empty_is_tcp_in_containers_and_services(written: str) -> None:
    pod = POD.format("a", ", labels: {app: a}").replace(
        "image: i", f"image: i, ports: [{{containerPort: 80{written}}}]"
    )
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"
    service += f"spec: {{selector: {{app: a}}, ports: [{{port: 80{written}}}]}}\n"
    inventory = clean(f"{pod}---\n{service}").inventory
    assert [p.protocol for p in inventory.workloads[0].ports] == ["TCP"]
    assert [p.protocol for p in inventory.services[0].ports] == ["TCP"]


@pytest.mark.parametrize("protocol", ["''", "tcp", "ICMP"])
def test_a_protocol_of_a_policy_is_not_defaulted_when_empty(protocol: str) -> None:
    (found,) = of(POLICY + f"  ingress: [{{ports: [{{port: 80, protocol: {protocol}}}]}}]\n").diagnostics
    assert "protocol is not one of TCP, UDP and SCTP [NM002]" in found.render()


@pytest.mark.parametrize(
    ("spec", "peers", "ports"),
    [
        *(
            ("ingress: [null]", 0, 0),
            ("ingress: [{from: null, ports: null}]", 0, 0),
            ("ingress: [{ports: [null]}]", 0, 1),
        ),
        (
            "ingress: [{from: [{podSelector: {matchLabels: null, matchExpressions: null}, namespaceSelector: null}]}]",
            1,
            0,
        ),
        ("ingress: [{ports: [{port: null, protocol: null, endPort: null}]}]", 0, 1),
        ("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: null}, podSelector: ~}]}]", 1, 0),
        ("ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: Exists, values: null}]}}]}]", 1, 0),
        ("ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: In, values: [null]}]}}]}]", 1, 0),
    ],
)
def test_null_in_a_policy_is_absent(spec: str, peers: int, ports: int) -> None:
    (rule,) = clean(f"{POLICY}  {spec}\n").inventory.policies[0].ingress
    assert (len(rule.peers), len(rule.ports)) == (peers, ports)


# Files


def names(reading: Reading) -> list[str]:
    return [w.name for w in reading.inventory.workloads]


def as_json(name: str) -> str:
    return f'{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}"}}, "spec": {{}}}}'


@pytest.mark.parametrize(
    "text",
    [
        as_json("a") + as_json("b"),
        as_json("a") + "\n" + as_json("b") + "\n",
        as_json("a") + "\n---\n" + as_json("b"),
        as_json("a") + "\n---\n" + POD.format("b", ""),
        as_json("a") + "\n" + POD.format("b", ""),
        as_json("a") + " # a comment\n---\n" + POD.format("b", ""),
        POD.format("a", "") + "--- # a comment\n" + POD.format("b", ""),
        POD.format("a", "") + "---\t \r\n" + POD.format("b", ""),
        POD.format("a", "") + "---#\n" + POD.format("b", ""),
        "\n---\n---\n# nothing\n---\nnull\n---\n" + POD.format("a", "") + "---\n" + POD.format("b", "") + "...\n",
        "\ufeff" + POD.format("a", "") + "---\n\ufeff" + POD.format("b", ""),
        (POD.format("a", "") + "---\n" + POD.format("b", "")).replace("\n", "\r\n"),
        "apiVersion: v1\nkind: List\nitems:\n- " + as_json("a") + "\n- " + as_json("b"),
        'apiVersion: v1\nkind: PodList\nitems: [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]',
        '{"apiVersion": "v1", "kind": "List", "items": null}\n' + as_json("a") + as_json("b"),
    ],
)
def test_a_file_is_taken_apart_as_kubectl_does(text: str, tmp_path: Path) -> None:
    assert names(clean(text)) == ["a", "b"]
    (tmp_path / "x.yaml").write_text(text, encoding="utf-8", newline="")
    assert names(read([str(tmp_path / "x.yaml")])) == ["a", "b"]


def test_objects_of_one_line_have_places_of_their_own() -> None:
    bad = as_json("b").replace('"spec": {}', '"spec": []')
    reading = of(f"{as_json('a')}{bad}\n{bad.replace('b', 'c')}")
    column = len(as_json("a")) + bad.index('"spec"') + 1
    assert [d.render().split(" Pod")[0] for d in reading.diagnostics] == [
        f"x.yaml:1:{column}:",
        f"x.yaml:2:{bad.index(chr(34) + 'spec') + 1}:",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (POD.format("a", "") + "...\n" + POD.format("b", ""), 6),
        ("{apiVersion: v1, kind: Pod, metadata: {name: a}}\n" + as_json("b"), 2),
    ],
)
def test_what_kubectl_does_not_read_is_not_read_and_a_warning_says_so(text: str, line: int) -> None:
    reading = of(text)
    assert names(reading) == ["a"]
    (found,) = reading.diagnostics
    assert found.severity is Severity.WARNING
    assert f"x.yaml:{line}:1: warning: document goes on behind its end without a line of ---" in found.render()


def test_bytes_that_are_not_utf8_spoil_their_document_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(POD.format("a", "").encode() + b"---\n# caf\xe9\nkind: Pod\n---\n" + POD.format("b", "").encode())
    reading = read([str(path)])
    assert names(reading) == ["a", "b"]
    assert [d.render() for d in reading.diagnostics] == [f"{path}:6:1: document is not UTF-8 text [NM001]"]


def test_utf16_is_said_to_be_utf16(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(POD.format("a", "").encode("utf-16"))
    (found,) = read([str(path)]).diagnostics
    assert "file is UTF-16, which kubectl does not read: save it as UTF-8 [NM001]" in found.render()


@pytest.mark.parametrize(
    ("text", "ip"),
    [("{ip: fd00::}", "fd00::"), ("{ip: 2001:db8::1}", "2001:db8::1"), ("{ip: 010.244.0.9}", "10.244.0.9")],
)
def test_an_address_in_braces_is_read(text: str, ip: str) -> None:
    pod = POD.format("a", "") + f"status: {{phase: Running, podIPs: [{text}]}}\n"
    (network,) = clean(pod).inventory.pod_cidrs
    assert ip_address(ip) in network


@pytest.mark.parametrize(
    "field",
    ["podCIDR: 10.244.1.0/24", "podCIDRs: [10.244.1.0/24]", "podCIDRs: ['010.244.001.000/24']"],
)
def test_a_nodes_range_has_two_names(field: str) -> None:
    node = f"apiVersion: v1\nkind: Node\nmetadata: {{name: node}}\nspec: {{{field}}}\n"
    assert [str(n) for n in clean(node).inventory.pod_cidrs] == ["10.244.1.0/24"]
