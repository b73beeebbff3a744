"""What a run that was cut made at a provider and did not record: found again, and put into the state.

How each resource is found is the plan's to say (netspec.plan.Found); it is kept beside the stack while it is applied,
for `down` has no plan. Pulumi's refresh then asks the provider whether it is there.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from netspec.deploy import asking
from netspec.deploy.asking import Recorded, State, Unanswered, name_of
from netspec.diagnostics import Problem
from netspec.plan import PROVIDER, Found, Plan, ResourceNode
from netspec.toolchain import project

Say = Callable[[str], None]
#: Questions at a time.
LANES = 8


def keep(stack: str, plan: Plan) -> None:
    """Write how the plan's resources are found."""
    found = {n.id: asdict(n.lookup) for n in plan.nodes if isinstance(n, ResourceNode) and n.lookup}
    if found:
        _file(stack).write_text(json.dumps(found), encoding="utf-8")


def forget(stack: str) -> None:
    _file(stack).unlink(missing_ok=True)


def adopt(stack: str, state: dict[str, Any], pending: Sequence[Mapping[str, Any]], say: Say) -> bool:
    """Adds to `state` what was being made and can be named; whether there was any. Whether it is there is not known."""
    file = _file(stack)
    lookups = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    recorded = Recorded(state)
    known = {(r["urn"], r.get("id")) for r in recorded.resources}
    rows = [
        (operation["resource"], Found(**lookups[name_of(operation["resource"]["urn"])]))
        for operation in pending
        if operation["type"] == "creating" and name_of(operation["resource"]["urn"]) in lookups
    ]
    with ThreadPoolExecutor(LANES) as pool:
        found = pool.map(lambda row: list(identities(row[1], row[0].get("inputs") or {}, say)), rows)
        named = [
            (resource, next((i for i in ids if (resource["urn"], i) not in known), None))
            for (resource, _), ids in zip(rows, found, strict=True)
        ]
    adopted = [{**resource, "id": ident} for resource, ident in named if ident is not None]
    if adopted:
        say(f"looking for what was being made when the run was cut: {', '.join(name_of(r['urn']) for r in adopted)}")
    state["deployment"]["resources"] = [*recorded.resources, *adopted]
    return bool(adopted)


def identities(found: Found, inputs: Mapping[str, Any], say: Say) -> Iterator[str]:
    """The ids that a resource may have."""
    if not found.words:
        yield found.id.format_map(inputs)
        return
    try:
        said = asking.answer([word.format_map(inputs) for word in found.words])
    except Unanswered as reason:
        say(f"what a cut run made is not looked for: {reason}")
        return
    for item in asking.items(said, found.items, found.only):
        yield found.id.format(str(asking.at(item, found.name)).rpartition("/")[2], **inputs)


def refuse_moved(plan: Plan, state: State) -> None:
    """Raises `Problem` where a provider would look elsewhere for what it made: all would be made a second time."""
    recorded = Recorded(state)
    used = {str(r.get("provider")).rpartition("::")[0] for r in recorded.resources}
    providers = {
        name_of(r["urn"]): r for r in recorded.resources if r["type"].startswith(PROVIDER) and r["urn"] in used
    }
    for node in plan.nodes:
        if not isinstance(node, ResourceNode) or node.id not in providers:
            continue
        before = providers[node.id].get("inputs") or {}
        for name in node.fixed:
            old, new = before.get(name), node.properties.get(name)
            if old is not None and old != new:
                message = f"the stack {plan.stack} is in the {name} {old}, and the spec says {new}"
                hint = f"destroy it first: netspec down --stack {plan.stack}; or set {name}: {old} again"
                raise Problem(message, hint)


def _file(stack: str) -> Any:
    return project.private_dir() / f"{stack}.lookups.json"
