"""Ingress controllers as bare processes beside a real API server: what is compiled for them, asked as clients ask."""
