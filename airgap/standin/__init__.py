"""Test stand-ins for Pulumi plugins that cannot be built or downloaded."""
