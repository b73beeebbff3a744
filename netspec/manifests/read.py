"""Files to an `Inventory`. Whatever is wrong is a diagnostic with its place, and the rest is read."""

import codecs
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, TextIO

from netspec.diagnostics import Diagnostic, Path, Position, Problem, Report, Severity, render_path
from netspec.ir.model import Inventory, Place
from netspec.ir.ranges import unusual
from netspec.manifests.documents import Broken, Document, Loaded, split
from netspec.manifests.fields import Bad, Missing
from netspec.manifests.objects import DEFAULT, Objects, code_of, describe
from netspec.manifests.trees import Trees

SUFFIXES = (".yaml", ".yml", ".json")
MAX_BYTES = 256 << 20
#: What standard input is called in a place.
STDIN = "<stdin>"


@dataclass(frozen=True, slots=True)
class Reading:
    """`skipped`: kind -> objects that say nothing about reachability. `objects`: how many were used. `cni`: the network
    plugin, as far as it can be told from its objects; what it does differently is for the caller to add
    (`Inventory.dialect`)."""

    inventory: Inventory
    diagnostics: tuple[Diagnostic, ...]
    skipped: Counter[str]
    objects: int
    documents: dict[Position, Document]
    cni: str | None = None

    def locate(self, place: Place) -> Position | None:
        """The very line of a place in an object; reads its document again."""
        document = self.documents.get(place.position) if place.position else None
        return document.locate(place.path) if document else place.position


def read(paths: Sequence[str], stdin: TextIO | None = None, namespace: str = DEFAULT) -> Reading:
    """Reads files, directories (all YAML and JSON below them) and `-`. Raises Problem for a path that is not there.

    `namespace`: of objects that name none, as kubectl's."""
    return read_texts(texts(paths, stdin), namespace)


def read_texts(given: Iterable[tuple[str, str | Broken]], namespace: str = DEFAULT) -> Reading:
    """As `read`, from (file name, text); Broken stands for a file that is not text."""
    report = Report()
    objects = Objects(namespace)
    trees = Trees()
    documents: dict[Position, Document] = {}
    for file, content in given:
        if isinstance(content, Broken):
            _complain(report, "NM001", Position(file, content.line), f"file {content.message}")
            continue
        if trees.skips(file, content):
            continue
        for document in split(content, file):
            try:
                for loaded in document.load():
                    _add(loaded, objects, documents, report)
            except Broken as broken:
                if not trees.is_template(file, document.text):
                    _complain(report, "NM001", Position(file, broken.line), f"document {broken.message}")
    said: set[str] = set()
    for failure in objects.conclude():
        place, fault = failure.place, failure.bad
        if place.position is not None and fault.message not in said:
            _reject(report, failure.body, place.path, documents[place.position], fault)
            said |= {fault.message} if isinstance(fault, Missing) else set()
    for remark, place in objects.remarks:
        if place.position is not None:
            at = documents[place.position].locate((*place.path, "apiVersion"))
            report.add(Diagnostic("NM007", Severity.WARNING, remark, (), at))
    inventory = objects.inventory()
    for cidr in inventory.pod_cidrs:
        if said_of := unusual(cidr):
            report.add(Diagnostic("NM009", Severity.WARNING, f"the pods' range {cidr} {said_of}", ()))
    found = trees.told(report.sorted())
    return Reading(inventory, found, objects.skipped, objects.count, documents, objects.cni())


def _add(loaded: Loaded, objects: Objects, documents: dict[Position, Document], report: Report) -> None:
    position = loaded.document.position
    documents[position] = loaded.document
    for said, line in loaded.remarks:
        at = Position(position.file, line)
        report.add(Diagnostic("NM005", Severity.WARNING, f"document {said}", (), at))
    for path, body in objects_of(loaded.value, ()) if loaded.value is not None else ():
        try:
            objects.add(body, Place(path, position))
        except Bad as bad:
            _reject(report, body, path, loaded.document, bad)


def _reject(report: Report, body: Any, path: Path, document: Document, bad: Bad) -> None:
    field = f": {render_path(bad.path)}" if bad.path else ""
    severity = Severity.WARNING if isinstance(bad, Missing) else Severity.ERROR
    message, at = f"{describe(body)}{field} {bad.message}", document.locate((*path, *bad.path))
    report.add(Diagnostic(code_of(bad), severity, message, (), at, bad.hint))


def objects_of(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """The objects of a document: itself, or a list's items, which take the list's kind where they name none. A list is
    whatever has `items` (apimachinery, unstructuredJSONScheme)."""
    kind, inner = (value.get("kind"), value.get("items")) if isinstance(value, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(inner, list | None) or "items" not in value:
        yield path, value
        return
    for i, item in enumerate(inner or ()):
        if isinstance(item, dict) and kind != "List" and not item.get("kind"):
            own = {k: v for k, v in item.items() if v}
            item = {"apiVersion": value.get("apiVersion"), **own, "kind": kind.removesuffix("List")}
        yield from objects_of(item, (*path, "items", i))


def _complain(report: Report, code: str, at: Position | None, message: str, hint: str | None = None) -> None:
    report.add(Diagnostic(code, Severity.ERROR, message, (), at, hint))


def texts(paths: Sequence[str], stdin: TextIO | None) -> Iterator[tuple[str, str | Broken]]:
    """The files that the paths stand for, (file name, text), as `read_texts` takes them. Raises Problem."""
    for path in paths:
        if path == "-":
            if stdin is None:
                raise Problem("- is standard input, which is not there", "name a file or a directory")
            yield STDIN, _read_stream(stdin)
            continue
        files = list(_files(path))
        if not files:
            raise Problem(f"{path} holds no {', '.join(SUFFIXES)} file", "name the directory with the manifests")
        for file in files:
            yield file, _read(file)


def _files(path: str) -> Iterator[str]:
    """The file itself, or the manifests below a directory, in order of their names; hidden directories are left out."""
    if not FilePath(path).is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            if name.endswith(SUFFIXES):
                yield str(FilePath(folder) / name)


def _read_stream(stream: TextIO) -> str | Broken:
    raw = getattr(stream, "buffer", None)
    return decode(raw.read(MAX_BYTES)) if raw is not None else stream.read(MAX_BYTES).removeprefix("\ufeff")


def _read(file: str) -> str | Broken:
    try:
        with FilePath(file).open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise Problem(f"there is no file {file}", "name a manifest, a directory of them, or -") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Problem(f"{file} cannot be read: {reason}", "name files that you may read") from None
    if len(raw) > MAX_BYTES:
        return Broken(f"is larger than {MAX_BYTES >> 20} MiB", 1)
    return decode(raw)


def decode(raw: bytes) -> str | Broken:
    """A file's text. Bytes that are not UTF-8 are the fault of the document that holds them; they come through as
    surrogates."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Broken("is UTF-16, which kubectl does not read: save it as UTF-8", 1)
    return raw.decode("utf-8-sig", errors="surrogateescape")
