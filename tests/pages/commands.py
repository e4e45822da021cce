"""Commands that pages show: lines of code blocks that begin with a command of ours, as one would type them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile

from tests.support.typed import BIN

PROGRAMS = ("strangler", "outbox")
OPERATORS = frozenset("();<>|&")
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^(?: {4}| {8})(\S.*)$", re.MULTILINE)


def commands_of(page: str) -> Iterator[list[str]]:
    """`strangler VERB ...` and `outbox VERB ...` up to a comment, a pipe or the like, in the order of the page.

    >>> list(commands_of("Say\\n\\n    strangler status   # where it stands\\n"))
    [['strangler', 'status']]
    """
    blocks = [block[3] for block in BLOCK.finditer(page) if block[2] in ("", "console", "sh")]
    text = BLOCK.sub("", page)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()] + INDENTED.findall(text)
    for line in lines:
        typed = line.strip().removeprefix(BIN)
        if typed.split(" ")[0] in PROGRAMS and not re.match(r"\w+ \(|\w+\(", typed):
            words = shlex.shlex(typed, posix=True, punctuation_chars=True)
            words.whitespace_split = True
            yield list(takewhile(lambda word: not OPERATORS.issuperset(word), words))
