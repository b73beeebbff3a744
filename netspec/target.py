"""All that the core may know of what a spec is compiled for: data and calls that backends give, and no backend's name.

A stack chooses one backend for each layer (`LAYERS`). Backends are asked in that order, each with its own settings:
what the prediction needs to know (`Traits`), what it wants of the cluster before that exists (`Needs`), how much fits
(`Limit`), what is to be made (plan nodes), and what must then be true of the running cluster (`Fact`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from netspec.diagnostics import Path, Report
from netspec.facts import Fact as Fact
from netspec.facts import Field as Field
from netspec.facts import NodeRead as NodeRead
from netspec.facts import ObjectRead as ObjectRead
from netspec.facts import Read as Read
from netspec.facts import ReadyRead as ReadyRead
from netspec.feature import Feature as Feature

if TYPE_CHECKING:
    from netspec.ir.http import FarFront, Front
    from netspec.ir.model import IPAddress, Ir, Place, TierPolicy
    from netspec.plan import Node, Ref
    from netspec.spec.model import Settings


class Layer(NamedTuple):
    """A part of a stack that one backend provides. `name` is its field in a stack, `key` the field in that which names
    the backend; `what` is for a reader."""

    name: str
    key: str
    what: str
    required: bool = False


#: In lowering order.
LAYERS = (
    Layer("cluster", "type", "The cluster: where the nodes are.", required=True),
    Layer("cni", "provider", "The network plugin: how pods reach each other.", required=True),
    Layer("loadBalancer", "provider", "What gives Services of type LoadBalancer an address."),
    Layer("ingress", "controller", "What serves the HTTP routes, by objects of its own."),
    Layer("gateway", "controller", "What serves Gateways, and the HTTP routes where there is no ingress."),
)


class Dialect(NamedTuple):
    """What a CNI does where Kubernetes leaves a question open; see docs/semantics.md.

    `blocks_match_pods`: an ipBlock matches a pod by its address; `blocks_match_nodes`: a node by its.
    `host_pods_are_pods`: selectors and policies apply to host-network pods (otherwise they are the node).
    `because` is the source, for a reader. `early_egress`: why egress to a Service's own address is judged before that
    is translated, "" where it is judged after, as a flow to the endpoint.

    `departs`: how it departs from what Kubernetes does say, "" where it does not: `rules_isolate`, rules of a direction
    count whether policyTypes names that or not; `egress_names_are_one`, a port name of an egress rule is the one number
    that it has on all pods; `unseen_labels`, a regular expression for how pods' labels begin that policies do not see.
    """

    cni: str
    blocks_match_pods: bool
    blocks_match_nodes: bool
    host_pods_are_pods: bool
    because: str
    early_egress: str = ""
    departs: str = ""
    rules_isolate: bool = False
    egress_names_are_one: bool = False
    unseen_labels: str = ""

    def blocks_match(self, host_network: bool) -> bool:
        return self.blocks_match_nodes if host_network else self.blocks_match_pods


class Range(NamedTuple):
    """An address range as a stack gives it, and where: `text` is a CIDR that parses, canonical or not."""

    text: str
    path: Path = ()

    @property
    def network(self) -> IPv4Network | IPv6Network:
        return ip_network(self.text, strict=False)


#: Whose address a pod sees when a node passes a flow from outside on to a pod of another node: still the caller's, the
#: node's, or the node's end of the tunnel, inside the pod CIDR; either of the two where it depends on which nodes.
Forwarded = Literal["caller", "node", "tunnel", "node or tunnel"]


class Address(NamedTuple):
    """A host, perhaps known only once the cluster is there, and a port."""

    host: "str | Ref"
    port: int


class Balancing(NamedTuple):
    """How what gives LoadBalancer Services their addresses works.

    `addresses`: where it takes them from; none where that is not known. `answered`: whether a host on the nodes'
    network reaches such an address without further ado. `keeps_client`: what a node gets still has the client's address
    (else that of the balancer). `follows_pods`: with externalTrafficPolicy Local only a node that has a pod gets any.
    `service_class`, `annotations`: what a Service says to get one of it, "" and {} for nothing; `node`: the plan node
    that must be there as long as such a Service is, "" for none.
    """

    by: str
    addresses: tuple[Range, ...] = ()
    answered: bool = True
    keeps_client: bool = True
    follows_pods: bool = True
    service_class: str = ""
    node: str = ""
    annotations: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes that are alike. `count` of them, at most `most`, and `surge` more while they are replaced. `interfaces`
    and `addresses`: how many network interfaces a node may have and addresses on each, 0 where nothing bounds them;
    `branches`: further interfaces for single pods; `prefixes`: whether an interface can be given blocks of addresses.
    `types`: by the provider's names; where there are several, each number is that of the least of them."""

    name: str
    count: int
    most: int
    surge: int = 0
    types: tuple[str, ...] = ()
    cpus: int = 0
    interfaces: int = 0
    addresses: int = 0
    branches: int = 0
    prefixes: bool = False


