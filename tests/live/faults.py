"""The table of faults that a verification must catch: test_faults.py tests each row, `make faults` prints it."""

import faults_names
import faults_objects
import faults_paths
import faults_ways
from faulting import MADE, Fault
from live_cluster import STACK

#: In the order in which they are made: nodes last, for they take longest to be as before. Those of names need what the
#: stack of that name has.
_MODULES = (faults_names,) if STACK == "names" else (faults_objects, faults_ways, faults_paths)
FAULTS: tuple[Fault, ...] = tuple(f for module in _MODULES for f in MADE if f.module == module.__name__)
