"""The parts of a session that need no Pulumi: layers, messages, locks, what went wrong, the stack's files."""

import os
import signal
import socket
import subprocess
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from pulumi.automation import CommandResult
from pulumi.automation.errors import StackNotFoundError

from netspec.cli._progress import KEPT, Log
from netspec.cli._session import spec_path
from netspec.deploy import health, kubernetes, leftovers, plainly, session
from netspec.deploy.explain import explain
from netspec.deploy.layers import layers
from netspec.diagnostics import Problem
from netspec.plan import CNI_READY, ManifestNode, Plan, ReadyNode, ResourceNode, order
from netspec.toolchain import engine, project


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: netspec\nruntime: python\nstackConfigDir: stacks\n")
    monkeypatch.setenv("NETSPEC_PROJECT", str(tmp_path))
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_state_is_written_at_each_step_unless_every_node_is_found_again(checkout: Path) -> None:
    working = session.Session("dev", None, print)
    found, other = (ResourceNode("cluster", "x:y:Cluster", {}, found_again=again) for again in (True, False))
    assert working._environment(Plan("p", "dev", (found,)))["PULUMI_SKIP_CHECKPOINTS"] == "true"
    assert "PULUMI_SKIP_CHECKPOINTS" not in working._environment(Plan("p", "dev", (found, other)))
    assert "PULUMI_SKIP_CHECKPOINTS" not in working._environment(None)


def test_what_was_made_and_failed_is_found() -> None:
    """Objects on a cluster are applied anew in any case, and a barrier waits again."""
    rows = [
        {"urn": "a::group", "type": "aws:eks/nodeGroup:NodeGroup", "initErrors": ["NodeCreationFailure"]},
        {"urn": "a::vpc", "type": "aws:ec2/vpc:Vpc"},
        {"urn": "a::web", "type": "kubernetes:apps/v1:Deployment", "initErrors": ["not ready"]},
        {"urn": "a::nodes", "type": "pulumi-python:dynamic/netspec:Ready", "initErrors": ["not ready"]},
    ]
    assert health.failed_in({"deployment": {"resources": rows}}) == ["a::group"]
    assert health.failed_in({"deployment": None}) == []


def manifest(kind: str, name: str, namespace: str | None, *depends_on: str, wait: bool = True) -> ManifestNode:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    body = {"apiVersion": "v1", "kind": kind, "metadata": metadata}
    return ManifestNode(f"{kind}:{name}".lower(), body, depends_on, wait)


def test_layers_follow_from_the_plan() -> None:
    cluster = ResourceNode("cluster", "x:y:Cluster", {}, ("vpc",), provides=("nodes",))
    nodes = (
        ResourceNode("vpc", "x:y:Network", {}),
        cluster,
        manifest("Namespace", "operator", None, "cluster"),
        manifest("Deployment", "operator", "operator", "namespace:operator"),
        ReadyNode(CNI_READY, (), ("deployment:operator",)),
        manifest("ClusterRole", "dns", None, "cluster"),
        manifest("Service", "kube-dns", "kube-system", "cluster"),
        manifest("Namespace", "shop", None, "cluster"),
        manifest("NetworkPolicy", "deny", "shop", "namespace:shop"),
        manifest("Deployment", "web", "shop", CNI_READY, "networkpolicy:deny"),
    )
    found = layers(Plan("p", "dev", order(nodes)))
    assert found == {
        "vpc": "cluster",
        "cluster": "cluster",
        "namespace:operator": "cni",
        "deployment:operator": "cni",
        CNI_READY: "cni",
        "clusterrole:dns": "dns",
        "service:kube-dns": "dns",
        "namespace:shop": "workloads",
        "networkpolicy:deny": "policies",
        "deployment:web": "workloads",
    }


def test_an_object_that_is_not_waited_for_says_so_to_the_provider() -> None:
    node = manifest("Service", "kube-dns", "kube-system", wait=False)
    assert kubernetes.properties(node.manifest, node.wait)["metadata"]["annotations"] == {kubernetes.SKIP_AWAIT: "true"}
    assert "annotations" not in node.manifest["metadata"]
    assert "annotations" not in kubernetes.properties(manifest("Service", "a", "b").manifest, True)["metadata"]


