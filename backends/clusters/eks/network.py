"""The VPC: subnets, the way out, endpoints, flow logs."""

from collections.abc import Sequence

from netspec.backends.clusters.eks.addresses import Subnet, of
from netspec.backends.clusters.eks.resource import partition, resource, role
from netspec.backends.clusters.eks.settings import EksSettings
from netspec.ir.model import Ir
from netspec.plan import Json, Ref, ResourceNode
from netspec.spec.types import network as parsed

#: Endpoints that are routes; all others are interfaces in the subnets (AWS docs, "Gateway endpoints").
GATEWAYS = ("s3", "dynamodb")
#: How load balancers find their subnets (EKS docs, "Subnet tagging"), and the VPC CNI those for pods alone.
TAGS = {
    "private": {"kubernetes.io/role/internal-elb": "1"},
    "public": {"kubernetes.io/role/elb": "1"},
    "pods": {"kubernetes.io/role/cni": "1"},
}
EVERYWHERE = "0.0.0.0/0"


def network(ir: Ir, settings: EksSettings, subnets: Sequence[Subnet]) -> tuple[ResourceNode, ...]:
    """Nothing for a VPC that exists."""
    if settings.vpc.id:
        return ()
    made = (*_vpc(ir, settings, subnets), *_way_out(settings, subnets))
    return (*made, *_endpoints(settings, subnets), *_flow_logs(ir, settings))


def vpc_id(settings: EksSettings) -> Ref | str:
    return settings.vpc.id or Ref("vpc", "id")


def way_out(settings: EksSettings, subnets: Sequence[Subnet]) -> tuple[str, ...]:
    """What nodes need to reach anything: the routes of their subnets, and the endpoints."""
    if settings.vpc.id:
        return ()
    endpoints = tuple(_endpoint_node(name) for name in dict.fromkeys(settings.vpc.endpoints))
    inside = (*of(subnets, "private"), *of(subnets, "pods"))
    routes = () if settings.vpc.nat == "none" else tuple(dict.fromkeys(f"route-{_table(settings, s)}" for s in inside))
    return (*routes, *(f"route-table-of-{s.node}" for s in inside), *endpoints)


def _vpc(ir: Ir, settings: EksSettings, subnets: Sequence[Subnet]) -> list[ResourceNode]:
    """Private DNS names of endpoints and nodes want both DNS attributes."""
    names = {"enableDnsHostnames": True, "enableDnsSupport": True}
    tags = {"Name": ir.cluster_name}
    nodes = [resource("vpc", "ec2/vpc:Vpc", {"cidrBlock": settings.vpc.cidr, **names, "tags": tags})]
    pods = of(subnets, "pods")
    within = parsed(settings.vpc.cidr)
    second = [c for c in ir.network.pod_cidrs if pods and not c.overlaps(within)]
    for cidr in second:
        associated = "ec2/vpcIpv4CidrBlockAssociation:VpcIpv4CidrBlockAssociation"
        nodes.append(resource("vpc-pods", associated, {"vpcId": Ref("vpc", "id"), "cidrBlock": str(cidr)}))
    for subnet in subnets:
        properties = {
            "vpcId": Ref("vpc", "id"),
            "cidrBlock": str(subnet.cidr),
            "availabilityZone": subnet.zone,
            "mapPublicIpOnLaunch": True if subnet.role == "public" else None,
            "tags": {"Name": f"{ir.cluster_name}-{subnet.role}-{subnet.zone}", **TAGS[subnet.role]},
        }
        after = ["vpc-pods"] if second and subnet.role == "pods" else []
        nodes.append(resource(subnet.node, "ec2/subnet:Subnet", properties, after))
    if settings.vpc.reserve_prefixes:
        nodes += [_reservation(subnet) for subnet in pods]
    return nodes


def _reservation(subnet: Subnet) -> ResourceNode:
    """The upper half, in which no single address is given: blocks of 16 find room there (vpc-cni#2749)."""
    _, upper = subnet.cidr.subnets(1)
    properties = {"subnetId": subnet.reference, "cidrBlock": str(upper), "reservationType": "prefix"}
    return resource(f"reservation-{subnet.node}", "ec2/subnetCidrReservation:SubnetCidrReservation", properties)


