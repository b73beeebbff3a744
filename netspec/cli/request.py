"""netspec request: one HTTP request walked through the spec's front door."""

import argparse
import json
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from netspec.analysis.gateway_routes import Request
from netspec.analysis.requests import Walk, walk
from netspec.cli import FAILED, OK
from netspec.cli.dns import OUTPUTS, ir_of
from netspec.diagnostics import Problem
from netspec.report.listing import Edge, Listing, Row, write

EXAMPLES = """\
  netspec request stacks/edge.yaml https://shop.example.com/login
  netspec request stacks/gateways.yaml https://shop.example.com/ --header x-version=next
  netspec request stacks/gateways.yaml https://shop.example.com/pay --method POST --output json"""

_PORTS = {"http": 80, "https": 443}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="the spec file")
    parser.add_argument("url", metavar="URL", help="http:// or https://, with the port where it is not the usual one")
    parser.add_argument("--method", default="GET", help="the method (default: GET)")
    parser.add_argument("--header", action="append", default=[], metavar="NAME=VALUE", help="a header; may be repeated")
    parser.add_argument("--stack", help="which of the spec's stacks (default: its only one)")
    parser.add_argument("--output", choices=OUTPUTS, default="text", help="how to print (default: text)")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 where no pod answers it, or that is left open."""
    url = urlsplit(args.url)
    if url.scheme not in _PORTS or not url.hostname:
        raise Problem(f"{args.url} is not the URL of a request", "https://shop.example.com/path")
    headers = {}
    for given in args.header:
        name, is_given, value = given.partition("=")
        if not is_given:
            raise Problem(f"{given} is not a header", "--header NAME=VALUE")
        headers[name.lower()] = value
    query = dict(reversed(parse_qsl(url.query, keep_blank_values=True)))  # of one that comes twice the first
    request = Request(url.hostname, url.path or "/", args.method.upper(), headers, query)
    ir = ir_of(args.spec, args.stack)
    found = walk(ir, url.port or _PORTS[url.scheme], url.scheme == "https", request)
    write(_listing(args.url, request, found), args.output)
    if args.output == "text":
        print(f"answer: {found.answer}")
    return OK if found.served else FAILED


def _listing(url: str, request: Request, found: Walk) -> Listing:
    said = {True: "", False: "ends here", None: "left open"}

    def rows() -> Iterator[Row]:
        for step in found.steps:
            yield step.at, step.what, step.why, said[step.passes]

    def document() -> Iterator[str]:
        steps = [{"at": s.at, "what": s.what, "why": s.why, "passes": s.passes} for s in found.steps]
        body = {"version": "request/v1", "url": url, "method": request.method, "steps": steps}
        yield json.dumps(body | {"answer": found.answer, "served": found.served}, indent=1) + "\n"

    def edges() -> Iterator[Edge]:
        names = ["the outside", *(f"{s.at}: {s.what}" for s in found.steps)]
        for before, after, step in zip(names, names[1:], found.steps, strict=False):
            yield Edge(before, after, step.why, step.passes is None, "bad" if step.passes is False else "good")

    return Listing(f"{request.method} {url}", ("at", "what", "why", ""), rows, document, edges)