class There(NamedTuple):
    """A cluster that somebody else made, whose nodes cannot be entered. `kubeconfig`, `context`: how it is reached, ""
    for kubectl's own. `namespaces`: those of the spec that are there. `nodes_known`: whether it is known how many
    nodes it has."""

    kubeconfig: str = ""
    context: str = ""
    namespaces: frozenset[str] = frozenset()
    nodes_known: bool = False


@dataclass(frozen=True, slots=True)
class Traits:
    """What a prediction needs to know of a stack.

    `nodes`: how many, control plane included; `open_nodes`: on how many of them pods run that tolerate nothing (0:
    all). `node_networks`: where nodes have their addresses. `outside`: whether there is a host on the first of them,
    beside the nodes, that probes can go to and come from; `outside_address`: its address, None for any there.
    `overhead`: bytes that the encapsulation adds to a packet between nodes. `mtu`: the pods', None for the node's less
    the overhead.
    `on_route`: by how much it is that of the pods' routes, their interface having so many bytes more.
    `brings_dns`: the cluster comes with its DNS server, so none is to be installed. `api_server`: where nodes reach
    the API server without its Service, for a CNI that carries Service traffic itself; None where that is not known.
    `pod_networks`: where pods have their addresses, where that is not network.podCIDRs alone. `node_shares`: each node
    has a share of the pod CIDR. `nodes_wait`: nodes count as joined only once the CNI runs on them. `balancers_stay`:
    what a Service of type LoadBalancer makes beside the cluster does not go with it, and the cluster's backend provides
    the barrier UNBALANCED. `groups`: the nodes that pods run
    on, `node_pods`: how many agents each of them runs by itself. `addons`: what the provider can install.
    `outputs`: values and Refs that other backends' nodes may use, by name. `shared_link`: the nodes and the host
    outside are on one link, where a node may answer for addresses that are not its own. `balancing`: how LoadBalancer
    Services get in, None where that is not known. `front`: the pods that serve HTTP routes, if there are some;
    `far_front`: what serves them outside the cluster; `gates`: the pods that serve Gateways, which may be the same;
    `far_gates`: what serves those outside the cluster.
    `service_networks`, `dns_address`: where Services have theirs and the DNS Service its own, where that is not what
    network says. `there`: None for a cluster that netspec makes. `remote`: one that it makes elsewhere than in
    containers of this machine, and whose kubeconfig is the stack's. `admission`: the API version of the
    MutatingAdmissionPolicy that it has, or has if it is needed; "" where it has none, or that is not known.
    `redirects`: the CNI carries what pods ask of Services before the node sees it, and sends it to a pod of the node
    where it is told to.
    """

    nodes: int = 1
    open_nodes: int = 0
    node_networks: tuple[Range, ...] = ()
    outside: bool = False
    outside_address: "IPAddress | None" = None
    overhead: int = 0
    mtu: int | None = None
    on_route: int = 0
    forwarded: Forwarded = "node"
    dialect: Dialect | None = None
    brings_dns: bool = False
    api_server: "Address | None" = None
    shared_link: bool = False
    balancing: Balancing | None = None
    front: "Front | None" = None
    far_front: "FarFront | None" = None
    gates: "Front | None" = None
    far_gates: "FarFront | None" = None
    pod_networks: tuple[Range, ...] = ()
    node_shares: bool = True
    nodes_wait: bool = False
    balancers_stay: bool = False
    groups: tuple[NodeGroup, ...] = ()
    node_pods: int = 0
    addons: frozenset[str] = frozenset()
    outputs: Mapping[str, Any] = field(default_factory=dict)
    service_networks: tuple[Range, ...] = ()
    dns_address: str = ""
    there: There | None = None
    remote: bool = False
    admission: str = ""
    redirects: bool = False

    @property
    def fronts(self) -> "tuple[Front, ...]":
        """The pods that serve HTTP routes or Gateways, each once."""
        both = (self.front, self.gates)
        return tuple(f for i, f in enumerate(both) if f is not None and f not in both[:i])


