"""A Problem is one sentence for the reader, on its way through Pulumi's plugin protocol too."""

import sys
import traceback
from typing import Any

from netspec.diagnostics import Problem

_format_exc = traceback.format_exc


def speak_plainly() -> None:
    """Make the process of a dynamic provider report a `Problem` as its sentence and hint.

    Pulumi's host of dynamic providers answers every exception with `traceback.format_exc()`, and there is no other
    way to give it an error. Any other exception is a bug and keeps its traceback.
    """
    traceback.format_exc = _plain


def _plain(*args: Any, **kwargs: Any) -> str:
    error = sys.exc_info()[1]
    return str(error) if isinstance(error, Problem) else _format_exc(*args, **kwargs)
