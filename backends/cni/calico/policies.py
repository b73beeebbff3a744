"""Policies of Calico's own in a stack: ordered rules that also deny, of a namespace or of several.

What they mean is what the reader of such objects says (netspec.manifests.calico), so that a stack's own policies and
those of a running cluster are judged alike.
"""

from collections.abc import Iterator
from typing import Any

from netspec.backends.cni.calico.policy_settings import CalicoPolicy, CalicoTier
from netspec.backends.cni.calico.settings import CalicoSettings
from netspec.backends.objects import Manifest, manifest, node
from netspec.diagnostics import Path, Report, render_path
from netspec.ir.model import NAME_LABEL, Direction, Ir, TierPolicy
from netspec.manifests.calico import DEFAULT, Ordered, OrderedTier, calico_policy, calico_tier, ranked
from netspec.manifests.fields import Bad
from netspec.manifests.policies import At
from netspec.plan import CNI_READY, ManifestNode
from netspec.target import Fact, Field, ObjectRead

VERSION = "crd.projectcalico.org/v1"
#: Stands for any namespace that the spec does not have.
_STRANGER = {NAME_LABEL: "a-namespace-of-others"}


def tiers(ir: Ir, settings: CalicoSettings, place: At, report: Report) -> tuple[TierPolicy, ...]:
    """What the stack's policies say, where it can be said exactly; NS925 and NS926 for the others."""
    at: Path = ("stacks", ir.stack, "cni", "policies")
    known = _tiers(settings, at[:-1], report)
    found = [_read(policy, (*at, i), place, report) for i, policy in enumerate(settings.policies)]
    for i, policy in enumerate(settings.policies):
        _check(ir, policy, found[i], settings.policies[:i], (*at, i), report)
        if policy.tier is not None and policy.tier not in {tier.name for tier in settings.tiers}:
            report.error("NS926", (*at, i, "tier"), f"there is no tier {policy.tier}", "declare it under cni.tiers")
    return tuple(ranked((each for each in found if each is not None), known))


def _tiers(settings: CalicoSettings, cni: Path, report: Report) -> list[OrderedTier]:
    known: dict[str, OrderedTier] = {}
    for i, tier in enumerate(settings.tiers):
        path = (*cni, "tiers", i)
        try:
            found = calico_tier(tier.name, tier_manifest(tier))
        except Bad as bad:
            report.error("NS925", _given(path, bad.path), f"tier {tier.name}: order {bad.message}", bad.hint or _EXACT)
            continue
        if found is None or tier.name in known:
            message = f"{tier.name} is a tier of Calico's" if found is None else f"two tiers are called {tier.name}"
            report.error("NS926", (*path, "name"), message, "rename it")
        else:
            known[tier.name] = found
    return list(known.values())


def _read(policy: CalicoPolicy, path: Path, place: At, report: Report) -> Ordered | None:
    made = policy_manifest(policy)
    bad: list[Bad] = []
    found = None
    try:
        name, home = made["metadata"]["name"], policy.namespace or ""
        found = calico_policy(made["kind"], home, name, made, lambda p: place(_given(path, p)), bad.append)
    except Bad as wrong:
        bad.append(wrong)
    for each in bad:
        field = render_path(each.path[1:])
        message = f"policy {policy.name}: {field} {each.message}" if field else f"policy {policy.name} {each.message}"
        report.error("NS925", _given(path, each.path), message, each.hint or _EXACT)
    return None if bad else found


_EXACT = "say it with selectors of labels, addresses and ports"


def _given(path: Path, inner: Path) -> Path:
    """Where something of the object stands in the stack."""
    return (*path, *inner[1:]) if inner[:1] == ("spec",) else path


def _check(
    ir: Ir, policy: CalicoPolicy, found: Ordered | None, before: list[CalicoPolicy], path: Path, report: Report
) -> None:
    if any((other.namespace, other.name) == (policy.namespace, policy.name) for other in before):
        report.error("NS926", (*path, "name"), f"two policies are called {policy.name}", "rename one")
    declared = {namespace.name for namespace in ir.namespaces if not namespace.system}
    if policy.namespace is not None and policy.namespace not in declared:
        message = f"the spec does not make the namespace {policy.namespace}"
        report.error("NS926", (*path, "namespace"), message, "declare it under namespaces")
    others = [s for s in found.subjects if s.namespaces is None or s.namespaces.matches(_STRANGER)] if found else []
    if policy.namespace is None and others:
        message = f"policy {policy.name} is about pods of every namespace, DNS servers and others' among them"
        names = ", ".join(f"'{name}'" for name in sorted(declared)) or "'shop'"
        hint = f"give namespaceSelector: projectcalico.org/name in {{{names}}}, or fewer of them"
        report.error("NS926", path, message, hint)


def policies(settings: CalicoSettings) -> tuple[ManifestNode, ...]:
    made = {tier.name: node(tier_manifest(tier), CNI_READY) for tier in settings.tiers}
    return (
        *made.values(),
        *(
            node(policy_manifest(policy), CNI_READY, *([made[policy.tier].id] if policy.tier in made else []))
            for policy in settings.policies
        ),
    )


def tier_manifest(tier: CalicoTier) -> Manifest:
    spec = {"order": tier.order, "defaultAction": tier.default_action}
    return manifest(VERSION, "Tier", tier.name, spec=spec)


def policy_manifest(policy: CalicoPolicy) -> Manifest:
    """The object, with the directions that Calico's own client would default. Its name begins with its tier's."""
    own = {"name", "namespace", "tier"}
    given = policy.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True, exclude=own)
    tier = policy.tier or DEFAULT
    spec = {"tier": tier, **given, "types": list(_types(policy))}
    kind = "GlobalNetworkPolicy" if policy.namespace is None else "NetworkPolicy"
    return manifest(VERSION, kind, f"{tier}.{policy.name}", policy.namespace, spec=spec)


def _types(policy: CalicoPolicy) -> Iterator[Direction]:
    if policy.types:
        yield from policy.types
        return
    if policy.ingress or not policy.egress:
        yield "Ingress"
    if policy.egress:
        yield "Egress"


def facts(settings: CalicoSettings) -> tuple[Fact, ...]:
    """That each says on the cluster what the stack says."""
    made = (*map(tier_manifest, settings.tiers), *map(policy_manifest, settings.policies))
    return tuple(_fact(each) for each in made)


def _fact(made: dict[str, Any]) -> Fact:
    name, namespace = made["metadata"]["name"], made["metadata"].get("namespace", "")
    plural = "tiers" if made["kind"] == "Tier" else f"{made['kind'].lower().removesuffix('policy')}policies"
    read = ObjectRead(f"{plural}.crd.projectcalico.org", (("spec", Field("spec")),), name, namespace)
    return Fact("calico-policy", f"{namespace}/{name}" if namespace else name, {"spec": made["spec"]}, read)
