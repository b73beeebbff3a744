"""The engine that is chosen, and the environment that is set."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from airgap import build, host
from airgap import engine as private
from netspec.catalogue import TOOLS
from netspec.diagnostics import Problem
from netspec.toolchain import activation, download, engine, project


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: netspec\n")
    monkeypatch.setenv("NETSPEC_PROJECT", str(tmp_path))
    for name in [n for n in os.environ if n.startswith("PULUMI_")] + [engine.VARIABLE, "NETSPEC_PYTHON"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    return tmp_path


def docker(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    directory.mkdir()
    (directory / "docker").write_text(f"#!/bin/sh\n{script}\n")
    (directory / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/bin:/usr/bin")


def test_docker_that_answers_is_chosen(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker(tmp_path / "bin", monkeypatch, "echo 28.0.0")
    assert engine.choose() == "docker"


@pytest.mark.parametrize("script", ["echo Cannot connect >&2; exit 1", "sleep 60"])
def test_docker_that_does_not_answer_is_not(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(engine, "TIMEOUT", 0.5)
    docker(tmp_path / "bin", monkeypatch, script)
    monkeypatch.setenv(engine.VARIABLE, "docker")
    with pytest.raises(Problem, match="no Docker engine answers"):
        engine.choose()
    monkeypatch.setenv(engine.VARIABLE, "auto")
    monkeypatch.setattr(engine.sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert engine.choose() == "private"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Problem, match="there is no container engine"):
        engine.choose()


@pytest.mark.parametrize(
    ("made_on", "script", "wanted", "answer"),
    [
        ("docker one", "echo one", "auto", "docker"),
        ("docker one", "echo one", "docker", "docker"),
        ("docker one", "echo another", "auto", "on a Docker engine, and another one answers"),
        ("docker ", "echo another", "auto", "docker"),
        ("docker ", "exit 1", "auto", "on a Docker engine, and it does not answer within"),
        ("docker one", "exit 1", "auto", "on a Docker engine, and it does not answer within"),
        ("docker one", "sleep 60", "auto", "on a Docker engine, and it does not answer within"),
        ("docker one", "echo one", "private", "on the engine docker, not on private"),
        ("private one", "echo another", "auto", "private"),
        ("private one", "echo another", "docker", "on the engine private, not on docker"),
    ],
)
def test_a_cluster_stays_on_its_engine(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, made_on: str, script: str, wanted: str, answer: str
) -> None:
    monkeypatch.setattr(engine, "TIMEOUT", 0.5)
    monkeypatch.setattr(engine.sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    docker(checkout / "bin", monkeypatch, script)
    chosen, _, identity = made_on.partition(" ")
    monkeypatch.setenv(engine.VARIABLE, chosen)
    engine.record("dev.eu", identity)
    monkeypatch.setenv(engine.VARIABLE, wanted)
    if answer in ("docker", "private"):
        assert engine.choose() == answer
    else:
        with pytest.raises(Problem, match=f"the stack dev.eu is {answer}") as caught:
            engine.choose()
        assert caught.value.hint and "dev.eu" in caught.value.hint
    engine.forget("dev.eu")
    monkeypatch.setenv(engine.VARIABLE, "auto")
    assert engine.choose() == ("docker" if script.startswith("echo") else "private")


def test_who_only_looks_leaves_nothing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker(checkout / "bin", monkeypatch, "echo 29.0")
    monkeypatch.setenv(engine.VARIABLE, "auto")
    assert engine.choose() == "docker"
    assert not (checkout / ".netspec").exists()


def test_a_package_without_airgap_has_no_engine_of_its_own(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker(checkout / "bin", monkeypatch, "exit 1")
    monkeypatch.setattr(engine.sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for wanted in ("auto", "private"):
        monkeypatch.setenv(engine.VARIABLE, wanted)
        assert engine.choose() == "private"
        with monkeypatch.context() as elsewhere, pytest.raises(Problem, match="there is no container engine") as caught:
            elsewhere.setattr(project, "AIRGAP", checkout / "airgap")
            engine.choose()
        assert str(caught.value.hint).startswith("install Docker or start it")


def test_a_folder_called_airgap_beside_a_package_is_somebody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.has_airgap()
    monkeypatch.setattr(project, "CHECKOUT", tmp_path)
    monkeypatch.setattr(project, "AIRGAP", tmp_path / "airgap")
    (tmp_path / "airgap").mkdir()
    (tmp_path / "airgap" / "engine.py").touch()
    assert not project.has_airgap()


def test_system_packages_are_announced_or_forbidden(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything else: nothing is downloaded, built or installed for a run that is not allowed."""
    monkeypatch.setattr(activation, "_active", None)
    monkeypatch.setattr(engine, "choose", lambda: "private")
    has = {"ip", "nsenter", "iptables-nft", "conntrack", "ipset", "runc", "containerd", "ctr"}
    monkeypatch.setattr(host, "which", lambda program: f"/usr/bin/{program}" if program in has else None)
    monkeypatch.setattr(build, "missing", lambda names: [])
    said: list[str] = []

    def found(name: str, *_: object) -> None:
        raise AssertionError(f"{name} was looked for")

    monkeypatch.setattr(activation, "find", found)
    with pytest.raises(Problem, match=r"needs the Debian packages docker\.io, and --no-install forbids") as caught:
        activation.activate(report=said.append, install=False)
    assert "apt-get install docker.io;" in str(caught.value.hint) and said == []
    with pytest.raises(AssertionError, match="kind was looked for"):
        activation.activate(report=said.append)
    assert "docker.io: apt-get installs them, as root" in said[0] and "--no-install" in said[1]
    said.clear()
    with pytest.raises(AssertionError, match="kind was looked for"):  # nothing is started, so nothing is installed
        activation.activate(report=said.append, start=False, install=False)
    assert said == []


