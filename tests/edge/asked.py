"""What is asked of every controller that has the feature: requests, by the feature's name in `tests.edge.features`."""

import random
from typing import Any

OTHER, THIRD = "10.200.0.2", "10.200.0.3"
#: Requests whose answers are compared with the prediction.
DRAWN = 150


def _drawn() -> list[dict[str, Any]]:
    draw = random.Random(1)
    hosts = ["paths.example.com", "x.example.com", "y.x.example.com", "other.test", "rewrite.example.com"]
    hosts += ["root.example.com", "whole.example.com"]
    parts = ["a", "b", "c", "api", "old", "ab", "health", "a%2Fb"]
    paths = [
        "/" + "/".join(draw.choices(parts, k=draw.randint(0, 4))) + draw.choice(["", "", "/"]) for _ in range(DRAWN)
    ]
    return [{"host": draw.choice(hosts), "path": path.replace("//", "/")} for path in paths]


def _patterns() -> list[dict[str, Any]]:
    """Each path of a pattern's host and what is beside it; then whatever, of hosts with a wildcard too."""
    given = ("/v1", "/v1/", "/v1/cart", "/v2/orders", "/v2/orderss", "/v22/cart/1", "/v1/fixed", "/v1/fixed/", "/v1x")
    given += ("/a.png", "/a/b.png", "/apng", "/v/cart", "/V1/cart", "/x", "/y/z", "/x/z", "/y")
    given += ("/v1/orders/of/last/year/and/before/x",)
    of_wildcard = ("/a", "/b", "/ab", "/a/", "/a/x", "/b/x", "/A", "/", "/ab/", "/a/longer/than/patterns/x")
    hosts = ("patterns.example.com", "a.patterns.test", "b.patterns.test", "c.b.patterns.test")
    draw = random.Random(2)
    parts = ["v1", "v2", "cart", "orders", "a", "b", "x", "a.png", "longer", "a%2Fb", "V1"]
    drawn = [
        {"host": draw.choice(hosts), "path": "/" + "/".join(draw.choices(parts, k=draw.randint(0, 3)))}
        for _ in range(DRAWN)
    ]
    return [
        *({"host": hosts[0], "path": path} for path in given),
        *({"host": host, "path": path} for host in hosts[1:] for path in of_wildcard),
        *({"host": "nobody.test", "path": path} for path in ("/any12", "/any", "/any1/")),
        *drawn,
    ]


#: A trace, and its last span before the controller's: W3C Trace Context.
TRACE, PARENT, OTHER_TRACE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "1bf7651916cd43dd8448eb211c80319c"


def _traced(host: str, trace: str, flags: str) -> dict[str, Any]:
    return {"host": host, "headers": {"traceparent": f"00-{trace}-{PARENT}-{flags}"}}


#: Name -> the requests of a feature.
ASKED: dict[str, list[dict[str, Any]]] = {
    "tls": [{"host": "tls.example.com", "tls": True}, {"host": "tls.example.com"}],
    "redirect": [{"host": "redirect.example.com", "path": "/x?y=1"}, {"host": "redirect.example.com", "tls": True}],
    "canary": [{"host": "canary.example.com"}] * 100,
    "body": [{"host": "body.example.com", "method": "POST", "size": size} for size in (1024, 1025)],
    "rate": [{"host": "rate.example.com"}] * 3 + [{"host": "rate.example.com", "source": OTHER}],
    "allow": [{"host": "allow.example.com"}, {"host": "allow.example.com", "source": OTHER}],
    "basic": [
        {"host": "basic.example.com"},
        {"host": "basic.example.com", "headers": {"Authorization": "Basic YW5uOnB3"}},  # ann:pw
        {"host": "basic.example.com", "headers": {"Authorization": "Basic YW5uOnB4"}},  # ann:px
    ],
    "asked": [
        {"host": "asked.example.com", "headers": {"X-User": "forged"}},
        {"host": "asked.example.com", "headers": {"Authorization": "Bearer good", "X-User": "forged"}},
    ],
    "cors": [
        {"host": "cors.example.com", "method": "OPTIONS"}
        | {"headers": {"Origin": origin, "Access-Control-Request-Method": "PUT"}}
        for origin in ("https://app.example.com", "https://else.example.com")
    ],
    "headers": [{"host": "headers.example.com", "headers": {"X-Debug": "1"}}],
    "errors": [{"host": "errors.example.com", "path": path} for path in ("/status/503", "/status/404", "/")],
    "retries": [{"host": "retries.example.com"}] * 10,
    "sticky": [{"host": "sticky.example.com"}],
    "grpc": [{"host": "grpc.example.com", "grpc": True}],
    "rewrite": [{"host": "rewrite.example.com", "path": "/api/x"}, {"host": "root.example.com", "path": "/api/old"}],
    "patterns": _patterns(),
    "websocket": [{"host": "ws.example.com", "websocket": "hello"}],
    "unread": [{"host": "unread.example.com", "tls": True}, {"host": "unread.example.com"}],
    "late": [{"host": "late.example.com", "path": path} for path in ("/slow/0.3", "/slow/4", "/slow-end/3")],
    "slow": [{"host": "slow.example.com", "path": path} for path in ("/slow/0.3", "/slow/4", "/slow-end/2")],
    "mirror": [
        {"host": "mirror.example.com", "path": "/one/1", "method": "POST", "size": 9},
        *[{"host": "mirror.example.com", "path": "/two/2"}] * 4,
        {"seen": "copy-1", "until": 5},
    ],
    "traced": [
        _traced("traced.example.com", TRACE, "01"),
        _traced("headers.example.com", OTHER_TRACE, "01"),
        {"host": "traced.example.com"},
        {"spans": TRACE, "from": PARENT},
        {"spans": OTHER_TRACE},
    ],
    "login": [{"host": host, "login": host} for host in ("login.example.com", "told.example.com", "inner.example.com")],
    "drawn": _drawn(),
}
#: Controller -> what it is asked besides, where it goes about it in a way of its own.
BESIDES: dict[str, dict[str, list[dict[str, Any]]]] = {
    "haproxy": {
        # It counts connections: the requests of one are as many.
        "rate": [{"host": "rate.example.com", "source": THIRD, "before": 2}],
        # A header that the asked Service does not answer with.
        "asked": [{"host": "asked.example.com", "headers": {"Authorization": "Bearer good", "X-Role": "forged"}}],
        "sticky": [{"host": "sticky.example.com", "again": 10}, *[{"host": "sticky.example.com"}] * 30],
    }
}
