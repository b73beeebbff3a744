"""What every cluster gets whatever it runs on: namespaces, policies, Services, stand-in workloads."""

from dataclasses import replace
from typing import Any

from netspec.backends.common.admission import admission, admission_facts
from netspec.backends.common.namespaces import namespaces
from netspec.backends.common.nodelocal import node_local, node_local_facts
from netspec.backends.common.policies import policies
from netspec.backends.common.secrets import secrets
from netspec.backends.common.services import services
from netspec.backends.common.standins import stand_ins
from netspec.ir.model import Ir
from netspec.ir.resolver import of_others
from netspec.plan import Node
from netspec.target import Backend, Fact, Feature, Needs


class Common(Backend):
    name = "common"
    supports = frozenset(
        {
            Feature.CLUSTER_IP,
            Feature.HEADLESS,
            Feature.NODE_PORT,
            Feature.EXTERNAL_NAME,
            Feature.SERVICE_SCTP,
            Feature.SESSION_AFFINITY,
            Feature.INTERNAL_LOCAL,
            Feature.GIVEN_ENDPOINTS,
            Feature.STAND_IN,
            Feature.HOST_NETWORK,
            Feature.NDOTS,
            Feature.POD_DNS,
            Feature.NODE_LOCAL,
        }
    )

    def lower(self, ir: Ir, settings: Any, needs: Needs) -> tuple[Node, ...]:
        first = (*node_local(ir), *admission(ir), *namespaces(ir, needs))
        return (*first, *policies(ir), *services(ir), *secrets(ir), *stand_ins(ir))

    def needs(self, ir: Ir, settings: Any, needs: Needs) -> Needs:
        return replace(needs, admission=True) if ir.traits.admission and of_others(ir) else needs

    def facts(self, ir: Ir, settings: Any) -> tuple[Fact, ...]:
        return (*node_local_facts(ir), *admission_facts(ir))
