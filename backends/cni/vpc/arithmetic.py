"""How many pods fit on a node, and how many addresses a node takes: nothing but numbers.

Sources: amazon-vpc-cni-k8s v1.23.2 (pkg/ipamd; docs/eni-and-ip-target.md and prefix-and-ip-target.md),
amazon-eks-ami (max-pods-calculator.sh). `interfaces` is E, `addresses` on each I; the first address of each is not for
pods, and two pods of the host's network need none.
"""

from typing import NamedTuple

BLOCK = 16
HOST_PODS = 2
#: More pods than this a node is not recommended to have: by vCPUs, above so many.
MANY_CPUS, FEW, MANY = 30, 110, 250


class Mode(NamedTuple):
    """`most`: interfaces that the CNI may use, 0 for all. `trunk`: one is set aside for pods' own interfaces. `agent`:
    addresses that the CNI's own agent takes from those for pods."""

    prefixes: bool = False
    custom: bool = False
    trunk: bool = False
    most: int = 0
    agent: int = 0


class Warm(NamedTuple):
    """Targets as the CNI has them; None: not set."""

    interfaces: int | None = None
    addresses: int | None = None
    minimum: int | None = None
    prefixes: int | None = None


class Taken(NamedTuple):
    """What a node holds. `addresses` are all of them: those for pods, and the first of each interface."""

    interfaces: int
    addresses: int
    blocks: int = 0


def usable(interfaces: int, mode: Mode) -> int:
    """The interfaces that pods get addresses from: MAX_ENI first, then what else takes one.

    >>> usable(3, Mode()), usable(3, Mode(custom=True)), usable(8, Mode(custom=True, most=4, trunk=True))
    (3, 2, 2)
    """
    left = min(interfaces, mode.most) if mode.most else interfaces
    return max(left - mode.custom - mode.trunk, 0)


def pods(interfaces: int, addresses: int, mode: Mode) -> int:
    """
    >>> pods(3, 10, Mode()), pods(3, 10, Mode(prefixes=True)), pods(3, 10, Mode(custom=True))
    (29, 434, 20)
    """
    each = (addresses - 1) * (BLOCK if mode.prefixes else 1)
    return max(usable(interfaces, mode) * each - mode.agent, 0) + HOST_PODS


def recommended(found: int, cpus: int) -> int:
    """
    >>> recommended(234, 16), recommended(234, 32), recommended(29, 2)
    (110, 234, 29)
    """
    return min(found, MANY if cpus > MANY_CPUS else FEW)


def arithmetic(interfaces: int, addresses: int, mode: Mode, cpus: int) -> str:
    """The same in words, for a reader.

    >>> arithmetic(3, 10, Mode(prefixes=True, custom=True), 2)
    '(3 - 1) interfaces x (10 - 1) x 16 + 2 = 290, recommended at most 110'
    """
    less = mode.custom + mode.trunk
    found = min(interfaces, mode.most) if mode.most else interfaces
    shown = f"({found} - {less})" if less else f"{found}"
    total = pods(interfaces, addresses, mode)
    own = f" - {mode.agent} of the agent's own" if mode.agent else ""
    each = f"({addresses} - 1){f' x {BLOCK}' if mode.prefixes else ''}"
    text = f"{shown} interfaces x {each}{own} + {HOST_PODS} = {total}"
    most = recommended(total, cpus)
    return f"{text}, recommended at most {most}" if most < total else text


def taken(running: int, interfaces: int, addresses: int, warm: Warm, prefixes: bool) -> Taken:
    """What a node with so many pods (of the pod network) takes from its subnet. `interfaces`: those usable.

    >>> taken(5, 3, 4, Warm(), False), taken(5, 3, 4, Warm(addresses=1, minimum=1), False)
    (Taken(interfaces=3, addresses=12, blocks=0), Taken(interfaces=2, addresses=8, blocks=0))
    >>> taken(58, 3, 4, Warm(), True)
    Taken(interfaces=2, addresses=82, blocks=5)
    """
    room = addresses - 1
    by_address = warm.addresses is not None or warm.minimum is not None
    wanted = max(warm.minimum or 0, running + (warm.addresses or 0))
    if prefixes:
        kept = 1 if warm.prefixes is None else warm.prefixes
        blocks = -(-wanted // BLOCK) if by_address else -(-running // BLOCK) + kept
        blocks = min(blocks, interfaces * room)
        used = max(-(-blocks // room), 1)
        return Taken(used, blocks * BLOCK + used, blocks)
    if by_address:
        own = min(wanted, interfaces * room)
        used = max(-(-own // room), 1)
        return Taken(used, own + used)
    kept = 1 if warm.interfaces is None else warm.interfaces
    used = max(min(interfaces, -(-running // room) + kept), 1)
    return Taken(used, used * addresses)
