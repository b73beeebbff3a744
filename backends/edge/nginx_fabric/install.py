"""NGINX Gateway Fabric by its Helm chart, the definitions that it does not bring, and the Gateway with its routes.

Sources: NGINX Gateway Fabric 2.6.7, charts/nginx-gateway-fabric; internal/controller/provisioner (objects.go,
provisioner.go: names, labels and ports of what it makes); apis/v1alpha1 (ClientSettingsPolicy, ProxySettingsPolicy).
"""

from dataclasses import replace
from typing import Any

from netspec.backends.edge.gatewayapi import GROUP, definitions, gateway_objects, grant_objects, route_objects
from netspec.backends.edge.ingresses import ProxySettings, balanced_by, balancer_annotations, makes_beside, placed
from netspec.backends.objects import Manifest, manifest, node, release
from netspec.catalogue import NGINX_FABRIC
from netspec.ir.gateways import Gateway
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, Condition, Node, ReadyNode

CHART = "oci://ghcr.io/nginx/charts/nginx-gateway-fabric"
EXTENSION = "gateway.nginx.org"
NAMESPACE, NAME = "nginx-gateway", "nginx-gateway-fabric"
#: The class that the chart makes. It ends the names of what is made for a Gateway.
CLASS = "nginx"
READY, SERVED = NAME, "nginx"


def proxy_name(gateway: Gateway) -> str:
    """Deployment and Service of a Gateway; of a name that is longer the controller makes another."""
    return f"{gateway.name}-{CLASS}"


def labels(gateway: Gateway) -> dict[str, str]:
    """Of its pods, by which its Service selects them."""
    return {
        "app.kubernetes.io/name": proxy_name(gateway),
        "app.kubernetes.io/instance": NAME,
        "app.kubernetes.io/managed-by": f"{NAME}-{CLASS}",
        f"{GROUP}/gateway-name": gateway.name,
    }


def point(port: int) -> str:
    """The name of a listener's port, which is the same on the pods."""
    return f"port-{port}"


def install(ir: Ir, settings: ProxySettings) -> tuple[Node, ...]:
    """The chart makes the class, so the API's definitions come before it."""
    crds, defined = definitions()
    namespace = node(manifest("v1", "Namespace", NAMESPACE), CLUSTER)
    after = (namespace.id, defined.id, CNI_READY)
    chart = release(NAME, NAMESPACE, CHART, NGINX_FABRIC.official, _values(ir, settings), *after)
    kinds = ("clientsettingspolicies", "proxysettingspolicies")
    conditions = (
        *(Condition(f"crd/{kind}.{EXTENSION}", "Established") for kind in kinds),
        Condition(f"deployments/{NAME}", "Available", NAMESPACE),
    )
    ready = ReadyNode(READY, conditions, (chart.id,), timeout=600)
    told = balancer_annotations(ir) if settings.service == "LoadBalancer" else {}
    made = gateway_objects(ir, CLASS, infrastructure={"annotations": told} if told else None)
    # A Gateway has a Service, which may make a load balancer beside the cluster.
    gateways = [replace(placed(obj, ready.id, *balanced_by(ir), wait=False), outlives=makes_beside(ir)) for obj in made]
    ids = tuple(g.id for g in gateways)
    out: list[Node] = [*crds, defined, namespace, chart, ready, *(placed(obj, ready.id) for obj in grant_objects(ir))]
    out += [*(placed(obj, ready.id) for obj in policies(ir)), *gateways]
    out += [placed(obj, *ids) for obj in route_objects(ir)]
    served = [Condition(f"deployments/{proxy_name(g)}", "Available", g.namespace) for g in ir.gateways]
    if served:
        # The controller makes NGINX's pods when there is a Gateway.
        out.append(ReadyNode(SERVED, tuple(served), ids, timeout=600))
    return tuple(out)


def _values(ir: Ir, settings: ProxySettings) -> dict[str, Any]:
    """The chart's. What it would report to its maker is off, and IPv6, which a spec has not. Annotations of the Service
    are the Gateway's to say."""
    service = {key: value for key, value in settings.of_service(ir).items() if key != "annotations"}
    return {
        "clusterDomain": ir.dns.cluster_domain,
        "nginxGateway": {"productTelemetry": {"enable": False}},
        "nginx": {"replicas": settings.replicas, "service": service, "config": {"ipFamily": "ipv4"}},
    }


def policies(ir: Ir) -> list[Manifest]:
    """Left to itself, NGINX takes no body above 1 MiB, and gives an answer a minute between two pieces of it."""
    api = f"{EXTENSION}/v1alpha1"
    out = []
    for gateway in ir.gateways:
        target = {"group": GROUP, "kind": "Gateway", "name": gateway.name}
        body = {"targetRef": target, "body": {"maxSize": "0"}}
        times = {"targetRefs": [target], "timeout": {"read": "24h"}}
        out.append(manifest(api, "ClientSettingsPolicy", gateway.name, gateway.namespace, spec=body))
        out.append(manifest(api, "ProxySettingsPolicy", gateway.name, gateway.namespace, spec=times))
    return out