@pytest.mark.parametrize(
    ("output", "errors", "sentence", "hint"),
    [
        ("error: incorrect passphrase", [], "does not open the state of the stack dev", "PULUMI_CONFIG_PASSPHRASE"),
        ("", ["The range is taken.\n  hint: Set another."], "The range is taken.", "Set another."),
        ("", ["update failed", "kubernetes API 403: no"], "kubernetes API 403: no", None),
        ("error: it is broken\nmore", [], "it is broken", None),
        ("", [], "Pulumi failed without saying why", None),
        (
            "",
            ["resource failed", "error: No valid credential sources found"],
            "does not take the credentials: No valid credential sources found",
            "aws sts get-caller-identity",
        ),
        ("", ["CreateVpc: UnauthorizedOperation: no"], "the credentials do not allow it: CreateVpc", "docs/eks.md"),
        ("", ["AllocateAddress: AddressLimitExceeded: 5"], "the provider has no room for it", "raise the quota"),
        (
            "",
            ["DeleteSubnet: DependencyViolation: The subnet 'subnet-0123456789abcdef0' has dependencies"],
            "subnet-0123456789abcdef0 cannot be deleted",
            "Name=subnet-id,Values=subnet-0123456789abcdef0",
        ),
        ("", ["DependencyViolation: resource sg-01234567 has a dependent object"], "sg-01234567", "group-id,"),
        ("error: the stack is currently locked by 1 lock(s).", [], "another Pulumi process holds", "pulumi cancel"),
    ],
)
def test_one_sentence_for_what_went_wrong(output: str, errors: list[str], sentence: str, hint: str | None) -> None:
    problem = explain("dev", output, errors)
    assert sentence in problem.message
    assert (hint is None and problem.hint is None) or (hint is not None and hint in (problem.hint or ""))


def test_a_problem_crosses_the_plugin_protocol_as_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traceback, "format_exc", traceback.format_exc)
    plainly.speak_plainly()
    try:
        raise Problem("It is taken.", "Take another.")
    except Problem:
        assert traceback.format_exc() == "It is taken.\n  hint: Take another."
    try:
        raise ValueError("a bug")
    except ValueError:
        assert traceback.format_exc().startswith("Traceback")


def lock_message(host: str, pid: int, made: str = "2999-01-01T00:00:00Z") -> str:
    return f"locked by 1 lock(s).\n  file:///x.json: created by root@{host} (pid {pid}) at {made}"


def test_a_lock_is_stale_only_when_its_process_of_this_machine_is_gone() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert leftovers.is_stale(lock_message(socket.gethostname(), process.pid))
    assert not leftovers.is_stale(lock_message(socket.gethostname(), os.getpid()))
    assert not leftovers.is_stale(lock_message("another-host", process.pid))
    assert not leftovers.is_stale("[409] Conflict: Another update is currently in progress.")


def test_the_next_run_knows_of_a_cut_one_and_of_one_at_work(checkout: Path) -> None:
    hold = (
        "import sys, time\nfrom netspec.deploy import leftovers\n"
        "with leftovers.exclusive('dev', lambda _: None):\n    print('in', flush=True)\n    time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "in\n"
    with pytest.raises(Problem, match=f"process {process.pid}"), leftovers.exclusive("dev", lambda _: None):
        pytest.fail("two at a time")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with leftovers.exclusive("dev", lambda _: None) as was_cut:
        assert was_cut
    with pytest.raises(ValueError), leftovers.exclusive("dev", lambda _: None) as was_cut:
        assert not was_cut
        raise ValueError
    with leftovers.exclusive("dev", lambda _: None) as was_cut:
        assert not was_cut


def test_a_zombie_holds_no_lock() -> None:
    process = subprocess.Popen(["true"])  # nobody has asked how it ended: what a container without an init does
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert leftovers.is_stale(lock_message(socket.gethostname(), process.pid))
    assert process.wait() == 0


def test_a_lock_older_than_the_process_of_its_number_is_stale() -> None:
    old, new = "2001-01-01T00:00:00Z", datetime.now(UTC).isoformat()
    assert leftovers.is_stale(lock_message(socket.gethostname(), os.getpid(), old))
    assert not leftovers.is_stale(lock_message(socket.gethostname(), os.getpid(), new))
    assert not leftovers.is_stale(lock_message(socket.gethostname(), os.getpid(), "once"))


def test_only_what_carries_the_mark_is_killed(checkout: Path) -> None:
    value = leftovers.mark("dev")
    ours, theirs = (
        subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], leftovers.MARK: mark})
        for mark in (value, f"{value}-other")
    )
    try:
        assert leftovers.kill_marked(value) == 1
        assert ours.wait(timeout=10) == -signal.SIGKILL
        assert theirs.poll() is None
    finally:
        theirs.kill()
        theirs.wait()


def test_the_committed_file_is_copied_and_what_pulumi_adds_is_kept(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = checkout / "stacks" / "Pulumi.dev.yaml"
    committed.write_text("config:\n  netspec:spec: stacks/a.yaml\n  netspec:more: x\n")
    copied = session.prepare("dev", "stacks/a.yaml") / "Pulumi.dev.yaml"
    with copied.open("a") as file:
        file.write("encryptionsalt: v1:abc\n")
    committed.write_text("config:\n  netspec:spec: stacks/b.yaml\n")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "one for all")
    session.prepare("dev", None)
    found = yaml.safe_load(copied.read_text())
    assert found == {"config": {"netspec:spec": "stacks/b.yaml"}, "encryptionsalt": "v1:abc"}
    assert "encryptionsalt" not in committed.read_text()


