"""A stand-in of AWS for tests of the engine: moto with EKS's operations and AWS's refusals (airgap/aws), a process of
its own on loopback, and a project whose stack is an EKS cluster on it."""

import json
import os
import subprocess
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.engine.apiserver import ApiServer
from tests.engine.conftest import ROOT, SPEC, World
from tests.engine.kubernetes import Server

ACCOUNT, REGION = "123456789012", "eu-west-1"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/netspec"
CLUSTER: dict[str, Any] = {
    "type": "eks",
    "region": REGION,
    "zones": [f"{REGION}a", f"{REGION}b"],
    "version": "1.35",
    "addons": {
        "vpc-cni": "v1.21.1-eksbuild.3",
        "kube-proxy": "v1.35.0-eksbuild.2",
        "coredns": "v1.13.2-eksbuild.1",
        "eks-pod-identity-agent": "v1.3.10-eksbuild.2",
    },
    "admins": [ADMIN],
    "logging": ["api"],
    "encryptionKey": "own",
    "vpc": {
        "podSubnets": True,
        "reservePrefixes": True,
        "nat": "perZone",
        "endpoints": ["s3", "ecr.api"],
        "flowLogs": 30,
    },
    "nodeGroups": [{"name": "general", "min": 2, "max": 4, "desired": 2}],
}
#: What it makes beside the cluster only its own deletion takes away.
FRONT = {
    "name": "front",
    "namespace": "shop",
    "type": "LoadBalancer",
    "selector": {"app": "web"},
    "ports": [{"port": 80, "targetPort": "http"}],
}
#: Of the add-ons' versions those that every CNI needs.
OF_ALL = ("kube-proxy", "coredns")
VPC_CNI = {"provider": "vpc-cni", "prefixDelegation": True, "customNetworking": True}


class Cloud:
    """`python`: of the environment of `make aws`."""

    def __init__(self, python: Path, log: Path) -> None:
        credentials = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        place = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_CONFIG_FILE": os.devnull}
        self._python = python
        self.env = {**credentials, **place, "NETSPEC_AWS_PYTHON": str(python)}
        with log.open("w") as said:
            self._process = subprocess.Popen(
                [python, "-m", "airgap.aws", "0"],
                cwd=ROOT,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        assert port, log.read_text()
        self.url = f"http://127.0.0.1:{port}"
        self.env["AWS_ENDPOINT_URL"] = self.url

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def calls(self) -> list[str]:
        """What was changed, in order."""
        return list(self._ask("/netspec/calls"))

    def times(self) -> list[float]:
        """When, in seconds of the epoch."""
        return list(self._ask("/netspec/times"))

    def set(self, **world: Any) -> None:
        """See airgap.aws.records.World."""
        self._ask("/netspec/set", world)

    def lets_in(self, token: str) -> bool:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        answer = self._ask(f"/token-review/{ACCOUNT}/{REGION}/shop-shop", review)
        return "system:masters" in answer["status"].get("user", {}).get("groups", ())

    def run(self, program: str) -> str:
        """Python with boto3, as somebody else in the account; returns what it printed."""
        words = [self._python, "-c", program]
        done = subprocess.run(words, env={**os.environ, **self.env}, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def held(self) -> int:
        """How many calls were done and not answered (`holding`)."""
        return int(self._ask("/netspec/held"))

    def interfaces(self) -> list[str]:
        """The descriptions of all network interfaces."""
        return list(self._ask("/netspec/interfaces"))

    def left(self) -> dict[str, list[str]]:
        """What the account holds, by kind; {} for nothing."""
        words = [self._python, ROOT / "tests" / "aws" / "left.py"]
        done = subprocess.run(words, env={**os.environ, **self.env}, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def _ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data), timeout=30) as answer:
            return json.loads(answer.read())


class EksWorld(World):
    """The shop on EKS: its API server lets in whom the stack's access entries name; a real one by its own webhook."""

    def __init__(self, directory: Path, pulumi: Path, api: ApiServer | Server, cloud: Cloud) -> None:
        super().__init__(directory, pulumi, api)  # type: ignore[arg-type]
        self.cloud = cloud
        #: What `api` is, where that is a real one.
        self.server: Server = api  # type: ignore[assignment]
        if isinstance(api, ApiServer):
            api.lets_in = cloud.lets_in
        server = json.loads(api.kubeconfig)["clusters"][0]["cluster"]["server"]
        cloud.set(endpoint=server)
        for name in ("pulumi-resource-aws", "aws"):
            (directory / "bin" / name).symlink_to(ROOT / "airgap" / "standin" / name)
        self.env |= cloud.env
        self.write_stack()

    def write_stack(self, cni: Any = None, portable: Mapping[str, Any] | None = None, **cluster: Any) -> None:
        """`cni`: VPC_CNI where it is not given. `portable`: fields of the spec in place of the shop's own."""
        spec = yaml.safe_load(SPEC) | dict(portable or {})
        spec["services"].append(FRONT)
        if "addons" not in cluster and cni and "vpcCni" not in cni and cni["provider"] != "vpc-cni":
            names = (*OF_ALL, *(["eks-pod-identity-agent"] if "eni" in cni else []))
            cluster["addons"] = {name: CLUSTER["addons"][name] for name in names}
        spec["stacks"] = {"shop": {"cluster": {**CLUSTER, **cluster}, "cni": cni or VPC_CNI}}
        self.write_spec(yaml.safe_dump(spec, sort_keys=False))
