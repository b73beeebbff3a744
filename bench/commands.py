"""The offline commands as whole processes, against the floor any Python program of this kind pays."""

from bench.timing import paired, python, row

SPEC = "stacks/boutique.yaml"


def main() -> None:
    floor = python("-c", "import yaml, pydantic; pydantic.BaseModel")
    for name, words in {
        "check boutique": ("check", SPEC),
        "matrix boutique": ("matrix", SPEC, "--stack", "dev"),
        "compile boutique": ("compile", SPEC, "--stack", "dev", "--out", "out/bench"),
    }.items():
        print(
            row(name, "python importing yaml and pydantic", paired(python("-m", "netspec", *words), floor)), flush=True
        )


if __name__ == "__main__":
    main()
