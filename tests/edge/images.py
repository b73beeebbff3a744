"""An image's program without an engine: its layers in a directory, which the program has for its root."""

import json
import subprocess
import tarfile
from pathlib import Path

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def prepared(folder: Path, archive: str, args: list[str], kubeconfig: str) -> list[str]:
    """The command that starts the archive's one image with these arguments, as its own user, with a kubeconfig."""
    root = folder / "root"
    root.mkdir()
    with tarfile.open(archive) as tar:
        (image,) = json.loads(_read(tar, "manifest.json"))
        config = json.loads(_read(tar, image["Config"]))["config"]
        for name in image["Layers"]:
            with tarfile.open(fileobj=tar.extractfile(name)) as layer:
                layer.extractall(root, filter="fully_trusted")
    for name, kind in (("proc", ["-t", "proc", "proc"]), ("dev", ["--bind", "/dev"])):
        (root / name).mkdir(exist_ok=True)
        subprocess.run(["mount", *kind, root / name], check=True)
    (root / "kubeconfig").write_text(Path(kubeconfig).read_text())
    user = config["User"]
    return [
        *("env", f"PATH={_PATH}", "chroot", f"--userspec={user}:{user}", str(root)),
        *(*config["Entrypoint"], *args, "--kubeconfig=/kubeconfig"),
    ]


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    found = tar.extractfile(name)
    assert found is not None
    return found.read()
