"""What ordered rules decide: the first that matches a flow counts, and some of them may match or not.

A flow's result is Accept, Deny, or what the policies after this tier say (Pass, or no rule that matches). `best` asks
for the result that passes wherever it can, otherwise for the one that does not. So a rule that may match counts where
that helps the answer that is asked for; a Pass that may match is remembered, since whether it helps depends on the
rules after it.
"""

from collections.abc import Callable

from netspec.ir.model import Action

#: Accepted, denied, passed ports, disjoint; and of the others those for which a Pass may have matched.
Decided = tuple[int, int, int, int]
NOTHING: Decided = (0, 0, 0, 0)


def hit(action: Action, ports: int, best: bool) -> Decided:
    """A rule that matches. One whose action could not be read accepts at best and denies at worst."""
    if action == "Pass":
        return 0, 0, ports, 0
    accepts = best if action == "Unread" else action == "Accept"
    return (ports, 0, 0, 0) if accepts else (0, ports, 0, 0)


def may_hit(action: Action, ports: int, best: bool) -> Decided:
    """A rule that may match."""
    return may(hit(action, ports, best), best)


def may(decided: Decided, best: bool) -> Decided:
    """What is decided so only if a policy selects the pod at all."""
    accepted, denied, passed, perhaps = decided
    return (accepted if best else 0), (0 if best else denied), 0, passed | perhaps


def open_again(decided: Decided) -> Decided:
    """Behind a group of policies: what it passed is decided by the next, as what it did not decide is."""
    return decided[0], decided[1], 0, 0


def then(best: bool) -> Callable[[Decided, Decided], Decided]:
    """The first keeps what it decided. Where a Pass of it may have matched, and the second leaves it open, it did."""

    def combined(first: Decided, second: Decided) -> Decided:
        accepted, denied, passed, perhaps = first
        free = ~(accepted | denied | passed)
        more, less, on, also = (ports & free for ports in second)
        if best:
            on, less = on | less & perhaps, less & ~perhaps
        else:
            on, more = on | more & perhaps, more & ~perhaps
        accepted, denied, passed = accepted | more, denied | less, passed | on
        return accepted, denied, passed, (perhaps | also) & ~(accepted | denied | passed)

    return combined


def either(best: bool) -> Callable[[Decided, Decided], Decided]:
    """Two policies of one priority: whichever rule is applied."""

    def combined(one: Decided, other: Decided) -> Decided:
        accepted, denied = one[0] | other[0], one[1] | other[1]
        passed = one[2] | other[2]
        if best:
            passed = (passed | one[3] & other[1] | other[3] & one[1]) & ~accepted
            denied &= ~(accepted | passed)
        else:
            passed = (passed | one[3] & other[0] | other[3] & one[0]) & ~denied
            accepted &= ~(denied | passed)
        return accepted, denied, passed, (one[3] | other[3]) & ~(accepted | denied | passed)

    return combined
