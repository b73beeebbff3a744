"""The spec file: its models (one module per API version), and loading it with the position of every value."""
