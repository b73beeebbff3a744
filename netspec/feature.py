"""The portable features of a spec: what it may give that not every backend can do."""

from enum import StrEnum


class Feature(StrEnum):
    """A portable part of the spec that not every backend can do. One that the spec gives must be in the `supports` of
    some backend of its stack, whichever."""

    IPV4 = "ipv4"
    PROXY_IPTABLES = "proxy-iptables"
    PROXY_NFTABLES = "proxy-nftables"
    PROXY_IPVS = "proxy-ipvs"
    PROXY_NONE = "proxy-none"
    MAX_PODS = "max-pods"
    NODE_MASK = "node-cidr-mask"
    LOAD_BALANCER = "service-load-balancer"
    NETWORK_POLICY = "network-policy"
    END_PORT = "network-policy-end-port"
    NAMED_PORT = "network-policy-named-port"
    SCTP = "network-policy-sctp"
    HTTP_REQUESTS = "policy-http"
    DNS_NAMES = "policy-dns-names"
    ENTITIES = "policy-entities"
    CLUSTER_IP = "service-cluster-ip"
    HEADLESS = "service-headless"
    NODE_PORT = "service-node-port"
    EXTERNAL_NAME = "service-external-name"
    SERVICE_SCTP = "service-sctp"
    SESSION_AFFINITY = "service-session-affinity"
    INTERNAL_LOCAL = "service-internal-traffic-local"
    GIVEN_ENDPOINTS = "service-endpoints"
    STAND_IN = "stand-in"
    HOST_NETWORK = "pod-host-network"
    HOST_PORT = "pod-host-port"
    DEFAULT_NAMESPACE_LABELS = "default-namespace-labels"
    NDOTS = "dns-ndots"
    POD_DNS = "pod-dns-config"
    DNS_REPLICAS = "dns-replicas"
    DNS_CACHE = "dns-cache"
    STUB_DOMAINS = "dns-stub-domains"
    DNS_UPSTREAMS = "dns-upstreams"
    DNS_HOSTS = "dns-hosts"
    DNS_REWRITES = "dns-rewrites"
    DNS_CACHE_TUNING = "dns-cache-tuning"
    DNS_PODS = "dns-pods"
    DNS_AUTOPATH = "dns-autopath"
    DNS_BUDGET = "dns-disruption-budget"
    DNS_SPREAD = "dns-spread"
    CLUSTER_DOMAIN = "dns-cluster-domain"
    DNS_AUTOSCALE = "dns-autoscale"
    NODE_LOCAL = "dns-node-local"
    HTTP_ROUTES = "http-routes"
    HTTP_TLS = "http-tls"
    HTTP_SELF_SIGNED = "http-self-signed"
    HTTP_WILDCARD = "http-wildcard-hosts"
    HTTP_REGEX = "http-regex-paths"
    HTTP_REDIRECT = "http-redirect-to-https"
    HTTP_WEIGHTS = "http-weights"
    HTTP_GRPC = "http-grpc"
    HTTP_MAX_BODY = "http-max-body-size"
    HTTP_RATE_LIMIT = "http-rate-limit"
    HTTP_ALLOW_FROM = "http-allow-from"
    HTTP_BASIC_AUTH = "http-basic-auth"
    HTTP_EXTERNAL_AUTH = "http-external-auth"
    HTTP_CORS = "http-cors"
    HTTP_HEADERS = "http-headers"
    HTTP_REWRITE = "http-rewrite"
    HTTP_ERROR_PAGES = "http-error-pages"
    HTTP_RETRIES = "http-retries"
    HTTP_STICKY = "http-sticky"
    HTTP_WEB_SOCKET = "http-web-socket"
    HTTP_FIRST_BYTE = "http-first-byte-timeout"
    HTTP_LAST_BYTE = "http-last-byte-timeout"
    HTTP_MIRROR = "http-mirror"
    HTTP_TRACING = "http-tracing"
    HTTP_OIDC = "http-oidc"
    HTTP_PASSTHROUGH = "http-tls-passthrough"
    GATEWAYS = "gateways"
    GATEWAY_HTTP = "gateway-http"
    GATEWAY_GRPC = "gateway-grpc"
    GATEWAY_TLS = "gateway-tls"
    GATEWAY_TCP = "gateway-tcp"
    GATEWAY_UDP = "gateway-udp"
    GATEWAY_MATCHES = "gateway-matches"
    GATEWAY_REDIRECT = "gateway-redirect"
    GATEWAY_REWRITE = "gateway-rewrite"
    GATEWAY_HEADERS = "gateway-headers"
    GATEWAY_MIRROR = "gateway-mirror"
    GATEWAY_CORS = "gateway-cors"
    GATEWAY_TIMEOUTS = "gateway-timeouts"

    @property
    def summary(self) -> str:
        """A few words for a reader, as in docs/backends.md."""
        return SUMMARIES[self]


