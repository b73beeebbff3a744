"""JUnit XML: a test case a probe. Wrong is a failure, check-failed an error, nothing predicted a skip."""

import re
from xml.etree import ElementTree

from netspec.probes import DnsProbe, FlowProbe, PacketProbe
from netspec.verify.model import Cause, Observation, Run, Status, explain

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
    cause_of = {id_: cause for cause in run.causes for id_ in cause.probes}
    canary = ElementTree.SubElement(suite, "testcase", classname="canary", name="traffic flows and policy is enforced")
    if not run.canary.ok:
        said = run.canary.problem or "; ".join(c.says for c in run.canary.checks if not c.ok)
        ElementTree.SubElement(canary, "error", message=said)
    for observation in run.observations:
        _case(suite, observation, cause_of.get(observation.probe.id))
    if run.causes:
        told = "".join(f"{cause.what} ({cause.extent}); {cause.command}\n" for cause in run.causes)
        ElementTree.SubElement(suite, "system-out").text = told
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _case(suite: ElementTree.Element, observation: Observation, cause: Cause | None) -> None:
    probe = observation.probe
    if isinstance(probe, FlowProbe):
        group = f"flow.{probe.via}"
    elif isinstance(probe, PacketProbe):
        group = f"packets.{probe.via}"
    else:
        group = f"dns.{probe.record}" if isinstance(probe, DnsProbe) else f"fact.{probe.fact}"
    seconds = sum(d.end - d.start for d in observation.dials)
    case = ElementTree.SubElement(suite, "testcase", classname=group, name=probe.id, time=f"{seconds:.2f}")
    why = f"{explain(observation)}; cause: {cause.what}" if cause else explain(observation)
    if observation.status is Status.WRONG:
        ElementTree.SubElement(case, "failure", message=why)
    elif observation.status is Status.CHECK_FAILED:
        ElementTree.SubElement(case, "error", message=why)
    elif observation.status is Status.SEEN:
        ElementTree.SubElement(case, "skipped", message=explain(observation))
