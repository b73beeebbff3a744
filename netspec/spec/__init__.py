"""The spec file: its models (one module per API version), and loading it with the position of every value."""

import os

# What a spec means must not depend on pydantic plug-ins that happen to be installed; looking for them takes time, too.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
