"""Builds and runs the real components where no image registry or download site is reachable.

`build` compiles every component from package registries (the Go module proxy, the distribution's
packages) into a cache; `engine` runs a private container engine in a network namespace without
uplink. Users with Docker and internet access never need this package.
"""
