"""A run for its readers: terminal, JSON, JUnit XML, and one HTML page."""

import json
from pathlib import Path

from verify.model import Run
from verify.report.data import as_json
from verify.report.junit import as_junit

#: File names in the report directory.
HTML, JSON, JUNIT = "report.html", "results.json", "junit.xml"


def write_reports(run: Run, directory: Path) -> Path:
    """Writes all three, and returns the page."""
    from verify.report.page import as_html

    directory.mkdir(parents=True, exist_ok=True)
    (directory / JSON).write_text(json.dumps(as_json(run), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (directory / JUNIT).write_text(as_junit(run), encoding="utf-8")
    page = directory / HTML
    page.write_text(as_html(run), encoding="utf-8")
    return page
