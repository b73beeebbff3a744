"""The templates of the pages: jinja2, everything escaped, a name that is not given is an error."""

import json
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, **values: Any) -> str:
    """The text of netspec/report/templates/<template> with these values."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("netspec.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["embedded"] = _embedded
    return environment


def _embedded(data: Any) -> Markup:
    """Data as JSON inside a <script> element: "</script>" must not end it."""
    return Markup(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"))
