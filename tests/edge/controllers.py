"""The controllers that run beside an API server, and how each is run and told apart."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Controller:
    """`programs`: by the components that they are of. `ports`: where clients find it. `also`: where pods listen beside
    their own port, for what it asks by a Service's name. `users`: the key of the Secret with people and passwords.
    `gone`: what it answers where a pod is gone. `unescapes`: it redirects a path with an encoded slash to one with a
    slash. `image`: the component with the image that is run in place of a program. `crypt`: how passwords are hashed.
    `last`: a host of a route whose answer says that all routes are there. `cuts`: it cuts an answer off that pauses for
    as long as one may take to begin (docs/edge.md)."""

    spec: str
    programs: tuple[tuple[str, str], ...]
    ports: tuple[int, int]
    also: tuple[int, ...]
    users: str
    gone: int
    unescapes: bool = False
    image: str = ""
    crypt: bool = False
    last: str = "headers.example.com"
    cuts: bool = False


CONTROLLERS = {
    "traefik": Controller("spec.yaml", (("controller", "traefik"),), (8000, 8443), (80,), "users", 502),
    "envoy-gateway": Controller(
        "envoy.yaml", (("envoy-gateway", "envoy-gateway"), ("envoy", "envoy")), (80, 443), (), ".htpasswd", 503, True
    ),
    "haproxy": Controller(
        "haproxy.yaml",
        (),
        (8000, 8443),
        (),
        "auth",
        503,
        image="haproxy-ingress-images",
        crypt=True,
        last="slow.example.com",
        cuts=True,
    ),
}
