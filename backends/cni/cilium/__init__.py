"""Cilium, by its own Helm chart. Agents judge policies by the identities of pods, not by their addresses."""

from collections.abc import Mapping
from dataclasses import replace

from netspec.backends.cni.cilium import redirect, vpc
from netspec.backends.cni.cilium.checks import check
from netspec.backends.cni.cilium.policies import policies, policy_manifest
from netspec.backends.cni.cilium.settings import CiliumSettings
from netspec.backends.cni.cilium.values import NAMESPACE, config, kernel, manager, replaces_proxy, values
from netspec.backends.cni.dialects import DIALECTS
from netspec.backends.cni.vpc import addon
from netspec.backends.cni.vpc.capacity import node_limits, subnet_limits
from netspec.backends.objects import Manifest, release
from netspec.catalogue import CILIUM, IMAGES
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, NODES, Condition, Node, ReadyNode
from netspec.target import Backend, Fact, Feature, Field, Limit, Needs, NodeRead, ObjectRead, Traits

REPOSITORY = "https://helm.cilium.io"
#: The plan node of the chart.
RELEASE = f"release:{NAMESPACE}/cilium"
#: The device of the tunnel, by protocol.
_TUNNEL = (
    "if [ -e /sys/class/net/cilium_vxlan ]; then echo vxlan; elif [ -e /sys/class/net/cilium_geneve ]; "
    "then echo geneve; else echo none; fi"
)
#: What the agent says of itself on its socket.
_AGENT = "curl -s --max-time 5 --unix-socket /var/run/cilium/cilium.sock http://localhost/v1/healthz"
#: What the proxy beside it says of itself, which judges requests.
_PROXY = "curl -s --max-time 5 --unix-socket /var/run/cilium/envoy/sockets/admin.sock http://localhost/ready"


