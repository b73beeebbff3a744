"""Secrets that stand in for real ones of HTTP routes: certificates whose key, a user whose password, and a client of a
provider whose secret everybody knows. Nothing else of a plan is secret."""

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterator

from netspec.analysis.callees import backend_port, own_certificate, service_port
from netspec.analysis.gateway_routes import Listening
from netspec.analysis.services import Endpoints
from netspec.backends.common.certificates import certificate_pem, key_pem
from netspec.backends.common.namespaces import namespace_id
from netspec.backends.objects import Manifest, manifest, node
from netspec.ir.gateways import Listener
from netspec.ir.http import ClientSecret, UsersSecret
from netspec.ir.model import Ir
from netspec.plan import Node
from netspec.probes import STAND_IN_PASSWORD, STAND_IN_USER

#: The name in a certificate for no host in particular.
_NOWHERE = "netspec.invalid"
#: crypt(3) with SHA-512 of the password.
_CRYPT = "$6$netspec$vveYO2NCQGHsYmVSvCkfZJvx2EufVfhUGjZISbA2M.lRBttJXSPiJgnReH.Q9Xy.5W21OhDkxI75xjf//IDDV0"


def secrets(ir: Ir) -> tuple[Node, ...]:
    """One object a Secret, whichever routes name it; a certificate is for the hosts of all of them."""
    front = ir.traits.front
    users = front.users if front is not None else UsersSecret()
    client = front.client if front is not None else ClientSecret()
    hosts: dict[tuple[str, str], list[str]] = defaultdict(list)
    for route in ir.http:
        if route.tls_stand_in and route.tls:
            hosts[route.namespace, route.tls] += route.hosts
    for namespace, workload, host in _ended_by_pods(ir):
        hosts[namespace, own_certificate(workload)].append(host)
    for listener, host in _listening(ir):
        for where in listener.stand_ins:
            hosts[where].append(host)
    logins = {(r.namespace, r.basic_auth.secret) for r in ir.http if r.basic_auth and r.basic_auth.stand_in}
    clients = {(r.namespace, r.oidc.secret) for r in ir.http if r.oidc and r.oidc.stand_in}
    made = [_certificate(*where, hosts[where]) for where in sorted(hosts)]
    made += [_users(*where, users) for where in sorted(logins)]
    text = {client.id: STAND_IN_USER, client.secret: STAND_IN_PASSWORD}
    made += [_secret(*where, "Opaque", text) for where in sorted(clients)]
    return tuple(node(obj, *namespace_id(obj["metadata"]["namespace"])) for obj in made)


def _ended_by_pods(ir: Ir) -> Iterator[tuple[str, str, str]]:
    """Namespace and name of the stand-ins that end HTTPS themselves, with each host that is passed on to them."""
    endpoints = Endpoints(ir.inventory)
    passed = [
        (route.hosts, service_port(ir, route, backend))
        for route in ir.http
        if route.passthrough
        for path in route.paths
        for backend in path.backends
    ]
    passed += [
        (r.hostnames, backend_port(ir, r, b)) for r in ir.gateway_routes if r.kind == "TLSRoute" for b in r.backends
    ]
    for hosts, named in passed:
        for endpoint in endpoints.of_port(*named) if named else ():
            if endpoint.workload is not None and endpoint.workload.stand_in:
                yield from ((endpoint.workload.namespace, endpoint.workload.name, h) for h in hosts or (_NOWHERE,))


def _listening(ir: Ir) -> Iterator[tuple[Listener, str]]:
    """The listeners of Gateways with each host that they have, or that their routes have."""
    listening = Listening.of(ir)
    for _, listener in listening.listeners:
        own = [e.host for e in listening.entries if e.listener is listener and e.host]
        for host in dict.fromkeys([listener.hostname] if listener.hostname else own or [_NOWHERE]):
            yield listener, host


def _certificate(namespace: str, name: str, hosts: list[str]) -> Manifest:
    text = {"tls.crt": certificate_pem(sorted(set(hosts))), "tls.key": key_pem()}
    return _secret(namespace, name, "kubernetes.io/tls", text)


def _users(namespace: str, name: str, users: UsersSecret) -> Manifest:
    sha = base64.b64encode(hashlib.sha1(STAND_IN_PASSWORD.encode()).digest()).decode()
    line = f"{STAND_IN_USER}:{_CRYPT if users.crypt else '{SHA}' + sha}\n"
    return _secret(namespace, name, users.type, {users.key: line})


def _secret(namespace: str, name: str, type_: str, text: dict[str, str]) -> Manifest:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in text.items()}
    return manifest("v1", "Secret", name, namespace, type=type_, data=data)
