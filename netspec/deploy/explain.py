"""Why an operation failed: one sentence and what to do, out of all that Pulumi says."""

import re
from collections.abc import Sequence

from netspec.diagnostics import Problem

#: What Pulumi says -> what it means. `{stack}` is the stack's name.
_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        r"incorrect passphrase|passphrase must be set",
        "the passphrase does not open the state of the stack {stack}",
        "set PULUMI_CONFIG_PASSPHRASE (or _FILE) to the one the stack was made with; unset it for netspec's own",
    ),
    (
        r"the stack is currently locked by|\[409\] Conflict",
        "another Pulumi process holds the stack {stack}",
        "wait until it ends; if it is gone, remove its lock: netspec exec -- pulumi cancel --stack {stack}",
    ),
    (
        r"no resource plugin '?pulumi-resource-(\S+?)'? found|could not (?:install|load|download) plugin",
        "a plugin that Pulumi needs is unavailable: {detail}",
        "check the connection, or install it by hand: netspec exec -- pulumi plugin install resource kubernetes",
    ),
    (
        r"unable to (?:open bucket|check if bucket)|problem logging in|PULUMI_ACCESS_TOKEN must be set",
        "the place where the stack's state is kept cannot be used: {detail}",
        "check PULUMI_BACKEND_URL; without it netspec keeps the state in .netspec/state",
    ),
    (
        r"resource '(?P<release>[^']+)'[^\n]*? has a problem: "
        r"(?P<why>[^\n]*(?:execution error|don't meet the spec)[^\n]*?);? check the chart name",
        "the chart of {release} refuses its values: {why}",
        "correct the setting that it is about; `netspec compile` writes the values into a file",
    ),
    (
        r"resource '(?P<release>[^']+)'[^\n]*? has a problem: (?P<why>[^\n]*?);? check the chart name",
        "the chart of {release} is unavailable: {why}",
        "check the connection to its repository, and that it has this version; then run the same command again",
    ),
    (
        r"cannot re-use a name that is still in use",
        "a run that was cut left a release of helm's: {detail}",
        "run it again without --no-refresh",
    ),
    (
        r"[Nn]o valid credential sources|Unable to locate credentials|ExpiredToken|InvalidClientTokenId|"
        r"UnrecognizedClient|SignatureDoesNotMatch",
        "the cluster's provider does not take the credentials: {detail}",
        "log in again, or set AWS_PROFILE; `aws sts get-caller-identity` says who you are",
    ),
    *(
        (
            rf"DependencyViolation[^\n]*?(?P<held>{kind}-[0-9a-f]{{8,17}})",
            "{held} cannot be deleted, for something that the stack does not have is still in it: {detail}",
            "what nodes or controllers left; it is named by: aws ec2 describe-network-interfaces --filters "
            f"Name={field},Values={{held}} (delete it, then run the same command again)",
        )
        for kind, field in (("subnet", "subnet-id"), ("sg", "group-id"), ("vpc", "vpc-id"))
    ),
    (
        r"[Ii]nvalid AWS Region: *(?P<region>\S+)",
        "there is no AWS region {region}",
        "correct cluster.region, and cluster.zones with it",
    ),
    (
        r"unsupported Kubernetes version|Addon version specified is not supported",
        "EKS does not have that version: {detail}",
        "aws eks describe-cluster-versions lists those of Kubernetes, aws eks describe-addon-versions those of add-ons",
    ),
    (
        r"is not supported in your requested Availability Zone|UnsupportedAvailabilityZone",
        "a zone does not have what the stack wants there: {detail}",
        "other zones or types (aws ec2 describe-instance-type-offerings --location-type availability-zone lists them); "
        "then run it again: what failed is made again",
    ),
    (
        r"NodeCreationFailure",
        "nodes were started and did not become ready: {detail}",
        "the CNI's pods there say why: netspec exec --stack {stack} -- kubectl get pods -n kube-system -o wide; then "
        "run it again: the group is made again",
    ),
    (
        r"UnauthorizedOperation|AccessDenied|is not authorized to perform",
        "the credentials do not allow it: {detail}",
        "who applies the stack must be allowed to make what it is made of (docs/eks.md)",
    ),
    (
        r"LimitExceeded|QuotaExceeded|Limit Exceeded|InsufficientInstanceCapacity",
        "the provider has no room for it: {detail}",
        "raise the quota, choose another instance type or zone, or remove what is not used; then run it again",
    ),
    (
        r"no space left on device",
        "the disk is full",
        "free some space, then run the same command again",
    ),
)

#: What Pulumi says at the end, after the reason.
_SUMMARIES = re.compile(r"^(?:update|preview|refresh|destroy|resource \S+ creation|resource operations?) failed\.?$")


def explain(stack: str, output: str, errors: Sequence[str]) -> Problem:
    """`errors` are the engine's error messages, `output` all that the command printed."""
    said = [text for text in errors if not _SUMMARIES.match(text)]
    everything = "\n".join([*said, output])
    for pattern, sentence, hint in _KNOWN:
        if found := re.search(pattern, everything):
            detail = _line_of(everything, found.start())
            words = {"stack": stack, "detail": detail, **found.groupdict()}
            return Problem(sentence.format(**words), hint.format(**words))
    if said:
        sentence, _, hint = said[0].partition("\n  hint: ")
        return Problem(" ".join(sentence.split()), hint.strip() or None)
    lines = [line.strip() for line in output.splitlines() if line.strip().startswith("error:")]
    return Problem(lines[0].removeprefix("error:").strip() if lines else "Pulumi failed without saying why")


def _line_of(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    return text[start:].partition("\n")[0].strip().removeprefix("error:").strip()
