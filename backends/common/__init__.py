"""What every cluster needs whatever it runs on: CoreDNS, namespaces, policies, Services, stand-in workloads."""

from netspec.backends.common.coredns import coredns
from netspec.backends.common.namespaces import namespaces
from netspec.backends.common.policies import policies
from netspec.backends.common.services import services
from netspec.backends.common.standins import stand_ins
from netspec.diagnostics import Report
from netspec.ir.features import Feature
from netspec.ir.model import Ir
from netspec.plan import Node


class Common:
    name = "common"
    supports: frozenset[str] = frozenset(
        {
            Feature.CLUSTER_IP,
            Feature.HEADLESS,
            Feature.NODE_PORT,
            Feature.EXTERNAL_NAME,
            Feature.STAND_IN,
            Feature.NDOTS,
            Feature.DNS_REPLICAS,
            Feature.DNS_CACHE,
            Feature.STUB_DOMAINS,
        }
    )

    def check(self, ir: Ir, report: Report) -> None:
        """Nothing beyond the features."""

    def lower(self, ir: Ir) -> tuple[Node, ...]:
        return (*coredns(ir), *namespaces(ir), *policies(ir), *services(ir), *stand_ins(ir))
