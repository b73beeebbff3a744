"""VPC and what is in it: internal/service/ec2 of the real provider."""

from typing import Any

from airgap.standin.aws_standin.types import Aws, Json, Type, given, offered, tag_list


@offered
class Vpc(Type):
    taggable = "vpc"
    token, replaces = "aws:ec2/vpc:Vpc", ("cidrBlock", "instanceTenancy")

    def create(self, aws: Aws, new: Json) -> str:
        ident: str = aws.ec2.create_vpc(CidrBlock=new["cidrBlock"])["Vpc"]["VpcId"]
        self.update(aws, ident, {}, new)
        return ident

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        for name in ("enableDnsSupport", "enableDnsHostnames"):
            if name in new and new[name] != old.get(name):
                attribute = {name[0].upper() + name[1:]: {"Value": new[name]}}
                aws.ec2.modify_vpc_attribute(VpcId=ident, **attribute)

    def read(self, aws: Aws, ident: str) -> Json | None:
        (found,) = aws.ec2.describe_vpcs(VpcIds=[ident])["Vpcs"]
        arn = f"arn:aws:ec2:{aws.region}:{found['OwnerId']}:vpc/{ident}"
        attributes = {
            name: aws.ec2.describe_vpc_attribute(VpcId=ident, Attribute=name)[f"{name[0].upper()}{name[1:]}"]["Value"]
            for name in ("enableDnsSupport", "enableDnsHostnames")
        }
        return {"cidrBlock": found["CidrBlock"], "arn": arn, "ownerId": found["OwnerId"], **attributes}

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.ec2.delete_vpc(VpcId=ident)


@offered
class SecondCidr(Type):
    token = "aws:ec2/vpcIpv4CidrBlockAssociation:VpcIpv4CidrBlockAssociation"
    replaces = ("vpcId", "cidrBlock")

    def create(self, aws: Aws, new: Json) -> str:
        made = aws.ec2.associate_vpc_cidr_block(VpcId=new["vpcId"], CidrBlock=new["cidrBlock"])
        return str(made["CidrBlockAssociation"]["AssociationId"])

    def read(self, aws: Aws, ident: str) -> Json | None:
        wanted = [{"Name": "cidr-block-association.association-id", "Values": [ident]}]
        for vpc in aws.ec2.describe_vpcs(Filters=wanted)["Vpcs"]:
            for one in vpc["CidrBlockAssociationSet"]:
                if one["AssociationId"] == ident and one["CidrBlockState"]["State"] == "associated":
                    return {"vpcId": vpc["VpcId"], "cidrBlock": one["CidrBlock"]}
        return None

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.ec2.disassociate_vpc_cidr_block(AssociationId=ident)


@offered
class Subnet(Type):
    taggable = "subnet"
    token, replaces = "aws:ec2/subnet:Subnet", ("vpcId", "cidrBlock", "availabilityZone")

    def create(self, aws: Aws, new: Json) -> str:
        where = given(VpcId=new["vpcId"], CidrBlock=new["cidrBlock"], AvailabilityZone=new.get("availabilityZone"))
        ident: str = aws.ec2.create_subnet(**where)["Subnet"]["SubnetId"]
        self.update(aws, ident, {}, new)
        return ident

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        wanted = bool(new.get("mapPublicIpOnLaunch"))
        if wanted != bool(old.get("mapPublicIpOnLaunch")):
            aws.ec2.modify_subnet_attribute(SubnetId=ident, MapPublicIpOnLaunch={"Value": wanted})

    def read(self, aws: Aws, ident: str) -> Json | None:
        (found,) = aws.ec2.describe_subnets(SubnetIds=[ident])["Subnets"]
        return {
            "vpcId": found["VpcId"],
            "cidrBlock": found["CidrBlock"],
            "availabilityZone": found["AvailabilityZone"],
            "availabilityZoneId": found["AvailabilityZoneId"],
            "mapPublicIpOnLaunch": found["MapPublicIpOnLaunch"],
            "arn": found["SubnetArn"],
        }

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.ec2.delete_subnet(SubnetId=ident)