class Cilium(Backend):
    name = "cilium"
    settings = CiliumSettings
    supports = frozenset(
        {
            *(Feature.NETWORK_POLICY, Feature.END_PORT, Feature.NAMED_PORT, Feature.SCTP, Feature.PROXY_NONE),
            *(Feature.HTTP_REQUESTS, Feature.DNS_NAMES, Feature.ENTITIES, Feature.HOST_PORT),
        }
    )

    def lacks(self, ir: Ir, settings: CiliumSettings) -> Mapping[Feature, str]:
        """Requests and lookups are judged by the proxy, which a chained Cilium does not have (cilium#12454)."""
        judged = (Feature.HTTP_REQUESTS, Feature.DNS_NAMES)
        if settings.vpc_cni is not None:
            return dict.fromkeys(judged, "take cni.eni in place of cni.vpcCni")
        return dict.fromkeys(judged if settings.l7_proxy is False else (), "set cni.l7Proxy to true")

    def traits(self, ir: Ir, settings: CiliumSettings, traits: Traits) -> Traits:
        own = settings.vpc_cni is not None
        return replace(
            vpc.with_addresses(settings, traits),
            node_pods=traits.node_pods + 1 + (settings.l7_proxy is not False) + own,  # agent, proxy, the VPC CNI's
            overhead=settings.overhead,
            # Pods' interfaces have the node's MTU; their routes have what is left of it.
            on_route=settings.overhead,
            mtu=settings.mtu,
            forwarded="tunnel" if settings.protocol else "node",
            dialect=DIALECTS["cilium"],
            # Chained, it leaves Services to kube-proxy.
            redirects=not own,
        )

    def needs(self, ir: Ir, settings: CiliumSettings, needs: Needs) -> Needs:
        late = ir.traits.nodes_wait
        needs = vpc.with_needs(ir, settings, needs)
        return replace(
            needs,
            taints=(*needs.taints, *([vpc.TAINT] if late else ())),
            accounts=(*needs.accounts, *vpc.accounts(settings)),
            before_nodes=(*needs.before_nodes, *([RELEASE] if late else ())),
            kube_proxy=not replaces_proxy(ir),
            node_cidrs=manager(ir, settings) == "kubernetes",
            # Pods keep addresses that the other manager does not know of.
            immutable={**needs.immutable, "ipam": "vpc-cni" if settings.vpc_cni else manager(ir, settings)},
            kernel=(*needs.kernel, *kernel(ir, settings)),
        )

    def check(self, ir: Ir, settings: CiliumSettings, needs: Needs, report: Report) -> None:
        check(ir, settings, report)

    def capacity(self, ir: Ir, settings: CiliumSettings) -> tuple[Limit, ...]:
        use = vpc.interfaces(settings)
        return () if use is None else (*node_limits(ir, use), *subnet_limits(ir, use))

    def lower(self, ir: Ir, settings: CiliumSettings, needs: Needs) -> tuple[Node, ...]:
        chart = (NAMESPACE, "cilium", CILIUM.official, values(ir, settings))
        after = (CLUSTER, *(account.node for account in vpc.accounts(settings)))
        installed = release("cilium", *chart, *after, repository=REPOSITORY)
        configs = addon.eni_configs(ir, settings.vpc_cni) if settings.vpc_cni is not None else ()
        ready = ReadyNode(
            id=CNI_READY,
            conditions=(
                Condition("daemonsets/cilium", "Available", NAMESPACE),
                Condition("deployments/cilium-operator", "Available", NAMESPACE),
                Condition("nodes", "Ready", at_least=ir.traits.nodes),
            ),
            depends_on=(installed.id, NODES),
            timeout=600,
        )
        return *configs, installed, ready, *redirect.objects(ir)

    def grants(self, ir: Ir, settings: CiliumSettings) -> tuple[Node, ...]:
        return policies(ir.grants)

    def images(self, ir: Ir, settings: CiliumSettings) -> tuple[str, ...]:
        names = ["cilium", "cilium-operator", *(["cilium-envoy"] if settings.l7_proxy is not False else [])]
        names += ["cilium-certgen"] if settings.hubble else []
        names += ["hubble-relay"] if settings.hubble_relay else []
        found = tuple(IMAGES[name] for name in names)
        # The chart takes the operator that asks EC2, of the same release.
        return (
            tuple(i.replace("operator-generic", "operator-aws") for i in found) if settings.eni is not None else found
        )

    def facts(self, ir: Ir, settings: CiliumSettings) -> tuple[Fact, ...]:
        wanted = config(ir, settings)
        fields = tuple((key, Field(f'data."{key}"')) for key in wanted)
        beneath = settings.vpc_cni
        told = () if beneath is None else addon.facts(ir, beneath, vpc.chained(beneath))
        return (
            *told,
            Fact("cilium-config", "cilium", wanted, ObjectRead("configmaps", fields, "cilium-config", NAMESPACE)),
            Fact("encapsulation", "nodes", settings.protocol or "none", NodeRead(_TUNNEL)),
            Fact("cilium-agent", "nodes", "Ok", NodeRead(f"{_AGENT} | jq -r .cilium.state")),
            *([Fact("cilium-envoy", "nodes", "LIVE", NodeRead(_PROXY))] if _asks_about_requests(ir) else []),
            *(_stated(policy_manifest(grant)) for grant in ir.grants),
            *redirect.facts(ir),
        )


def _asks_about_requests(ir: Ir) -> bool:
    return any(rule.requests for grant in ir.grants for rule in grant.rules)


def _stated(policy: Manifest) -> Fact:
    """That a policy on the cluster says what the spec says."""
    name, namespace = policy["metadata"]["name"], policy["metadata"]["namespace"]
    read = ObjectRead("ciliumnetworkpolicies.cilium.io", (("spec", Field("spec")),), name, namespace)
    return Fact("cilium-policy", f"{namespace}/{name}", {"spec": policy["spec"]}, read)
