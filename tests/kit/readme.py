"""README.md as a reader meets it: blocks of commands, and the output that is shown below them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()


class Block(msgspec.Struct, frozen=True):
    """A fenced block: its language ('' for output), its lines, and the block right after it, if any is output."""

    language: str
    body: str
    output: str | None


def blocks(language: str) -> list[Block]:
    """All blocks of a language, in order."""
    found = [(match[1], match[2], match.end()) for match in re.finditer(r"^```(\w*)\n(.*?)^```$", TEXT, re.M | re.S)]
    starts = [match.start() for match in re.finditer(r"^```\w*\n.*?^```$", TEXT, re.M | re.S)]
    made = []
    for at, (name, body, end) in enumerate(found):
        follows = at + 1 < len(found) and found[at + 1][0] == "" and not TEXT[end : starts[at + 1]].strip()
        made.append(Block(name, body, found[at + 1][1] if follows else None))
    return [block for block in made if block.language == language]


class Command(msgspec.Struct, frozen=True):
    """One line of a block of commands: `NAME=value` before it, the program, its arguments."""

    environment: dict[str, str]
    program: str
    arguments: list[str]


def commands(block: Block) -> list[Command]:
    """The commands of a block, their comments left out."""
    made = []
    for line in block.body.splitlines():
        words = shlex.split(line, comments=True)
        environment = {}
        while words and re.fullmatch(r"[A-Z][A-Z0-9_]*=.*", words[0]):
            name, _, environment[name] = words.pop(0).partition("=")
        if words:
            made.append(Command(environment, words[0], words[1:]))
    return made
