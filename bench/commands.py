"""The offline commands as whole processes, against the floor any Python program of this kind pays."""

import tempfile
from pathlib import Path

from bench.specs import spec
from bench.timing import paired, python, row

SPEC = "stacks/boutique.yaml"
#: Workloads of the large spec.
LARGE = 1000


def main() -> None:
    floor = python("-c", "import yaml, pydantic; pydantic.BaseModel")
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.yaml"
        large.write_text(spec(LARGE), encoding="utf-8")
        commands: dict[str, tuple[str, ...]] = {
            "check boutique": ("check", SPEC),
            "matrix boutique": ("matrix", SPEC, "--stack", "dev"),
            "compile boutique": ("compile", SPEC, "--stack", "dev", "--out", "out/bench"),
            f"check {LARGE} workloads": ("check", str(large)),
            f"matrix {LARGE} workloads": ("matrix", str(large), "--output", "json"),
        }
        for name, words in commands.items():
            timed = paired(python("-m", "netspec", *words), floor)
            print(row(name, "python importing yaml and pydantic", timed), flush=True)


if __name__ == "__main__":
    main()
