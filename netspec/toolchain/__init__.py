"""Finds the programs netspec runs, the container engine, and puts both in reach of this process and its children."""

import sys

from netspec.toolchain import project
from netspec.toolchain.activation import Tools, activate, kind_overrides
from netspec.toolchain.find import TOOL_NAMES, Found

__all__ = ["TOOL_NAMES", "Found", "Tools", "activate", "kind_overrides"]

# airgap/ is a folder of the repository and not in the package: it is there where netspec runs from a checkout.
if project.has_airgap():
    sys.path.append(str(project.CHECKOUT))
