"""TEST STAND-IN for `aws eks get-token`: what a kubeconfig of EKS runs. It does nothing else of the AWS CLI.

The token is what the real one makes: a request for one's own identity, signed for one cluster, in base64.
"""

import argparse
import base64
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

HEADER = "x-k8s-aws-id"
#: Seconds that the request may be used within; the credential is said to hold for LIFE.
VALID, LIFE = 60, timedelta(minutes=14)


def token(cluster: str, region: str) -> str:
    sts = boto3.client("sts", region_name=region)

    def remember(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context[HEADER] = params.pop("ClusterName")

    def sign(request: Any, **_: Any) -> None:
        request.headers[HEADER] = request.context[HEADER]

    sts.meta.events.register("provide-client-params.sts.GetCallerIdentity", remember)
    sts.meta.events.register("before-sign.sts.GetCallerIdentity", sign)
    url = sts.generate_presigned_url(
        "get_caller_identity", Params={"ClusterName": cluster}, ExpiresIn=VALID, HttpMethod="GET"
    )
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="aws")
    parser.add_argument("--region", required=True)
    parser.add_argument("service", choices=("eks",))
    parser.add_argument("operation", choices=("get-token",))
    parser.add_argument("--cluster-name", required=True)
    parser.add_argument("--output", choices=("json",), default="json")
    args = parser.parse_args(words)
    until = (datetime.now(UTC) + LIFE).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {"expirationTimestamp": until, "token": token(args.cluster_name, args.region)}
    version = "client.authentication.k8s.io/v1beta1"
    print(json.dumps({"kind": "ExecCredential", "apiVersion": version, "spec": {}, "status": status}))


if __name__ == "__main__":
    main(sys.argv[1:])
