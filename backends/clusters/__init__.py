"""Clusters: control plane and nodes."""
