"""Writes what netspec knows of EC2's instance types: `python -m airgap.instances TYPES.json.gz > FILE.csv`.

Sources, all Apache-2.0: interfaces, addresses and hypervisor from what the VPC CNI itself goes by, the published pods a
node from the table beside it, branch interfaces from the VPC resource controller (two Go modules, downloaded through
the module proxy). vCPUs and architecture are DescribeInstanceTypes' answer: TYPES.json.gz as the Python package moto
carries it (moto/ec2/resources/instance_types.json.gz).
"""

import csv
import gzip
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

CNI = ("github.com/aws/amazon-vpc-cni-k8s", "v1.23.2")
CONTROLLER = ("github.com/aws/amazon-vpc-resource-controller-k8s", "v1.8.2")
COLUMNS = ("type", "architecture", "vcpus", "hypervisor", "interfaces", "addresses", "branches", "published")

_ENTRY = re.compile(r'^\t"([a-z0-9.-]+)":\s*\{\n(.*?)^\t\}', re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\t\t(\w+):\s+(\"[^\"]*\"|\w+),?$", re.MULTILINE)


def entries(source: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The fields of each entry of a Go map from types to structs, without those that are structs themselves.

    >>> list(entries('\\t"a1.large": {\\n\\t\\tENILimit:  3,\\n\\t\\tHypervisorType: "nitro",\\n\\t},\\n'))
    [('a1.large', {'ENILimit': '3', 'HypervisorType': 'nitro'})]
    """
    for name, body in _ENTRY.findall(source):
        yield name, {key: value.strip('"') for key, value in _FIELD.findall(body)}


def published(table: str) -> dict[str, int]:
    """
    >>> published("# a comment\\na1.large 29\\n")
    {'a1.large': 29}
    """
    rows = (line.split() for line in table.splitlines() if line and not line.startswith("#"))
    return {name: int(pods) for name, pods in rows}


def rows(limits: str, branches: str, pods: str, described: Mapping[str, Any]) -> Iterator[tuple[str | int, ...]]:
    """One row a type, in order; a type that lacks in one of the sources is left out."""
    of_branches, of_pods = dict(entries(branches)), published(pods)
    for name, own in sorted(entries(limits)):
        if name in described and name in of_pods:
            hypervisor = "metal" if own.get("IsBareMetal") == "true" else own["HypervisorType"]
            branch = of_branches.get(name, {})
            trunk = branch.get("IsTrunkingCompatible") == "true"
            yield (
                name,
                described[name]["ProcessorInfo"]["SupportedArchitectures"][-1],
                described[name]["VCpuInfo"]["DefaultVCpus"],
                hypervisor,
                int(own["ENILimit"]),
                int(own["IPv4Limit"]),
                int(branch["BranchInterface"]) if trunk else 0,
                of_pods[name],
            )


def write(found: Iterator[tuple[str | int, ...]], to: TextIO) -> None:
    sources = ", ".join("@".join(module) for module in (CNI, CONTROLLER))
    to.write(f"# Generated on {datetime.now(UTC):%Y-%m-%d} by `python -m airgap.instances`; not edited by hand.\n")
    to.write(f"# From {sources} (Apache-2.0) and DescribeInstanceTypes (as in moto, Apache-2.0).\n")
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(found)


def _module(name: str, version: str) -> Path:
    done = subprocess.run(["go", "mod", "download", "-json", f"{name}@{version}"], capture_output=True, check=True)
    return Path(json.loads(done.stdout)["Dir"])


def main(described: str) -> None:
    cni, controller = _module(*CNI), _module(*CONTROLLER)
    with gzip.open(described) as file:
        types = json.load(file)
    limits, branches, pods = (
        file.read_text(encoding="utf-8")
        for file in (
            cni / "pkg/vpc/vpc_ip_resource_limit.go",
            controller / "pkg/aws/vpc/limits.go",
            cni / "misc/eni-max-pods.txt",
        )
    )
    write(rows(limits, branches, pods, types), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
