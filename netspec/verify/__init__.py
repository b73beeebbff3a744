"""Asks the probes of the running cluster through pytest-testinfra, and reports expected against observed."""
