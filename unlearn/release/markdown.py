"""Text of others inside Markdown: class names, titles and recipes are input."""

import html
import re


def plain(text: object) -> str:
    """One line that cannot open a tag, a table cell, a link or a code span."""
    line = html.escape(" ".join(str(text).split()), quote=False).replace("`", "'")
    return re.sub(r"([|\[\]*])", r"\\\1", line)


def fenced(text: str, language: str = "") -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
