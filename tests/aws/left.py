"""Prints what an account holds, by kind, as JSON; run where boto3 is, against whatever AWS_ENDPOINT_URL names.

The default VPC and what is in it do not count.
"""

import json

import boto3


def left() -> dict[str, list[str]]:
    ec2, eks, iam = boto3.client("ec2"), boto3.client("eks"), boto3.client("iam")
    own = {v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"] if v["IsDefault"]}
    clusters = eks.list_clusters()["clusters"]
    kms = boto3.client("kms")
    keys = [kms.describe_key(KeyId=k["KeyId"])["KeyMetadata"] for k in kms.list_keys()["Keys"]]
    found = {
        "vpcs": [v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"] if not v["IsDefault"]],
        "subnets": [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"] if s["VpcId"] not in own],
        "interfaces": [e["NetworkInterfaceId"] for e in ec2.describe_network_interfaces()["NetworkInterfaces"]],
        "gateways": [
            g["InternetGatewayId"]
            for g in ec2.describe_internet_gateways()["InternetGateways"]
            if not any(a["VpcId"] in own for a in g["Attachments"])
        ],
        "nat": [n["NatGatewayId"] for n in ec2.describe_nat_gateways()["NatGateways"] if n["State"] != "deleted"],
        "addresses": [a["AllocationId"] for a in ec2.describe_addresses()["Addresses"]],
        "tables": [t["RouteTableId"] for t in ec2.describe_route_tables()["RouteTables"] if t["VpcId"] not in own],
        "groups": [
            g["GroupName"] for g in ec2.describe_security_groups()["SecurityGroups"] if g.get("VpcId") not in own
        ],
        "endpoints": [
            e["VpcEndpointId"] for e in ec2.describe_vpc_endpoints()["VpcEndpoints"] if e["State"].lower() != "deleted"
        ],
        "templates": [t["LaunchTemplateName"] for t in ec2.describe_launch_templates()["LaunchTemplates"]],
        "flowLogs": [f["FlowLogId"] for f in ec2.describe_flow_logs()["FlowLogs"]],
        "clusters": clusters,
        "nodeGroups": [g for c in clusters for g in eks.list_nodegroups(clusterName=c)["nodegroups"]],
        "roles": [r["RoleName"] for r in iam.list_roles()["Roles"] if not r["Path"].startswith("/aws")],
        "balancers": [b["LoadBalancerName"] for b in boto3.client("elbv2").describe_load_balancers()["LoadBalancers"]],
        "logGroups": [g["logGroupName"] for g in boto3.client("logs").describe_log_groups()["logGroups"]],
        "keys": [k["KeyId"] for k in keys if k["KeyManager"] == "CUSTOMER" and k["KeyState"] != "PendingDeletion"],
    }
    return {kind: names for kind, names in found.items() if names}


if __name__ == "__main__":
    print(json.dumps(left()))
