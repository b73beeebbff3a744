"""Runs every benchmark."""

from bench import apply, commands, reach

print(f"{'what':<44}{'median':>10}{'ratio':>10}  against")
commands.main()
apply.main()
print()
reach.main(["--quick"])