@offered
class Reservation(Type):
    token = "aws:ec2/subnetCidrReservation:SubnetCidrReservation"
    replaces = ("subnetId", "cidrBlock", "reservationType", "description")

    def create(self, aws: Aws, new: Json) -> str:
        made = aws.ec2.create_subnet_cidr_reservation(
            SubnetId=new["subnetId"], Cidr=new["cidrBlock"], ReservationType=new["reservationType"]
        )
        return f"{new['subnetId']}:{made['SubnetCidrReservation']['SubnetCidrReservationId']}"

    def read(self, aws: Aws, ident: str) -> Json | None:
        subnet, _, own = ident.partition(":")
        for found in aws.ec2.get_subnet_cidr_reservations(SubnetId=subnet)["SubnetIpv4CidrReservations"]:
            if found["SubnetCidrReservationId"] == own:
                return {"subnetId": subnet, "cidrBlock": found["Cidr"], "ownerId": found["OwnerId"]}
        return None

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.ec2.delete_subnet_cidr_reservation(SubnetCidrReservationId=ident.partition(":")[2])


@offered
class InternetGateway(Type):
    taggable = "internet-gateway"
    token = "aws:ec2/internetGateway:InternetGateway"

    def create(self, aws: Aws, new: Json) -> str:
        ident: str = aws.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.update(aws, ident, {}, new)
        return ident

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        if old.get("vpcId") != new["vpcId"]:
            aws.ec2.attach_internet_gateway(InternetGatewayId=ident, VpcId=new["vpcId"])

    def read(self, aws: Aws, ident: str) -> Json | None:
        (found,) = aws.ec2.describe_internet_gateways(InternetGatewayIds=[ident])["InternetGateways"]
        return {"vpcId": (found["Attachments"] or [{}])[0].get("VpcId")}

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        if outputs.get("vpcId"):
            aws.ec2.detach_internet_gateway(InternetGatewayId=ident, VpcId=outputs["vpcId"])
        aws.ec2.delete_internet_gateway(InternetGatewayId=ident)


@offered
class Eip(Type):
    taggable = "elastic-ip"
    token, replaces = "aws:ec2/eip:Eip", ("domain",)

    def create(self, aws: Aws, new: Json) -> str:
        return str(aws.ec2.allocate_address(Domain="vpc")["AllocationId"])

    def read(self, aws: Aws, ident: str) -> Json | None:
        (found,) = aws.ec2.describe_addresses(AllocationIds=[ident])["Addresses"]
        return {"allocationId": ident, "publicIp": found["PublicIp"]}

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.ec2.release_address(AllocationId=ident)


@offered
class NatGateway(Type):
    taggable = "natgateway"
    token = "aws:ec2/natGateway:NatGateway"
    replaces = ("subnetId", "allocationId", "connectivityType")

    def create(self, aws: Aws, new: Json) -> str:
        made = aws.ec2.create_nat_gateway(SubnetId=new["subnetId"], AllocationId=new["allocationId"])
        return str(made["NatGateway"]["NatGatewayId"])

    def read(self, aws: Aws, ident: str) -> Json | None:
        found = aws.ec2.describe_nat_gateways(NatGatewayIds=[ident])["NatGateways"]
        if not found or found[0]["State"] == "deleted":
            return None
        return {"subnetId": found[0]["SubnetId"]}

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.ec2.delete_nat_gateway(NatGatewayId=ident)


@offered
class RouteTable(Type):
    taggable = "route-table"
    token, replaces = "aws:ec2/routeTable:RouteTable", ("vpcId",)

    def create(self, aws: Aws, new: Json) -> str:
        return str(aws.ec2.create_route_table(VpcId=new["vpcId"])["RouteTable"]["RouteTableId"])

    def read(self, aws: Aws, ident: str) -> Json | None:
        return {"vpcId": aws.ec2.describe_route_tables(RouteTableIds=[ident])["RouteTables"][0]["VpcId"]}

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.ec2.delete_route_table(RouteTableId=ident)


