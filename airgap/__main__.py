"""The command line: `python -m airgap build|list|clean|engine`."""

import argparse
import subprocess
import sys

from airgap import build, engine
from airgap.errors import AirgapError


def _list() -> None:
    for entry in build.entries():
        print(f"{entry.name:<16} {entry.version:<10} {'cached' if entry.cached else 'missing':<8} {entry.key}")


def _engine(action: str) -> None:
    if action == "down":
        engine.stop()
        return
    if action == "up":
        engine.start()
        engine.ensure_images()
    info = engine.status()
    if info is None:
        print("the private container engine is not running")
    else:
        print(f"DOCKER_HOST={info.docker_host} network namespace {info.netns}")


def _run(options: argparse.Namespace) -> None:
    if options.command == "build":
        build.ensure(options.names or build.NAMES)
    elif options.command == "list":
        _list()
    elif options.command == "clean":
        for path in build.clean():
            print(f"removed {path}")
    else:
        _engine(options.action)


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 is success, 1 a failure that was explained on stderr."""
    parser = argparse.ArgumentParser(prog="python -m airgap", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build", help="build components (all of them unless named)")
    command.add_argument("names", nargs="*", metavar="NAME")
    commands.add_parser("list", help="every component, its version and whether it is built")
    commands.add_parser("clean", help="remove what no current component uses")
    command = commands.add_parser("engine", help="the private container engine")
    command.add_argument("action", choices=("up", "down", "status"))
    options = parser.parse_args(argv)
    try:
        _run(options)
    except AirgapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"error: `{' '.join(map(str, error.cmd))}` failed: {(error.stderr or '').strip()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to resume", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
