"""One test item for the canary and one for each probe. Run with `pytest netspec/verify --stack dev`."""

import pytest

from netspec.probes import Probe
from netspec.verify.model import Run, Status, explain


def test_canary(network_run: Run) -> None:
    """Traffic flows, and policy is enforced: without this, no other answer means anything."""
    canary = network_run.canary
    assert canary.ok, canary.problem or [
        f"{c.name}: expected {c.expect.value}, saw {c.observed.value}" for c in canary.checks if not c.ok
    ]


def test_probe(network_run: Run, probe: Probe) -> None:
    """Expected against observed; a probe that could not tell fails too."""
    observation = next(o for o in network_run.observations if o.probe.id == probe.id)
    if observation.status is Status.SEEN:
        pytest.skip(explain(observation))
    assert observation.status is Status.PASS, explain(observation)
