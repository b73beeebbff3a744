"""What excludes what in Azure's CNI. Each rule's source is in docs/rules.md."""

from netspec.backends.cni.azure_cni.choice import choice
from netspec.backends.cni.azure_cni.settings import AzureCniSettings
from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir


def check(ir: Ir, settings: AzureCniSettings, report: Report) -> None:
    at: Path = ("stacks", ir.stack, "cni")
    dataplane, policy = choice(ir, settings)
    if dataplane == "cilium" and policy != "cilium":
        message = f"on the Cilium data plane Cilium enforces policies, and not {policy}"
        report.error("NS980", (*at, "policy"), message, "set policy: cilium, or dataplane: azure")
    if dataplane == "azure" and policy == "cilium":
        message = "Cilium enforces policies on its own data plane alone"
        report.error("NS980", (*at, "policy"), message, "set dataplane: cilium, with network.proxy.mode: none")
    if dataplane == "cilium" and ir.network.proxy_mode != "none":
        message = f"the Cilium data plane carries Services itself, and the spec's kube-proxy is {ir.network.proxy_mode}"
        report.error("NS980", (*at, "dataplane"), message, "set network.proxy.mode: none, or dataplane: azure")
    if policy == "azure":
        message = "Microsoft ends its support of Azure's own policy engine (Network Policy Manager)"
        report.warning("NS985", (*at, "policy"), message, "policy: cilium, or calico")
    own = ir.traits.outputs.get("podSubnet")
    vnet: Path = ("stacks", ir.stack, "cluster", "vnet")
    if settings.mode == "podSubnet" and own is None:
        message = "pods have addresses of a subnet of their own, and there is none"
        report.error("NS981", (*at, "mode"), message, "set cluster.vnet.podSubnet")
    if settings.mode != "podSubnet" and own is not None:
        message = f"there is a pod subnet, and mode {settings.mode} puts no pod there"
        report.error("NS981", (*vnet, "podSubnet"), message, "set cni.mode: podSubnet, or remove it")
    if settings.mode != "overlay" and ("network", "podCIDRs") in ir.given:
        message = f"with mode {settings.mode} pods have addresses of the virtual network, not of network.podCIDRs"
        report.error("NS981", ("network", "podCIDRs"), message, "remove podCIDRs, or set cni.mode: overlay")
