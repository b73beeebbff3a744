"""A headless Chromium, driven over its DevTools protocol by a pipe: no port, no driver, no further package.

https://chromedevtools.github.io/devtools-protocol/: messages are JSON, each ended by a zero byte; the browser reads
them from file descriptor 3 and writes to 4.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
#: Nothing is fetched: no name resolves, and what a browser does of its own accord is off.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--remote-debugging-pipe",
    "--hide-scrollbars",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
#: Key -> (code, key code, what it types).
_KEYS = {
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    "Tab": ("Tab", 9, ""),
    "Home": ("Home", 36, ""),
    "End": ("End", 35, ""),
    "ArrowLeft": ("ArrowLeft", 37, ""),
    "ArrowUp": ("ArrowUp", 38, ""),
    "ArrowRight": ("ArrowRight", 39, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
}
_SECONDS = 30.0


def found() -> str | None:
    """The browser that NETSPEC_BROWSER names, or one on PATH."""
    named = os.environ.get("NETSPEC_BROWSER")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    def __init__(self, program: str, profile: Path) -> None:
        ours, theirs = os.pipe(), os.pipe()  # (read, write): commands to it, answers from it
        command = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        # It wants the two ends as 3 and 4, so a shell moves them there.
        shell = f'exec "$@" 3<&{ours[0]} 4>&{theirs[1]}'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", shell, "bash", *command],
            pass_fds=(ours[0], theirs[1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._write, self._read = ours[1], theirs[0]
        self._buffer, self._number = b"", 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._write)  # a browser whose pipe ends, ends
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        os.close(self._read)

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The result of one command. Raises AssertionError with what the browser says is wrong."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result

    def message(self) -> dict[str, Any]:
        """The next message; events are kept in `events` as well."""
        end = time.monotonic() + _SECONDS
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"the browser said nothing for {_SECONDS:.0f} s"
            piece = os.read(self._read, 1 << 20)
            assert piece, "the browser ended"
            self._buffer += piece
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message

    def page(self, path: Path, fragment: str = "") -> "Page":
        """A file opened in a page of its own, loaded."""
        return Page(self, path.resolve().as_uri() + fragment)


class Page:
    """One page. `errors` are the exceptions of its scripts, `requests` what it asked for besides itself."""

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank", width=1500, height=900)["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self._call(f"{domain}.enable")
        self._start, self._address = len(browser.events), address.partition("#")[0]
        self._call("Page.navigate", url=address)
        while not self._events("Page.loadEventFired"):
            browser.message()

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def _events(self, method: str) -> list[dict[str, Any]]:
        events = self._browser.events[self._start :]
        return [e["params"] for e in events if e["method"] == method and e.get("sessionId") == self._session]

    @property
    def errors(self) -> list[str]:
        return [e["exceptionDetails"]["text"] for e in self._events("Runtime.exceptionThrown")]

    @property
    def requests(self) -> list[str]:
        found = [e["request"]["url"] for e in self._events("Network.requestWillBeSent")]
        return [url for url in found if url.partition("#")[0] != self._address]

    def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        done = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def texts(self, selector: str) -> list[str]:
        """The text of each element that is shown."""
        shown = f"[...document.querySelectorAll({json.dumps(selector)})].filter(e => e.checkVisibility())"
        found: list[str] = self.js(f"{shown}.map(e => e.innerText ?? e.textContent)")
        return found

    def press(self, *keys: str) -> None:
        for key in keys:
            code, number, text = _KEYS[key]
            known = {"key": key, "code": code, "windowsVirtualKeyCode": number}
            self._call("Input.dispatchKeyEvent", type="keyDown", text=text, **known)
            self._call("Input.dispatchKeyEvent", type="keyUp", **known)

    def write(self, text: str) -> None:
        self._call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """A click of the mouse in the middle of the first such element."""
        self.js(f"(window.$it = document.querySelector({json.dumps(selector)})).scrollIntoView({{block: 'center'}})")
        at = self.js("(r => [r.x + r.width / 2, r.y + r.height / 2])(window.$it.getBoundingClientRect())")
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1)

    def media(self, scheme: str = "light", media: str = "") -> None:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._call("Emulation.setEmulatedMedia", media=media, features=[feature])

    def pdf(self) -> bytes:
        """The page as it is printed, on A4 across."""
        return base64.b64decode(self._call("Page.printToPDF", landscape=True, printBackground=True)["data"])

    def png(self) -> bytes:
        return base64.b64decode(self._call("Page.captureScreenshot", captureBeyondViewport=True)["data"])
