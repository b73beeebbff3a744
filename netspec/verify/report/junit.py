"""JUnit XML: a test case a probe. Wrong is a failure, check-failed an error, nothing predicted a skip."""

import re
from xml.etree import ElementTree

from netspec.probes import DnsProbe, FlowProbe
from netspec.verify.model import Observation, Run, Status, explain

#: What XML 1.0 has no way to write (Char). Details are what programs on the cluster printed.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(run: Run) -> str:
    """An inconclusive canary is an error of its own."""
    errors = run.count(Status.CHECK_FAILED) + (not run.canary.ok)
    counts = {"failures": run.count(Status.WRONG), "errors": errors, "skipped": run.count(Status.SEEN)}
    suite = ElementTree.Element(
        "testsuite",
        {"name": f"netspec.{run.name}.{run.stack}", "tests": str(len(run.observations) + 1)}
        | {key: str(value) for key, value in counts.items()}
        | {"time": f"{run.seconds:g}", "timestamp": run.started.removesuffix("Z")},
    )
    canary = ElementTree.SubElement(suite, "testcase", classname="canary", name="traffic flows and policy is enforced")
    if not run.canary.ok:
        said = run.canary.problem or "; ".join(
            f"{c.name}: expected {c.expect.value}, saw {c.observed.value}" for c in run.canary.checks if not c.ok
        )
        ElementTree.SubElement(canary, "error", message=said)
    for observation in run.observations:
        _case(suite, observation)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _case(suite: ElementTree.Element, observation: Observation) -> None:
    probe = observation.probe
    if isinstance(probe, FlowProbe):
        group = f"flow.{probe.via}"
    else:
        group = f"dns.{probe.record}" if isinstance(probe, DnsProbe) else f"fact.{probe.fact}"
    seconds = sum(d.end - d.start for d in observation.dials)
    case = ElementTree.SubElement(suite, "testcase", classname=group, name=probe.id, time=f"{seconds:.2f}")
    if observation.status is Status.WRONG:
        ElementTree.SubElement(case, "failure", message=explain(observation))
    elif observation.status is Status.CHECK_FAILED:
        ElementTree.SubElement(case, "error", message=explain(observation))
    elif observation.status is Status.SEEN:
        ElementTree.SubElement(case, "skipped", message=explain(observation))
