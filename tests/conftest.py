"""Some tests take minutes, and what they hold others hold in part. Where NETSPEC_TURN has a number (CI's does), half of
them run, by turns; the others are skipped and say so."""

import os

import pytest

#: Of the tests whose ids begin so, whether their turn is an even or an odd number.
TURNS = {
    "tests/engine/test_eks_stack.py": 0,
    "tests/engine/test_eks_cilium.py": 1,
    "tests/engine/test_eks_health.py": 1,
    "tests/live/test_readme_live.py::test_a_user_starts": 0,
    "tests/live/test_interrupted.py": 1,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    turn = os.environ.get("NETSPEC_TURN")
    if not turn:
        return
    for item in items:
        own = next((number for start, number in TURNS.items() if item.nodeid.startswith(start)), None)
        if own is not None and own != int(turn) % 2:
            item.add_marker(pytest.mark.skip(reason=f"not run: it is the turn of others (NETSPEC_TURN={turn})"))
