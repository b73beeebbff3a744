"""netspec targets: which cluster goes with which CNI, and what the two can do."""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence

from netspec.cli import OK
from netspec.diagnostics import Problem
from netspec.report.listing import Edge, Listing, Row, write
from netspec.spec.types import did_you_mean
from netspec.target import Feature
from netspec.targets import Target, targets

EXAMPLES = """\
  netspec targets
  netspec targets --cluster eks
  netspec targets --feature proxy-none --output md"""

OUTPUTS = ("text", "json", "csv", "md", "html")
PROOF = {"cluster": "on a running cluster", "engine": "by the engine, on no cluster", "": "compiled"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cluster", help="only this cluster")
    parser.add_argument("--cni", help="only this CNI")
    parser.add_argument("--feature", help="only what has this feature, with the setting that it takes")
    parser.add_argument("--output", choices=OUTPUTS, default="text", help="how to print (default: text)")


def run(args: argparse.Namespace) -> int:
    """Nothing but what the compiler says: each pair is compiled with a small spec."""
    from netspec.backends.registry import PROVEN, REGISTRY

    for layer, name in (("cluster", args.cluster), ("cni", args.cni)):
        known = list(REGISTRY.providers(layer))
        if name is not None and name not in known:
            hint = did_you_mean(name, known) or f"one of {', '.join(known)}"
            raise Problem(f"there is no {layer} {name}", hint)
    features = [feature.value for feature in Feature]
    if args.feature is not None and args.feature not in features:
        raise Problem(f"there is no feature {args.feature}", did_you_mean(args.feature, features) or "docs/backends.md")
    found = [
        target
        for target in targets(REGISTRY, PROVEN)
        if args.cluster in (None, target.cluster) and args.cni in (None, target.cni)
    ]
    write(listing(found, Feature(args.feature) if args.feature else None), args.output)
    return OK


def families(names: Sequence[str]) -> list[str]:
    """Names of features, where all of one beginning are among them as one, in the order of the first of each.

    >>> families(["proxy-none", *(f.value for f in Feature if f.value.startswith("http-"))])
    ['proxy-none', 'http-*']
    """
    every = Counter(feature.value.partition("-")[0] for feature in Feature)
    here = Counter(name.partition("-")[0] for name in names)
    short = (
        f"{first}-*" if here[first] == every[first] > 1 else name
        for name in names
        for first in [name.partition("-")[0]]
    )
    return list(dict.fromkeys(short))


def listing(found: Sequence[Target], feature: Feature | None = None) -> Listing:
    """A pair a row: what it lacks of all features, what of them takes a setting, how far it was proven; or of one
    feature whether it has that."""

    def rows() -> Iterator[Row]:
        for t in found:
            if t.features is None:
                yield (t.cluster, t.cni, "no", t.refused, "", "", "")
            elif feature is None:
                lacks = families([f.value for f in Feature if f not in t.features])
                takes = [f.value for f in Feature if t.features.get(f)]
                yield (
                    t.cluster,
                    t.cni,
                    ", ".join(["yes", *(f"{key}: {json.dumps(value)}" for key, value in t.given.items())]),
                    ", ".join(lacks),
                    ", ".join(takes),
                    ", ".join(t.beside),
                    PROOF[t.proven],
                )
            else:
                ways = t.features.get(feature)
                has = "no" if ways is None else "with settings" if ways else "yes"
                yield (t.cluster, t.cni, has, "; ".join(ways or ()), "", ", ".join(t.beside), PROOF[t.proven])

    def edges() -> Iterator[Edge]:
        for t in found:
            tone = "bad" if t.features is None else "good"
            yield Edge(t.cluster, t.cni, t.refused or PROOF[t.proven], t.features is None, tone)

    def document() -> Iterator[str]:
        out = [
            {
                "cluster": t.cluster,
                "cni": t.cni,
                "refused": t.refused,
                "given": dict(t.given),
                "features": {f.value: list(t.features[f]) for f in Feature if t.features and f in t.features},
                "beside": list(t.beside),
                "proven": PROOF[t.proven],
            }
            for t in found
        ]
        yield json.dumps({"version": "targets/v1", "targets": out}, indent=1) + "\n"

    two = ("compiles", "lacks", "takes a setting") if feature is None else (feature.value, "what to set", "")
    columns = ("cluster", "cni", *two, "goes with", "proven")
    return Listing("what can be compiled for what", columns, rows, document, edges, group=lambda _: "", label=str)
