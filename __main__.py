"""The Pulumi program: the spec that the stack's configuration names, compiled and applied."""

from netspec.program import main

main()
