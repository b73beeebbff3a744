"""Clusters: what the plan's first node is."""
