"""AWS's load balancers, made by AWS Load Balancer Controller on EKS: a Network Load Balancer for each Service of type
LoadBalancer, an Application Load Balancer for all HTTP routes. Neither has pods: they are in the VPC's subnets, and
where pods have addresses of the VPC they call the pods themselves.

Not supported by the Application Load Balancer, for it has no word for it: bodies, rates, users and passwords, CORS with
its preflight requests, headers of one's own, error pages, retries, times of answers, copies, traces for a collector.
Its wildcard is any number of labels."""

from dataclasses import replace

from netspec.backends.edge.aws_lbc import install
from netspec.backends.edge.aws_lbc.checks import check
from netspec.backends.edge.aws_lbc.install import ACCOUNT, ALB, NLB, READY, SERVICE_CLASS
from netspec.backends.edge.aws_lbc.routes import SUFFIXES, ingresses
from netspec.backends.edge.aws_lbc.settings import AwsAlbSettings, AwsNlbSettings
from netspec.backends.edge.ingresses import placed, route_facts
from netspec.catalogue import IMAGES
from netspec.diagnostics import Report
from netspec.ir.http import FarFront
from netspec.ir.model import Ir
from netspec.plan import Node
from netspec.target import Backend, Balancing, Fact, Feature, Needs, Traits

_NLB = "service.beta.kubernetes.io/aws-load-balancer-"


class AwsNlb(Backend):
    name = NLB
    settings = AwsNlbSettings
    supports = frozenset({Feature.LOAD_BALANCER})

    def traits(self, ir: Ir, settings: AwsNlbSettings, traits: Traits) -> Traits:
        """Pods of the VPC are called themselves, and told the client's address, which is off for them by default."""
        direct = bool(traits.pod_networks)
        annotations = {
            f"{_NLB}type": "external",
            f"{_NLB}nlb-target-type": "ip" if direct else "instance",
            f"{_NLB}scheme": settings.scheme,
        }
        if direct:
            annotations[f"{_NLB}target-group-attributes"] = "preserve_client_ip.enabled=true"
        balancing = Balancing(
            NLB, answered=False, follows_pods=direct, service_class=SERVICE_CLASS, node=READY, annotations=annotations
        )
        return replace(traits, balancing=balancing)

    def needs(self, ir: Ir, settings: AwsNlbSettings, needs: Needs) -> Needs:
        return replace(needs, accounts=(*needs.accounts, ACCOUNT))

    def check(self, ir: Ir, settings: AwsNlbSettings, needs: Needs, report: Report) -> None:
        """NS880."""
        install.check(ir, settings, "loadBalancer", report)

    def lower(self, ir: Ir, settings: AwsNlbSettings, needs: Needs) -> tuple[Node, ...]:
        return install.lower(ir, settings)

    def images(self, ir: Ir, settings: AwsNlbSettings) -> tuple[str, ...]:
        return (IMAGES["aws-load-balancer-controller"],)

    def facts(self, ir: Ir, settings: AwsNlbSettings) -> tuple[Fact, ...]:
        return install.facts(settings)


class AwsAlb(Backend):
    name = ALB
    settings = AwsAlbSettings
    supports = frozenset(
        {
            Feature.HTTP_ROUTES,
            Feature.HTTP_REGEX,
            Feature.HTTP_TLS,
            Feature.HTTP_REDIRECT,
            Feature.HTTP_WEIGHTS,
            Feature.HTTP_GRPC,
            Feature.HTTP_ALLOW_FROM,
            Feature.HTTP_REWRITE,
            Feature.HTTP_STICKY,
            Feature.HTTP_WEB_SOCKET,
            Feature.HTTP_OIDC,
        }
    )

    def traits(self, ir: Ir, settings: AwsAlbSettings, traits: Traits) -> Traits:
        ranges = tuple(found.network for found in install.subnets(traits, settings.scheme))
        return replace(traits, far_front=FarFront(ranges, suffixes=SUFFIXES))

    def needs(self, ir: Ir, settings: AwsAlbSettings, needs: Needs) -> Needs:
        more = (ACCOUNT,) if install.is_first(ir, "ingress") else ()
        return replace(needs, accounts=(*needs.accounts, *more))

    def check(self, ir: Ir, settings: AwsAlbSettings, needs: Needs, report: Report) -> None:
        """NS871, NS880 to NS882."""
        install.check(ir, settings, "ingress", report)
        install.calls_pods(ir, "ingress", report)
        check(ir, settings, report)

    def lower(self, ir: Ir, settings: AwsAlbSettings, needs: Needs) -> tuple[Node, ...]:
        """What an Ingress made in AWS goes with it alone, and by the controller."""
        installed = install.lower(ir, settings) if install.is_first(ir, "ingress") else ()
        made = (placed(obj, READY) for obj in ingresses(ir, settings))
        return (*installed, *(replace(node, outlives=ir.traits.balancers_stay) for node in made))

    def images(self, ir: Ir, settings: AwsAlbSettings) -> tuple[str, ...]:
        return (IMAGES["aws-load-balancer-controller"],)

    def facts(self, ir: Ir, settings: AwsAlbSettings) -> tuple[Fact, ...]:
        controller = install.facts(settings) if install.is_first(ir, "ingress") else ()
        return (*controller, *route_facts(ingresses(ir, settings)))
