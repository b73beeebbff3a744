"""`make faults`: the table of faults, one by one on the running cluster: caught, cause, seconds."""

import sys
import time
from contextlib import ExitStack

from faulting import looked_at
from faults import FAULTS, Fault
from live_cluster import STACK, Live, open_live

from netspec.diagnostics import Problem
from netspec.stopping import stop_in_good_order
from netspec.verify.model import Answer, Run

_ROW = "{:<60} {:<7} {:>7}  {}"
#: The traces of some faults outlast them: the cluster must be green again, asked so often, so far apart (seconds).
_GREEN_AGAIN, _PAUSE = 6, 5.0


def main(words: list[str]) -> int:
    """`words`: parts of the names of those to run; all without. Exit code 1 where one was not caught."""
    chosen = [f for f in FAULTS if not words or any(word in f.id or word in f.name for word in words)]
    try:
        with open_live() as live:
            return _table(live, chosen)
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2


def _table(live: Live, chosen: list[Fault]) -> int:
    print(_ROW.format("fault", "caught", "seconds", "cause"), flush=True)
    run = live.verify()
    print(_ROW.format("(none)", "-", f"{run.seconds:.1f}", _cause(run)), flush=True)
    if run.answer is not Answer.GREEN:
        return 1
    missed: list[str] = []
    for fault in chosen:
        if not fault.is_here(live):
            print(_ROW.format(fault.name, "-", "-", "the cluster has nothing that this breaks"), flush=True)
            continue
        with ExitStack() as stack:
            expected = stack.enter_context(fault.make(live))
            run, wrong = looked_at(live, expected)
        print(_ROW.format(fault.name, "NO" if wrong else "yes", f"{run.seconds:.1f}", _cause(run)), flush=True)
        missed += [f"{fault.name}: {said}" for said in wrong]
        if fault.lasts or fault is chosen[-1]:
            _wait_for_green(live)
    for said in missed:
        print(said)
    return 1 if missed else 0


def _cause(run: Run) -> str:
    return run.causes[0].what if run.causes else run.answer.value


def _wait_for_green(live: Live) -> None:
    """Or the next fault would be blamed for what is left of this one. Raises Problem where it stays."""
    for _ in range(_GREEN_AGAIN):
        run = live.verify()
        if run.answer is Answer.GREEN:
            return
        time.sleep(_PAUSE)
    raise Problem(f"the cluster is not green again: {_cause(run)}", f"bring it back: netspec up --stack {STACK}")


if __name__ == "__main__":
    stop_in_good_order()
    sys.exit(main(sys.argv[1:]))
