"""CNIs that no machine of ours runs, applied by the real engine, plugin and helm to a real API server: it takes every
object of theirs, and has what was declared. Their pods are nobody's, and Antrea's chart is a stand-in of ours."""

import json
from typing import Any

import pytest
import yaml

from netspec.backends.registry import REGISTRY
from netspec.catalogue import ANTREA
from netspec.compiler import compile_spec
from netspec.plan import ManifestNode
from netspec.spec.load import loads
from tests.engine.conftest import World
from tests.engine.test_releases import Server, charted, server, write_chart  # noqa: F401

pytestmark = pytest.mark.engine

SPEC = """\
apiVersion: netspec.dev/v1alpha1
kind: NetworkSpec
metadata: {{name: shop}}
network: {{proxy: {{mode: {mode}}}}}
namespaces:
  - {{name: shop, defaultDeny: [ingress]}}
stacks:
  shop: {{cluster: {{type: kind, workers: 1}}, cni: {cni}}}
"""
#: What the chart is given, as the cluster can be asked for it.
VALUES = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: values, namespace: {{ .Release.Namespace }}}
data: {values: {{ toYaml .Values | quote }}}
"""
WAYS = {
    "weave": ("{provider: weave, acceptArchived: true, mtu: 1400}", "iptables"),
    "flannel": ("{provider: flannel, backend: host-gw, policy: netpol}", "iptables"),
    "antrea": ("{provider: antrea, tunnel: vxlan, mtu: 1400}", "none"),
}


def plan_of(text: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The objects, and the values of the releases by name."""
    result = compile_spec(loads(text, "shop.yaml"), "shop", REGISTRY)
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    releases = {n.properties["name"]: n.properties["values"] for n in result.plan.nodes if n.id.startswith("release:")}
    return [dict(n.manifest) for n in result.plan.nodes if isinstance(n, ManifestNode)], releases


def holds(declared: Any, there: Any) -> bool:
    """Whether all that is declared is there; the server adds defaults."""
    if isinstance(declared, dict):
        return isinstance(there, dict) and all(holds(value, there.get(key)) for key, value in declared.items() if value)
    if isinstance(declared, list):
        return isinstance(there, list) and len(declared) == len(there) and all(map(holds, declared, there))
    return bool(declared == there)


@pytest.mark.parametrize("name", WAYS)
def test_an_api_server_takes_it_and_has_what_was_declared(charted: World, server: Server, name: str) -> None:  # noqa: F811
    cni, mode = WAYS[name]
    text = SPEC.format(cni=cni, mode=mode)
    objects, releases = plan_of(text)
    write_chart(charted, name="antrea", version=ANTREA.official, values=VALUES)
    charted.write_spec(text)
    made = charted.up()["create"]
    for declared in objects:
        meta = declared["metadata"]
        where = ["-n", meta["namespace"]] if meta.get("namespace") else []
        version, kind = declared["apiVersion"], declared["kind"]
        group, _, number = version.rpartition("/")
        kind += f".{number}.{group}" if group else ""
        there = json.loads(server.kubectl("get", kind, meta["name"], *where, "-o", "json"))
        assert holds(declared, there), (declared, there)
    for values in releases.values():
        there = json.loads(server.kubectl("get", "configmap", "values", "-n", "kube-system", "-o", "json"))
        assert yaml.safe_load(there["data"]["values"]) == values
    assert bool(releases) == (name == "antrea")
    assert charted.up() == {"same": made}
