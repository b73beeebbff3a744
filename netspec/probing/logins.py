"""Logins at a provider of OpenID Connect: a whole one, where the provider and what it knows the front door by stand in
for real ones, and what must come of one that the provider did not vouch for. (That nobody gets in without is asked with
the rest.)"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from netspec.analysis.routes import Rule, chosen, rewritten, rules
from netspec.ir.http import HttpRoute
from netspec.ir.model import Ir
from netspec.probes import LOGIN, FactProbe
from netspec.probing.http import TELLS, behind, behind_rule, door_fact, leading_to, way_in

#: Where the stand-in for a provider (backends/common/server.py) lets people log in.
_AUTHORIZE = "/authorize"


def logins(ir: Ir, found: list[Rule], route: HttpRoute) -> Iterator[FactProbe]:
    """`expect`: where one is sent to log in, and comes back to in the end; whose pods answer then; what becomes of a
    code that the provider never gave, and of cookies that nobody gave; what cookies are like."""
    if route.oidc is None or not _is_possible(ir, found, route):
        return
    for rule in rules([route]):
        ask, pods = leading_to(found, rule, TELLS), behind_rule(ir, rule)
        if ask is not None and pods:
            expect = {
                "logs in at": route.oidc.authorization,
                "comes back to": f"https://{ask.host}{ask.path}",
                "from": pods,
                "made-up code": "refused",
                "made-up session": "sent to log in",
                "cookies": "of HTTPS, and not for scripts",
            }
            yield door_fact(ir, LOGIN, ask, route, expect)
            return


def _is_possible(ir: Ir, found: list[Rule], route: HttpRoute) -> bool:
    """Whether the provider is a stand-in that browsers reach through the front door too."""
    oidc, front = route.oidc, ir.traits.front
    if oidc is None or front is None or oidc.provider is None or not oidc.stand_in or oidc.authorization is None:
        return False
    url = urlsplit(oidc.authorization)
    rule = chosen(found, url.hostname or "", url.path)
    if rule is None or rule.route.tls is None or (url.port or 443) != front.port(front.https) or url.query:
        return False
    there = behind(ir, rule.route, [b for b in rule.path.backends if b.weight], frozenset({"provider"}))
    asked = behind(ir, route, [oidc.provider], frozenset({"provider"}))
    # Each pod knows its own codes alone.
    is_one = there == asked and sum(ir.workloads_by_id[id_].replicas for id_ in asked) == 1
    return is_one and way_in(ir, rule.route) == () and rewritten(rule, url.path) == _AUTHORIZE
