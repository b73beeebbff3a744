"""An OCI runtime in front of runc, for hosts whose root lacks CAP_SYS_RESOURCE or that have cgroup v1 and v2.

runc refuses a container that asks for a capability its parent does not have, and cannot lower an
OOM score without this one. The front removes the capability from a container's `config.json` (and
from the process file of an `exec`), raises negative scores to 0, and becomes runc.

With cgroup v1 runc makes a container a group of its own in each hierarchy, but none in the v2 tree that is
mounted beside them: programs that a container attaches to what it sees as that tree's root would be
the whole machine's. So the front makes the group and goes into it; what it becomes and starts is in it.

Run as `python3 oci_front.py RUNC ARGUMENTS...`.
"""

import contextlib
import json
import os
import re
import sys
from typing import Any

MISSING = "CAP_SYS_RESOURCE"
#: The v2 tree where it is mounted beside those of v1; containers' groups there, by their ids.
UNIFIED = "/sys/fs/cgroup/unified"
_ID = re.compile("[0-9a-f]{64}")


def strip_process(process: dict[str, Any]) -> None:
    """Take out of an OCI process what cannot be granted, in place."""
    capabilities = process.get("capabilities") or {}
    for names in capabilities.values():
        if names and MISSING in names:
            names.remove(MISSING)
    if (process.get("oomScoreAdj") or 0) < 0:
        process["oomScoreAdj"] = 0


def option(arguments: list[str], *names: str) -> str | None:
    """The value of the first option of these names, as `--name value` or `--name=value`."""
    for position, argument in enumerate(arguments):
        for name in names:
            if argument == name and position + 1 < len(arguments):
                return arguments[position + 1]
            if argument.startswith(f"{name}="):
                return argument.partition("=")[2]
    return None


def rewrite(arguments: list[str]) -> None:
    """Rewrite the file that this call of the runtime is about to read, if it reads one."""
    process_file = option(arguments, "--process", "-p")
    if "exec" in arguments and process_file:
        path, is_config = process_file, False
    elif "create" in arguments or "run" in arguments:
        path, is_config = os.path.join(option(arguments, "--bundle", "-b") or ".", "config.json"), True  # noqa: PTH118
    else:
        return
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        content = json.load(file)
    process = content.get("process") if is_config else content
    if process:
        strip_process(process)
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(content, file)


def group(arguments: list[str]) -> None:
    """Go into the v2 group of the container that this call starts something in, or remove the group of one that is
    gone. Its id is the last argument. Nothing where there is no such tree, or it does not let us."""
    words, folder = set(arguments), f"{UNIFIED}/docker/{arguments[-1]}"
    if not _ID.fullmatch(arguments[-1]) or not os.path.exists(f"{UNIFIED}/cgroup.procs"):  # noqa: PTH110
        return
    if "delete" in words:
        for inner, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):  # something is in it still: `down` removes it (leftovers.py)
                os.rmdir(inner)  # noqa: PTH106
    elif words & {"create", "run", "exec"}:
        with contextlib.suppress(OSError):
            if "exec" not in words:
                os.makedirs(folder, exist_ok=True)  # noqa: PTH103
            with open(f"{folder}/cgroup.procs", "w", encoding="utf-8") as file:  # noqa: PTH123
                file.write(str(os.getpid()))


if __name__ == "__main__":
    rewrite(sys.argv[2:])
    group(sys.argv[2:])
    os.execv(sys.argv[1], sys.argv[1:])
