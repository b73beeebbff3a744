"""A spec's Gateways as Application Load Balancers, one for each, by the Gateway API of AWS Load Balancer Controller.

Not supported, for neither it nor the load balancer has a word for it: headers, copies, CORS, times. Nor are streams:
those are Network Load Balancers, of a class of their own. Of matches it has less than the API (`gatewaychecks`).

Source: kubernetes-sigs/aws-load-balancer-controller 3.5, docs/guide/gateway, apis/gateway/v1, pkg/gateway,
controllers/gateway.
"""

from dataclasses import replace
from typing import Any

from netspec.backends.edge.aws_lbc import install
from netspec.backends.edge.aws_lbc.gatewaychecks import check
from netspec.backends.edge.aws_lbc.install import ACCOUNT, ALB_GATEWAY, READY
from netspec.backends.edge.aws_lbc.settings import AwsAlbGatewaySettings
from netspec.backends.edge.gatewayapi import API, gateway_facts, gateway_objects, grant_objects, route_objects
from netspec.backends.edge.ingresses import placed
from netspec.backends.objects import Manifest, manifest, node
from netspec.catalogue import IMAGES
from netspec.diagnostics import Report
from netspec.ir.gateways import Gateway
from netspec.ir.http import FarFront
from netspec.ir.model import Ir
from netspec.plan import Node
from netspec.target import Backend, Fact, Feature, Field, Needs, ObjectRead, Traits

#: Of the class, and of what holds for all of it: no Gateway has a dot in its name.
CLASS, _DEFAULTS = "netspec", "netspec.defaults"
_GROUP = "gateway.k8s.aws"
_CONFIGURATION, _TARGETS = "LoadBalancerConfiguration", "TargetGroupConfiguration"
#: Seconds without a byte, the most that it has: its own are 60.
_IDLE = "4000"


class AwsAlbGateway(Backend):
    name = ALB_GATEWAY
    settings = AwsAlbGatewaySettings
    supports = frozenset(
        {
            Feature.GATEWAYS,
            Feature.GATEWAY_HTTP,
            Feature.GATEWAY_GRPC,
            Feature.GATEWAY_MATCHES,
            Feature.GATEWAY_REDIRECT,
            Feature.GATEWAY_REWRITE,
        }
    )

    def traits(self, ir: Ir, settings: AwsAlbGatewaySettings, traits: Traits) -> Traits:
        ranges = tuple(found.network for found in install.subnets(traits, settings.scheme))
        return replace(traits, far_gates=FarFront(ranges, kind="HTTPRoute"))

    def needs(self, ir: Ir, settings: AwsAlbGatewaySettings, needs: Needs) -> Needs:
        more = (ACCOUNT,) if install.is_first(ir, "gateway") else ()
        return replace(needs, accounts=(*needs.accounts, *more))

    def check(self, ir: Ir, settings: AwsAlbGatewaySettings, needs: Needs, report: Report) -> None:
        """NS880 to NS882, NS970."""
        install.check(ir, settings, "gateway", report)
        install.calls_pods(ir, "gateway", report)
        check(ir, settings, report)

    def lower(self, ir: Ir, settings: AwsAlbGatewaySettings, needs: Needs) -> tuple[Node, ...]:
        """A load balancer goes with its Gateway alone, and by the controller: the end of that is waited for."""
        installed = install.lower(ir, settings) if install.is_first(ir, "gateway") else ()
        configured = [placed(obj, READY) for obj in _class_objects(settings)]
        reference = {"group": _GROUP, "kind": _CONFIGURATION, "name": _DEFAULTS, "namespace": install.NAMESPACE}
        spec = {"controllerName": "gateway.k8s.aws/alb", "parametersRef": reference}
        kind = node(manifest(API, "GatewayClass", CLASS, spec=spec), *(c.id for c in configured))
        out: list[Node] = [*installed, *configured, kind, *(placed(obj, READY) for obj in grant_objects(_without(ir)))]
        gateways = []
        for gateway, obj in zip(ir.gateways, gateway_objects(_without(ir), CLASS), strict=True):
            after = [kind.id]
            if certified := _certified(gateway, settings):
                listeners = placed(certified, READY)
                after.append(listeners.id)
                out.append(listeners)
                own = {"group": _GROUP, "kind": _CONFIGURATION, "name": gateway.name}
                obj = obj | {"spec": obj["spec"] | {"infrastructure": {"parametersRef": own}}}
            gateways.append(replace(placed(obj, *after), outlives=ir.traits.balancers_stay))
        routes = [placed(obj, *(g.id for g in gateways)) for obj in route_objects(ir)]
        return (*out, *gateways, *routes)

    def images(self, ir: Ir, settings: AwsAlbGatewaySettings) -> tuple[str, ...]:
        return (IMAGES["aws-load-balancer-controller"],)

    def facts(self, ir: Ir, settings: AwsAlbGatewaySettings) -> tuple[Fact, ...]:
        controller = install.facts(settings) if install.is_first(ir, "gateway") else ()
        certified = (obj for gateway in ir.gateways if (obj := _certified(gateway, settings)))
        settings_of = (_as_made(obj) for obj in (*_class_objects(settings), *certified))
        return (*controller, *settings_of, *gateway_facts(_without(ir)))


