"""For each feature a small spec that gives it, with the stack `dev` on whatever backends are asked for."""

from typing import Any

import yaml

from netspec.spec.load import LoadedSpec, loads
from netspec.target import LAYERS, Feature

_WEB = {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "ports": [{"name": "http", "port": 8080}]}
_SERVICE = {"name": "web", "namespace": "shop", "selector": {"app": "web"}, "ports": [{"port": 8080}]}
_LOGIN = _SERVICE | {"name": "login"}


def _policy(port: dict[str, Any]) -> dict[str, Any]:
    spec = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"], "ingress": [{"ports": [port]}]}
    return {"networkPolicies": [{"name": "web", "namespace": "shop", "spec": spec}]}


_WEB_IN = {"name": "in", "to": "shop/web"}


def _closed(intent: dict[str, Any]) -> dict[str, Any]:
    return {"namespaces": [{"name": "shop", "defaultDeny": ["ingress", "egress"]}], "policies": [intent]}


_ROUTE = {
    "name": "web",
    "namespace": "shop",
    "hosts": ["shop.example.com"],
    "paths": [{"backends": [{"service": "web", "port": 8080}]}],
}
_TWO = [{"service": "web", "port": 8080}, {"service": "web", "port": 8080, "weight": 3}]
#: Feature -> what a route is changed by.
_OPTIONS: dict[Feature, dict[str, Any]] = {
    Feature.HTTP_ROUTES: {},
    Feature.HTTP_TLS: {"tls": {"secret": "web-tls"}},
    Feature.HTTP_SELF_SIGNED: {"tls": {}},
    Feature.HTTP_WILDCARD: {"hosts": ["*.example.com"]},
    Feature.HTTP_REGEX: {"paths": [{"path": "/v[0-9]+/.*", "type": "Regex", "backends": _TWO[:1]}]},
    Feature.HTTP_REDIRECT: {"tls": {"secret": "web-tls"}, "redirectToHTTPS": True},
    Feature.HTTP_WEIGHTS: {"paths": [{"backends": _TWO}]},
    Feature.HTTP_GRPC: {"protocol": "grpc", "tls": {"secret": "web-tls"}, "redirectToHTTPS": True},
    Feature.HTTP_MAX_BODY: {"maxBodySize": "1Mi"},
    Feature.HTTP_RATE_LIMIT: {"rateLimit": {"requests": 10, "burst": 10}},
    Feature.HTTP_ALLOW_FROM: {"allowFrom": ["192.0.2.0/24"]},
    Feature.HTTP_BASIC_AUTH: {"basicAuth": {"secret": "users"}},
    Feature.HTTP_EXTERNAL_AUTH: {"externalAuth": {"service": "login", "port": 8080}},
    Feature.HTTP_CORS: {"cors": {"origins": ["https://app.example.com"]}},
    Feature.HTTP_HEADERS: {"requestHeaders": {"set": {"X-From": "edge"}}},
    Feature.HTTP_REWRITE: {"rewrite": {"prefix": "/v2"}},
    Feature.HTTP_ERROR_PAGES: {"errorPages": {"statuses": ["503"], "service": "web", "port": 8080}},
    Feature.HTTP_RETRIES: {"retries": 2},
    Feature.HTTP_STICKY: {"sticky": {"cookie": "AWSALB"}},
    Feature.HTTP_WEB_SOCKET: {"webSocket": True},
    Feature.HTTP_FIRST_BYTE: {"timeouts": {"firstByteSeconds": 30}},
    Feature.HTTP_LAST_BYTE: {"timeouts": {"lastByteSeconds": 30}},
    Feature.HTTP_MIRROR: {"mirror": {"service": "web", "port": 8080}},
    Feature.HTTP_TRACING: {"tracing": {"service": "web", "port": 8080}},
    Feature.HTTP_PASSTHROUGH: {"tls": {"passthrough": True}, "redirectToHTTPS": True},
    Feature.HTTP_OIDC: {
        "tls": {"secret": "web-tls"},
        "redirectToHTTPS": True,
        "oidc": {
            "issuer": "https://login.example.com",
            "authorizationEndpoint": "https://login.example.com/authorize",
            "tokenEndpoint": "https://login.example.com/token",
            "userInfoEndpoint": "https://login.example.com/user",
            "secret": "login",
        },
    },
}


_GATEWAY = {"name": "public", "namespace": "shop"}
_RULE: dict[str, Any] = {"backendRefs": [{"name": "web", "port": 8080}]}


