"""What a type of resource is, and how AWS is asked."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

Json = dict[str, Any]
#: Seconds that something may take to become what it should be. The real provider waits up to an hour.
PATIENCE = float(os.environ.get("NETSPEC_AWS_PATIENCE", "20"))
_GONE = ("NotFound", "NoSuchEntity", "ResourceNotFoundException")


class Aws:
    """Clients of one region, made when they are used. `tags`: those that every resource gets."""

    def __init__(self, region: str, tags: Mapping[str, str]) -> None:
        self.region, self.tags = region, dict(tags)
        self._clients: dict[str, Any] = {}
        self._making = threading.local()

    def __getattr__(self, service: str) -> Any:
        if service not in self._clients:
            config = Config(retries={"max_attempts": 2})
            made = boto3.client(service, region_name=self.region, config=config)
            if service == "ec2":
                made.meta.events.register("provide-client-params.ec2", self._tag)
            self._clients[service] = made
        return self._clients[service]

    @contextlib.contextmanager
    def tagging(self, kind: str, tags: Mapping[str, str]) -> Iterator[None]:
        """What EC2 makes meanwhile carries these from the first moment, where it is of that kind."""
        self._making.tags = {"ResourceType": kind, "Tags": tag_list(tags)} if kind else None
        yield
        self._making.tags = None

    def _tag(self, params: Json, model: Any, **_: Any) -> None:
        wanted = getattr(self._making, "tags", None)
        if wanted and "TagSpecifications" in model.input_shape.members:
            params["TagSpecifications"] = [wanted]


class Type:
    """One type of resource. `replaces`: inputs whose change makes another one; `autoname`: the input that is made up
    where the program leaves it out; `taggable`: what EC2 calls it, where it is tagged in EC2's way, by the id."""

    token: ClassVar[str]
    replaces: ClassVar[tuple[str, ...]] = ()
    autoname: ClassVar[str] = ""
    taggable: ClassVar[str] = ""

    def create(self, aws: Aws, new: Json) -> str:
        """The id. What was made and then failed raises `Incomplete`."""
        raise NotImplementedError

    def read(self, aws: Aws, ident: str) -> Json | None:
        """Its outputs; None, or AWS's own error, where it is gone."""
        raise NotImplementedError

    def imported(self, aws: Aws, ident: str) -> str:
        """The id, by that of `pulumi import`; "" where it is not there."""
        return ident

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        """What is not among `replaces`."""

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        raise NotImplementedError


TYPES: dict[str, Type] = {}


def offered(cls: type[Type]) -> type[Type]:
    TYPES[cls.token] = cls()
    return cls


def given(**fields: Any) -> Json:
    return {key: value for key, value in fields.items() if value is not None}


def tag_list(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted((tags or {}).items())]


def retag(aws: Aws, ident: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    """EC2's tags of a resource."""
    if changed := {key: value for key, value in new.items() if old.get(key) != value}:
        aws.ec2.create_tags(Resources=[ident], Tags=tag_list(changed))
    if gone := [key for key in old if key not in new]:
        aws.ec2.delete_tags(Resources=[ident], Tags=[{"Key": key} for key in gone])


def is_gone(error: ClientError) -> bool:
    return any(word in error.response["Error"]["Code"] for word in _GONE)


def wait(state: Callable[[], str], wanted: str, failed: tuple[str, ...] = ()) -> str:
    """The state in the end: `wanted`, one of `failed`, or whatever it is when the time is up."""
    deadline = time.monotonic() + PATIENCE
    while (found := state()) != wanted and found not in failed and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def wait_gone(describe: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            describe()
        except ClientError as error:
            if is_gone(error):
                return
            raise
        time.sleep(0.1)
    raise TimeoutError("it is still there")
