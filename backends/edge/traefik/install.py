"""Traefik itself, from objects of ours: its definitions (crds.json) and rights are those of its documentation, the pod
is that of its chart, with the provider of its own kinds alone."""

import json
from dataclasses import replace
from importlib.resources import files
from itertools import count
from typing import Any

from netspec.backends.edge.ingresses import (
    balanced_by,
    host_name,
    makes_beside,
    placed,
    port_number,
    service_of_front,
    traced,
)
from netspec.backends.edge.traefik.routes import objects
from netspec.backends.edge.traefik.settings import TraefikSettings
from netspec.backends.objects import Manifest, cluster_role_binding, manifest, node, rule
from netspec.catalogue import IMAGES
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, Condition, Node, ReadyNode

NAMESPACE = NAME = "traefik"
#: Names of its Service's ports and of its containers'.
HTTP, HTTPS = "web", "websecure"
#: Where its pods listen.
WEB, WEBSECURE, PING = 8000, 8443, 8080
PODS = {"app.kubernetes.io/name": "traefik"}
CRDS_READY = "traefik-crds"
_READ = ("get", "list", "watch")
_KINDS = (
    *("middlewares", "middlewaretcps", "ingressroutes", "traefikservices", "ingressroutetcps", "ingressrouteudps"),
    *("tlsoptions", "tlsstores", "serverstransports", "serverstransporttcps"),
)


def install(ir: Ir, settings: TraefikSettings) -> tuple[Node, ...]:
    """Definitions, rights, the pods, and the routes, which a pod that is there already takes up at once."""
    crds = [node(obj, CLUSTER) for obj in json.loads((files(__package__) / "crds.json").read_text())]
    ready = ReadyNode(
        CRDS_READY,
        tuple(Condition(f"crd/{crd.manifest['metadata']['name']}", "Established") for crd in crds),
        tuple(crd.id for crd in crds),
    )
    namespace = node(manifest("v1", "Namespace", NAMESPACE), CLUSTER)
    account = node(manifest("v1", "ServiceAccount", NAME, NAMESPACE), namespace.id)
    role = node(manifest("rbac.authorization.k8s.io/v1", "ClusterRole", NAME, rules=_rules()), CLUSTER)
    binding = node(cluster_role_binding(NAME, NAME, NAMESPACE), account.id, role.id)
    # Not waited for: its endpoints, and the address that a load balancer gives it, come later.
    service = replace(node(front_service(ir), namespace.id, *balanced_by(ir), wait=False), outlives=makes_beside(ir))
    ports = [
        {"name": HTTP, "containerPort": WEB, "protocol": "TCP"},
        {"name": HTTPS, "containerPort": WEBSECURE, "protocol": "TCP"},
    ]
    pods = node(deployment(_arguments(ir), ports, settings.replicas), ready.id, account.id, binding.id, CNI_READY)
    routes = [placed(obj, ready.id) for route in ir.http for obj in objects(ir, route)]
    return (*crds, ready, namespace, account, role, binding, service, pods, *routes)


def _rules() -> list[Manifest]:
    return [
        rule([""], ["services", "secrets", "nodes", "configmaps"], _READ),
        rule(["discovery.k8s.io"], ["endpointslices"], ["list", "watch"]),
        rule(["traefik.io"], _KINDS, _READ),
    ]


def front_service(ir: Ir) -> Manifest:
    """The Service in front of its pods, as the stack's traits have it."""
    return service_of_front(ir, PODS)


def _tracing(ir: Ir) -> list[str]:
    """A collector over gRPC, in clear. Which routers are traced each of them says."""
    if (found := traced(ir)) is None:
        return []
    route, tracing = found
    host, port = host_name(ir, route, tracing.collector), port_number(ir, route, tracing.collector)
    return [
        "--tracing.otlp.grpc=true",
        f"--tracing.otlp.grpc.endpoint={host}:{port}",
        "--tracing.otlp.grpc.insecure=true",
        f"--tracing.sampleRate={tracing.percent / 100}",
    ]


def _arguments(ir: Ir) -> list[str]:
    return [
        f"--entryPoints.web.address=:{WEB}",
        f"--entryPoints.websecure.address=:{WEBSECURE}",
        "--providers.kubernetescrd=true",
        # A Service without pods is 503, what it is, and not 404.
        "--providers.kubernetescrd.allowEmptyServices=true",
        *_tracing(ir),
    ]


def deployment(
    arguments: list[str], ports: list[dict[str, Any]], replicas: int, sysctls: list[dict[str, str]] | None = None
) -> Manifest:
    """Its pods, that answer /ping on the first port from its own one on that is free. `arguments`: entry points and
    providers; `ports`: the container's, in the API's own shape."""
    free = next(number for number in count(PING) if number not in {port["containerPort"] for port in ports})
    own = [f"--entryPoints.traefik.address=:{free}", "--ping=true"]
    quiet = ["--global.checknewversion=false", "--global.sendanonymoususage=false"]
    ping = {"httpGet": {"path": "/ping", "port": free}}
    container = {
        "name": NAME,
        "image": IMAGES["traefik"],
        "imagePullPolicy": "IfNotPresent",
        "args": [*arguments, *own, *quiet],
        "ports": ports,
        "readinessProbe": ping | {"periodSeconds": 3, "timeoutSeconds": 2, "failureThreshold": 1},
        "livenessProbe": ping | {"periodSeconds": 10, "timeoutSeconds": 2, "failureThreshold": 3},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # Bodies that are held back to be measured or sent again, where they are large.
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
            **({"sysctls": sysctls} if sysctls else {}),
        },
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": PODS},
        "template": {"metadata": {"labels": PODS}, "spec": pod},
    }
    return manifest("apps/v1", "Deployment", NAME, NAMESPACE, spec=spec)
