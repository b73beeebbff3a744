"""A plan as files for a reader: plan.json, the manifests in apply order, and what backends write as files of their own.
Same plan, same bytes."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from netspec.diagnostics import Problem
from netspec.plan import Cut, Json, ManifestNode, Node, Plan, ReadyNode, Ref, ResourceNode

#: The `version` of plan.json; a directory whose plan.json has it is ours to rewrite.
VERSION = "plan/v1"
INDEX = "plan.json"

#: A file's name has at most 255 bytes, and an object's name alone may have 253. The number tells files apart.
_SLUG_LIMIT = 200

#: Fields of a node that are told only where they say something.
_WHERE_GIVEN = frozenset(
    {"patch", "selector", "provider", "version", "outputs", "unique", "ignores", "outlives", "cluster", "fixed"}
)

#: What is asked of a node's provider besides, which makes nothing.
_ASKED = frozenset({"health", "lookup"})

_MANIFEST = re.compile(r"manifests/[0-9]{3,}-[^/]+\.yaml")


class _Dumper(yaml.SafeDumper):
    """Block style for text of several lines, no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
#: What is known only when the plan is applied.
_Dumper.add_representer(Ref, lambda dumper, ref: _text(dumper, str(ref)))
for made in (Json, Cut):
    _Dumper.add_representer(made, lambda dumper, value: _text(dumper, str(value)))


def to_yaml(value: Mapping[str, Any]) -> str:
    """
    >>> print(to_yaml({"data": {"Corefile": ".:53 {\\n    errors\\n}\\n"}}), end="")
    data:
      Corefile: |
        .:53 {
            errors
        }
    """
    return yaml.dump(dict(value), Dumper=_Dumper, sort_keys=False, width=120)


def render(plan: Plan) -> dict[str, str]:
    """Relative path -> text. A manifest's number is its place in the plan."""
    width = max(3, len(str(len(plan.nodes))))
    files: dict[str, str] = {INDEX: ""}
    entries = []
    for place, node in enumerate(plan.nodes, start=1):
        entry = _entry(node)
        if isinstance(node, ResourceNode):
            files |= {file: to_yaml(node.properties[key]) for key, file in node.files.items()}
        elif isinstance(node, ManifestNode):
            path = f"manifests/{place:0{width}}-{_slug(node.id)}.yaml"
            entry["file"] = path
            files[path] = to_yaml(node.manifest)
        entries.append(entry)
    index = {"version": VERSION, "name": plan.name, "stack": plan.stack, "images": list(plan.images), "nodes": entries}
    files[INDEX] = json.dumps(index, indent=2, ensure_ascii=False) + "\n"
    return files


def _entry(node: Node) -> dict[str, Any]:
    """A node without what files of its own hold; keys in camel case, like everything Kubernetes."""
    without = {"manifest", *_ASKED}
    fields = {k: v for k, v in asdict(node).items() if k not in without and (v or k not in _WHERE_GIVEN)}
    if isinstance(node, ResourceNode):
        fields["properties"] = {key: v for key, v in fields["properties"].items() if key not in node.files}
    elif isinstance(node, ReadyNode):
        given = [{k: v for k, v in c.items() if v or k not in _WHERE_GIVEN} for c in fields["conditions"]]
        fields["conditions"] = given
    return {_camel(key): value for key, value in fields.items()}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


def _slug(node_id: str) -> str:
    """
    >>> _slug("clusterrole:system:coredns"), _slug("service:kube-system/kube-dns")
    ('clusterrole-system-coredns', 'service-kube-system-kube-dns')
    """
    return re.sub(r"[^a-zA-Z0-9.]+", "-", node_id)[:_SLUG_LIMIT]


def write(plan: Plan, directory: Path) -> tuple[str, ...]:
    """Writes the files and removes those of an earlier plan; returns the paths written. Raises Problem where the
    directory holds anything else or cannot be written. plan.json comes first: a run cut short leaves a directory
    that the next one recognises."""
    files = render(plan)
    try:
        earlier = _written_earlier(directory)
        (directory / "manifests").mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            (directory / path).write_text(text, encoding="utf-8")
        for stale in earlier - files.keys():
            (directory / stale).unlink(missing_ok=True)
    except OSError as error:
        raise Problem(f"{directory} cannot be written: {error.strerror or error}", "choose another --out") from None
    return tuple(files)


def _written_earlier(directory: Path) -> set[str]:
    """The files of an earlier plan, except its index; also manifests of one that was cut short. Raises Problem where
    the directory holds anything that is not ours."""
    if not directory.exists() or not any(directory.iterdir()):
        return set()
    try:
        found = json.loads((directory / INDEX).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        found = None
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise Problem(
            f"{directory} is not empty and was not written by `netspec compile`",
            "choose a new or empty directory with --out",
        )
    manifests = (path.relative_to(directory).as_posix() for path in (directory / "manifests").glob("*.yaml"))
    own = (file for node in found.get("nodes", ()) for file in (node.get("files") or {}).values())
    return {path for path in manifests if _MANIFEST.fullmatch(path)} | {str(file) for file in own if "/" not in file}