@offered
class Route(Type):
    token, replaces = "aws:ec2/route:Route", ("routeTableId", "destinationCidrBlock")

    def create(self, aws: Aws, new: Json) -> str:
        aws.ec2.create_route(**self._fields(new))
        return f"r-{new['routeTableId']}_{new['destinationCidrBlock']}"

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        aws.ec2.replace_route(**self._fields(new))

    def imported(self, aws: Aws, ident: str) -> str:
        return f"r-{ident}"

    def read(self, aws: Aws, ident: str) -> Json | None:
        table, destination = ident.removeprefix("r-").split("_")
        for found in aws.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]:
            if found.get("DestinationCidrBlock") == destination:
                targets = given(gatewayId=found.get("GatewayId"), natGatewayId=found.get("NatGatewayId"))
                return {"routeTableId": table, "destinationCidrBlock": destination, **targets}
        return None

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        destination = outputs["destinationCidrBlock"]
        aws.ec2.delete_route(RouteTableId=outputs["routeTableId"], DestinationCidrBlock=destination)

    @staticmethod
    def _fields(new: Json) -> Json:
        return given(
            RouteTableId=new["routeTableId"],
            DestinationCidrBlock=new["destinationCidrBlock"],
            GatewayId=new.get("gatewayId"),
            NatGatewayId=new.get("natGatewayId"),
        )


@offered
class RouteTableAssociation(Type):
    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    replaces = ("subnetId", "gatewayId", "routeTableId")

    def create(self, aws: Aws, new: Json) -> str:
        made = aws.ec2.associate_route_table(RouteTableId=new["routeTableId"], SubnetId=new["subnetId"])
        return str(made["AssociationId"])

    def imported(self, aws: Aws, ident: str) -> str:
        subnet, _, table = ident.partition("/")
        (found,) = aws.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        there = (a["RouteTableAssociationId"] for a in found["Associations"] if a.get("SubnetId") == subnet)
        return next(there, "")

    def read(self, aws: Aws, ident: str) -> Json | None:
        wanted = [{"Name": "association.route-table-association-id", "Values": [ident]}]
        for table in aws.ec2.describe_route_tables(Filters=wanted)["RouteTables"]:
            for found in table["Associations"]:
                if found["RouteTableAssociationId"] == ident:
                    return {"routeTableId": table["RouteTableId"], "subnetId": found.get("SubnetId")}
        return None

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.ec2.disassociate_route_table(AssociationId=ident)


@offered
class SecurityGroup(Type):
    taggable = "security-group"
    token, autoname = "aws:ec2/securityGroup:SecurityGroup", "name"
    replaces = ("name", "description", "vpcId")

    def create(self, aws: Aws, new: Json) -> str:
        made = aws.ec2.create_security_group(
            GroupName=new["name"], Description=new.get("description") or "Managed by Pulumi", VpcId=new["vpcId"]
        )
        ident: str = made["GroupId"]
        if rules := _rules(new):
            aws.ec2.authorize_security_group_ingress(GroupId=ident, IpPermissions=rules)
        return ident

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        if _rules(old) != _rules(new):
            if _rules(old):
                aws.ec2.revoke_security_group_ingress(GroupId=ident, IpPermissions=_rules(old))
            aws.ec2.authorize_security_group_ingress(GroupId=ident, IpPermissions=_rules(new))

    def read(self, aws: Aws, ident: str) -> Json | None:
        (found,) = aws.ec2.describe_security_groups(GroupIds=[ident])["SecurityGroups"]
        rules: Json = {} if found["IpPermissions"] else {"ingress": []}
        return {"name": found["GroupName"], "vpcId": found["VpcId"], "description": found["Description"], **rules}

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.ec2.delete_security_group(GroupId=ident)


def _rules(inputs: Json) -> list[Json]:
    return [
        {
            "IpProtocol": rule["protocol"],
            "FromPort": rule["fromPort"],
            "ToPort": rule["toPort"],
            "IpRanges": [{"CidrIp": cidr} for cidr in rule.get("cidrBlocks", ())],
        }
        for rule in inputs.get("ingress", ())
    ]


