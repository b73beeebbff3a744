"""What the input leaves out is not known: no verdict rests on it. It is said once, with the command that gives it."""

from ipaddress import ip_address
from pathlib import Path

import pytest
from analysis_support import Run

from netspec.analysis.evaluate import evaluate
from netspec.analysis.explain import Explainer
from netspec.analysis.exposure import exposures
from netspec.analysis.lint import lint
from netspec.analysis.verdict import AddressEnd, Answer, End, PodEnd
from netspec.manifests.missing import missing
from netspec.manifests.read import Reading, read_texts

A, D, U = Answer.ALLOW, Answer.DENY, Answer.UNDEFINED
A_POD, B_POD, OUTSIDE = PodEnd("blue/a"), PodEnd("data/b"), AddressEnd(ip_address("192.0.2.1"))


def pod(namespace: str, name: str) -> str:
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}\n"
        "spec: {containers: [{name: c}]}\n"
    )


def namespace(name: str, labels: str = "{}") -> str:
    return f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {labels}}}\n"


def policy(peer: str, field: str = "from") -> str:
    rules = f"ingress: [{{from: [{peer}]}}]" if field == "from" else f"egress: [{{to: [{peer}]}}]"
    home = "data" if field == "from" else "blue"
    return (
        f"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: {home}}}\n"
        f"spec: {{podSelector: {{}}, policyTypes: [{'Ingress' if field == 'from' else 'Egress'}], {rules}}}\n"
    )


def tier(subject: str, action: str) -> str:
    return (
        "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: t}\n"
        f"spec: {{priority: 1, subject: {{namespaces: {subject}}}, "
        f"ingress: [{{action: {action}, from: [{{namespaces: {{}}}}]}}]}}\n"
    )


def read(*objects: str) -> Reading:
    return read_texts([("in.yaml", "---\n".join((pod("blue", "a"), pod("data", "b"), *objects)))])


def selector(labels: str, pods: str = "") -> str:
    return f"{{namespaceSelector: {labels}{', podSelector: ' + pods if pods else ''}}}"


TEAM = "{matchLabels: {team: blue}}"
NAME = "{matchLabels: {kubernetes.io/metadata.name: %s}}"

#: (id, objects, answer to blue/a -> data/b 80/TCP)
TABLE: list[tuple[str, list[str], Answer]] = [
    ("labels-not-given", [policy(selector(TEAM))], U),
    ("labels-given", [policy(selector(TEAM)), namespace("blue", "{team: blue}")], A),
    ("labels-given-and-others", [policy(selector(TEAM)), namespace("blue")], D),
    ("only-the-other-namespace-given", [policy(selector(TEAM)), namespace("data")], U),
    ("every-namespace", [policy(selector("{}"))], A),
    ("by-name", [policy(selector(NAME % "blue"))], A),
    ("by-another-name", [policy(selector(NAME % "green"))], D),
    ("by-name-and-label", [policy(selector("{matchLabels: {kubernetes.io/metadata.name: blue, team: blue}}"))], U),
    ("by-another-name-and-label", [policy(selector("{matchLabels: {kubernetes.io/metadata.name: x, team: b}}"))], D),
    ("exists", [policy(selector("{matchExpressions: [{key: team, operator: Exists}]}"))], U),
    ("does-not-exist", [policy(selector("{matchExpressions: [{key: team, operator: DoesNotExist}]}"))], U),
    ("not-in", [policy(selector("{matchExpressions: [{key: team, operator: NotIn, values: [red]}]}"))], U),
    ("pods-do-not-match", [policy(selector(TEAM, "{matchLabels: {app: other}}"))], D),
    ("pods-match", [policy(selector(TEAM, "{matchLabels: {app: a}}"))], U),
    ("own-namespace-only", [policy("{podSelector: {}}")], D),
    ("egress", [policy(selector(TEAM), "to")], U),
    ("another-rule-allows", [policy(f"{selector(TEAM)}, {selector('{}')}")], A),
    ("subject-not-given", [tier(TEAM, "Deny")], U),
    ("subject-given", [tier(TEAM, "Deny"), namespace("data", "{team: blue}")], D),
    ("subject-by-name", [tier(NAME % "data", "Deny")], D),
    ("subject-that-changes-nothing", [tier(TEAM, "Allow")], A),
]


