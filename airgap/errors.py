"""The one exception of this package."""


class AirgapError(Exception):
    """A failure the reader can act on: one sentence and what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}"
