"""A run for its readers: terminal, JSON, JUnit XML, and one HTML page."""

import json
from pathlib import Path

from netspec.diagnostics import Problem
from netspec.verify.model import Run
from netspec.verify.report.data import as_json
from netspec.verify.report.junit import as_junit

#: File names in the report directory.
HTML, JSON, JUNIT = "report.html", "results.json", "junit.xml"


def write_reports(run: Run, directory: Path | None) -> Path:
    """Writes all three (default: into out/<stack>), and returns the page. Raises Problem where that is not possible."""
    from netspec.verify.report.page import as_html

    try:
        return _write(run, directory or Path("out") / run.stack, as_html(run))
    except OSError as error:
        raise Problem(f"the report could not be written: {error}", "name another directory with --report") from None


def _write(run: Run, directory: Path, html: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / JSON).write_text(json.dumps(as_json(run), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (directory / JUNIT).write_text(as_junit(run), encoding="utf-8")
    page = directory / HTML
    page.write_text(html, encoding="utf-8")
    return page
