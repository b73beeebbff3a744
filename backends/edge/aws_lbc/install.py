"""The controller, once for all of its layers, and what it needs of the cluster.

Source: kubernetes-sigs/aws-load-balancer-controller 3.5, helm/aws-load-balancer-controller.
"""

from typing import Any

from netspec.backends.edge.aws_lbc.rights import ACTIONS, statements
from netspec.backends.edge.aws_lbc.settings import LoadBalancerSettings
from netspec.backends.edge.gatewayapi import definitions
from netspec.backends.objects import release
from netspec.catalogue import AWS_LBC
from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir
from netspec.plan import CNI_READY, NODES, Condition, Node, ReadyNode
from netspec.target import Account, Fact, ReadyRead, Traits

NAMESPACE, NAME = "kube-system", "aws-load-balancer-controller"
REPOSITORY = "https://aws.github.io/eks-charts"
ALB, NLB, ALB_GATEWAY = "aws-alb", "aws-nlb", "aws-alb-gateway"
#: By layer, in their order.
_OURS = {"loadBalancer": NLB, "ingress": ALB, "gateway": ALB_GATEWAY}
#: Of Ingresses, and of Services.
INGRESS_CLASS, SERVICE_CLASS = "alb", "service.k8s.aws/nlb"
READY = "aws-load-balancers"
ACCOUNT = Account(NAMESPACE, NAME, ACTIONS, statements())
_ROLES = {"internet-facing": "public", "internal": "private"}


def is_first(ir: Ir, layer: str) -> bool:
    """Whether this layer installs the controller: the first of its own that the stack has."""
    return layer == next(name for name, ours in _OURS.items() if ir.providers.get(name) == ours)


def serves_gateways(ir: Ir) -> bool:
    return ir.providers.get("gateway") == ALB_GATEWAY


def lower(ir: Ir, settings: LoadBalancerSettings) -> tuple[Node, ...]:
    """Its pods get their rights when they are made. Its own kinds come with its chart, the Gateway API's do not."""
    api, after = list[Node](), list[str]()
    if serves_gateways(ir):
        crds, defined = definitions()
        api, after = [*crds, defined], [defined.id]
    chart = release(
        NAME,
        NAMESPACE,
        NAME,
        AWS_LBC.official,
        _values(ir, settings),
        NODES,
        CNI_READY,
        ACCOUNT.node,
        *after,
        repository=REPOSITORY,
    )
    # Its webhooks refuse every Ingress until a pod of it answers.
    ready = ReadyNode(READY, (Condition(f"deployments/{NAME}", "Available", NAMESPACE),), (chart.id,), timeout=600)
    return (*api, chart, ready)


def facts(settings: LoadBalancerSettings) -> tuple[Fact, ...]:
    return (Fact("load-balancer-controller", f"{NAMESPACE}/{NAME}", settings.replicas, ReadyRead()),)


def subnets(traits: Traits, scheme: str) -> tuple[Any, ...]:
    """Where its load balancers are, as ranges; none where the cluster is not in AWS."""
    return tuple(found for role, _, found in traits.outputs.get("subnets", ()) if role == _ROLES[scheme])


def check(ir: Ir, settings: LoadBalancerSettings, layer: str, report: Report) -> None:
    """NS880."""
    where: Path = ("stacks", ir.stack, layer)
    if "vpc" not in ir.traits.outputs or "subnets" not in ir.traits.outputs:
        message = "load balancers of AWS are for clusters in AWS, made by netspec: cluster type eks"
        report.error("NS880", where, message, "loadBalancer: {provider: metallb}, or another controller")
    elif not subnets(ir.traits, settings.scheme):
        role = _ROLES[settings.scheme]
        message = f"a load balancer that is {settings.scheme} is in {role} subnets, and the VPC has none"
        report.error("NS880", where, message, f"scheme, or subnets with the role {role}")


def calls_pods(ir: Ir, layer: str, report: Report) -> None:
    """NS880: addresses of an overlay a load balancer cannot reach."""
    if "vpc" in ir.traits.outputs and not ir.traits.pod_networks:
        message = "the load balancer calls pods at their addresses, and theirs are not of the VPC"
        hint = "cni: {provider: vpc-cni}, or a CNI in its mode for the VPC"
        report.error("NS880", ("stacks", ir.stack, layer), message, hint)


def _values(ir: Ir, settings: LoadBalancerSettings) -> dict[str, Any]:
    """Which Services are its own they say themselves: its webhook for all new ones would stop those of others while no
    pod of it is there. By itself it looks once which definitions are there, and serves all that it finds."""
    outputs = ir.traits.outputs
    gates = {"ALBGatewayAPI": True, "NLBGatewayAPI": False, "GatewayListenerSet": False}
    return {
        "clusterName": outputs["cluster"],
        "region": outputs["region"],
        "vpcId": outputs["vpc"],
        "replicaCount": settings.replicas,
        "image": {"tag": f"v{AWS_LBC.official}"},
        "serviceAccount": {"create": True, "name": NAME},
        "cluster": {"dnsDomain": ir.dns.cluster_domain},
        "enableServiceMutatorWebhook": False,
        "ingressClass": INGRESS_CLASS,
        "enableShield": False,
        "enableWaf": False,
        "enableWafv2": False,
        **({"controllerConfig": {"featureGates": gates}} if serves_gateways(ir) else {}),
    }
