"""What controllers have in common that serve Ingress objects and are installed by a Helm chart."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from netspec.analysis.routes import Rule, bare, rules, takes_host
from netspec.backends.edge.patterns import Written
from netspec.backends.objects import Manifest, manifest, node, release
from netspec.diagnostics import Report
from netspec.ir.http import Front, HttpBackend, HttpPath, HttpRoute, Tracing
from netspec.ir.model import ContainerPort, Ir, Place, Service, ServicePort, Workload
from netspec.ir.selectors import Selector
from netspec.plan import CLUSTER, CNI_READY, ManifestNode, ResourceNode
from netspec.spec.model import Settings
from netspec.target import Fact, ObjectRead, ReadyRead
from netspec.target import Field as FieldRead

#: Names of the Service's ports and of the containers'.
HTTP, HTTPS = "http", "https"
#: The type of a path that an annotation of the Ingress says.
BY_ANNOTATION = "ImplementationSpecific"
#: Of requests' headers those that a page may set in any case (Fetch standard): in place of a controller's own list.
SAFE_HEADERS = ("Accept", "Accept-Language", "Content-Language")
#: Of an Ingress as it stands on the cluster.
_READ = (("class", FieldRead("spec.ingressClassName")), ("rules", FieldRead("spec.rules")))


class ProxySettings(Settings):
    """A controller whose pods pass the requests on."""

    replicas: int = Field(1, ge=1, le=50, description="How many pods. Each counts rate limits alone.")
    service: Literal["LoadBalancer", "NodePort", "ClusterIP"] = Field(
        "LoadBalancer", description="How the outside gets to it."
    )
    external_traffic_policy: Literal["Cluster", "Local"] = Field(
        "Local", description="Local: it sees the clients' addresses, and only nodes with one of its pods take traffic."
    )

    def of_service(self, ir: Ir) -> dict[str, Any]:
        """The Service's fields that decide how the outside gets in, and what the stack's load balancer is told."""
        local = {} if self.service == "ClusterIP" else {"externalTrafficPolicy": self.external_traffic_policy}
        told = balancer_annotations(ir) if self.service == "LoadBalancer" else {}
        return {"type": self.service, **local} | ({"annotations": told} if told else {})


def balancer_annotations(ir: Ir) -> dict[str, str]:
    """What a controller's own Service says to get a load balancer of the stack's kind."""
    return dict(ir.traits.balancing.annotations) if ir.traits.balancing else {}


def makes_beside(ir: Ir) -> bool:
    """Whether the controller's Service makes a load balancer that does not go with the cluster."""
    front = ir.traits.front
    return ir.traits.balancers_stay and front is not None and front.service.type == "LoadBalancer"


def balanced_by(ir: Ir) -> tuple[str, ...]:
    """The plan node that must be there as long as the controller's Service is."""
    balancing = ir.traits.balancing
    return (balancing.node,) if balancing is not None and balancing.node and makes_beside(ir) else ()


def proxy(
    ir: Ir,
    settings: ProxySettings,
    layer: str,
    namespace: str,
    names: tuple[str, str],
    pods: Mapping[str, str],
    ports: Iterable[tuple[ContainerPort, ServicePort]],
) -> tuple[Workload, Service]:
    """The pods that pass requests on, and their Service. `names`: of the one and the other, as they are made."""
    place, listed = Place(("stacks", ir.stack, layer)), list(ports)
    containers = tuple(container for container, _ in listed)
    workload = Workload(namespace, names[0], dict(pods), containers, settings.replicas, system=True, place=place)
    service = Service(
        namespace,
        names[1],
        settings.service,
        selector=Selector.of(dict(pods)),
        ports=tuple(port for _, port in listed),
        external_traffic_policy=settings.external_traffic_policy if settings.service != "ClusterIP" else "Cluster",
        system=True,
        place=place,
    )
    return workload, service


def front(
    ir: Ir, settings: ProxySettings, namespace: str, names: tuple[str, str], pods: Mapping[str, str], **more: Any
) -> Front:
    """Of a controller by a chart, whose pods listen on the ports that clients ask."""
    ports = [
        (ContainerPort(number, "TCP", name), ServicePort(number, name, "TCP", name))
        for number, name in ((80, HTTP), (443, HTTPS))
    ]
    return Front(*proxy(ir, settings, "ingress", namespace, names, pods, ports), HTTP, HTTPS, **more)