def _listening(section: str, rule: dict[str, Any], *hosts: str, **listener: Any) -> dict[str, Any]:
    """A Gateway with one listener, and one route that it takes."""
    route = {"name": "web", "namespace": "shop", "parentRefs": [{"name": "public"}], "rules": [rule]}
    ports = [{"name": "http", "port": 8080}, {"name": "udp", "port": 8080, "protocol": "UDP"}]
    return {
        "workloads": [_WEB | {"ports": ports}],
        "services": [
            _SERVICE | {"ports": [{"name": "tcp", "port": 8080}, {"name": "udp", "port": 8080, "protocol": "UDP"}]}
        ],
        "gateways": [_GATEWAY | {"listeners": [{"name": "web", "port": 80, "protocol": "HTTP"} | listener]}],
        section: [route | ({"hostnames": list(hosts)} if hosts else {})],
    }


def _filtered(kind: str, **given: Any) -> dict[str, Any]:
    return _listening("httpRoutes", _RULE | {"filters": [{"type": kind} | given]})


_GATEWAYS: dict[Feature, dict[str, Any]] = {
    Feature.GATEWAYS: {"gateways": [_GATEWAY | {"listeners": [{"name": "web", "port": 80, "protocol": "HTTP"}]}]},
    Feature.GATEWAY_HTTP: _listening("httpRoutes", _RULE),
    Feature.GATEWAY_GRPC: _listening(
        "grpcRoutes", _RULE, protocol="HTTPS", tls={"certificateRefs": [{"name": "web-tls"}]}
    ),
    Feature.GATEWAY_TLS: _listening("tlsRoutes", _RULE, "web.example.com", protocol="TLS", tls={"mode": "Passthrough"}),
    Feature.GATEWAY_TCP: _listening("tcpRoutes", _RULE, protocol="TCP"),
    Feature.GATEWAY_UDP: _listening("udpRoutes", _RULE, protocol="UDP"),
    Feature.GATEWAY_MATCHES: _listening("httpRoutes", _RULE | {"matches": [{"method": "GET"}]}),
    Feature.GATEWAY_REDIRECT: _listening(
        "httpRoutes", {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]}
    ),
    Feature.GATEWAY_REWRITE: _filtered("URLRewrite", urlRewrite={"hostname": "web.example.com"}),
    Feature.GATEWAY_HEADERS: _filtered("RequestHeaderModifier", requestHeaderModifier={"remove": ["X-From"]}),
    Feature.GATEWAY_MIRROR: _filtered("RequestMirror", requestMirror={"backendRef": {"name": "web", "port": 8080}}),
    Feature.GATEWAY_CORS: _filtered("CORS", cors={"allowOrigins": ["https://app.example.com"]}),
    Feature.GATEWAY_TIMEOUTS: _listening("httpRoutes", _RULE | {"timeouts": {"request": "10s"}}),
}


