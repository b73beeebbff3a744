"""What plans of EKS are held against is still what pulumi-aws says."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.engine.conftest import ROOT

pytestmark = pytest.mark.engine


def test_the_committed_types_are_the_sdk_s(aws_python: Path) -> None:
    """tests/aws/types.json is what tests/aws/describe_types.py prints of these resources."""
    text = (ROOT / "tests" / "aws" / "types.json").read_text()
    words = [aws_python, ROOT / "tests" / "aws" / "describe_types.py", *json.loads(text)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(text)
    assert len(json.loads(text)) >= 25
