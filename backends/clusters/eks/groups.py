"""What a group of nodes has room for, by its instance types: of several the least counts, for any may be started."""

from netspec.backends.clusters.eks.settings import EksNodeGroup, EksSettings
from netspec.backends.instances import Instance, instances
from netspec.target import NodeGroup


def group_traits(group: EksNodeGroup, settings: EksSettings) -> NodeGroup:
    """A type that is not known bounds nothing: `check` tells of it."""
    known = [instances()[name] for name in group.instance_types if name in instances()]
    return NodeGroup(
        name=group.name,
        count=group.min if group.desired is None else group.desired,
        most=group.max,
        surge=max(group.max_unavailable, 2 * len(settings.zones)),
        types=tuple(group.instance_types),
        cpus=_least(known, "vcpus"),
        interfaces=_least(known, "interfaces"),
        addresses=_least(known, "addresses"),
        branches=_least(known, "branches"),
        prefixes=all(instance.prefixes for instance in known),
    )


def architecture(group: EksNodeGroup) -> str:
    return "arm64" if "ARM_64" in group.ami_type else "x86_64"


def _least(known: list[Instance], field: str) -> int:
    return min((int(getattr(instance, field)) for instance in known), default=0)
