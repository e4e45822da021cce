"""docs/reference/cli.md: every verb of both commands as their parsers say it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from outbox import cli as outbox_cli
from strangler import cli as strangler_cli
from tests.pages.words import cell, row

SHARED = "shared flags"
TOP = """# The commands

Made of the parsers by `python -m tests.pages`. Data goes to stdout, talk to stderr. Flags win over the environment
([variables](environment.md)), and the environment over `.strangler/stack.json` of a stack that runs.

## Exit codes

| Code | |
|---|---|
| 0 | fine |
| 1 | a finding, or a refusal |
| 2 | what you have to change: usage, settings, rights, a database that is not migrated, a file that cannot be written |
| 3 | a server does not answer; of `reconcile`, also that nothing can be said |
| 130 | stopped by Ctrl-C |
"""


def page() -> str:
    """The whole page."""
    lines = [TOP]
    for name, top in (("outbox", outbox_cli.parser()), ("strangler", strangler_cli.parser())):
        lines += [f"## {name}", "", said(top.description), "", *shared(top)]
        lines += ["| Verb | |", "|---|---|"]
        lines += [row(f"[`{verb}`](#{anchor(f'{name} {verb}')})", said(purpose)) for verb, purpose, _ in verbs(top)]
        for verb, purpose, parser in verbs(top):
            lines += ["", *described(f"{name} {verb}", purpose, parser, "###")]
            for part, meaning, inner in verbs(parser):
                lines += ["", *described(f"{name} {verb} {part}", meaning, inner, "####")]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def described(title: str, purpose: str, parser: argparse.ArgumentParser, level: str) -> Iterator[str]:
    """One verb: what it is for, its exit codes where it has its own, its arguments and flags."""
    yield from (f"{level} {title}", "", said(parser.description or purpose).rstrip(".") + (exits(parser) or "."))
    rows = [row(shape(action), said(action.help)) for action in own(parser)]
    if rows:
        yield from ("", "| Argument | |", "|---|---|", *rows)


def exits(parser: argparse.ArgumentParser) -> str:
    found = re.search(r"\bexit: (0 .+?)(?= Environment:|$)", said(parser.epilog), re.IGNORECASE)
    return f". Exit: {found[1].rstrip('.')}." if found else ""


def shared(top: argparse.ArgumentParser) -> list[str]:
    """The flags of every verb, said once."""
    rows = [row(shape(action), said(action.help)) for group in shared_groups(top) for action in group._group_actions]
    return ["| Flag of every verb | |", "|---|---|", *rows, ""] if rows else []


def shared_groups(parser: argparse.ArgumentParser) -> list[argparse._ArgumentGroup]:
    return [group for group in parser._action_groups if group.title == SHARED]


def own(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Arguments and flags that are not every verb's."""
    everybodys = {id(action) for group in shared_groups(parser) for action in group._group_actions}
    for action in parser._actions:
        plain = not isinstance(action, argparse._HelpAction | argparse._VersionAction | argparse._SubParsersAction)
        if plain and id(action) not in everybodys and action.help != argparse.SUPPRESS:
            yield action


def verbs(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Name, purpose and parser of each, in the order of `--help`."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                yield choice.dest, choice.help or "", action.choices[choice.dest]


def shape(action: argparse.Action) -> str:
    """`--ramp 5%|500bp`, `STEP`; brackets where it may be left out and has no name."""
    takes_none = action.nargs == 0
    choices = "|".join(map(str, action.choices)) if action.choices is not None else ""
    metavar = action.metavar if isinstance(action.metavar, str) else None
    value = "" if takes_none else metavar or choices or action.dest.upper()
    many = " ..." if action.nargs in ("*", "+") else ""
    if action.option_strings:
        required = " (required)" if action.required else ""
        return f"`{cell(', '.join(action.option_strings) + (f' {value}{many}' if value else ''))}`{required}"
    return f"`[{cell(value)}{many}]`" if action.nargs in ("?", "*") else f"`{cell(value)}{many}`"


def anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-")


def said(text: str | None) -> str:
    return cell(" ".join((text or "").split()).replace("%%", "%"))