@pytest.mark.parametrize(("objects", "answer"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_labels_of_namespaces_that_were_not_given_are_not_known(objects: list[str], answer: Answer) -> None:
    inventory = read(*objects).inventory
    verdict = evaluate(inventory, A_POD, B_POD, 80, "TCP")
    assert verdict.answer is answer
    if answer is U:
        assert "are not known: its Namespace object was not given" in verdict.note
    assert Explainer(inventory).explain(A_POD, B_POD).answer(80, "TCP") == answer


@pytest.mark.parametrize("end", [OUTSIDE, B_POD])
def test_of_the_pods_own_namespace_too(end: End) -> None:
    """data/b to itself in another pod, and from addresses, which no selector matches."""
    inventory = read(policy(selector(TEAM))).inventory
    assert evaluate(inventory, end, B_POD, 80, "TCP").answer is (D if end is OUTSIDE else A)


def said(*objects: str) -> list[str]:
    return [d.render() for d in missing(read(*objects).inventory)]


def test_it_is_said_once_with_the_command_and_only_where_it_matters() -> None:
    other = policy(selector("{matchLabels: {team: red}}")).replace("name: p", "name: q")
    assert said(policy(selector(TEAM)), other) == [
        "warning: the labels of namespaces blue, data are not known: what selectors on them decide is left open [NM006]"
        "\n  hint: add the Namespace objects: kubectl get namespaces -o yaml"
    ]
    assert said(policy(selector(TEAM)), namespace("blue"))[0].startswith("warning: the labels of namespace data are")
    assert said(policy(selector("{}")), policy(selector(NAME % "blue"), "to")) == []
    assert said(policy(selector(TEAM)), namespace("blue"), namespace("data")) == []


def test_pods_that_were_not_given_are_said_to_be_missing() -> None:
    (found,) = missing(read_texts([("in.yaml", policy("{podSelector: {}}"))]).inventory)
    assert (found.code, found.hint) == ("NM006", "add them: kubectl get all --all-namespaces -o yaml")
    assert "no pods were given" in found.message
    assert list(missing(read_texts([("in.yaml", namespace("data"))]).inventory)) == []


def test_a_command_says_it_and_does_not_fail_for_it(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "in.yaml"
    file.write_text("---\n".join((pod("blue", "a"), pod("data", "b"), policy(selector(TEAM)))))
    code, out, error = run("matrix", "--manifests", str(file), "--focus", "data/b", "--direction", "ingress")
    assert (code, error.count("NM006")) == (0, 1)
    assert out.splitlines()[1].split() == ["blue/a", "data/b", "all"]


def test_no_finding_rests_on_what_is_not_known() -> None:
    quiet = lint(read(policy(selector(TEAM)), tier(TEAM, "Deny")).inventory)
    assert {"NL001", "NL002", "NL010"}.isdisjoint(f.code for f in quiet)
    sure = lint(read(policy(selector(TEAM)), namespace("blue"), namespace("data")).inventory)
    assert "NL002" in {f.code for f in sure}


def test_how_many_pods_a_rule_describes_is_not_known_either() -> None:
    objects = [policy(selector(TEAM)), namespace("blue", "{team: blue}")]
    rows = [e.present for e in exposures(read(*objects).inventory) if e.workload == "data/b" and e.scope == "pods"]
    assert rows == [None]
    objects.append(namespace("data"))
    rows = [e.present for e in exposures(read(*objects).inventory) if e.workload == "data/b" and e.scope == "pods"]
    assert rows == [1]
