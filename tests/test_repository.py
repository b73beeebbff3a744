"""What the repository must not hold: download hosts in pins, paths of one machine, unpinned requirements."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / n for n in names.splitlines() if (ROOT / n).is_file()]


def test_requirements_are_hashed_and_name_no_host() -> None:
    for name in ("run", "dev"):
        text = (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")
        assert "://" not in text and "--index-url" not in text and "--find-links" not in text
        pins = re.findall(r"^[a-z0-9][^ \n]*==[^ \n]+ \\\n    --hash=sha256:[0-9a-f]{64}", text, re.M)
        assert len(pins) == len(re.findall(r"^[a-z0-9][^ \n]*==", text, re.M)) > 20


def test_no_lock_file_with_download_addresses() -> None:
    assert [p.name for p in tracked() if p.name in ("go.sum", "package-lock.json", "poetry.lock", "uv.lock")] == []


def test_files_stay_readable() -> None:
    long = [
        (str(p.relative_to(ROOT)), n)
        for p in tracked()
        if p.suffix == ".py" and (n := len(p.read_text(encoding="utf-8").splitlines())) > 420
    ]
    assert long == []
