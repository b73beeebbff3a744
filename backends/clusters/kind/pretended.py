"""Nodes of kind that pretend to be EC2 instances, so that Amazon's VPC CNI gives their pods addresses: the container
network is the VPC's one subnet, and `instance.py`, which a pod runs on every node, is what such a node asks of itself.

Source: amazon-vpc-cni-k8s v1.23.2 (README, ENABLE_IMDS_ONLY_MODE: interfaces and addresses are those that the metadata
service names when ipamd starts). What that leaves out is refused here: whatever would make ipamd ask EC2.
"""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from ipaddress import IPv4Network
from typing import Any, NamedTuple

from netspec.backends.clusters.kind import aws_node
from netspec.backends.clusters.kind.instance import HOST, PORT, REGION, size
from netspec.backends.clusters.kind.settings import KindSettings
from netspec.backends.instances import Instance, instances
from netspec.backends.objects import CHECKSUM, manifest, node
from netspec.catalogue import IMAGES
from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, Condition, Node, ReadyNode
from netspec.spec.types import did_you_mean
from netspec.target import AddOn, Needs, Range, Traits

ADDON = "vpc-cni"
NAME, NAMESPACE = "ec2-instance", "kube-system"
#: The barrier behind which nodes answer as instances do.
READY = "ec2-instances"
#: Places among the nodes' addresses: for twice what is there, and never less than this.
LEAST_PLACES = 16
#: Variable of the add-on -> the setting that gives it a value which makes ipamd ask EC2, and that value, "" for any.
ASKING = {
    "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": ("customNetworking", "true"),
    "ENABLE_SUBNET_DISCOVERY": ("subnetDiscovery", "true"),
    "ENABLE_POD_ENI": ("securityGroupsForPods", "true"),
    "WARM_ENI_TARGET": ("warmEniTarget", ""),
    "WARM_IP_TARGET": ("warmIpTarget", ""),
    "MINIMUM_IP_TARGET": ("minimumIpTarget", ""),
    "WARM_PREFIX_TARGET": ("warmPrefixTarget", ""),
}


class Subnet(NamedTuple):
    """The container network, and its parts for nodes (and the host outside) and for pods: the first addresses, and
    network.podCIDRs where the spec gives that, else the upper half."""

    whole: IPv4Network
    nodes: Range
    pods: Range


def subnet(ir: Ir, settings: KindSettings, path: Path, others: int) -> Subnet | None:
    """`path`: of the cluster's settings. `others`: addresses besides the nodes'. None: the network is too small to be
    parted, or not IPv4."""
    whole = Range(settings.network_cidr).network
    places = max(2 * (settings.workers + 1 + others), LEAST_PLACES)
    mask = 32 - (places - 1).bit_length()
    if not isinstance(whole, IPv4Network) or whole.prefixlen >= mask:
        return None
    nodes = Range(f"{whole.network_address}/{mask}", (*path, "networkCIDR"))
    if ("network", "podCIDRs") in ir.given:
        return Subnet(whole, nodes, Range(str(ir.network.pod_cidrs[0]), ("network", "podCIDRs", 0)))
    upper = list(whole.subnets())[1]
    return Subnet(whole, nodes, Range(str(upper), (*path, "networkCIDR")))


def known(settings: KindSettings) -> Instance | None:
    return instances().get(settings.vpc.instance_type) if settings.vpc else None


def traits(found: Traits, parted: Subnet | None, kind: Instance | None) -> Traits:
    """As of an EKS cluster whose nodes are of that type, in one zone. What is missing, `check` tells of."""
    own = found.node_networks if parted is None else (parted.pods,)
    found = replace(
        found,
        node_networks=found.node_networks if parted is None else (parted.nodes,),
        node_shares=False,
        node_pods=found.node_pods + 1,  # what plays the instance
        addons=frozenset({ADDON}),
        outputs={**found.outputs, "podRanges": own, "podRangesAlone": True, "attached": True},
    )
    if kind is None:
        return found
    (group,) = found.groups
    typed = replace(
        group,
        types=(kind.type,),
        cpus=kind.vcpus,
        interfaces=kind.interfaces,
        addresses=kind.addresses,
        prefixes=kind.prefixes,
    )
    return replace(found, groups=(typed,))


def check(ir: Ir, settings: KindSettings, parted: Subnet | None, needs: Needs, report: Report) -> None:
    at: Path = ("stacks", ir.stack, "cluster")
    assert settings.vpc is not None
    kind, wanted = known(settings), settings.vpc.instance_type
    if kind is None:
        hint = did_you_mean(wanted, instances()) or "m5.large is one"
        report.error("NS875", (*at, "vpc", "instanceType"), f"there is no instance type {wanted}", hint)
    addon = installed(needs)
    if addon is None:
        message = "cluster.vpc is for the VPC CNI, and this stack's CNI is another"
        hint = "cni: {provider: vpc-cni}, or vpcCni: {} of calico or cilium; or no cluster.vpc"
        report.error("NS878", (*at, "vpc"), message, hint)
        return
    _addresses(parted, kind, addon, report, (*at, "networkCIDR"))
    _settings(addon, report, ("stacks", ir.stack, "cni"))