def service_of_front(ir: Ir, pods: Mapping[str, str]) -> Manifest:
    """The Service in front of a controller's own pods, as the stack's traits have it."""
    assert ir.traits.front is not None
    service = ir.traits.front.service
    spec: dict[str, Any] = {
        "type": service.type,
        "selector": dict(pods),
        "ports": [
            {"name": p.name, "port": p.port, "targetPort": p.target_port, "protocol": p.protocol} for p in service.ports
        ],
    }
    if service.type != "ClusterIP":
        spec["externalTrafficPolicy"] = service.external_traffic_policy
    annotations = balancer_annotations(ir) if service.type == "LoadBalancer" else {}
    return manifest("v1", "Service", service.name, service.namespace, annotations=annotations, spec=spec)


def ingress(
    route: HttpRoute,
    class_name: str,
    annotations: Mapping[str, str],
    backend: Callable[[HttpPath], HttpBackend | None],
    written: Written,
    suffix: str = "",
) -> Manifest:
    """A route's rules, each path with the one backend that an Ingress has for it; paths without are left out.
    `written`: those that are regular expressions."""
    rules = [
        {
            **({"host": host} if host else {}),
            "http": {
                "paths": [
                    _path(path, written.get((host, path))) | {"backend": _service(found)}
                    for path in route.paths
                    if (found := backend(path)) is not None
                ]
            },
        }
        for host in route.hosts or ("",)
    ]
    spec: dict[str, Any] = {"ingressClassName": class_name, "rules": rules}
    if route.tls is not None:
        spec["tls"] = [{"hosts": list(route.hosts)} | ({"secretName": route.tls} if route.tls else {})]
    name = f"{route.name}{suffix}"
    return manifest("networking.k8s.io/v1", "Ingress", name, route.namespace, annotations=annotations, spec=spec)


def _path(path: HttpPath, regex: str | None) -> dict[str, Any]:
    if regex is not None:
        return {"path": regex, "pathType": BY_ANNOTATION}
    return {"path": bare(path) or "/", "pathType": "Exact" if path.exact else "Prefix"}


def _service(backend: HttpBackend) -> dict[str, Any]:
    port = {"number": backend.port} if isinstance(backend.port, int) else {"name": backend.port}
    return {"service": {"name": backend.service, "port": port}}


def route_facts(ingresses: Iterable[Manifest]) -> Iterator[Fact]:
    """What must be true of Ingresses."""
    for obj in ingresses:
        meta, spec = obj["metadata"], obj["spec"]
        found = ObjectRead("ingresses.networking.k8s.io", _READ, meta["name"], meta["namespace"])
        expect = {"class": spec["ingressClassName"], "rules": spec["rules"]}
        yield Fact("ingress-route", f"{found.namespace}/{found.name}", expect, found)


def installed(
    ir: Ir, name: str, namespace: str, chart: str, version: str, values: Mapping[str, Any], repository: str = ""
) -> tuple[ManifestNode, ResourceNode]:
    """A controller by its chart, in a namespace of its own; its pods need the network."""
    home = node(manifest("v1", "Namespace", namespace), CLUSTER)
    after = (home.id, CNI_READY, *balanced_by(ir))
    made = release(name, namespace, chart, version, values, *after, repository=repository, outlives=makes_beside(ir))
    return home, made


def ingress_facts(controller: str, replicas: int, given: Fact, objects: Iterable[Manifest]) -> tuple[Fact, ...]:
    """Of the controller's workload, by its id, of its class (`of_class`), and of Ingresses."""
    return (Fact("ingress-controller", controller, replicas, ReadyRead()), given, *route_facts(objects))


def of_class(name: str, controller: str) -> Fact:
    """That the routes' class is the controller's: one that is given to another takes all of them with it."""
    found = ObjectRead("ingressclasses.networking.k8s.io", (("controller", FieldRead("spec.controller")),), name)
    return Fact("ingress-class", name, {"controller": controller}, found)


def placed(obj: Manifest, *after: str, wait: bool = True) -> ManifestNode:
    """After its namespace too; Kubernetes makes `default` and its own itself."""
    name = obj["metadata"]["namespace"]
    made = () if name == "default" or name.startswith("kube-") else (f"namespace:{name}",)
    return node(obj, *after, *made, wait=wait)