def _without(ir: Ir) -> Ir:
    """Without certificates, which are none of the cluster's: neither a Gateway nor a grant names them."""
    return replace(
        ir,
        gateways=tuple(
            replace(g, listeners=tuple(replace(x, mode="", certificates=()) for x in g.listeners)) for g in ir.gateways
        ),
    )


def _class_objects(settings: AwsAlbGatewaySettings) -> tuple[Manifest, Manifest]:
    """What holds for all load balancers and all Services behind them."""
    # A pod that answers is well, whatever it says at /; that it is ready its own probe says.
    health = {"matcher": {"httpCode": "200-499", "grpcCode": "0-99"}}
    targets = {"defaultConfiguration": {"targetType": "ip", "healthCheckConfig": health}}
    balancers = {
        "scheme": settings.scheme,
        "loadBalancerAttributes": [{"key": "idle_timeout.timeout_seconds", "value": _IDLE}],
        "defaultTargetGroupConfiguration": {"name": _DEFAULTS},
    }
    where = (_DEFAULTS, install.NAMESPACE)
    return _own(_TARGETS, *where, targets), _own(_CONFIGURATION, *where, balancers)


def _certified(gateway: Gateway, settings: AwsAlbGatewaySettings) -> Manifest | None:
    """The certificates of a Gateway's ports: which of them a client gets goes by the name that it asks for, and is the
    first for a name that none has."""
    ports: dict[int, dict[str, None]] = {}
    for listener in gateway.listeners:
        for namespace, name in listener.certificates:
            ports.setdefault(listener.port, {})[settings.certificates.get(f"{namespace}/{name}", "")] = None
    if not ports:
        return None
    listeners = []
    for port, (first, *others) in ports.items():
        more = {"certificates": others} if others else {}
        said = {"protocolPort": f"HTTPS:{port}", "defaultCertificate": first, **more}
        listeners.append(said | {"alpnPolicy": "None"})  # the field's default, of other load balancers
    return _own(_CONFIGURATION, gateway.name, gateway.namespace, {"listenerConfigurations": listeners})


def _own(kind: str, name: str, namespace: str, spec: dict[str, Any]) -> Manifest:
    return manifest(f"{_GROUP}/v1", kind, name, namespace, spec=spec)


def _as_made(obj: Manifest) -> Fact:
    kind, name, namespace = obj["kind"], obj["metadata"]["name"], obj["metadata"]["namespace"]
    fields = tuple((key, Field(f"spec.{key}")) for key in obj["spec"])
    read = ObjectRead(f"{kind.lower()}s.{_GROUP}", fields, name, namespace)
    return Fact("gateway-settings", f"{kind} {namespace}/{name}", dict(obj["spec"]), read)
