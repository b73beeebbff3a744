"""Files that are not what is applied: the templates of Helm charts, and the parts of Kustomize trees.

They are told of once, with the command that makes manifests of them, however many mistakes they look like.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from posixpath import basename, dirname, join

from netspec.diagnostics import Diagnostic, Position, Severity

_CHART = ("Chart.yaml", "Chart.yml")
_KUSTOMIZATION = ("kustomization.yaml", "kustomization.yml")
_ACTION = "{{"
_NAMED = 3


def _is_in(file: str, folder: str) -> bool:
    return not folder or file.startswith(f"{folder}/")


@dataclass(slots=True)
class Trees:
    """What the files that were given belong to; a chart or a kustomization comes before what is in its folders."""

    _charts: list[str] = field(default_factory=list)
    _kustomizations: list[str] = field(default_factory=list)
    _templates: dict[str, list[str]] = field(default_factory=dict)

    def skips(self, file: str, content: str) -> bool:
        """Notes a file; whether it is a template of a chart, which is not read."""
        folder, name = dirname(file), basename(file)
        if name in _CHART:
            self._charts.append(folder)
        elif name in _KUSTOMIZATION:
            self._kustomizations.append(folder)
        if _ACTION not in content or not any(_is_in(file, join(c, "templates")) for c in self._charts):
            return False
        chart = next(c for c in self._charts if _is_in(file, c))  # the outermost: it renders those in it
        self._templates.setdefault(chart, []).append(file)
        return True

    def is_template(self, file: str, content: str) -> bool:
        """Whether a document that is not YAML is part of a template, of no chart that was given."""
        if _ACTION not in content:
            return False
        found = self._templates.setdefault("", [])
        if file not in found:
            found.append(file)
        return True

    def told(self, found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """The diagnostics, with one in place of all about templates, and one of all about parts of Kustomize trees."""
        all_of, kept = list(found), []
        roots = [k for k in self._kustomizations if not any(_is_in(k, o) for o in self._kustomizations if o != k)]
        for diagnostic in all_of:
            file = diagnostic.position.file if diagnostic.position else None
            is_part = file is not None and any(_is_in(file, root) for root in roots)
            if not is_part or diagnostic.severity is not Severity.ERROR or diagnostic.code == "NM004":
                kept.append(diagnostic)
        kept += [self._chart(chart, files) for chart, files in self._templates.items()]
        return (*kept, *([self._trees(roots, len(all_of) - len(kept) + len(self._templates))] if roots else ()))

    def _chart(self, chart: str, files: list[str]) -> Diagnostic:
        message = f"{files[0]} is a template, not a manifest"
        if len(files) > 1:
            message = f"{len(files)} files are templates, not manifests: {', '.join(files[:_NAMED])}"
            message += ", ..." * (len(files) > _NAMED)
        hint = f"render them: helm template {chart or 'CHART'} | netspec ... --manifests -"
        return Diagnostic("NM008", Severity.ERROR, message, (), Position(files[0], 1), hint)

    def _trees(self, roots: list[str], mistakes: int) -> Diagnostic:
        names = [root or "." for root in roots]
        name = ", ".join(names[:_NAMED]) + ", ..." * (len(names) > _NAMED)
        is_tree = f"{name} is a Kustomize tree" if len(names) == 1 else f"{name} are Kustomize trees"
        build = next((k for k in self._kustomizations if "overlay" in k), self._kustomizations[0]) or "."
        hint = f"give what it builds: kubectl kustomize {build} | netspec ... --manifests -"
        if mistakes:
            what = (
                f"{mistakes} parts cannot be used as they stand"
                if mistakes > 1
                else "a part cannot be used as it stands"
            )
            return Diagnostic("NM008", Severity.ERROR, f"{is_tree}: {what}", (), None, hint)
        message = f"{is_tree}: the files are read as they stand, without what is changed in them"
        return Diagnostic("NM008", Severity.WARNING, message, (), None, hint)