@dataclass(frozen=True, slots=True)
class AddOn:
    """Software that the cluster's provider installs by itself, by its name there. `settings` are its own; `account` is
    the ServiceAccount in `namespace` that gets the provider's `rights`, and `cluster_rights` are what the cluster
    itself needs for it. The plan node is `addon:<name>`."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    account: str = ""
    rights: tuple[str, ...] = ()
    cluster_rights: tuple[str, ...] = ()
    namespace: str = "kube-system"
    before_nodes: bool = True

    @property
    def node(self) -> str:
        return f"addon:{self.name}"


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount whose pods may call the provider: `actions`, by its names for them, on anything; `statements`:
    what else, in the provider's own form, for rights on some things alone. `node` is the plan node that stands for it;
    what makes its pods comes after that."""

    namespace: str
    name: str
    actions: tuple[str, ...]
    statements: tuple[Mapping[str, Any], ...] = ()

    @property
    def node(self) -> str:
        return f"identity-{self.namespace}-{self.name}"


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint that nodes have from the start (core/v1 Taint)."""

    key: str
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"


class KernelOption(NamedTuple):
    """A part of Linux, by its name in the kernel's configuration ("CONFIG_VXLAN"), and what wants it, for a reader."""

    option: str
    why: str


@dataclass(frozen=True, slots=True)
class Needs:
    """What the other backends want of a cluster before it exists; the cluster's backend lowers it, or says in `check`
    that it cannot.

    `kube_proxy` False: none is to run. `node_cidrs`: each node gets a share of the pod CIDR from the control plane.
    `taints`: of every node, until the backend's own agent takes them away. `before_nodes`: plan nodes that must be
    there before the first node joins. `immutable`: settings that a running cluster cannot change; another value of any
    of them makes a new cluster. `addons`: what the cluster's provider is to install. `accounts`: what else may call the
    provider, on a cluster that installs such. `max_pods`: group of nodes -> the
    kubelet's limit there. `own_cni`: the CNI is the one that comes with such a cluster. `kernel`: what the nodes'
    kernel must have. `annotations`: by the name of a declared namespace, for whoever makes it. `admission`: the API
    server changes pods as they are made (`Traits.admission`).
    """

    kube_proxy: bool = True
    node_cidrs: bool = False
    own_cni: bool = False
    kernel: tuple[KernelOption, ...] = ()
    annotations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    before_nodes: tuple[str, ...] = ()
    immutable: Mapping[str, Any] = field(default_factory=dict)
    addons: tuple[AddOn, ...] = ()
    accounts: tuple[Account, ...] = ()
    max_pods: Mapping[str, int] = field(default_factory=dict)
    admission: bool = False


