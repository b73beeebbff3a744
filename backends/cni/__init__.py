"""Container network plugins: what gives pods an address and enforces policies."""
