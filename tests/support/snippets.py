"""The fenced snippets of the documents."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    """A fenced block."""

    name: str  # README.md:16
    language: str
    text: str


def snippets_of(page: str, text: str) -> list[Snippet]:
    """In their order, by the line that they begin at."""
    found = FENCE.finditer(text)
    return [Snippet(f"{page}:{text.count(chr(10), 0, m.start()) + 1}", m[1], m[2]) for m in found]


def commands_of(snippet: Snippet) -> list[str]:
    """Each on its own, without the comment behind it."""
    text = re.sub(r"\s*\\\n\s*", " ", snippet.text)  # a line that goes on in the next
    lines = [re.sub(r"\s+#.*", "", line).strip() for line in text.splitlines()]
    return [command.strip() for line in lines if line for command in line.split("&&")]


SNIPPETS = [snippet for page in PAGES for snippet in snippets_of(page, (ROOT / page).read_text())]
