"""Certificates and users that stand in for real ones: read by what others read them with."""

import base64
import hashlib
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from netspec.backends.common.certificates import certificate_pem, key_pem
from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.plan import ManifestNode
from netspec.probes import STAND_IN_PASSWORD, STAND_IN_USER
from netspec.spec.load import loads


def _handshake(folder: Path, name: str, **validity: str) -> str:
    """What a client says that trusts the certificate alone and asks for `name`; "" where it is content."""
    text = certificate_pem(["shop.example.com", "*.api.example.com"], **validity)
    (folder / "crt").write_text(text)
    (folder / "key").write_text(key_pem())
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(folder / "crt", folder / "key")
    client.load_verify_locations(cadata=text)
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(ours, server_hostname=name).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    finally:
        ours.close()
        thread.join()
    return ""


def test_a_certificate_for_its_hosts_and_no_others(tmp_path: Path) -> None:
    assert _handshake(tmp_path, "shop.example.com") == "" == _handshake(tmp_path, "v1.api.example.com")
    assert "not valid for" in _handshake(tmp_path, "other.example.com")


def test_a_certificate_for_its_time(tmp_path: Path) -> None:
    past = {"since": "200101000000Z", "until": "210101000000Z"}
    assert _handshake(tmp_path, "shop.example.com", **past) == "certificate has expired"


def test_the_same_hosts_give_the_same_bytes() -> None:
    assert certificate_pem(["a.test"]) == certificate_pem(["a.test"]) != certificate_pem(["b.test"])


def test_openssl_reads_them_and_finds_the_key_whole(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("not run: no openssl here")
    for what, command in ((certificate_pem(["a.test"]), ["x509", "-noout", "-text"]), (key_pem(), ["rsa", "-check"])):
        done = subprocess.run(["openssl", *command], input=what, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and ("DNS:a.test" in done.stdout or "RSA key ok" in done.stdout), done.stderr


def _secrets(controller: str, *ingress: dict[str, Any]) -> dict[str, Any]:
    layer = {"gateway" if controller == "envoy-gateway" else "ingress": {"controller": controller}}
    data = {
        **{"apiVersion": "netspec.dev/v1alpha1", "kind": "NetworkSpec", "metadata": {"name": "t"}},
        "namespaces": [{"name": "shop"}],
        "workloads": [{"name": "web", "namespace": "shop", "labels": {"app": "web"}, "ports": [{"port": 80}]}],
        "services": [{"name": "web", "namespace": "shop", "selector": {"app": "web"}, "ports": [{"port": 80}]}],
        "ingress": [
            {"name": f"r{i}", "namespace": "shop", "paths": [{"backends": [{"service": "web", "port": 80}]}], **route}
            for i, route in enumerate(ingress)
        ],
        "stacks": {"dev": {"cluster": {"type": "kind"}, "cni": {"provider": "calico"}, **layer}},
    }
    data["stacks"]["dev"]["loadBalancer"] = {"provider": "metallb"}  # type: ignore[index]
    result = compile_spec(loads(yaml.safe_dump(data), "t.yaml"), "dev", REGISTRY)
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    found = [n.manifest for n in result.plan.nodes if isinstance(n, ManifestNode) and n.manifest["kind"] == "Secret"]
    return {
        m["metadata"]["name"]: (m["type"], {k: base64.b64decode(v).decode() for k, v in m["data"].items()})
        for m in found
    }


TLS = {"tls": {"secret": "cert", "standIn": True}}


def test_one_secret_for_all_routes_that_name_it() -> None:
    found = _secrets("traefik", {"hosts": ["b.test"], **TLS}, {"hosts": ["a.test"], **TLS}, {"hosts": ["c.test"]})
    assert found == {
        "cert": ("kubernetes.io/tls", {"tls.crt": certificate_pem(["a.test", "b.test"]), "tls.key": key_pem()})
    }


@pytest.mark.parametrize(
    ("controller", "type_", "key", "crypt"),
    [
        ("traefik", "Opaque", "users", False),
        ("haproxy", "Opaque", "auth", True),
        ("ingress-nginx", "Opaque", "auth", False),
        ("f5-nginx", "nginx.org/htpasswd", "htpasswd", False),
        ("envoy-gateway", "Opaque", ".htpasswd", False),
    ],
)
def test_users_as_each_controller_reads_them(controller: str, type_: str, key: str, crypt: bool) -> None:
    found = _secrets(controller, {"hosts": ["a.test"], "basicAuth": {"secret": "users", "standIn": True}})
    (name, hashed) = found["users"][1][key].strip().split(":")
    assert (found["users"][0], name) == (type_, STAND_IN_USER)
    kind = ["-6", "-salt", "netspec"] if crypt else None
    if kind and shutil.which("openssl"):
        done = subprocess.run(
            ["openssl", "passwd", *kind, STAND_IN_PASSWORD], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == hashed
    elif not kind:
        digest = hashlib.sha1(STAND_IN_PASSWORD.encode()).digest()
        assert hashed == "{SHA}" + base64.b64encode(digest).decode()


def test_a_secret_of_somebody_elses_is_not_made() -> None:
    assert _secrets("traefik", {"hosts": ["a.test"], "tls": {"secret": "cert"}, "basicAuth": {"secret": "users"}}) == {}