@offered
class VpcEndpoint(Type):
    taggable = "vpc-endpoint"
    token = "aws:ec2/vpcEndpoint:VpcEndpoint"
    replaces = ("vpcId", "serviceName", "vpcEndpointType")

    def create(self, aws: Aws, new: Json) -> str:
        made = aws.ec2.create_vpc_endpoint(
            **given(
                VpcId=new["vpcId"],
                ServiceName=new["serviceName"],
                VpcEndpointType=new.get("vpcEndpointType"),
                RouteTableIds=new.get("routeTableIds"),
                SubnetIds=new.get("subnetIds"),
                SecurityGroupIds=new.get("securityGroupIds"),
                PrivateDnsEnabled=new.get("privateDnsEnabled"),
            )
        )
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    def read(self, aws: Aws, ident: str) -> Json | None:
        found = aws.ec2.describe_vpc_endpoints(VpcEndpointIds=[ident])["VpcEndpoints"]
        if not found or found[0]["State"].lower() == "deleted":
            return None
        return {"vpcId": found[0]["VpcId"], "serviceName": found[0]["ServiceName"], "state": found[0]["State"]}

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[ident])


@offered
class FlowLog(Type):
    taggable = "vpc-flow-log"
    token = "aws:ec2/flowLog:FlowLog"
    replaces = ("iamRoleArn", "logDestination", "trafficType", "vpcId", "maxAggregationInterval")

    def create(self, aws: Aws, new: Json) -> str:
        made = aws.ec2.create_flow_logs(
            ResourceIds=[new["vpcId"]],
            ResourceType="VPC",
            TrafficType=new["trafficType"],
            LogDestinationType="cloud-watch-logs",
            LogGroupName=new["logDestination"].partition(":log-group:")[2].removesuffix(":*"),
            DeliverLogsPermissionArn=new["iamRoleArn"],
            MaxAggregationInterval=new["maxAggregationInterval"],
        )
        return str(made["FlowLogIds"][0])

    def read(self, aws: Aws, ident: str) -> Json | None:
        found = aws.ec2.describe_flow_logs(FlowLogIds=[ident])["FlowLogs"]
        return {"vpcId": found[0]["ResourceId"], "trafficType": found[0]["TrafficType"]} if found else None

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.ec2.delete_flow_logs(FlowLogIds=[ident])


@offered
class LaunchTemplate(Type):
    taggable = "launch-template"
    token, autoname = "aws:ec2/launchTemplate:LaunchTemplate", "name"
    replaces = ("name", "namePrefix")

    def create(self, aws: Aws, new: Json) -> str:
        made = aws.ec2.create_launch_template(LaunchTemplateName=new["name"], LaunchTemplateData=_template(new))
        return str(made["LaunchTemplate"]["LaunchTemplateId"])

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        """A change is a new version, and the default one where that is asked for."""
        if _template(old) == _template(new):
            return
        made = aws.ec2.create_launch_template_version(LaunchTemplateId=ident, LaunchTemplateData=_template(new))
        if new.get("updateDefaultVersion"):
            version = str(made["LaunchTemplateVersion"]["VersionNumber"])
            aws.ec2.modify_launch_template(LaunchTemplateId=ident, DefaultVersion=version)

    def read(self, aws: Aws, ident: str) -> Json | None:
        (found,) = aws.ec2.describe_launch_templates(LaunchTemplateIds=[ident])["LaunchTemplates"]
        latest, default = found["LatestVersionNumber"], found["DefaultVersionNumber"]
        return {"name": found["LaunchTemplateName"], "latestVersion": latest, "defaultVersion": default}

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.ec2.delete_launch_template(LaunchTemplateId=ident)


def _template(new: Json) -> Json:
    def upper(value: Any) -> Any:
        if isinstance(value, dict):
            return {key[0].upper() + key[1:]: upper(inner) for key, inner in value.items()}
        return [upper(inner) for inner in value] if isinstance(value, list) else value

    disks = [
        {"DeviceName": d["deviceName"], "Ebs": {**upper(d["ebs"]), "Encrypted": True, "DeleteOnTermination": True}}
        for d in new.get("blockDeviceMappings", ())
    ]
    tags = [{"ResourceType": t["resourceType"], "Tags": tag_list(t["tags"])} for t in new.get("tagSpecifications", ())]
    return given(
        UserData=new.get("userData"),
        MetadataOptions=upper(new.get("metadataOptions")),
        BlockDeviceMappings=disks or None,
        TagSpecifications=tags or None,
    )
