"""An OCI runtime in front of runc, for hosts whose root lacks CAP_SYS_RESOURCE.

runc refuses a container that asks for a capability its parent does not have, and cannot lower an
OOM score without this one. The front removes the capability from a container's `config.json` (and
from the process file of an `exec`), raises negative scores to 0, and becomes runc.

Run as `python3 oci_front.py RUNC ARGUMENTS...`.
"""

import json
import os
import sys
from typing import Any

MISSING = "CAP_SYS_RESOURCE"


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


if __name__ == "__main__":
    rewrite(sys.argv[2:])
    os.execv(sys.argv[1], sys.argv[1:])
