"""The Gateway API's own conformance suite against the cluster of a stack."""
