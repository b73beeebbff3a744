"""What AWS's agent does not do with policies. Each rule's source is in docs/rules.md."""

from netspec.backends.cni.vpc import checks as addresses
from netspec.backends.cni.vpc_cni.settings import VpcCniSettings
from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir, NetworkPolicy, Workload

#: Combinations of port and protocol for one range of addresses that the agent's table has (EKS docs,
#: "Limit pod traffic with Kubernetes network policies").
MAX_PORTS = 24
NAMED = 6


def check(ir: Ir, settings: VpcCniSettings, report: Report) -> None:
    at: Path = ("stacks", ir.stack, "cni")
    addresses.check(ir, settings, report, at)
    _policies(ir, settings, report, at)


def _policies(ir: Ir, settings: VpcCniSettings, report: Report, at: Path) -> None:
    where = (*at, "networkPolicy")
    if settings.network_policy == "off":
        return
    if settings.security_groups_for_pods == "strict":
        message = "security groups of pods in strict mode and NetworkPolicies exclude each other"
        report.error("NS824", (*at, "securityGroupsForPods"), message, "standard, or networkPolicy: off")
    if settings.network_policy == "strict":
        open_ = [w.id for w in ir.workloads if not w.host_network and not _selected(w, ir.policies)]
        if open_:
            more = f" and {len(open_) - NAMED} more" if len(open_) > NAMED else ""
            message = f"strict closes pods that no policy selects: {', '.join(open_[:NAMED])}{more}"
            report.error("NS825", where, message, "a policy for each, also for the cluster's DNS, or standard")
    for policy in ir.policies:
        for rule in (*policy.ingress, *policy.egress):
            if len(rule.ports) > MAX_PORTS:
                message = f"a rule of {policy.id} has {len(rule.ports)} ports; AWS's agent keeps {MAX_PORTS} a range"
                report.error("NS826", policy.place.path, message, "ranges of ports (endPort), or fewer ports")
                break


def _selected(workload: Workload, policies: tuple[NetworkPolicy, ...]) -> bool:
    return any(p.namespace == workload.namespace and p.pods.matches(workload.labels) for p in policies)