class Limit(NamedTuple):
    """How many of something fit, by one of the things that bound them: nodes, where `what` does not say otherwise.
    Where `room` is less than `needed` (None: as many as there are nodes), `message` is said at `path` with `code`, and
    `hint` is what lifts the limit. `how`: the arithmetic."""

    room: int
    code: str
    path: Path
    message: str
    hint: str
    what: str = "nodes"
    needed: int | None = None
    how: str = ""


class Backend:
    """One provider of one layer, and what one with nothing to say says. Every call gets the spec's meaning and the
    backend's own settings.

    `name` is what a spec calls it, `settings` the shape of its settings in a stack, without the field that names it;
    `example`: what a stack says where some must be given.
    """

    name: str
    example: Mapping[str, Any] = {}
    settings: "type[Settings]"
    supports: frozenset[Feature] = frozenset()

    def lacks(self, ir: "Ir", settings: Any) -> Mapping[Feature, str]:
        """Of `supports`, what these settings leave out, each with what to do about it."""
        return {}

    def traits(self, ir: "Ir", settings: Any, traits: Traits) -> Traits:
        """`traits` of the layers before, with its own."""
        return traits

    def needs(self, ir: "Ir", settings: Any, needs: Needs) -> Needs:
        """`needs` of the layers before, with its own."""
        return needs

    def check(self, ir: "Ir", settings: Any, needs: Needs, report: Report) -> None:
        """Reports what is wrong with its settings, or with them and the rest of the spec; what it does not support is
        reported already. `needs` are those of all."""

    def capacity(self, ir: "Ir", settings: Any) -> tuple[Limit, ...]:
        """What bounds the number of nodes."""
        return ()

    def lower(self, ir: "Ir", settings: Any, needs: Needs) -> "tuple[Node, ...]":
        """What is to be made. The cluster's backend provides the barriers CLUSTER and NODES, the CNI's CNI_READY."""
        raise NotImplementedError

    def images(self, ir: "Ir", settings: Any) -> tuple[str, ...]:
        """The container images that run because of it and stand in no manifest of its plan: those that a chart or an
        operator names."""
        return ()

    def policies(
        self, ir: "Ir", settings: Any, place: "Callable[[Path], Place]", report: Report
    ) -> "tuple[TierPolicy, ...]":
        """The policies of its own kind that its settings give, as they are judged. Reports what of them cannot be said
        exactly. `ir` is what the file declares and the traits; `place`: where a path of the file is."""
        return ()

    def grants(self, ir: "Ir", settings: Any) -> "tuple[Node, ...]":
        """What opens the flows of `ir.grants`, for which the spec needs a feature of it, and the policies of its own
        kind. Made too where the backend's own software is somebody else's."""
        return ()

    def facts(self, ir: "Ir", settings: Any) -> tuple[Fact, ...]:
        """What must be true of the running cluster."""
        return ()


class Registry(Protocol):
    """The tables of backends, passed in by the composition root."""

    def providers(self, layer: str) -> Mapping[str, Backend]:
        """By name; empty for a layer that nothing provides yet."""

    @property
    def dns(self) -> Backend:
        """The DNS server of clusters that bring none."""

    @property
    def common(self) -> Backend:
        """What every cluster gets."""


@dataclass(frozen=True, slots=True)
class Part:
    """A backend that a stack uses, with its settings and where they stand. `layer` is "dns" or "common", and there is
    no path, for those that the stack does not name."""

    layer: str
    backend: Backend
    settings: Any = None
    path: Path = ()

    @property
    def managed(self) -> bool:
        """Whether netspec installs it: False for one that is there already (netspec.spec.model.MayBeThere)."""
        return bool(getattr(self.settings, "managed", True))

    def view(self, ir: "Ir") -> "Ir":
        """The spec as its backend has it. Where an ingress controller serves the HTTP routes, a gateway controller has
        none of them, and the front is its own."""
        if self.layer != "gateway" or "ingress" not in ir.providers:
            return ir
        return replace(ir, http=(), traits=replace(ir.traits, front=ir.traits.gates))
