"""No provider's name stands in the core: what it knows of one, the backend says as data (netspec.target)."""

import re
from pathlib import Path

import pytest

from netspec.backends.cni.dialects import DIALECTS
from netspec.backends.registry import PROVIDERS

ROOT = Path(__file__).parent.parent / "netspec"
#: The core, except what reads foreign objects (manifests) and the table of versions (catalogue).
CORE = (
    *(ROOT / name for name in ("spec", "ir", "passes", "analysis", "probing")),
    *(ROOT / f"{name}.py" for name in ("target", "facts", "plan", "planfiles", "compiler", "probes", "diagnostics")),
)
#: Names in the field that backends have or may get, those that are words of their own too only where they name it.
FOREIGN = (
    "eks",
    "aks",
    "gke",
    "flannel",
    "antrea",
    "weave",
    "kindnet",
    "metallb",
    "traefik",
    "haproxy",
    "nginx",
    "contour",
)
#: The names that are an English word, or Kubernetes' own, and how they look where a provider is meant.
WORDS = {
    "existing": r"ExistingCluster|[\"']existing[\"']|\bexisting:Cluster",
    "kind": r"\bkind(?:'s|-)? ?(?:clusters?|nodes?|networks?|config|image)\b|\bKind(?:Cluster|Site|Node)|[\"']kind-",
}
#: File and line's text -> why a name may stand there.
ALLOWED = {
    # The labels, and so the addresses, of other distributions' DNS are what a foreign cluster is read by.
    "ir/dns.py": ("rke2",),
    # The source of a rule may be one vendor's page, where only that vendor's agents do such a thing.
    "analysis/services.py": ("amazon-network-policy-controller-k8s",),
}


def names() -> list[str]:
    known = {name for providers in PROVIDERS.values() for name in providers} | set(DIALECTS) | set(FOREIGN)
    return sorted(known)


def mentions(text: str) -> list[str]:
    """
    >>> mentions("the pool of Calico"), mentions("every kind of Service")
    (['calico'], [])
    """
    found = []
    for name in names():
        pattern = WORDS.get(name, rf"\b{name.replace('-', '[-_ ]?')}\b|{name.title().replace('-', '')}[A-Z]")
        if re.search(pattern, text, 0 if name in WORDS else re.IGNORECASE):
            found.append(name)
    return found


def _lines() -> list[tuple[str, str]]:
    files = [file for part in CORE for file in ([part] if part.is_file() else sorted(part.rglob("*.py")))]
    assert len(files) > 50
    return [
        (f"{file.relative_to(ROOT)}:{number}", line)
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    ]


def test_the_core_names_no_provider() -> None:
    found = [
        f"{place}: {line.strip()}"
        for place, line in _lines()
        if mentions(line) and not any(word in line for word in ALLOWED.get(place.partition(":")[0], ()))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        'if ir.providers["cni"] == "calico":',
        "class CalicoCni(Model):",
        "#: a kind cluster's network",
        "from netspec.spec.v1alpha1 import KindCluster",
        "if cni != 'vpc-cni':",
        "what Cilium does",
        "MetalLB gives it an address",
    ],
)
def test_a_provider_in_the_core_is_found(line: str) -> None:
    assert mentions(line)


@pytest.mark.parametrize(
    "line", ['"kind": "NetworkPolicy"', "of any kind, nodes too", "every kind of node", "kind=obj.kind"]
)
def test_words_that_only_look_like_one_are_not(line: str) -> None:
    assert mentions(line) == []
