"""How the plan's nodes of Google Cloud are written: one provider, names of ours."""

from collections.abc import Iterable, Mapping
from typing import Any

from netspec.catalogue import PLUGINS
from netspec.plan import PROVIDER, ResourceNode

GCP = "gcp"
CLUSTER_NODE = "gke"


def provider(project: str, region: str) -> ResourceNode:
    return ResourceNode(GCP, PROVIDER + GCP, {"project": project, "region": region}, version=PLUGINS[GCP].official)


def resource(
    id: str, token: str, properties: Mapping[str, Any], depends_on: Iterable[str] = (), **fields: Any
) -> ResourceNode:
    """A resource of Google Cloud by its token after `gcp:`. Inputs that are None are left out."""
    given = {key: value for key, value in properties.items() if value is not None}
    return ResourceNode(id, f"gcp:{token}", given, tuple(depends_on), provider=GCP, **fields)
