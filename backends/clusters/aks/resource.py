"""How the plan's nodes of Azure are written: one provider, names of ours."""

from collections.abc import Iterable, Mapping
from typing import Any

from netspec.catalogue import PLUGINS
from netspec.plan import PROVIDER, ResourceNode

AZURE = "azure"
CLUSTER_NODE = "aks"


def provider(subscription: str | None) -> ResourceNode:
    given = {"subscriptionId": subscription} if subscription else {}
    return ResourceNode(AZURE, PROVIDER + AZURE, given, version=PLUGINS[AZURE].official)


def resource(
    id: str, token: str, properties: Mapping[str, Any], depends_on: Iterable[str] = (), **fields: Any
) -> ResourceNode:
    """A resource of Azure by its token after `azure:`. Inputs that are None are left out."""
    given = {key: value for key, value in properties.items() if value is not None}
    return ResourceNode(id, f"azure:{token}", given, tuple(depends_on), provider=AZURE, **fields)