def port_number(ir: Ir, route: HttpRoute, backend: HttpBackend) -> int:
    """A URL has numbers alone."""
    service = ir.services_by_id[f"{backend.namespace or route.namespace}/{backend.service}"]
    return next(p.port for p in service.ports if backend.port in (p.port, p.name))


def host_name(ir: Ir, route: HttpRoute, backend: HttpBackend) -> str:
    """By which any pod finds the Service."""
    return f"{backend.service}.{backend.namespace or route.namespace}.svc.{ir.dns.cluster_domain}"


def traced(ir: Ir) -> tuple[HttpRoute, Tracing] | None:
    """The first route that is traced, and how: all that are say the same (NS847)."""
    return next(((route, route.tracing) for route in ir.http if route.tracing is not None), None)


def own_namespace(ir: Ir, name: str, whose: str, report: Report) -> None:
    """NS902."""
    for namespace in ir.namespaces:
        if namespace.name == name and not namespace.system:
            path = (*namespace.place.path, "name")
            report.error("NS902", path, f"{name} is {whose}'s own namespace", "rename it, or remove the entry")


def https_has_hosts(ir: Ir, controller: str, report: Report) -> None:
    """NS871: the certificate is chosen by the name that the client asks for."""
    for route in ir.http:
        if route.tls is not None and not route.hosts:
            message = f"{controller} serves HTTPS for named hosts only, and this route is for any"
            report.error("NS871", (*route.place.path, "tls"), message, "add hosts, or remove tls")


def stays_with_host(ir: Ir, controller: str, report: Report) -> None:
    """NS872: where a host has rules and none takes the path, NGINX answers 404 and asks no wildcard's rules."""
    found = list(rules(ir.http))
    by_host: dict[str, list[Rule]] = defaultdict(list)
    for rule in found:
        by_host[rule.host].append(rule)
    for host, own in by_host.items():
        wider = next((h for h in by_host if h != host and _is_wider(h, host)), None)
        if wider is None or any(not rule.path.exact and not bare(rule.path) for rule in own):
            continue
        route = own[0].route
        message = (
            f"{host} has no path /, and {controller} does not pass what no path of it takes on to {wider or 'any host'}"
        )
        report.error("NS872", (*route.place.path, "paths"), message, f"add a path / for {host}")


def _is_wider(wide: str, host: str) -> bool:
    return not wide or (wide.startswith("*.") and not host.startswith("*.") and takes_host(wide, host))


def same_for_service(
    ir: Ir,
    controller: str,
    options: Callable[[HttpRoute], Mapping[str, str]],
    report: Report,
    one: Callable[[Ir, HttpRoute, HttpBackend], object] = lambda ir, route, backend: (
        route.namespace,
        backend.service,
        port_number(ir, route, backend),
    ),
) -> None:
    """NS870: options that belong to a Service's port there hold for every route that leads to it. `one`: what is one
    such port to the controller."""
    first: dict[object, HttpRoute] = {}
    for route in ir.http:
        for backend in _led_to(route):
            other = first.setdefault(one(ir, route, backend), route)
            if options(other) != options(route):
                differ = sorted({k for k, _ in set(options(other).items()) ^ set(options(route).items())})
                port = f"Service {route.namespace}/{backend.service} port {port_number(ir, route, backend)}"
                message = f"{controller} has {', '.join(differ)} for all of {port}: {other.id} says otherwise"
                hint = "say the same in both routes, or give one of them a Service of its own"
                report.error("NS870", route.place.path, message, hint)


def _led_to(route: HttpRoute) -> Iterator[HttpBackend]:
    for path in route.paths:
        yield from path.backends


def decoded(ir: Ir, controller: str, report: Report) -> None:
    """NS871: NGINX compares with the path of a request as it is when its encoded bytes are decoded."""
    for route in ir.http:
        for i, rule in enumerate(route.paths):
            if "%" in rule.path:
                message = f"{controller} decodes a request's path first, which then is never {rule.path}"
                where = (*route.place.path, "paths", i, "path")
                report.error("NS871", where, message, "the character itself, or a pattern with a . for it")