SUMMARIES: dict[Feature, str] = {
    Feature.IPV4: "IPv4 pod and Service addresses",
    Feature.PROXY_IPTABLES: "kube-proxy in iptables mode",
    Feature.PROXY_NFTABLES: "kube-proxy in nftables mode",
    Feature.PROXY_IPVS: "kube-proxy in ipvs mode",
    Feature.PROXY_NONE: "no kube-proxy: the CNI carries Service traffic",
    Feature.MAX_PODS: "a limit of pods on a node",
    Feature.NODE_MASK: "the size of a node's share of the pod CIDR",
    Feature.LOAD_BALANCER: "LoadBalancer Services that get an address",
    Feature.NETWORK_POLICY: "NetworkPolicies are enforced",
    Feature.END_PORT: "port ranges in NetworkPolicies (endPort)",
    Feature.NAMED_PORT: "named ports in NetworkPolicies",
    Feature.SCTP: "SCTP ports in NetworkPolicies",
    Feature.HTTP_REQUESTS: "requests that intents let through, by method, path and headers (http)",
    Feature.DNS_NAMES: "DNS names that intents open the way to",
    Feature.ENTITIES: "peers of intents without labels or addresses: world, host, kube-apiserver",
    Feature.CLUSTER_IP: "ClusterIP Services",
    Feature.HEADLESS: "headless Services",
    Feature.NODE_PORT: "NodePort Services",
    Feature.EXTERNAL_NAME: "ExternalName Services",
    Feature.SERVICE_SCTP: "SCTP ports of Services",
    Feature.SESSION_AFFINITY: "Services whose clients keep their pod (sessionAffinity)",
    Feature.INTERNAL_LOCAL: "Services that pods reach on their own node alone (internalTrafficPolicy)",
    Feature.GIVEN_ENDPOINTS: "Services with endpoints of their own",
    Feature.STAND_IN: "stand-in workloads",
    Feature.HOST_NETWORK: "pods in their node's network",
    Feature.HOST_PORT: "ports of a node that lead to a pod (hostPort)",
    Feature.DEFAULT_NAMESPACE_LABELS: "labels on the namespace `default`",
    Feature.NDOTS: "ndots of deployed pods",
    Feature.POD_DNS: "name servers, search domains and options of deployed pods",
    Feature.DNS_REPLICAS: "the number of DNS server pods",
    Feature.DNS_CACHE: "how long the DNS server keeps answers",
    Feature.STUB_DOMAINS: "stub domains",
    Feature.DNS_UPSTREAMS: "name servers for all other names",
    Feature.DNS_HOSTS: "names that the DNS server answers itself",
    Feature.DNS_REWRITES: "names that stand for others",
    Feature.DNS_CACHE_TUNING: "negative answers, prefetch and stale answers of the DNS server's cache",
    Feature.DNS_PODS: "which pods' addresses are names",
    Feature.DNS_AUTOPATH: "the search list walked by the DNS server (autopath)",
    Feature.DNS_BUDGET: "a PodDisruptionBudget of the DNS servers",
    Feature.DNS_SPREAD: "no two DNS servers on one node",
    Feature.CLUSTER_DOMAIN: "a cluster domain of one's own",
    Feature.DNS_AUTOSCALE: "DNS servers whose number follows the cluster's size",
    Feature.NODE_LOCAL: "a DNS cache on every node (NodeLocal DNSCache)",
    Feature.HTTP_ROUTES: "HTTP routes by host and path",
    Feature.HTTP_TLS: "HTTPS",
    Feature.HTTP_SELF_SIGNED: "HTTPS with a certificate that the controller signs itself",
    Feature.HTTP_WILDCARD: "hosts with a wildcard, which is one label",
    Feature.HTTP_REGEX: "paths by regular expression, which is for a whole path",
    Feature.HTTP_REDIRECT: "plain HTTP redirected to HTTPS",
    Feature.HTTP_WEIGHTS: "backends that share a path by weight",
    Feature.HTTP_GRPC: "backends that speak HTTP/2 in clear (gRPC)",
    Feature.HTTP_MAX_BODY: "a limit of the request body (413)",
    Feature.HTTP_RATE_LIMIT: "a limit of requests per client (429)",
    Feature.HTTP_ALLOW_FROM: "client addresses that may (else 403)",
    Feature.HTTP_BASIC_AUTH: "users and passwords (401)",
    Feature.HTTP_EXTERNAL_AUTH: "a Service that is asked about each request",
    Feature.HTTP_CORS: "CORS, preflight requests included",
    Feature.HTTP_HEADERS: "headers set and removed",
    Feature.HTTP_REWRITE: "another path for the backend",
    Feature.HTTP_ERROR_PAGES: "error pages of a Service",
    Feature.HTTP_RETRIES: "requests sent again",
    Feature.HTTP_STICKY: "clients that stay with a pod, by cookie",
    Feature.HTTP_WEB_SOCKET: "requests that become WebSockets",
    Feature.HTTP_FIRST_BYTE: "a time until answers begin (504)",
    Feature.HTTP_LAST_BYTE: "a time until answers end (504)",
    Feature.HTTP_MIRROR: "copies of requests for another Service",
    Feature.HTTP_TRACING: "traces for a collector (OTLP over gRPC)",
    Feature.HTTP_PASSTHROUGH: "HTTPS that the pods end themselves, chosen by host (SNI)",
    Feature.HTTP_OIDC: "people who log in at a provider of OpenID Connect",
    Feature.GATEWAYS: "Gateways of the spec, with HTTP and HTTPS listeners",
    Feature.GATEWAY_HTTP: "HTTPRoutes",
    Feature.GATEWAY_GRPC: "GRPCRoutes",
    Feature.GATEWAY_TLS: "TLSRoutes: TLS passed through by the name that is asked for",
    Feature.GATEWAY_TCP: "TCPRoutes",
    Feature.GATEWAY_UDP: "UDPRoutes",
    Feature.GATEWAY_MATCHES: "routes by method, headers and query",
    Feature.GATEWAY_REDIRECT: "redirects by scheme, host, port and path",
    Feature.GATEWAY_REWRITE: "another host or path for the backend",
    Feature.GATEWAY_HEADERS: "headers set, added and removed",
    Feature.GATEWAY_MIRROR: "copies of requests to another Service",
    Feature.GATEWAY_CORS: "CORS, preflight requests included",
    Feature.GATEWAY_TIMEOUTS: "timeouts of requests and backends",
}
