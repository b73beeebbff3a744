"""How wide a text is drawn at most, without a font at hand.

The advance widths of DejaVu Sans (regular and bold), in hundredths of the font size, rounded up. It is wider than the
fonts that `system-ui` and `sans-serif` stand for elsewhere (Helvetica, Arial, Segoe UI, Roboto, Noto Sans), so a box
made for it has room for them too. A character outside ASCII counts as a whole em.
"""

#: ASCII from the space on.
_REGULAR = (
    *(32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34),
    *(84, 84, 84, 54, 100, 69, 69, 70, 78, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75, 79, 61, 79, 70, 64, 62, 74, 69),
    *(99, 69, 62, 69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36, 64, 64, 28, 28, 58, 28, 98, 64, 62, 64, 64, 42),
    *(53, 40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84),
)
_BOLD = (
    *(35, 46, 53, 84, 70, 101, 88, 31, 46, 46, 53, 84, 38, 42, 38, 37, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 40, 40),
    *(84, 84, 84, 59, 100, 78, 77, 74, 84, 69, 69, 83, 84, 38, 38, 78, 64, 100, 84, 86, 74, 86, 78, 73, 69, 82, 78),
    *(111, 78, 73, 73, 46, 37, 46, 84, 50, 50, 68, 72, 60, 72, 68, 44, 72, 72, 35, 35, 67, 35, 105, 72, 69, 72, 72),
    *(50, 60, 48, 72, 66, 93, 65, 66, 59, 72, 37, 72, 84),
)
_CUT = "\u2026"


def width(text: str, size: float, bold: bool = False) -> float:
    """The width of one line of `text` in a font of `size`, an upper bound in the same unit."""
    widths = _BOLD if bold else _REGULAR
    return sum(widths[ord(c) - 32] if " " <= c <= "~" else 100 for c in text) * size / 100


def cut(text: str, length: int) -> str:
    """At most `length` characters, the last an ellipsis where some are left out."""
    return text if len(text) <= length else text[: length - 1].rstrip() + _CUT
