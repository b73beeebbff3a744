"""Helm releases with the real engine, plugin, helm and API server; only the cluster's nodes are stand-ins.

The chart is a small one of ours that goes by the name and version of a real one.
"""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netspec.catalogue import CILIUM
from tests.engine import kubernetes
from tests.engine.conftest import World
from tests.engine.kubernetes import Server

pytestmark = pytest.mark.engine

SPEC = """\
apiVersion: netspec.dev/v1alpha1
kind: NetworkSpec
metadata: {name: shop}
stacks:
  shop: {cluster: {type: kind, workers: 1}, cni: {provider: cilium, tunnel: vxlan}}
"""
RELEASE = "release:kube-system/cilium"
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: cilium-config, namespace: {{ .Release.Namespace }}}
data: {tunnel-protocol: {{ .Values.tunnelProtocol }}}
"""
#: A job that nothing runs: helm waits for it, before anything of the chart is there.
HOOK = """\
apiVersion: batch/v1
kind: Job
metadata: {name: before, namespace: kube-system, annotations: {helm.sh/hook: "pre-install,pre-upgrade"}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}
"""
REFUSES = '{{ fail "tunnelProtocol must be straight" }}'
INVALID = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not-A-Name}\n"
#: No proxy listens there: what is not on this machine is unavailable, and nothing is asked for it.
NO_WAY_OUT = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), "http://127.0.0.1:9") | {"NO_PROXY": "127.0.0.1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    try:
        found = kubernetes.programs()
    except kubernetes.Unavailable as reason:
        pytest.skip(f"not run: {reason}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(found["kubectl"].parent), prepend=":")
        patch.setenv("KUBECACHEDIR", str(tmp_path_factory.mktemp("cache")))
        with kubernetes.serving(tmp_path_factory.mktemp("api")) as kubeconfig:
            started = Server(kubeconfig)
            yield started
            started.close()


@pytest.fixture
def charted(tmp_path: Path, pulumi: Path, server: Server) -> World:
    if shutil.which("helm", path=str(pulumi.parent)) is None:
        pytest.skip("not run: helm is not beside pulumi")
    server.wipe()
    made = World(tmp_path, pulumi, server)  # type: ignore[arg-type]
    made.steer("kubectl", str(kubernetes.programs()["kubectl"]))
    made.env |= {"NETSPEC_CHARTS": str(tmp_path / "charts"), "KUBECACHEDIR": str(tmp_path / "cache"), **NO_WAY_OUT}
    made.write_spec(SPEC)
    write_chart(made, config=CONFIG)
    return made


def chart_of(world: World) -> Path:
    return Path(world.env["NETSPEC_CHARTS"]) / f"cilium-{CILIUM.official}"


def write_chart(world: World, name: str = "cilium", version: str = CILIUM.official, **templates: str) -> None:
    kubernetes.write_chart(Path(world.env["NETSPEC_CHARTS"]), name, version, **templates)


def helm(world: World, server: Server, *words: str) -> None:
    """As somebody else does."""
    program = shutil.which("helm", path=str(Path(world.env["NETSPEC_PULUMI"]).parent))
    command = [str(program), *words, "--namespace=kube-system", f"--kubeconfig={server.path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_release_is_made_once_changed_in_place_and_said_in_the_preview(charted: World, server: Server) -> None:
    made = charted.up()["create"]
    assert server.records() == [("1", "deployed")] and server.config() == {"tunnel-protocol": "vxlan"}
    assert charted.up() == {"same": made}

    charted.write_spec(SPEC.replace("vxlan", "geneve"))
    steps = {step["name"]: step for step in charted.preview()["steps"]}
    assert steps[RELEASE]["operation"] == "update" and "values" in steps[RELEASE]["because"]
    # What waits for it waits again.
    assert steps["cni-ready"]["operation"] == "update"
    assert server.records() == [("1", "deployed")]
    assert charted.up()["update"] == 2
    assert server.records() == [("1", "superseded"), ("2", "deployed")]
    assert server.config() == {"tunnel-protocol": "geneve"}
    listed = charted.run("status", "--stack", "shop").stdout
    assert "1 Release" in listed

    # Another CNI on a running stack.
    charted.write_spec(SPEC.replace("provider: cilium, tunnel: vxlan", "provider: calico"))
    text = charted.run("preview", "--stack", "shop").stdout
    assert "replace  cluster  because of " in text and "immutable.cni" in text


def test_what_somebody_else_did_to_a_release_is_set_back_and_named(charted: World, server: Server) -> None:
    charted.up()
    helm(charted, server, "upgrade", "cilium", str(chart_of(charted)), "--set=tunnelProtocol=geneve")
    assert server.config() == {"tunnel-protocol": "geneve"}
    said = [{"name": RELEASE, "changes": ["revision 2 is not the one that was applied, 1"]}]
    assert charted.preview()["setBack"] == said
    done = json.loads(charted.run("up", "--stack", "shop", "--no-verify", "--output", "json").stdout)
    assert done["setBack"] == said
    assert server.records() == [("1", "deployed")] and server.config() == {"tunnel-protocol": "vxlan"}

    helm(charted, server, "uninstall", "cilium")
    done = json.loads(charted.run("up", "--stack", "shop", "--no-verify", "--output", "json").stdout)
    assert done["setBack"] == [{"name": RELEASE, "changes": ["was uninstalled"]}]
    assert server.records() == [("1", "deployed")] and server.config() == {"tunnel-protocol": "vxlan"}


def test_kill_during_an_install_and_during_an_upgrade_then_up_converges(
    charted: World, server: Server, adopter: None
) -> None:
    """On a cluster that is recorded: one that is not is made again, and has no records of helm's."""
    write_chart(charted, refuses=REFUSES)
    charted.up(code=2)
    write_chart(charted, config=CONFIG, before=HOOK)
    kill_when(charted, server, ("1", "pending-install"))
    write_chart(charted, config=CONFIG)
    charted.up()
    assert server.records() == [("1", "deployed")] and server.config() == {"tunnel-protocol": "vxlan"}

    charted.write_spec(SPEC.replace("vxlan", "geneve"))
    write_chart(charted, config=CONFIG, before=HOOK)
    kill_when(charted, server, ("2", "pending-upgrade"))
    write_chart(charted, config=CONFIG)
    charted.up()
    assert server.records() == [("1", "deployed")] and server.config() == {"tunnel-protocol": "geneve"}
    assert set(charted.up()) == {"same"}


