"""Loading a spec file: YAML, then the models, with every error of the whole file at once.

A malformed item is reported and left out, so that what is wrong elsewhere is found in the same run; `dropped` names
what was left out, so that nothing is reported that only follows from it.
"""

from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from netspec.diagnostics import Path, Problem, Report
from netspec.ir.selectors import Selector
from netspec.spec.errors import findings, path_of
from netspec.spec.source import MAX_BYTES, Source, parse
from netspec.spec.types import did_you_mean
from netspec.spec.v1alpha1 import API_VERSION, KIND, NetworkSpec

_LISTS = (
    *("namespaces", "workloads", "services", "ingress", "gateways", "httpRoutes", "grpcRoutes", "tlsRoutes"),
    *("tcpRoutes", "udpRoutes", "policies", "networkPolicies", "expectations"),
)


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """`spec` is None when nothing of the file could be used.

    `dropped` holds the paths left out of `spec`, and `left_out` the list items among them: (section, the item as it
    stands in the file), None for a whole section; `lost` has their names, None where it cannot be told. `indexes` says
    where each remaining item of a section stood.
    """

    spec: NetworkSpec | None
    report: Report
    source: Source
    dropped: frozenset[Path] = frozenset()
    indexes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    left_out: tuple[tuple[str, Any], ...] = ()
    lost: frozenset[tuple[str, str | None]] = frozenset()

    def path(self, section: str, index: int) -> Path:
        """The path in the file of the item at `index` of a section of `spec`."""
        return section, dict(self.indexes)[section][index]

    def may_have(self, section: str, name: str) -> bool:
        """Whether an item of this name ("namespace/name" or name) may be among those left out."""
        return (section, name) in self.lost or (section, None) in self.lost

    def may_select(self, namespace: str, selector: Selector) -> bool:
        """Whether a workload that the selector matches may be among those left out."""
        for section, item in self.left_out:
            if section != "workloads":
                continue
            given = item if isinstance(item, dict) else {}
            labels = given.get("labels")
            matches = not isinstance(labels, dict) or selector.matches({str(k): str(v) for k, v in labels.items()})
            if given.get("namespace", namespace) == namespace and matches:
                return True
        return False


def _name(item: Any) -> str | None:
    """The name that references use for an item; None where it cannot be told."""
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        return None
    namespace = item.get("namespace")
    return f"{namespace}/{item['name']}" if isinstance(namespace, str) else str(item["name"])


def load(path: FilePath | str) -> LoadedSpec:
    """Loads a file. Raises Problem when it cannot be read at all."""
    file = FilePath(path)
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise Problem(f"there is no file {path}", "give the path of a spec, for instance stacks/shop.yaml") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Problem(f"{path} cannot be read: {reason}", "give the path of a spec file that you may read") from None
    return loads(raw, str(path))


def loads(text: str | bytes, file: str = "<text>") -> LoadedSpec:
    """Loads a spec from its text. Never raises for what is in it."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    found = Report()
    source = parse(raw, file, found)
    report = Report(source.locate)
    for diagnostic in found.sorted():
        report.add(diagnostic)
    if source.root is None:
        return LoadedSpec(None, report, source)
    data: dict[str, Any] = source.root.data()
    _head(data, report)
    return _validated(data, source, report)


def _head(data: dict[str, Any], report: Report) -> None:
    """The version and kind come first; a wrong one is reported and the rest is read as the version we know."""
    for key, known in (("apiVersion", API_VERSION), ("kind", KIND)):
        value = data.get(key)
        if value == known:
            continue
        if key not in data:
            report.error("NS017", (key,), "this field is required", f"write {key}: {known}")
        else:
            hint = did_you_mean(str(value), [known]) or f"this netspec reads {known}"
            report.error("NS017", (key,), f"{str(value)[:60]!r} is not supported; expected {known}", hint)
        data[key] = known


def _validated(data: dict[str, Any], source: Source, report: Report) -> LoadedSpec:
    indexes = {s: list(range(len(data[s]))) for s in _LISTS if isinstance(data.get(s), list)}
    dropped: set[Path] = set()
    left_out: list[tuple[str, Any]] = []
    try:
        return LoadedSpec(NetworkSpec.model_validate(data), report, source, indexes=_frozen(indexes))
    except ValidationError as error:
        errors = error.errors(include_url=False)
    for finding in findings(NetworkSpec, errors):
        report.add(finding.located(source))
    for path in sorted({_unit(path_of(e), data) for e in errors}, key=_last_first):
        if path[0] in _LISTS:
            section = str(path[0])
            left_out.append((section, data[section][path[1]] if len(path) > 1 else None))
        _drop(path, data, indexes)
        dropped.add(path)
    lost = frozenset((section, _name(item)) for section, item in left_out)
    try:
        spec = NetworkSpec.model_validate(data)
    except ValidationError:  # what was dropped was needed: a section as a whole
        for whole in {p[:1] for p in dropped}:
            _drop(whole, data, indexes)
        spec = NetworkSpec.model_validate(data)
    return LoadedSpec(spec, report, source, frozenset(dropped), _frozen(indexes), tuple(left_out), lost)


def _frozen(indexes: dict[str, list[int]]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((section, tuple(kept)) for section, kept in indexes.items())


def _unit(path: Path, data: dict[str, Any]) -> Path:
    """What is left out for an error at `path`: a list's item, a stack, or one field of network, dns or metadata."""
    if len(path) < 2 or not isinstance(data.get(str(path[0])), dict | list):
        return path[:1]
    return path[:2]


def _last_first(path: Path) -> tuple[str, int]:
    """Later list items first, so that dropping one moves none that is still to be dropped."""
    return str(path[0]), -path[1] if len(path) > 1 and isinstance(path[1], int) else 0


def _drop(path: Path, data: dict[str, Any], indexes: dict[str, list[int]]) -> None:
    section = str(path[0])
    content = data.get(section)
    if section == "metadata":
        name = content.get("name") if isinstance(content, dict) and path[1:] != ("name",) else None
        data[section] = {"name": name if isinstance(name, str) and len(path) > 1 else "unnamed"}
        return
    if len(path) == 1:
        data.pop(section, None)
        indexes.pop(section, None)
    elif isinstance(content, list) and isinstance(path[1], int):
        kept = indexes[section]
        del content[path[1]]
        del kept[path[1]]
    elif isinstance(content, dict):
        content.pop(path[1], None)
