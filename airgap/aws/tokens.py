"""Who a token is of: an API server's webhook. A token of `aws eks get-token` is a signed request to STS, in base64."""

import base64
import urllib.parse
from datetime import UTC, datetime
from typing import Any

from moto.eks.models import eks_backends

from airgap.aws.records import extra

PREFIX = "k8s-aws-v1."
#: Seconds that a token holds.
LIFE = 900


def review(body: dict[str, Any], account: str, region: str, cluster: str) -> dict[str, Any]:
    """A TokenReview, answered. There is one identity here, the role that applies the stack."""
    status: dict[str, Any] = {"authenticated": False}
    try:
        check(str(body["spec"]["token"]))
        who = f"arn:aws:iam::{account}:role/netspec"
        entry = extra(eks_backends[account][region].clusters[cluster]).entries[who]
        admin = any(policy.endswith("AmazonEKSClusterAdminPolicy") for policy in entry["policies"])
        groups = [*entry["kubernetesGroups"], *(["system:masters"] if admin else []), "system:authenticated"]
        status = {"authenticated": True, "user": {"username": who, "groups": groups}}
    except (KeyError, ValueError) as error:
        status["error"] = f"{type(error).__name__}: {error}"
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}


def check(token: str) -> None:
    """ValueError where it is not a token, or too old. The cluster is a signed header, which only STS can check."""
    raw = token.removeprefix(PREFIX)
    if raw == token:
        raise ValueError("not a token of AWS")
    url = urllib.parse.urlparse(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)).decode())
    query = {key: values[0] for key, values in urllib.parse.parse_qs(url.query).items()}
    if query["Action"] != "GetCallerIdentity" or "x-k8s-aws-id" not in query["X-Amz-SignedHeaders"]:
        raise ValueError("not signed for a cluster")
    made = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs((datetime.now(UTC) - made).total_seconds()) > LIFE:
        raise ValueError("too old")
