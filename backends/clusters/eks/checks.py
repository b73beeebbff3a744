"""What excludes what on EKS. Each rule's source is in docs/rules.md."""

from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Network, ip_network

from netspec.backends.clusters.eks.addons import wanted
from netspec.backends.clusters.eks.addresses import LARGEST, SMALLEST, Subnet, of, path, subnets
from netspec.backends.clusters.eks.groups import architecture
from netspec.backends.clusters.eks.nodes import size
from netspec.backends.clusters.eks.settings import EksSettings
from netspec.backends.clusters.managed import check_name
from netspec.backends.instances import instances
from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir
from netspec.spec.types import did_you_mean, network
from netspec.target import Needs

NAME_LIMIT = 100
#: From where a Service CIDR may be, and its prefix length.
PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
SERVICE_MASKS = range(12, 25)
#: Shared address space, which any VPC may add.
SHARED = IPv4Network("100.64.0.0/10")
#: What private nodes without a way out must reach to join.
NEEDED_ENDPOINTS = ("ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "s3", "sts")


def check(ir: Ir, settings: EksSettings, needs: Needs, report: Report) -> None:
    at: Path = ("stacks", ir.stack, "cluster")
    found = subnets(settings, ir.network.pod_cidrs)
    _cluster(ir, settings, report, at)
    _access(settings, report, at)
    _vpc(ir, settings, report, at)
    _subnets(ir, settings, found, report, at)
    _addons(ir, settings, needs, report, at)
    _identities(settings, needs, report, at)
    _groups(settings, report, at)
    if not ir.traits.pod_networks and (not ir.traits.overhead or ir.traits.forwarded == "node or tunnel"):
        message = "pods' packets would cross nodes as they are, and a VPC delivers only addresses that it gave out"
        report.error("NS818", ("stacks", ir.stack, "cni"), message, "an encapsulation for all packets between nodes")


def _cluster(ir: Ir, settings: EksSettings, report: Report, at: Path) -> None:
    check_name(ir, NAME_LIMIT, "NS801", report)
    if settings.auto_mode:
        message = "EKS Auto Mode brings nodes with a CNI, kube-proxy and DNS of its own, which no spec sets or reads"
        report.error("NS811", (*at, "autoMode"), message, "remove it, and give nodeGroups")
    services = ir.network.service_cidrs[0]
    where: Path = ("network", "serviceCIDRs", 0)
    if isinstance(services, IPv4Network):
        if services.prefixlen not in SERVICE_MASKS or not any(services.subnet_of(p) for p in PRIVATE):
            message = f"{services} is not a Service CIDR of EKS"
            report.error("NS804", where, message, "/24 to /12 within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
        elif services.overlaps(ip_network(settings.vpc.cidr, strict=False)):
            message = f"{services} overlaps the VPC, {settings.vpc.cidr}"
            report.error("NS804", where, message, "Services need a range beside the VPC's")


def _access(settings: EksSettings, report: Report, at: Path) -> None:
    if not settings.endpoint_private_access and not settings.endpoint_public_access:
        message = "nobody reaches the API server: neither from inside the VPC nor from outside"
        report.error("NS807", (*at, "endpointPrivateAccess"), message, "open one of the two")
    if settings.endpoint_public_access and not settings.public_access_cidrs:
        message = "the API server would be open to the whole internet"
        hint = "say from where in publicAccessCIDRs; [0.0.0.0/0] where that is meant"
        report.error("NS807", (*at, "endpointPublicAccess"), message, hint)
    if settings.public_access_cidrs and not settings.endpoint_public_access:
        message = "publicAccessCIDRs say from where, but nothing is reached from outside"
        report.error("NS807", (*at, "publicAccessCIDRs"), message, "set endpointPublicAccess: true, or remove it")
    principals = [*((("admins", i), p) for i, p in enumerate(settings.admins))]
    principals += [(("access", i, "principal"), a.principal) for i, a in enumerate(settings.access)]  # type: ignore[misc]
    seen: set[str] = set()
    for where, principal in principals:
        if principal in seen:
            report.error("NS813", (*at, *where), f"{principal} is given twice", "EKS has one entry a principal")
        seen.add(principal)
    names = Counter(p.rpartition("/")[2] for p in seen)
    for where, principal in principals:
        if names[principal.rpartition("/")[2]] > 1 and principal in seen:
            message = f"another role or user is called {principal.rpartition('/')[2]} too"
            report.error("NS813", (*at, *where), message, "give one of them a name of its own")
            seen.discard(principal)


def _vpc(ir: Ir, settings: EksSettings, report: Report, at: Path) -> None:
    vpc, where = settings.vpc, (*at, "vpc")
    cidr = network(vpc.cidr)
    if not isinstance(cidr, IPv4Network) or not LARGEST <= cidr.prefixlen <= SMALLEST:
        hint = f"/{LARGEST} to /{SMALLEST}, IPv4"
        report.error("NS803", (*where, "cidr"), f"{vpc.cidr} is not a CIDR that a VPC may have", hint)
    if vpc.id:
        own = {"nat", "endpoints", "flow_logs", "pod_subnets", "reserve_prefixes"}
        for field in sorted(own & vpc.model_fields_set):
            name = type(vpc).model_fields[field].alias or field
            message = f"{name} is of a VPC that netspec makes; {vpc.id} exists"
            report.error("NS806", (*where, name), message, "remove it; give the subnets that the VPC has")
    elif any(s.id for s in vpc.subnets):
        index = next(i for i, s in enumerate(vpc.subnets) if s.id)
        message = "a subnet that exists is in a VPC that exists"
        report.error("NS806", (*where, "subnets", index, "id"), message, "give vpc.id too, or remove it")
    if vpc.nat == "none" and not vpc.id:
        missing = [name for name in NEEDED_ENDPOINTS if name not in vpc.endpoints]
        if missing:
            message = f"nodes without a NAT gateway cannot join: no endpoint for {', '.join(missing)}"
            report.error("NS812", (*where, "nat"), message, "add them to vpc.endpoints, or a NAT gateway")
    pods = ir.network.pod_cidrs[0]
    if vpc.pod_subnets and isinstance(pods, IPv4Network) and isinstance(cidr, IPv4Network):
        _second(pods, cidr, report)


def _second(pods: IPv4Network, vpc: IPv4Network, report: Report) -> None:
    """What a VPC may add: of its own private range, or shared address space (AWS docs, "CIDR block association")."""
    where: Path = ("network", "podCIDRs", 0)
    if not LARGEST <= pods.prefixlen <= SMALLEST:
        report.error("NS805", where, f"{pods} is not a CIDR that a VPC may have", f"/{LARGEST} to /{SMALLEST}")
        return
    home = next((p for p in PRIVATE if vpc.subnet_of(p)), None)
    if pods.overlaps(vpc):
        report.error("NS805", where, f"{pods} overlaps the VPC, {vpc}", "pods need a range of their own")
    elif not pods.subnet_of(SHARED) and (home is None or not pods.subnet_of(home)):
        hint = f"a range within {SHARED}" + (f" or {home}" if home else "")
        report.error("NS805", where, f"a VPC of {vpc} cannot add {pods}", hint)


def _subnets(ir: Ir, settings: EksSettings, found: Sequence[Subnet], report: Report, at: Path) -> None:
    zones = settings.zones
    for i, zone in enumerate(zones):
        if zone in zones[:i]:
            report.error("NS802", (*at, "zones", i), f"{zone} is given twice", "EKS wants two zones or more")
        if not zone.startswith(settings.region):
            report.error("NS802", (*at, "zones", i), f"{zone} is not in {settings.region}", "a zone of the region")
    roles = ["private", *(["public"] if settings.vpc.nat != "none" and not settings.vpc.id else [])]
    roles += ["pods"] if settings.vpc.pod_subnets or of(found, "pods") else []
    for role in roles:
        missing = [z for z in zones if not any(s.zone == z for s in found if s.role == role)]
        if missing:
            message = f"there is no {role} subnet in {', '.join(missing)}"
            room = "a larger CIDR: subnets are /28 or larger" if not settings.vpc.subnets else "give one a zone"
            report.error("NS803", (*at, "vpc"), message, room)
    within = [network(settings.vpc.cidr), *ir.network.pod_cidrs]
    for i, subnet in enumerate(found):
        if subnet.index is None:
            continue
        where = path(ir, subnet)
        if subnet.zone not in zones:
            report.error("NS802", (*where[:-1], "zone"), f"{subnet.zone} is not one of zones", "add it there")
        if not LARGEST <= subnet.cidr.prefixlen <= SMALLEST:
            report.error("NS803", where, f"{subnet.cidr} is not a CIDR that a subnet may have", "/16 to /28")
        if not settings.vpc.id and not any(isinstance(c, IPv4Network) and subnet.cidr.subnet_of(c) for c in within):
            report.error("NS803", where, f"{subnet.cidr} is not within the VPC", f"a part of {settings.vpc.cidr}")
        if settings.vpc.id and not subnet.id:
            report.error("NS806", where[:-1], f"{settings.vpc.id} exists, and so do its subnets", "give its id")
        for other in found[:i]:
            if subnet.cidr.overlaps(other.cidr):
                report.error("NS803", where, f"{subnet.cidr} overlaps {other.cidr}", "each subnet has its own")
            if (subnet.role, subnet.zone) == (other.role, other.zone):
                message = f"{subnet.zone} has a {subnet.role} subnet already"
                report.error("NS803", where[:-1], message, "one a zone and role")


def _addons(ir: Ir, settings: EksSettings, needs: Needs, report: Report, at: Path) -> None:
    chosen = wanted(ir, settings, needs)
    for addon in chosen:
        # What is another cloud's cannot be here at all, which the compiler says.
        foreign = addon in needs.addons and addon.name not in ir.traits.addons
        if addon.name not in settings.addons and not foreign:
            message = f"no version of the add-on {addon.name} is given"
            hint = f"aws eks describe-addon-versions --addon-name {addon.name} --kubernetes-version {settings.version}"
            report.error("NS808", (*at, "addons"), message, hint)
    names = [a.name for a in chosen]
    for name, version in settings.addons.items():
        if name not in names:
            message = f"nothing of this stack is the add-on {name}"
            report.warning("NS817", (*at, "addons", name), message, did_you_mean(name, names) or "remove it")
        elif name == "kube-proxy" and not version.startswith(f"v{settings.version}."):
            message = f"kube-proxy {version} is not of Kubernetes {settings.version}"
            report.error("NS808", (*at, "addons", name), message, f"v{settings.version}.*")


def _identities(settings: EksSettings, needs: Needs, report: Report, at: Path) -> None:
    seen = {(a.namespace, a.name) for a in needs.accounts} | {(a.namespace, a.account) for a in needs.addons}
    for i, given in enumerate(settings.pod_identities):
        who = (given.namespace, given.service_account)
        if who in seen:
            message = f"{'/'.join(who)} has a pod identity already"
            report.error("NS810", (*at, "podIdentities", i), message, "one for a ServiceAccount, with all its policies")
        seen.add(who)


def _groups(settings: EksSettings, report: Report, at: Path) -> None:
    seen: set[str] = set()
    for i, group in enumerate(settings.node_groups):
        where = (*at, "nodeGroups", i)
        if group.name in seen:
            report.error("NS809", (*where, "name"), f"two node groups are called {group.name}", "rename one")
        seen.add(group.name)
        if not group.min <= size(group) <= group.max:
            message = f"{group.name} has at least {group.min}, {size(group)} at first and at most {group.max} nodes"
            report.error("NS809", (*where, "max"), message, "min is at most desired, and desired at most max")
        for k, name in enumerate(group.instance_types):
            known = instances().get(name)
            if known is None:
                hint = did_you_mean(name, instances()) or "aws ec2 describe-instance-types lists them"
                report.error("NS809", (*where, "instanceTypes", k), f"there is no instance type {name}", hint)
            elif known.architecture != architecture(group):
                message = f"{name} is {known.architecture}, and {group.ami_type} is not"
                report.error("NS809", (*where, "instanceTypes", k), message, "types and AMI of one architecture")
    if all(group.min == 0 for group in settings.node_groups):
        message = "no group has a node at first, so no pod of the cluster's own runs, DNS among them"
        report.error("NS809", (*at, "nodeGroups"), message, "min: 1 or more in one of them")
