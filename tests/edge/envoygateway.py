"""Envoy Gateway beside an API server, with its Envoy as a process of the same machine: the provider `Custom`, whose
resources are the API server's and whose infrastructure is the host."""

import json
import os
import subprocess
from pathlib import Path

#: Where it looks for the certificate that Envoy knows it by, with objects of an API server.
_CERTIFICATES = "certs"


def prepared(folder: Path, programs: dict[str, str], version: str, env: dict[str, str]) -> list[str]:
    """The command that starts it, with all that it would have from a cluster or the network: certificates, the Secrets
    that its job makes, Envoy where it looks for one of `version`."""
    program = programs["envoy-gateway"]
    for name in ("config", "state", "run"):
        (folder / name).mkdir()
    place = folder / "data" / "envoy-versions" / version / "bin"
    place.mkdir(parents=True)
    (place / "envoy").symlink_to(programs["envoy"])
    for words in (["--local", "--config-home", str(folder / "config")], ["--disable-topology-injector"]):
        _run(program, "certgen", *words, **env)
    host = {
        "configHome": str(folder / "config"),
        "dataHome": str(folder / "data"),
        "stateHome": str(folder / "state"),
        "runtimeDir": str(folder / "run"),
    }
    custom = {
        "resource": {"type": "Kubernetes", "kubernetes": {"leaderElection": {"disable": True}}},
        "infrastructure": {"type": "Host", "host": host},
    }
    settings = {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
        "provider": {"type": "Custom", "custom": custom},
        "logging": {"level": {"default": "info"}},
    }
    (folder / "gateway.yaml").write_text(json.dumps(settings))
    root = _root(folder / "root", folder / "config" / "certs" / "envoy-gateway")
    return ["chroot", str(root), program, "server", "--config-path", str(folder / "gateway.yaml")]


def _root(top: Path, certificates: Path) -> Path:
    """This machine's files, with the certificates at /certs and a place for what it writes; all gone with the mount
    namespace."""
    top.mkdir()
    _run("mount", "-t", "tmpfs", "tmpfs", str(top))
    for entry in Path("/").iterdir():
        place = top / entry.name
        if entry.is_symlink():
            place.symlink_to(entry.readlink())
        elif entry.is_dir():
            place.mkdir()
            _run("mount", "--rbind", str(entry), str(place))
    (top / _CERTIFICATES).mkdir()
    _run("mount", "--bind", str(certificates), str(top / _CERTIFICATES))
    _run("mount", "-t", "tmpfs", "tmpfs", str(top / "var" / "lib"))
    return top


def _run(*command: str, **env: str) -> None:
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr or done.stdout}")