def _addresses(parted: Subnet | None, kind: Instance | None, addon: AddOn, report: Report, at: Path) -> None:
    """NS876: every address that a node may have comes with a share of the pods'."""
    if parted is None:
        report.error("NS876", at, "the container network has no room for nodes and pods", "a larger IPv4 network")
        return
    pods = parted.pods.network
    inside = isinstance(pods, IPv4Network) and pods.subnet_of(parted.whole)
    if not inside or pods.overlaps(parted.nodes.network):
        message = f"pods have addresses of the container network {parted.whole} behind {parted.nodes.text}, not {pods}"
        report.error("NS876", parted.pods.path, message, "a cluster.networkCIDR that has both, or no podCIDRs")
    elif kind is not None:
        each = size(kind.interfaces, kind.addresses, _blocks(addon) == "true")
        places = parted.nodes.network.num_addresses
        if places * each > pods.num_addresses:
            message = f"{pods} has {pods.num_addresses} addresses; {places} places for nodes take {each} each"
            report.error("NS876", parted.pods.path, message, "a larger network, or a smaller instance type")


def _blocks(addon: AddOn) -> str:
    return str(addon.settings["env"]["ENABLE_PREFIX_DELEGATION"])


def _settings(addon: AddOn, report: Report, at: Path) -> None:
    """NS877."""
    for variable, value in addon.settings["env"].items():
        setting, asking = ASKING.get(variable, ("", ""))
        if setting and asking in ("", value):
            message = f"{setting} has the VPC CNI ask EC2, of which kind's nodes only pretend to be"
            hint = f"{setting}: false" if setting == "subnetDiscovery" else f"remove {setting}"
            report.error("NS877", at, message, hint)
    if addon.settings["enableNetworkPolicy"] == "true":
        message = "AWS's agent for policies needs the controller of an EKS control plane"
        report.error("NS877", at, message, "networkPolicy: off, or vpcCni: {} of calico or cilium, which enforce")


def installed(needs: Needs) -> AddOn | None:
    return next((addon for addon in needs.addons if addon.name == ADDON), None)


def max_pods(ir: Ir, needs: Needs) -> int:
    """The kubelets' limit, as EKS has it for such nodes where the spec does not say."""
    if ("network", "maxPods") in ir.given:
        return ir.network.max_pods
    return min(needs.max_pods.values(), default=ir.network.max_pods)


def lower(parted: Subnet, kind: Instance, needs: Needs, nodes: int) -> tuple[Node, ...]:
    addon = installed(needs)
    assert addon is not None
    env: Mapping[str, str] = addon.settings["env"]
    program = files(__package__).joinpath("instance.py").read_text(encoding="utf-8")
    config = node(manifest("v1", "ConfigMap", NAME, NAMESPACE, data={"instance.py": program}), CLUSTER)
    variables = {
        "SUBNET": str(parted.whole),
        "NODES": parted.nodes.text,
        "PODS": parted.pods.text,
        "INSTANCE_TYPE": kind.type,
        "INTERFACES": str(min(kind.interfaces, int(env.get("MAX_ENI", kind.interfaces)))),
        "ADDRESSES": str(kind.addresses),
        "BLOCKS": _blocks(addon),
    }
    daemon = node(_daemon_set(variables, program), config.id, wait=False)
    running = Condition("pods", "Ready", NAMESPACE, nodes, f"app={NAME}")
    ready = ReadyNode(READY, (running,), (daemon.id,))
    made = aws_node.add_on(addon.node, addon.settings, f"http://{HOST}:{PORT}", REGION, ready.id)
    return config, daemon, ready, *made


def _daemon_set(variables: Mapping[str, str], program: str) -> dict[str, Any]:
    env: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in variables.items()]
    env.append({"name": "NODE_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}})
    asked = {"host": HOST, "port": PORT, "path": "/latest/meta-data/instance-id"}
    container = {
        "name": NAME,
        "image": IMAGES["python"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-u", "/program/instance.py", "/node"],
        "env": env,
        "readinessProbe": {"httpGet": asked, "periodSeconds": 2},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "securityContext": {"privileged": True},
        "volumeMounts": [
            {"name": "program", "mountPath": "/program", "readOnly": True},
            {"name": "node", "mountPath": "/node", "readOnly": True},
        ],
    }
    pod = {
        "priorityClassName": "system-node-critical",
        "automountServiceAccountToken": False,
        "hostNetwork": True,
        "terminationGracePeriodSeconds": 1,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [
            {"name": "program", "configMap": {"name": NAME}},
            {"name": "node", "hostPath": {"path": "/"}},
        ],
    }
    labels = {"app": NAME}
    metadata = {"labels": labels, "annotations": {CHECKSUM: sha256(program.encode()).hexdigest()}}
    return manifest(
        "apps/v1",
        "DaemonSet",
        NAME,
        NAMESPACE,
        labels=labels,
        spec={"selector": {"matchLabels": labels}, "template": {"metadata": metadata, "spec": pod}},
    )