def test_what_the_build_needs_is_announced_where_there_is_something_to_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node's base system is made with debootstrap, which only its build runs."""
    monkeypatch.setattr(host, "which", lambda program: None if program == "debootstrap" else "/usr/bin/x")
    entries = {entry.name: entry for entry in build.entries()}
    for names, packages in ((["base", "node-image"], ["debootstrap"]), (["outside-host"], []), ([], [])):
        monkeypatch.setattr(build, "missing", lambda _, names=names: [entries[name] for name in names])
        assert private.missing_packages() == packages


def test_an_unknown_engine_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engine.VARIABLE, "podman")
    with pytest.raises(Problem, match="'podman'"):
        engine.choose()


def test_too_little_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker(tmp_path / "bin", monkeypatch, f"echo {tmp_path}")
    monkeypatch.setattr(engine, "NEEDED_DISK", 1e9)
    with pytest.raises(Problem, match="GiB free on the disk of"):
        engine.check_disk("docker")


def test_a_disk_that_cannot_be_looked_at_is_no_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "TIMEOUT", 0.5)
    monkeypatch.setattr(engine, "NEEDED_DISK", 1e9)
    docker(tmp_path / "bin", monkeypatch, "echo /var/lib/docker/100000.100000")

    def refuse(_: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(engine.shutil, "disk_usage", refuse)
    engine.check_disk("docker")
    (tmp_path / "bin" / "docker").write_text("#!/bin/sh\nsleep 60\n")
    engine.check_disk("docker")


def test_users_on_docker_get_nothing_of_the_private_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(engine.VARIABLE, "docker")
    assert engine.kind_overrides() == {}
    monkeypatch.setenv(engine.VARIABLE, "private")  # by hand, where there is none: docker itself says what is wrong
    monkeypatch.setattr(project, "AIRGAP", tmp_path / "airgap")
    monkeypatch.setattr(private, "kind_config", lambda: {"ours": True})
    assert engine.kind_overrides() == {}


def test_state_and_passphrase_are_the_checkouts_own(checkout: Path) -> None:
    activation.set_environment({"kind": Path("/tools/kind-linux")}, "docker")
    assert os.environ["PULUMI_BACKEND_URL"] == f"file://{checkout}/.netspec/state"
    file = Path(os.environ["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert file.stat().st_mode & 0o777 == 0o600 and len(file.read_text().strip()) == 64
    assert os.environ["PATH"].split(":")[0] == str(project.bin_dir())
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in os.environ
    before = file.read_text()
    assert project.passphrase_file().read_text() == before


def says(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{text}'\n")
    path.chmod(0o755)
    return path


def test_what_was_checked_is_what_runs(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old kubectl beside docker, as Docker Desktop has it, and a kind whose file has another name."""
    monkeypatch.setattr(activation, "_active", None)
    monkeypatch.setenv("NETSPEC_CACHE", str(checkout / "cache"))
    for name, text in (("docker", "28.0.0"), ("kubectl", "v1.20.0"), ("pulumi", "v1.0.0"), ("python3", "no")):
        says(checkout / "desktop" / name, text)
    wanted = {
        "kind": says(checkout / "x" / "kind-linux-amd64", f"kind v{TOOLS['kind'].official}"),
        "kubectl": says(download.target("kubectl") / "bin" / "kubectl", f"v{TOOLS['kubectl'].official}"),
        "pulumi": says(checkout / "y" / "pulumi-of-mine", f"v{TOOLS['pulumi'].official}"),
    }
    sibling = says(checkout / "y" / "pulumi-language-python", "")
    monkeypatch.setenv("NETSPEC_KIND", str(wanted["kind"]))
    monkeypatch.setenv("NETSPEC_PULUMI", str(wanted["pulumi"]))
    monkeypatch.setenv("PATH", f"{checkout / 'desktop'}:/bin:/usr/bin")
    said: list[str] = []
    tools = activation.activate(report=said.append)
    assert not said and [line for line in tools.notes if "desktop/kubectl" in line and "not used" in line]
    assert {name: found.path for name, found in tools.programs.items()} == wanted
    runs = {name: Path(str(shutil.which(name))).resolve() for name in (*wanted, "docker")}
    assert runs == wanted | {"docker": checkout / "desktop" / "docker"}
    assert shutil.which("pulumi-language-python") == str(sibling)
    assert Path(str(shutil.which("python3"))).parent == Path(sys.executable).parent

    # A command that netspec started finds the same, by way of the links, and they still name the programs.
    monkeypatch.setattr(activation, "_active", None)
    for name in ("NETSPEC_KIND", "NETSPEC_PULUMI"):
        monkeypatch.delenv(name)
    again = activation.activate(report=said.append)
    assert {name: found.path for name, found in again.programs.items()} == wanted
    assert again.sources["kubectl"] == "download" and again.docker == checkout / "desktop" / "docker"
    assert Path(str(shutil.which("kind"))).resolve() == wanted["kind"]
    assert sorted(path.name for path in project.bin_dir().iterdir()) == ["docker", "kind", "kubectl", "pulumi"]


def test_a_checkout_whose_path_is_no_address(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = checkout / "a#b?c%d"
    odd.mkdir()
    (odd / "Pulumi.yaml").write_text("name: netspec\n")
    monkeypatch.setenv("NETSPEC_PROJECT", str(odd))
    activation.set_environment({}, "docker")
    assert os.environ["PULUMI_BACKEND_URL"] == f"file://{checkout}/a%23b%3Fc%25d/.netspec/state"


def test_what_the_user_has_set_stays(checkout: Path) -> None:
    os.environ |= {"PULUMI_BACKEND_URL": "s3://bucket", "PULUMI_CONFIG_PASSPHRASE": "mine"}
    activation.set_environment({}, "private")
    assert os.environ["PULUMI_BACKEND_URL"] == "s3://bucket"
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in os.environ
    assert os.environ["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "1"
    assert not (checkout / ".netspec" / "state").exists()


def test_a_login_by_token_keeps_its_backend(checkout: Path) -> None:
    os.environ["PULUMI_ACCESS_TOKEN"] = "token"
    activation.set_environment({}, "docker")
    assert "PULUMI_BACKEND_URL" not in os.environ


def test_a_passphrase_file_that_is_not_there(checkout: Path) -> None:
    os.environ["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(checkout / "nowhere")
    with pytest.raises(Problem, match="which is not a file"):
        activation.set_environment({}, "docker")


def test_a_directory_that_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETSPEC_PROJECT", str(tmp_path))
    with pytest.raises(Problem, match=r"no Pulumi\.yaml"):
        project.root()
