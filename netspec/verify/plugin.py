"""The pytest plugin of the package: `pytest --stack dev` asks the stack's cluster everything, one test item a probe,
beside the user's own tests.

Every pytest loads it where netspec is installed. So it loads nothing else and changes nothing until a stack is named,
and `--stack` is an option only in a run that has it and where nobody else, be it a conftest.py, has one of that name.
"""

import copy
from collections.abc import Iterator, Sequence

import pytest

SHORT = "--stack"
STACK, SPEC, REPORT = "--netspec-stack", "--netspec-spec", "--netspec-report"
_DESTINATION = "netspec_stack"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = _group(parser)
    group.addoption(
        STACK,
        dest=_DESTINATION,
        metavar="STACK",
        help=f"ask this stack's cluster, one test item a probe ({SHORT}, unless another plugin has that option)",
    )
    group.addoption(SPEC, metavar="FILE", help="its spec file (default: netspec:spec of stacks/Pulumi.<stack>.yaml)")
    group.addoption(REPORT, metavar="DIR", help="where the report goes (default: out/<stack>)")


def _group(parser: pytest.Parser) -> "pytest.OptionGroup":
    return parser.getgroup("netspec", "netspec: a cluster's network, expected against observed")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Iterator[None]:
    rest = _without_short(args)
    if len(rest) == len(args) or _is_known(parser):
        return (yield)
    # A conftest.py may still claim the name. Until all are loaded the stack's name looks like a path to test, instead
    # of which the configuration's own have to count when they are looked for.
    early_config.known_args_namespace = parser.parse_known_args(rest, namespace=copy.copy(early_config.option))
    result = yield
    if not _is_known(parser):
        _group(parser).addoption(SHORT, dest=_DESTINATION, metavar="STACK", help=f"the same as {STACK}")
    return result


def _without_short(args: Sequence[str]) -> list[str]:
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            return [*rest, word, *words]
        if word == SHORT:
            next(words, None)
        elif not word.startswith(f"{SHORT}="):
            rest.append(word)
    return rest


def _is_known(parser: pytest.Parser) -> bool:
    try:
        return SHORT not in parser.parse_known_and_unknown_args([SHORT, "x"])[1]
    except pytest.UsageError:  # it is, and takes something else
        return True


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "netspec: one question to a stack's cluster")
    stack = config.getoption(_DESTINATION)
    if not stack:
        return
    if getattr(config, "workerinput", None) is not None or config.getoption("numprocesses", None):
        raise pytest.UsageError("netspec asks all probes at once, in one process: leave -n out, or the stack")
    from netspec.verify.items import Verification

    verification = Verification(config, stack, config.getoption(SPEC), config.getoption(REPORT))
    config.pluginmanager.register(verification, "netspec-verification")
