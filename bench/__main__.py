"""Runs every benchmark."""

from bench import commands

print(f"{'what':<44}{'median':>10}{'ratio':>10}  against")
commands.main()
