"""How figures are written, the same in the page, in Markdown and in the verdict."""

import html
import json
import re
from typing import Any

from unlearn.audit.report_measures import Measure

HOLE = "not run"


def percent(share: float) -> str:
    """`21.2 %`."""
    return f"{100 * share:.1f} %"


def guess(chance: float) -> str:
    """Chance level without needless digits: `10 %`, `33.3 %`."""
    return f"{100 * chance:.3g} %"


def plural(count: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def spread(figure: Measure) -> str:
    """Interval and number of seeds: `18.0–24.4, 3 seeds`; cut at 0 and 100, where accuracy ends."""
    if figure.low is None or figure.high is None:
        return plural(figure.seeds, "seed")
    low, high = max(figure.low, 0.0), min(figure.high, 1.0)
    return f"{100 * low:.1f}–{100 * high:.1f}, {plural(figure.seeds, 'seed')}"


def set_title(train_on: str) -> str:
    """A training set as a reader sees it: `protected (demo-sample)` for `protected:demo-sample`."""
    titles = {"random": "random noise", "clean-part": "clean images alone"}
    name, colon, detail = train_on.partition(":")
    return f"{name} ({detail})" if colon else titles.get(train_on, train_on)


def plain(value: Any) -> str:
    """A setting's value on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def encodable(text: str) -> str:
    """Without lone surrogates, which undecodable file names bring and UTF-8 refuses."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def escaped(value: Any) -> str:
    """Text for HTML, safe inside quoted attributes too; a percent sign stays on its number's line."""
    return html.escape(encodable(str(value)), quote=True).replace(" %", "\u00a0%")


def markdown(value: Any) -> str:
    """Text for a Markdown table: no markup, links, pictures or line breaks of its own."""
    text = html.escape(" ".join(str(value).split()), quote=False)
    text = re.sub(r"([\\`*\[\]|~])", r"\\\1", text)
    # Renderers such as GitHub's turn bare addresses into links.
    return text.replace("://", ":&#47;&#47;").replace("www.", "www&#46;")
