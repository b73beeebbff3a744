"""The table of faults that a verification must catch: test_faults.py tests each row, `make faults` prints it."""

import faults_objects
import faults_paths
import faults_ways
from faulting import MADE, Fault

#: In the order in which they are made: nodes last, for they take longest to be as before.
_MODULES = (faults_objects, faults_ways, faults_paths)
FAULTS: tuple[Fault, ...] = tuple(f for module in _MODULES for f in MADE if f.module == module.__name__)
