"""netspec completion: what makes a shell complete netspec's commands, options, files and the names of stacks."""

import argparse

from netspec.cli import OK

EXAMPLES = """\
  source <(netspec completion bash)     in ~/.bashrc
  source <(netspec completion zsh)      in ~/.zshrc, after compinit
  netspec completion fish > ~/.config/fish/completions/netspec.fish"""

SHELLS = ("bash", "zsh", "fish")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")


def run(args: argparse.Namespace) -> int:
    from argcomplete.shell_integration import shellcode

    print(shellcode(["netspec"], shell=args.shell).strip())
    return OK
