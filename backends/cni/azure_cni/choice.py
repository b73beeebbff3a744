"""What the settings come to: AKS's Cilium stands in place of kube-proxy and is its own policy engine."""

from typing import NamedTuple

from netspec.backends.cni.azure_cni.settings import AzureCniSettings
from netspec.ir.model import Ir


class Choice(NamedTuple):
    dataplane: str
    policy: str


def choice(ir: Ir, settings: AzureCniSettings) -> Choice:
    dataplane = settings.dataplane or ("cilium" if ir.network.proxy_mode == "none" else "azure")
    return Choice(dataplane, settings.policy or ("cilium" if dataplane == "cilium" else "calico"))