def _way_out(settings: EksSettings, subnets: Sequence[Subnet]) -> list[ResourceNode]:
    public = of(subnets, "public")
    nodes: list[ResourceNode] = []
    if public:
        gateway = resource("internet-gateway", "ec2/internetGateway:InternetGateway", {"vpcId": Ref("vpc", "id")})
        nodes += [gateway, _route_table("public"), _route("public", gatewayId=Ref(gateway.id, "id"))]
        nodes += [_associated(subnet, "public") for subnet in public]
    chosen = {"single": public[:1], "perZone": public, "none": ()}[settings.vpc.nat]
    for subnet in chosen:
        address, name = f"nat-address-{subnet.zone}", f"nat-{subnet.zone}"
        allocated = {"allocationId": Ref(address, "id"), "subnetId": subnet.reference}
        nodes.append(resource(address, "ec2/eip:Eip", {"domain": "vpc"}, ["internet-gateway"]))
        after = ["internet-gateway", "route-public", f"route-table-of-{subnet.node}"]
        nodes.append(resource(name, "ec2/natGateway:NatGateway", allocated, after))
    inside = (*of(subnets, "private"), *of(subnets, "pods"))
    for table in dict.fromkeys(_table(settings, s) for s in inside):
        zone = table.removeprefix("private-") if settings.vpc.nat == "perZone" else chosen[0].zone if chosen else ""
        nodes.append(_route_table(table))
        nodes += [_route(table, natGatewayId=Ref(f"nat-{zone}", "id"))] if chosen else []
    nodes += [_associated(subnet, _table(settings, subnet)) for subnet in inside]
    return nodes


def _table(settings: EksSettings, subnet: Subnet) -> str:
    """One table for all private subnets, or one for each zone that has a NAT gateway of its own."""
    return f"private-{subnet.zone}" if settings.vpc.nat == "perZone" else "private"


def _route_table(name: str) -> ResourceNode:
    tags = {"Name": name}
    return resource(f"route-table-{name}", "ec2/routeTable:RouteTable", {"vpcId": Ref("vpc", "id"), "tags": tags})


def _route(table: str, **target: Ref) -> ResourceNode:
    properties = {"routeTableId": Ref(f"route-table-{table}", "id"), "destinationCidrBlock": EVERYWHERE, **target}
    return resource(f"route-{table}", "ec2/route:Route", properties)


def _associated(subnet: Subnet, table: str) -> ResourceNode:
    properties = {"subnetId": subnet.reference, "routeTableId": Ref(f"route-table-{table}", "id")}
    return resource(f"route-table-of-{subnet.node}", "ec2/routeTableAssociation:RouteTableAssociation", properties)


def _endpoint_node(name: str) -> str:
    return f"endpoint-{name.replace('.', '-')}"


def _endpoints(settings: EksSettings, subnets: Sequence[Subnet]) -> list[ResourceNode]:
    """Interface endpoints are reached on 443 from inside the VPC, and from pods of its second CIDR."""
    wanted = dict.fromkeys(settings.vpc.endpoints)
    private = of(subnets, "private")
    nodes: list[ResourceNode] = []
    if any(name not in GATEWAYS for name in wanted):
        sources = dict.fromkeys([settings.vpc.cidr, *(str(s.cidr) for s in of(subnets, "pods"))])
        rule = {"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": list(sources)}
        described = {"description": "HTTPS to endpoints", "vpcId": Ref("vpc", "id"), "ingress": [rule]}
        nodes.append(resource("security-group-endpoints", "ec2/securityGroup:SecurityGroup", described))
    for name in wanted:
        properties = {"vpcId": Ref("vpc", "id"), "serviceName": f"com.amazonaws.{settings.region}.{name}"}
        if name in GATEWAYS:
            tables = dict.fromkeys(_table(settings, s) for s in private)
            routes = [Ref(f"route-table-{table}", "id") for table in tables]
            properties |= {"vpcEndpointType": "Gateway", "routeTableIds": routes}
        else:
            properties |= {
                "vpcEndpointType": "Interface",
                "privateDnsEnabled": True,
                "subnetIds": [s.reference for s in private],
                "securityGroupIds": [Ref("security-group-endpoints", "id")],
            }
        nodes.append(resource(_endpoint_node(name), "ec2/vpcEndpoint:VpcEndpoint", properties))
    return nodes


def _flow_logs(ir: Ir, settings: EksSettings) -> list[ResourceNode]:
    if settings.vpc.flow_logs is None:
        return []
    name = f"/aws/vpc/{ir.cluster_name}/flow-logs"
    streams = f"arn:{partition(settings.region)}:logs:{settings.region}:*:log-group:{name}:*"
    actions = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": streams}]}
    allowed = {"role": Ref("role-flow-logs", "name"), "policy": Json(policy)}
    logged = {
        "vpcId": Ref("vpc", "id"),
        "trafficType": "ALL",
        "logDestination": Ref("flow-logs", "arn"),
        "iamRoleArn": Ref("role-flow-logs", "arn"),
        "maxAggregationInterval": 60,
    }
    group = {"name": name, "retentionInDays": settings.vpc.flow_logs}
    return [
        resource("flow-logs", "cloudwatch/logGroup:LogGroup", group, unique=True),
        *role("flow-logs", "vpc-flow-logs.amazonaws.com", settings.region, ()),
        resource("role-flow-logs-write", "iam/rolePolicy:RolePolicy", allowed),
        resource("flow-log", "ec2/flowLog:FlowLog", logged, ["role-flow-logs-write"]),
    ]
