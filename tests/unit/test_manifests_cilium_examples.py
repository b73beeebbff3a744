"""The policies among the examples of Cilium's own module: those that Cilium takes are read, the others are errors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from netspec.manifests.kinds import CILIUM_POLICIES
from netspec.manifests.read import read_texts
from tests.oracle import crd
from tests.oracle.cilium import running

#: What the API server drops without a word, and what depends on an option of the agent.
EXCEPT = {"auth.yaml": "spec.egress[0].auth is an unknown field", "customnodes.yaml": ""}


def _examples(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(folder.rglob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        if "NetworkPolicy" in text and "{{" not in text:
            documents = (d for d in yaml.safe_load_all(text) if isinstance(d, dict))
            yield from ((file.name, d) for d in documents if d.get("kind") in CILIUM_POLICIES)


def test_what_cilium_takes_is_read() -> None:
    named = list(_examples(crd.module() / "examples"))
    examples = [example for _, example in named]
    assert len(examples) > 80
    for example in examples:
        if example["kind"] == "CiliumNetworkPolicy":
            example["metadata"].setdefault("namespace", "default")
    readings = [read_texts([("x.json", json.dumps(e))]) for e in examples]
    with running() as program:
        refused = [program.judge([e], {}, []).refused[0] for e in examples]
    for (name, _), reading, why in zip(named, readings, refused, strict=True):
        errors = [d.message for d in reading.diagnostics if d.code == "NM002"]
        if name in EXCEPT:
            assert (EXCEPT[name] in str(errors)) and bool(errors) is bool(EXCEPT[name])
        else:
            assert bool(errors) is bool(why), (name, errors, why)
