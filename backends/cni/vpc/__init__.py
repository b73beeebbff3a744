"""Addresses of a VPC for pods: what CNIs of EKS share that get them there."""
