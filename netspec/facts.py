"""What must be true of a running cluster, as data: what is read, and what that must equal (netspec.verify.readers)."""

from typing import Any, NamedTuple


class Field(NamedTuple):
    """A field of an object: `path` as in "spec.cidr" (a key that has a dot in it is quoted: 'data."a.b"'); `default` is
    what the API takes it to be where it is absent. `every`: the values of all objects, sorted, and not their one
    common value. `outside`: the values are addresses, and those are read that are in none of these ranges, sorted;
    objects without one do not count."""

    path: str
    default: Any = None
    every: bool = False
    outside: tuple[str, ...] = ()


class ObjectRead(NamedTuple):
    """Fields of Kubernetes objects. `resource` is kubectl's name ("configmaps", "<plural>.<group>"); without a `name`
    all in which each field of `where` has its value, except those in which a field has a value of `without`. Read as
    {name in `fields`: value}. `parse` names a way to take the text of the one field apart (netspec.verify.readers)."""

    resource: str
    fields: tuple[tuple[str, Field], ...]
    name: str = ""
    namespace: str = ""
    without: tuple[tuple[str, Any], ...] = ()
    parse: str = ""
    where: tuple[tuple[str, Any], ...] = ()


class NodeRead(NamedTuple):
    """What a shell command prints on every node, its last newline removed: one answer, the same from all of them."""

    command: str


class ReadyRead(NamedTuple):
    """How many ready replicas a Deployment has; the fact's subject is "<namespace>/<name>"."""


Read = ObjectRead | NodeRead | ReadyRead


class Fact(NamedTuple):
    """Something that must be true of the running cluster: `read` gives `expect`, a JSON value. `subject` says what it
    is about."""

    name: str
    subject: str
    expect: Any
    read: Read