@pytest.mark.parametrize(
    ("variable", "value", "salt"),
    [
        ("PULUMI_CONFIG_PASSPHRASE", "one for all", "v1:theirs"),
        ("PULUMI_CONFIG_PASSPHRASE_FILE", "/one/for/all", "v1:theirs"),
        ("PULUMI_CONFIG_PASSPHRASE_FILE", None, None),
    ],
)
def test_a_salt_goes_with_a_passphrase(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None, salt: str | None
) -> None:
    """A committed salt is another checkout's: with this checkout's own passphrase it opens nothing."""
    monkeypatch.setenv(variable, value or str(project.passphrase_file()))
    (checkout / "stacks" / "Pulumi.dev.yaml").write_text("encryptionsalt: v1:theirs\nsecretsprovider: passphrase\n")
    copied = session.prepare("dev", None) / "Pulumi.dev.yaml"
    assert yaml.safe_load(copied.read_text()).get("encryptionsalt") == salt
    with copied.open("a") as file:
        file.write("" if salt else "encryptionsalt: v1:of-one-that-is-gone\n")
    session.prepare("dev", None)
    assert yaml.safe_load(copied.read_text()).get("encryptionsalt") == salt


def test_a_stack_without_a_committed_file_remembers_its_spec(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    with pytest.raises(Problem, match="nothing says which spec the stack qa"):
        spec_path("qa", None)
    assert spec_path("qa", "my.yaml") == Path("my.yaml")
    session.prepare("qa", "my.yaml")
    assert spec_path("qa", None) == Path("my.yaml")
    with pytest.raises(Problem, match=r"made from my\.yaml, not from other\.yaml") as caught:
        spec_path("qa", "other.yaml")
    assert caught.value.hint and "netspec down --stack qa" in caught.value.hint
    session.forget_spec("qa")
    assert spec_path("qa", "other.yaml") == Path("other.yaml")


@pytest.mark.parametrize("text", ["a: [", "- a list", "config: {netspec:spec: [1", "config: [a]"])
def test_a_stack_file_that_is_none_is_a_sentence(checkout: Path, text: str) -> None:
    (checkout / "stacks" / "Pulumi.dev.yaml").write_text(text)
    with pytest.raises(Problem):
        spec_path("dev", None)


def test_the_logs_of_a_stack_whose_name_goes_on_are_not_its_own(tmp_path: Path) -> None:
    for _ in range(KEPT + 2):
        Log(tmp_path, "dev-eu")
        Log(tmp_path, "dev")
    assert len(list(tmp_path.glob("dev-eu-*.log"))) == KEPT
    assert len(list(tmp_path.glob("dev-*.log"))) == 2 * KEPT


@pytest.mark.parametrize("name", ["", "../x", "a b", "a/b", ".", "..", "-x"])
def test_a_stack_name_that_is_none(checkout: Path, name: str) -> None:
    with pytest.raises(Problem, match="is not a stack's name"):
        spec_path(name, None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_pulumi_ends_in_good_order_whatever_says_stop(tmp_path: Path, number: signal.Signals) -> None:
    """Pulumi's process is in a session of its own, so nothing but what is handed on reaches it. What it started in
    turn, and no signal reaches, finds a file."""
    program = tmp_path / "pulumi"
    script = "[ $1 = version ] && echo v3.200.0 && exit\ntest -e $NETSPEC_STOP_FILE && exit 2\n"
    script += "trap 'test -e $NETSPEC_STOP_FILE && echo in good order; exit 1' INT\n"
    program.write_text(f"#!/bin/sh\n{script}echo at work\nfor i in $(seq 300); do sleep 0.1; done\n")
    program.chmod(0o755)
    run = (
        "import signal, sys\nfrom netspec.deploy.command import Command\n"
        "from netspec.stopping import stop_in_good_order\n"
        "for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(n, signal.SIG_DFL)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\nstop_in_good_order()\n"
        "command = Command(lambda _: None)\n"
        "show = lambda line: print(line, flush=True)\n"
        "try: command.run([], '.', {}, show, show)\n"
        "except KeyboardInterrupt as stop: print(getattr(stop, 'number', 2))\n"
    )
    path = os.pathsep.join((str(tmp_path), os.environ["PATH"]))
    process = subprocess.Popen(
        [sys.executable, "-c", run], stdout=subprocess.PIPE, text=True, env={**os.environ, "PATH": path}
    )
    assert process.stdout is not None and process.stdout.readline() == "at work\n"
    process.send_signal(number)
    assert process.stdout.read().splitlines() == ["in good order", str(int(number))]
    assert process.wait(timeout=60) == 0


def test_what_was_recorded_goes_with_a_stack_that_was_never_made(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise StackNotFoundError(CommandResult("", "no stack named dev found", 255))

    made = session.Session("dev", "stacks/a.yaml", lambda _: None)
    engine.record("dev", "one")
    monkeypatch.setattr(made, "_stack", unknown)
    assert project.spec_of("dev") == "stacks/a.yaml"
    assert made.down(lambda _: None, lambda _: None) == {}
    assert project.spec_of("dev") is None
    assert list(project.private_dir().glob("*.engine")) == []
