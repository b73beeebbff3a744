"""Conclusions from what is not there name the objects that are not read and may make it."""

import pytest
from analysis_support import Run

from netspec.cli import FAILED, OK

TEMPLATE = "template: {metadata: {labels: {app: api}}, spec: {containers: [{name: c, image: i}]}}"
CLUSTER = f"""\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: api, namespace: shop}}
spec: {{{TEMPLATE}}}
---
apiVersion: route.openshift.io/v1
kind: Route
metadata: {{name: api, namespace: shop}}
spec: {{to: {{name: api}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: api, namespace: shop}}
spec: {{selector: {{app: api}}, ports: [{{port: 80}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: api, namespace: shop}}
spec: {{podSelector: {{matchLabels: {{app: api}}}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: other, namespace: elsewhere}}
spec: {{podSelector: {{matchLabels: {{app: api}}}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop, labels: {{app: web}}}}
spec: {{containers: [{{name: c, image: i}}]}}
"""


@pytest.fixture
def unread(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("unread") / "x.yaml"
    path.write_text(CLUSTER)
    return str(path)


@pytest.mark.parametrize("command", ["matrix", "exposure", "lint"])
def test_every_command_says_what_was_not_read(run: Run, unread: str, command: str) -> None:
    code, _, error = run(command, "--manifests", unread)
    said = "not read: 1 Rollout (makes pods), 1 Route (makes routes); what is said holds without them\n"
    assert (code, error) == (OK, said)


def test_findings_from_what_is_not_there_say_what_may_be_there_after_all(run: Run, unread: str) -> None:
    text = run("lint", "--manifests", unread, "--output", "csv")[1]
    but = ", but Rollout shop/api is not read and makes pods"
    rows = {line.split(",")[0] + line.split(",")[1]: line for line in text.splitlines()}
    assert but in rows["NL001shop/api"]
    assert but in rows["NL012shop/api"]
    assert "but" not in rows["NL001elsewhere/other"]


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (("shop/web", "shop/api"), "Rollout shop/api makes pods and is not read"),
        (("shop/web", "service:shop/api"), "but Rollout shop/api is not read and makes pods"),
    ],
)
def test_explain_says_why_it_does_not_know_an_end(run: Run, unread: str, ends: tuple[str, str], said: str) -> None:
    code, _, error = run("explain", *ends, "80", "--manifests", unread)
    assert code not in (OK, FAILED)
    assert said in error
