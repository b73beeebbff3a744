"""The stacks of a spec: which backend each layer has, and its settings, in that backend's own shape."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from netspec.diagnostics import Path
from netspec.spec.errors import Finding, choice, describe, field_names, findings, unknown_field
from netspec.spec.load import LoadedSpec
from netspec.target import LAYERS, Backend, Layer, Part, Registry


def parts_of(loaded: LoadedSpec, name: str, registry: Registry) -> tuple[tuple[Part, ...], list[Finding]]:
    """What stack `name` chooses, in the order of `LAYERS`, and all that is wrong with it, with paths in the file.

    A layer with a finding is left out.
    """
    assert loaded.spec is not None
    stack, path = loaded.spec.stacks[name], ("stacks", name)
    layers = [layer for layer in LAYERS if registry.providers(layer.name)]
    known = [layer.name for layer in layers]
    found = [unknown_field((*path, key), known) for key in stack if key not in known]
    parts: list[Part] = []
    for layer in layers:
        where = (*path, layer.name)
        if layer.name in stack:
            part, wrong = _part(layer, stack[layer.name], where, registry)
            parts += [part] if part else []
            found += wrong
        elif layer.required:
            found.append(Finding("NS013", where, "this field is required", f"write {example(layer, registry)}"))
    return tuple(parts), found


def example(layer: Layer, registry: Registry) -> str:
    """A layer as a spec has it, for a hint: `cni: {provider: NAME}`."""
    return f"{layer.name}: {{{layer.key}: {next(iter(registry.providers(layer.name)))}}}"


def _part(layer: Layer, value: Any, path: Path, registry: Registry) -> tuple[Part | None, list[Finding]]:
    providers = registry.providers(layer.name)
    if not isinstance(value, Mapping):
        hint = f"write {example(layer, registry)}"
        return None, [Finding("NS011", path, f"expected a mapping (key: value), found {describe(value)}", hint)]
    where = (*path, layer.key)
    if layer.key not in value:
        known = f"one of {', '.join(providers)}" if len(providers) > 1 else next(iter(providers))
        return None, [Finding("NS013", where, "this field is required", f"it names the backend: {known}")]
    name = value[layer.key]
    backend = providers.get(name) if isinstance(name, str) else None
    if backend is None:
        return None, [Finding(*choice(name, list(providers), where))]
    own = {key: given for key, given in value.items() if key != layer.key}
    try:
        return Part(layer.name, backend, backend.settings.model_validate(own), path), []
    except ValidationError as error:
        found = findings(backend.settings, error.errors(include_url=False), path)
        return None, [_of_another(f, backend, path, providers) for f in found]


def _of_another(finding: Finding, backend: Backend, path: Path, providers: Mapping[str, Backend]) -> Finding:
    """An unknown setting that other backends have is one of theirs."""
    if finding.code != "NS010" or len(finding.path) != len(path) + 1:
        return finding
    theirs = [n for n, other in providers.items() if finding.path[-1] in field_names(other.settings)]
    if not theirs:
        return finding
    message = f"{backend.name} has no such setting; {' and '.join(theirs)} {'has' if len(theirs) == 1 else 'have'}"
    return finding._replace(message=message, hint=finding.hint if "mean" in (finding.hint or "") else "remove it")
