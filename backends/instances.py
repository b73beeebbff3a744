"""What is known of EC2's instance types: `instances.csv`, which `airgap/instances.py` writes."""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Instance(NamedTuple):
    """`interfaces` and `addresses` (on each) are those of the default network card: the VPC CNI uses no other.
    `branches`: interfaces for single pods besides. `published`: AWS's own number of pods without prefixes."""

    type: str
    architecture: str
    vcpus: int
    hypervisor: str
    interfaces: int
    addresses: int
    branches: int
    published: int

    @property
    def prefixes(self) -> bool:
        """Whether an interface may be given blocks of addresses: on Nitro, and on bare metal (VPC CNI, ipamd)."""
        return self.hypervisor in ("nitro", "metal")


@cache
def instances() -> Mapping[str, Instance]:
    text = files(__package__).joinpath("instances.csv").read_text(encoding="utf-8")
    rows = csv.reader(line for line in text.splitlines() if not line.startswith("#"))
    next(rows)
    found = (
        Instance(kind, arch, int(cpus), hypervisor, *map(int, rest)) for kind, arch, cpus, hypervisor, *rest in rows
    )
    return {instance.type: instance for instance in found}
