"""TEST STAND-IN for the AWS CLI: what a kubeconfig of EKS runs (`aws eks get-token`), and what netspec asks besides.

Any operation is called as boto3 has it, with options in the CLI's two ways of writing (shorthand and JSON); its answer
is printed as JSON. The token is what the real one makes: a request for one's own identity, signed for one cluster, in
base64.
"""

import base64
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

HEADER = "x-k8s-aws-id"
#: Seconds that the request may be used within; the credential is said to hold for LIFE.
VALID, LIFE = 60, timedelta(minutes=14)
#: Operations of EKS that are one GET: asked without boto3, which takes a second to start.
QUICK = {
    "describe-cluster": "/clusters/{name}",
    "describe-addon": "/clusters/{cluster-name}/addons/{addon-name}",
    "describe-nodegroup": "/clusters/{cluster-name}/node-groups/{nodegroup-name}",
}


def token(cluster: str, region: str) -> str:
    import boto3

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


def credential(cluster: str, region: str) -> dict[str, Any]:
    until = (datetime.now(UTC) + LIFE).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {"expirationTimestamp": until, "token": token(cluster, region)}
    return {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "spec": {},
        "status": status,
    }


def options(words: list[str]) -> dict[str, list[str]]:
    """
    >>> options(["--filters", "a", "b", "--output", "json"])
    {'filters': ['a', 'b'], 'output': ['json']}
    """
    found: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            found[word[2:]] = values = []
        else:
            values.append(word)
    return found


def shorthand(text: str) -> Any:
    """
    >>> shorthand("Name=key,Values=a,b"), shorthand('[{"Name": "key"}]'), shorthand("vpc-1")
    ({'Name': 'key', 'Values': ['a', 'b']}, [{'Name': 'key'}], 'vpc-1')
    """
    if text.startswith(("[", "{")):
        return json.loads(text)
    if "=" not in text:
        return text
    found: dict[str, Any] = {}
    for part in text.split(","):
        key, is_new, value = part.partition("=")
        if is_new:
            last = key
            found[key] = [value] if key == "Values" else value
        else:
            found[last].append(part)
    return found


def called(service: str, operation: str, given: dict[str, list[str]]) -> Any:
    import boto3
    from botocore import xform_name

    client = boto3.client(service, region_name=given.pop("region")[0])
    name = next(n for n in client.meta.service_model.operation_names if xform_name(n, "-") == operation)
    shape = client.meta.service_model.operation_model(name).input_shape
    params = {}
    for member, kind in shape.members.items():
        if (words := given.get(xform_name(member, "-"))) is not None:
            values = [shorthand(word) for word in words]
            whole = values[0] if kind.type_name != "list" or isinstance(values[0], list) else values
            params[member] = whole
    answer = getattr(client, xform_name(name))(**params)
    answer.pop("ResponseMetadata", None)
    return answer


def quick(operation: str, given: dict[str, list[str]]) -> Any:
    path = QUICK[operation].format(**{key: urllib.parse.quote(values[0]) for key, values in given.items()})
    scope = f"AWS4-HMAC-SHA256 Credential=stand-in/20260101/{given['region'][0]}/eks/aws4_request, SignedHeaders=host"
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + path, headers={"Authorization": scope})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        sys.exit(f"An error occurred ({error.code}): {error.read().decode()}")


def main(words: list[str]) -> None:
    place = next(i for i, word in enumerate(words) if not word.startswith("--") and not words[i - 1].startswith("--"))
    service, operation = words[place : place + 2]
    given = options([*words[:place], *words[place + 2 :]])
    if (service, operation) == ("eks", "get-token"):
        answer = credential(given["cluster-name"][0], given["region"][0])
    elif service == "eks" and operation in QUICK:
        answer = quick(operation, given)
    else:
        answer = called(service, operation, given)
    print(json.dumps(answer, default=str))


if __name__ == "__main__":
    main(sys.argv[1:])
