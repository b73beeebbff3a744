"""The controller from objects of ours, for its chart is only on a page of its project's: its rights are those that its
documentation lists for Ingress alone, the pod is that of its chart, on ports that need no rights."""

from dataclasses import replace
from typing import Any

from netspec.backends.edge.haproxy.routes import CLASS, ingresses
from netspec.backends.edge.haproxy.settings import HaproxySettings
from netspec.backends.edge.ingresses import balanced_by, makes_beside, placed, service_of_front
from netspec.backends.objects import Manifest, cluster_role_binding, manifest, node, rule
from netspec.catalogue import IMAGES
from netspec.ir.http import HttpRoute
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, Node

NAMESPACE = NAME = "haproxy-ingress"
CONTROLLER = "haproxy-ingress.github.io/controller"
#: Where its pods listen.
WEB, WEBSECURE, HEALTH = 8000, 8443, 10253
PODS = {"app.kubernetes.io/name": NAME}
#: The user of its image, haproxy.
_USER = 99
_RBAC = "rbac.authorization.k8s.io/v1"
_READ = ("get", "list", "watch")
#: What it writes to; its image is read-only.
_WRITTEN = {"etc": "/etc/haproxy", "lib": "/var/lib/haproxy", "run": "/var/run/haproxy", "tmp": "/tmp"}
#: What it would else do in its own way, whichever route: HSTS, 302, no redirect of some paths, and an answer of its own
#: where a host's requests may go on to the wildcard's.
_CONFIG = {
    "hsts": "false",
    "http-port": str(WEB),
    "https-port": str(WEBSECURE),
    "no-tls-redirect-locations": "",
    "ssl-redirect-code": "301",
    "strict-host": "false",
}


def install(ir: Ir, settings: HaproxySettings) -> tuple[Node, ...]:
    """The class, rights, the pods, and the routes, which a pod that is there already takes up at once."""
    namespace = node(manifest("v1", "Namespace", NAMESPACE), CLUSTER)
    account = node(manifest("v1", "ServiceAccount", NAME, NAMESPACE), namespace.id)
    config = node(manifest("v1", "ConfigMap", NAME, NAMESPACE, data=dict(_CONFIG)), namespace.id)
    class_ = node(manifest("networking.k8s.io/v1", "IngressClass", CLASS, spec={"controller": CONTROLLER}), CLUSTER)
    role = node(manifest(_RBAC, "ClusterRole", NAME, rules=_rules()), CLUSTER)
    binding = node(cluster_role_binding(NAME, NAME, NAMESPACE), account.id, role.id)
    # Not waited for: its endpoints, and the address that a load balancer gives it, come later.
    service = replace(
        node(service_of_front(ir, PODS), namespace.id, *balanced_by(ir), wait=False), outlives=makes_beside(ir)
    )
    pods = node(_deployment(settings.replicas), account.id, config.id, class_.id, binding.id, CNI_READY)
    routes = [placed(obj, class_.id, *_users(route)) for route, obj in ingresses(ir)]
    return (namespace, account, config, class_, role, binding, service, pods, *routes)


def _users(route: HttpRoute) -> list[str]:
    """The Secret that must be there before the route, which is open to all without it."""
    basic = route.basic_auth
    return [f"secret:{route.namespace}/{basic.secret}"] if basic is not None and basic.stand_in else []


def _rules() -> list[Manifest]:
    return [
        rule([""], ["configmaps", "pods", "secrets", "services"], _READ),
        rule(["discovery.k8s.io"], ["endpointslices"], _READ),
        rule(["networking.k8s.io"], ["ingresses", "ingressclasses"], _READ),
    ]


def _deployment(replicas: int) -> Manifest:
    health = {"httpGet": {"path": "/healthz", "port": HEALTH}}
    container: dict[str, Any] = {
        "name": NAME,
        "image": IMAGES["haproxy-ingress"],
        "imagePullPolicy": "IfNotPresent",
        "args": [
            f"--configmap={NAMESPACE}/{NAME}",
            f"--ingress-class={CLASS}",
            # The address of an Ingress it would take from its Service, and end where that has none.
            "--update-status=false",
            "--watch-gateway=false",
            # No snippets, whoever else has Ingresses of the class.
            "--disable-config-keywords=*",
        ],
        "ports": [
            {"name": "http", "containerPort": WEB, "protocol": "TCP"},
            {"name": "https", "containerPort": WEBSECURE, "protocol": "TCP"},
        ],
        # Of HAProxy, which it starts with its first whole configuration.
        "readinessProbe": health | {"periodSeconds": 3, "timeoutSeconds": 2, "failureThreshold": 1},
        "livenessProbe": health
        | {"initialDelaySeconds": 60, "periodSeconds": 10, "timeoutSeconds": 2, "failureThreshold": 3},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            # Its program has that right as a file, and does not start where it may not be given.
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        },
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in _WRITTEN.items()],
    }
    pod = {
        "serviceAccountName": NAME,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": name, "emptyDir": {}} for name in _WRITTEN],
    }
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": PODS},
        "template": {"metadata": {"labels": PODS}, "spec": pod},
    }
    return manifest("apps/v1", "Deployment", NAME, NAMESPACE, spec=spec)
