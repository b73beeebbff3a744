"""The plan: order, ids, and the files it is written as."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.diagnostics import Problem
from netspec.plan import (
    Condition,
    ManifestNode,
    Node,
    Plan,
    ReadyNode,
    Ref,
    ResourceNode,
    images_of,
    manifest_id,
    order,
)
from netspec.planfiles import INDEX, VERSION, render, to_yaml, write

_CLUSTER = ResourceNode(
    "cluster",
    "x:y:Cluster",
    {"config": {"kind": "Cluster"}, "networkCidr": "172.30.0.0/16"},
    provides=("nodes",),
    files={"config": "cluster.yaml"},
)


def _node(name: str, *depends_on: str, **data: object) -> ManifestNode:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}} | ({"data": data} if data else {})
    return ManifestNode(name, body, depends_on)


def _order(nodes: list[ManifestNode]) -> tuple[Node, ...]:
    """Every object is on the cluster."""
    first, *rest = order([_CLUSTER, *nodes])
    assert first is _CLUSTER
    return tuple(rest)


@st.composite
def shuffled(draw: st.DrawFn) -> list[ManifestNode]:
    """Nodes that depend on some of the earlier ones, in any order."""
    nodes: list[ManifestNode] = []
    for i in range(draw(st.integers(1, 12))):
        earlier = [n.id for n in nodes]
        needs = draw(st.sets(st.sampled_from(earlier))) if earlier else set()
        nodes.append(_node(f"n{i}", *sorted(needs)))
    return draw(st.permutations(nodes))


@settings(deadline=None)
@given(shuffled())
def test_order_puts_dependencies_first_and_keeps_every_node(nodes: list[ManifestNode]) -> None:
    ordered = _order(nodes)
    assert sorted(n.id for n in ordered) == sorted(n.id for n in nodes)
    place = {n.id: i for i, n in enumerate(ordered)}
    assert all(place[need] < place[n.id] for n in nodes for need in n.depends_on)


@settings(deadline=None)
@given(shuffled())
def test_order_of_an_ordered_list_is_the_list(nodes: list[ManifestNode]) -> None:
    ordered = order([_CLUSTER, *nodes])
    assert order(ordered) == ordered


def test_order_keeps_the_given_order_where_nothing_else_decides() -> None:
    assert [n.id for n in _order([_node("b"), _node("a"), _node("c", "a")])] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([_node("a", "b")], "a depends on b, which is not in the plan"),
        ([_node("a"), _node("a")], "share the id a"),
        ([_node("a", "b"), _node("b", "a")], "cycle"),
    ],
)
def test_order_refuses_a_broken_plan(nodes: list[ManifestNode], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        order([_CLUSTER, *nodes])


def test_a_barrier_is_the_node_that_provides_it() -> None:
    made = order([_node("late", "nodes"), _CLUSTER])
    assert [n.id for n in made] == ["cluster", "late"]


def test_a_node_comes_after_those_whose_outputs_it_uses_at_whatever_depth() -> None:
    vpc = ResourceNode("vpc", "x:y:Network", {})
    cluster = ResourceNode("cluster", "x:y:Cluster", {"subnets": [{"id": Ref("vpc", "id")}]})
    assert [n.id for n in order([cluster, vpc])] == ["vpc", "cluster"]
    assert [
        n.id for n in order([_node("config", id=Ref("late", "id")), ResourceNode("late", "x:y:Z", {}), _CLUSTER])
    ] == [
        "late",
        "cluster",
        "config",
    ]
    with pytest.raises(ValueError, match="config depends on nothing, which is not in the plan"):
        order([_CLUSTER, _node("config", id=Ref("nothing", "id"))])


def test_an_output_is_written_as_what_it_will_be() -> None:
    files = render(_plan(_node("configmap:a", id=Ref("cluster", "id"))))
    assert yaml.safe_load(files["manifests/002-configmap-a.yaml"])["data"] == {"id": "${cluster.id}"}


def test_state_between_is_needed_unless_every_node_is_found_again() -> None:
    found = ResourceNode("cluster", "x:y:Cluster", {}, found_again=True)
    other = ResourceNode("vpc", "x:y:Vpc", {})
    on_it = (_node("configmap:c"), ReadyNode("ready", ()))
    assert Plan("shop", "dev", (found, *on_it)).found_again
    assert not Plan("shop", "dev", (found, other, *on_it)).found_again


def test_manifest_id_has_the_namespace_only_where_the_object_has_one() -> None:
    scoped = {"kind": "NetworkPolicy", "metadata": {"name": "deny", "namespace": "shop"}}
    assert manifest_id(scoped) == "networkpolicy:shop/deny"
    assert manifest_id({"kind": "ClusterRole", "metadata": {"name": "system:coredns"}}) == "clusterrole:system:coredns"


def _plan(*nodes: Node) -> Plan:
    return Plan("shop", "dev", (_CLUSTER, *nodes))


def _tree(directory: Path) -> dict[str, str]:
    return {p.relative_to(directory).as_posix(): p.read_text() for p in directory.rglob("*") if p.is_file()}


def test_files_hold_the_plan() -> None:
    ready = ReadyNode("ready", (Condition("nodes", "Ready", at_least=3),), ("cluster",))
    files = render(_plan(ready, _node("configmap:shop/a", "ready")))
    assert list(files) == [INDEX, "cluster.yaml", "manifests/003-configmap-shop-a.yaml"]
    assert yaml.safe_load(files["manifests/003-configmap-shop-a.yaml"])["kind"] == "ConfigMap"
    index = json.loads(files[INDEX])
    assert index["version"] == VERSION
    cluster, barrier, config = index["nodes"]
    assert cluster["files"] == {"config": "cluster.yaml"} and cluster["properties"] == {"networkCidr": "172.30.0.0/16"}
    assert barrier["conditions"][0]["at_least"] == 3 and "file" not in barrier
    assert config["dependsOn"] == ["ready"] and config["file"] in files and config["wait"] is True


def test_files_of_the_longest_names_can_be_written(tmp_path: Path) -> None:
    long = "a" * 252
    plan = _plan(_node(f"networkpolicy:shop/{long}x"), _node(f"networkpolicy:shop/{long}y"))
    assert len(write(plan, tmp_path / "out")) == 4


_TEXT = st.text(alphabet=st.sampled_from("a1 \n\t:#-'\"&*|>%{}[],!~\x85\u2028é\x00"), max_size=8)


@settings(deadline=None)
@given(st.dictionaries(_TEXT, _TEXT | st.integers() | st.booleans() | st.lists(_TEXT, max_size=3), max_size=4))
def test_yaml_reads_back_as_what_was_written(value: dict[str, object]) -> None:
    assert yaml.safe_load(to_yaml(value)) == value


def test_yaml_has_no_anchors() -> None:
    shared = {"app": "web"}
    assert "&" not in to_yaml({"a": shared, "b": shared})


def test_write_removes_what_an_earlier_plan_left_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(_plan(_node("configmap:a"), _node("configmap:b")), out)
    (out / "manifests" / "notes.txt").write_text("mine")
    (out / "manifests" / "mine.yaml").write_text("mine")
    (out / "mine.yaml").write_text("mine")
    plan = Plan("shop", "dev", (ResourceNode("cluster", "x:y:Z", {}), _node("configmap:c")))
    assert set(write(plan, out)) == set(render(plan))
    assert _tree(out) == render(plan) | {
        "manifests/notes.txt": "mine",
        "manifests/mine.yaml": "mine",
        "mine.yaml": "mine",
    }


def test_write_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    plan = _plan(_node("configmap:a"))
    write(plan, tmp_path / "one")
    write(plan, tmp_path / "two")
    write(plan, tmp_path / "two")
    assert _tree(tmp_path / "one") == _tree(tmp_path / "two")


@pytest.mark.parametrize("content", ["{}", "not json", '{"version": "other"}', "[]", "\udcff"])
def test_write_refuses_a_directory_that_is_not_ours(tmp_path: Path, content: str) -> None:
    (tmp_path / INDEX).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(Problem, match="was not written by"):
        write(_plan(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [INDEX]


def test_write_refuses_a_file_in_the_directory_s_place(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(Problem, match="cannot be written"):
        write(_plan(), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_images_are_those_of_every_container_in_a_manifest() -> None:
    pod = {"initContainers": [{"image": "a:1"}], "containers": [{"image": "b:1"}, {"name": "no-image"}]}
    job = {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}}
    assert sorted(images_of(job)) == ["a:1", "b:1"]
    assert list(images_of({"data": {"containers": "not a list", "image": "c:1"}})) == []
