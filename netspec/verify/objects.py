"""Policies, Services and routes as the API server has them: read once for all who compare them with the spec."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netspec.manifests.kinds import resources
from netspec.manifests.workloads import TEMPLATES
from netspec.toolchain.programs import last_line
from netspec.verify.access import Access

Item = Mapping[str, Any]

#: Read elsewhere (state.py), or not needed to tell who is let in.
_ELSEWHERE = frozenset((*TEMPLATES, "Node", "Endpoints", "EndpointSlice"))
#: Of `kubectl api-resources`, at least: name, API version, whether in namespaces, kind.
_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Objects:
    """`items` in the API's shape; `problem`: why they could not be read."""

    items: tuple[Item, ...] = ()
    problem: str = ""


def read_objects(access: Access) -> Objects:
    listed = access.kubectl("api-resources", "--verbs=list", "--no-headers")
    if listed.returncode:
        return Objects(problem=last_line(listed.stderr))
    rows = [row.split() for row in listed.stdout.splitlines()]
    # Short names stand between, where there are some.
    served = [(row[0], row[-3], row[-1]) for row in rows if len(row) >= _COLUMNS and row[-1] not in _ELSEWHERE]
    done = access.kubectl("get", ",".join(resources(served)), "--all-namespaces", "--output=json")
    if done.returncode:
        return Objects(problem=last_line(done.stderr))
    return Objects(tuple(json.loads(done.stdout)["items"]))


def of_group(item: Item) -> str:
    """Its API group.

    >>> of_group({"apiVersion": "v1"}), of_group({"apiVersion": "apps/v1"})
    ('', 'apps')
    """
    return str(item["apiVersion"]).rpartition("/")[0]


def id_of(item: Item) -> str:
    meta = item["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])