#: Feature -> what the base spec is changed by; a section given here replaces the base's.
NEEDS: dict[Feature, dict[str, Any]] = {
    Feature.IPV4: {"network": {"ipFamily": "ipv4"}},
    Feature.PROXY_IPTABLES: {"network": {"proxy": {"mode": "iptables"}}},
    Feature.PROXY_NFTABLES: {"network": {"proxy": {"mode": "nftables"}}},
    Feature.PROXY_IPVS: {"network": {"proxy": {"mode": "ipvs"}}},
    Feature.PROXY_NONE: {"network": {"proxy": {"mode": "none"}}},
    Feature.MAX_PODS: {"network": {"maxPods": 60}},
    Feature.NODE_MASK: {"network": {"nodeCIDRMask": 25}},
    Feature.LOAD_BALANCER: {"services": [_SERVICE | {"type": "LoadBalancer"}]},
    Feature.NETWORK_POLICY: _policy({"port": 8080}),
    Feature.END_PORT: _policy({"port": 8080, "endPort": 8090}),
    Feature.NAMED_PORT: _policy({"port": "http"}),
    Feature.SCTP: _policy({"port": 8080, "protocol": "SCTP"}),
    Feature.HTTP_REQUESTS: _closed(_WEB_IN | {"from": "outside", "http": [{"method": "GET"}]}),
    Feature.DNS_NAMES: _closed({"name": "out", "from": "shop/web", "to": {"dns": "a.example.com"}}),
    Feature.ENTITIES: _closed(_WEB_IN | {"from": {"entity": "host"}}),
    Feature.CLUSTER_IP: {"services": [_SERVICE]},
    Feature.HEADLESS: {"services": [_SERVICE | {"clusterIP": "None"}]},
    Feature.NODE_PORT: {"services": [_SERVICE | {"type": "NodePort"}]},
    Feature.EXTERNAL_NAME: {
        "services": [{"name": "w", "namespace": "shop", "type": "ExternalName", "externalName": "example.com"}]
    },
    Feature.SERVICE_SCTP: {
        "workloads": [_WEB | {"ports": [{"port": 8080, "protocol": "SCTP"}]}],
        "services": [_SERVICE | {"ports": [{"port": 8080, "protocol": "SCTP"}]}],
    },
    Feature.SESSION_AFFINITY: {"services": [_SERVICE | {"sessionAffinity": "ClientIP"}]},
    Feature.INTERNAL_LOCAL: {"services": [_SERVICE | {"internalTrafficPolicy": "Local"}]},
    Feature.GIVEN_ENDPOINTS: {
        "services": [
            {"name": "db", "namespace": "shop", "ports": [{"port": 5432}], "endpoints": [{"addresses": ["10.0.0.5"]}]}
        ]
    },
    Feature.STAND_IN: {"workloads": [_WEB | {"standIn": True}]},
    Feature.HOST_NETWORK: {"workloads": [_WEB | {"hostNetwork": True}]},
    Feature.HOST_PORT: {"workloads": [_WEB | {"ports": [{"port": 8080, "hostPort": 8080}]}]},
    Feature.DEFAULT_NAMESPACE_LABELS: {
        "namespaces": [{"name": "shop"}, {"name": "default", "labels": {"team": "shop"}}]
    },
    Feature.NDOTS: {"dns": {"ndots": 2}},
    Feature.POD_DNS: {"workloads": [_WEB | {"dnsConfig": {"searches": ["corp.example"]}}]},
    Feature.DNS_REPLICAS: {"dns": {"coredns": {"replicas": 3}}},
    Feature.DNS_CACHE: {"dns": {"coredns": {"cacheSeconds": 0}}},
    Feature.DNS_UPSTREAMS: {"dns": {"upstreams": ["192.0.2.53"]}},
    Feature.DNS_HOSTS: {"dns": {"hosts": {"db.corp.example": ["192.0.2.5"]}}},
    Feature.DNS_REWRITES: {"dns": {"rewrites": {"old.corp.example": "www.corp.example"}}},
    Feature.DNS_CACHE_TUNING: {"dns": {"coredns": {"prefetch": {"hits": 10}}}},
    Feature.DNS_PODS: {"dns": {"coredns": {"pods": "disabled"}}},
    Feature.DNS_AUTOPATH: {"dns": {"coredns": {"pods": "verified", "autopath": True}}},
    Feature.DNS_BUDGET: {"dns": {"coredns": {"maxUnavailable": 1}}},
    Feature.DNS_SPREAD: {"dns": {"coredns": {"spread": "required"}}},
    Feature.DNS_AUTOSCALE: {"dns": {"coredns": {"autoscale": {"linear": {"nodesPerReplica": 16}}}}},
    Feature.NODE_LOCAL: {"dns": {"nodeLocal": {}}},
    Feature.CLUSTER_DOMAIN: {"dns": {"clusterDomain": "k8s.example"}},
    Feature.STUB_DOMAINS: {"dns": {"stubDomains": {"corp.example": ["172.30.0.53"]}}},
    **{
        feature: {
            "services": [_SERVICE, _LOGIN],
            "ingress": [_ROUTE | option],
        }
        for feature, option in _OPTIONS.items()
    },
    **_GATEWAYS,
}


#: What one spec with all that a plan can hold is made of.
EVERYTHING: dict[str, Any] = {
    "dns": {"ndots": 2, "stubDomains": {"corp.example": ["172.30.0.53"]}},
    "namespaces": [
        {"name": "shop", "labels": {"team": "shop"}, "defaultDeny": ["ingress", "egress"], "allowDNS": True},
        {"name": "default"},
    ],
    "workloads": [
        _WEB | {"standIn": True},
        {"name": "dns", "namespace": "shop", "labels": {"app": "dns"}, "standIn": True}
        | {"ports": [{"port": 53}, {"port": 53, "protocol": "UDP"}]},
        {"name": "idle", "namespace": "default", "labels": {"app": "idle"}, "replicas": 3, "standIn": True},
    ],
    "services": [
        {"name": "web", "namespace": "shop", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
        {"name": "idle", "namespace": "default", "clusterIP": "None", "selector": {"app": "idle"}},
    ],
    "policies": [{"name": "out", "from": {"workload": "shop/web"}, "to": {"cidr": "172.30.0.0/16"}}],
}


def load_spec(changes: dict[str, Any], **layers: str | dict[str, Any]) -> LoadedSpec:
    """The base spec (one namespace, one workload) with `changes`, and a stack `dev` of `layers`: each a backend's name,
    or all that the stack says of it. A cluster and a CNI are there in any case."""
    stack: dict[str, Any] = {}
    for layer in LAYERS:
        given = layers.get(layer.name, {"cluster": "kind", "cni": "calico"}.get(layer.name))
        if given is not None:
            stack[layer.name] = {layer.key: given} if isinstance(given, str) else given
    data = {
        "apiVersion": "netspec.dev/v1alpha1",
        "kind": "NetworkSpec",
        "metadata": {"name": "probe"},
        "namespaces": [{"name": "shop"}],
        "workloads": [_WEB],
        **changes,
        "stacks": {"dev": stack},
    }
    return loads(yaml.safe_dump(data, sort_keys=False), "probe.yaml")
