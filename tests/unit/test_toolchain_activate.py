"""The engine that is chosen, and the environment that is set."""

import os
from pathlib import Path

import pytest

from netspec.diagnostics import Problem
from toolchain import activation, engine, project


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


def test_docker_that_answers_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(engine.VARIABLE, raising=False)
    docker(tmp_path / "bin", monkeypatch, "echo 28.0.0")
    assert engine.choose() == "docker"


@pytest.mark.parametrize("script", ["echo Cannot connect >&2; exit 1", "sleep 60"])
def test_docker_that_does_not_answer_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
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


def test_an_unknown_engine_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engine.VARIABLE, "podman")
    with pytest.raises(Problem, match="'podman'"):
        engine.choose()


def test_too_little_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker(tmp_path / "bin", monkeypatch, f"echo {tmp_path}")
    monkeypatch.setattr(engine, "NEEDED_DISK", 1e9)
    with pytest.raises(Problem, match="GiB free on the disk of"):
        engine.check_disk("docker")


def test_users_on_docker_get_nothing_of_the_private_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engine.VARIABLE, "docker")
    assert engine.kind_overrides() == {}


def test_state_and_passphrase_are_the_checkouts_own(checkout: Path) -> None:
    activation.set_environment([Path("/tools/kind")], "docker")
    assert os.environ["PULUMI_BACKEND_URL"] == f"file://{checkout}/.netspec/state"
    file = Path(os.environ["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert file.stat().st_mode & 0o777 == 0o600 and len(file.read_text().strip()) == 64
    assert "/tools/kind" in os.environ["PATH"].split(":")[1:2]
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in os.environ
    before = file.read_text()
    assert project.passphrase_file().read_text() == before


def test_what_the_user_has_set_stays(checkout: Path) -> None:
    os.environ |= {"PULUMI_BACKEND_URL": "s3://bucket", "PULUMI_CONFIG_PASSPHRASE": "mine"}
    activation.set_environment([], "private")
    assert os.environ["PULUMI_BACKEND_URL"] == "s3://bucket"
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in os.environ
    assert os.environ["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "1"
    assert not (checkout / ".netspec" / "state").exists()


def test_a_login_by_token_keeps_its_backend(checkout: Path) -> None:
    os.environ["PULUMI_ACCESS_TOKEN"] = "token"
    activation.set_environment([], "docker")
    assert "PULUMI_BACKEND_URL" not in os.environ


def test_a_passphrase_file_that_is_not_there(checkout: Path) -> None:
    os.environ["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(checkout / "nowhere")
    with pytest.raises(Problem, match="which is not a file"):
        activation.set_environment([], "docker")


def test_a_directory_that_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETSPEC_PROJECT", str(tmp_path))
    with pytest.raises(Problem, match=r"no Pulumi\.yaml"):
        project.root()