def kill_when(world: World, server: Server, record: tuple[str, str]) -> None:
    process = world.start("up", "--stack", "shop", "--no-verify")
    world.wait_for(lambda: record in server.records())
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_chart_that_is_unavailable_or_refuses_its_values_is_one_sentence(charted: World, server: Server) -> None:
    shutil.rmtree(chart_of(charted))
    said = charted.up(code=2)["stderr"]
    assert f"error: the chart of {RELEASE} is unavailable: " in said and "https://helm.cilium.io" in said
    assert "Traceback" not in said and server.records() == []

    write_chart(charted, config=CONFIG, refuses=REFUSES)
    said = charted.up(code=2)["stderr"]
    assert f"error: the chart of {RELEASE} refuses its values: " in said and "must be straight" in said

    write_chart(charted, config=CONFIG)
    charted.up()
    assert server.records() == [("1", "deployed")]


def test_a_release_that_failed_is_recorded_and_the_next_up_goes_on_from_there(charted: World, server: Server) -> None:
    write_chart(charted, config=CONFIG, invalid=INVALID)
    said = charted.up(code=2)["stderr"]
    assert "Not-A-Name" in said and "Traceback" not in said
    assert server.records() == [("1", "failed")]
    write_chart(charted, config=CONFIG)
    charted.up()
    assert server.records() == [("1", "superseded"), ("2", "deployed")]
