"""The table of faults that a verification must catch: test_faults.py tests each row, `make faults` prints it."""

import faults_bgp
import faults_doors
import faults_edge
import faults_gateways
import faults_logins
import faults_names
import faults_objects
import faults_options
import faults_paths
import faults_ways
from faulting import MADE, Fault
from live_cluster import STACK

#: In the order in which they are made: nodes last, for they take longest to be as before. Those of names and of
#: the front door need what the stacks of those names have.
_EVERY = (faults_objects, faults_ways, faults_paths)
_OF_STACKS = {
    "names": (faults_names,),
    "edge": (faults_options, faults_edge, faults_doors),
    "edge-haproxy": (faults_edge,),
    "front": (faults_edge, faults_logins),
    "gateways": (faults_gateways,),
    "dev-bgp": (*_EVERY, faults_bgp),
}
_MODULES = _OF_STACKS.get(STACK, _EVERY)
#: Faults of what a stack has not: Envoy Gateway sets its proxy right itself, and of two routes alike the first counts.
_NOT_THERE = {
    "edge-haproxy": ("the load balancer's speakers gone",),
    "front": ("a route taken by somebody else's", "the proxy scaled to nothing"),
}
FAULTS: tuple[Fault, ...] = tuple(
    f for module in _MODULES for f in MADE if f.module == module.__name__ and f.name not in _NOT_THERE.get(STACK, ())
)
