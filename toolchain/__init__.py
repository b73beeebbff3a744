"""Finds the programs netspec runs, the container engine, and puts both in reach of this process and its children."""

from toolchain.activation import Tools, activate, kind_overrides
from toolchain.find import TOOL_NAMES, Found

__all__ = ["TOOL_NAMES", "Found", "Tools", "activate", "kind_overrides"]
