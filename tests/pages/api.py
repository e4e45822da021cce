"""docs/reference/api.md: the public names of both packages, with signature and first paragraph."""

from __future__ import annotations

import enum
import importlib
import inspect
import re
import typing
from collections.abc import Iterator

from tests.pages.words import paragraph

TOP = """# Public names

Made of the packages by `python -m tests.pages`. What is not here is not promised. `import outbox` and `import
strangler` load nothing; a name comes with what it needs when it is used. Units, errors and guarantees stand in the
docstrings: `help(outbox.append)`.
"""
PACKAGES = ("outbox", "strangler")
FORWARD = re.compile(r"ForwardRef\('([^']*)'\)")
FUNCTION = re.compile(r"<function .*? at 0x[0-9a-f]+>")
LONGEST = 110
ENUM = re.compile(r"<(\w+\.\w+): [^>]*>")


def page() -> str:
    """The whole page. A name of both packages is described where it is at home."""
    lines = [TOP]
    seen: dict[int, str] = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        lines += [f"## {package}", ""]
        for name in sorted(module.__all__, key=str.lower):
            found = getattr(module, name)
            if id(found) in seen:
                lines += [f"### {package}.{name}", "", f"The same as `{seen[id(found)]}`.", ""]
            else:
                seen[id(found)] = f"{package}.{name}"
                lines += [*described(package, name, found), ""]
    return "\n".join(lines).rstrip() + "\n"


def described(package: str, name: str, found: object) -> Iterator[str]:
    """Heading, signature, first paragraph, and the methods of a class."""
    yield from (f"### {package}.{name}", "")
    origin = typing.get_origin(found)
    if origin is not None:
        yield f"`{found}`".replace("typing.", "")
        return
    if isinstance(found, enum.EnumMeta):
        yield from (
            paragraph(found),
            "",
            ", ".join(f"`{one.value}`" for one in typing.cast("list[enum.Enum]", [*found])),
        )
        return
    yield from ("```", f"{name}{signature(found)}", "```", "", paragraph(found))
    methods = [*methods_of(found)] if inspect.isclass(found) else []
    if methods:
        yield from ("", "| Method | |", "|---|---|")
        yield from (f"| `{method}` | {meaning} |" for method, meaning in methods)


def methods_of(found: type) -> Iterator[tuple[str, str]]:
    """Public methods of its own that say what they are for."""
    for name, member in sorted(vars(found).items()):
        plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if name.startswith("_") or not inspect.isfunction(plain):
            continue
        meaning = paragraph(plain)
        if not meaning and not getattr(found, "_is_protocol", False):
            continue
        given = signature_of(plain).replace("(self, ", "(").replace("(cls, ", "(").replace("(self)", "()")
        yield f"{name}{given}".replace("|", "\\|"), meaning.replace("|", "\\|")


def signature(found: object) -> str:
    """As declared: annotations are the words of the source, defaults without addresses."""
    if isinstance(found, type) and issubclass(found, Exception) and "__init__" not in vars(found):
        return "(message)"
    if isinstance(found, type) and getattr(found, "_is_protocol", False):
        return signature_of(found.__call__) if "__call__" in vars(found) else ""
    return signature_of(found)


def signature_of(found: object) -> str:
    """On one line where that is short, else a parameter a line."""
    given = inspect.signature(typing.cast("typing.Callable[..., object]", found))
    line = without_quotes(str(given))
    if len(line) <= LONGEST:
        return line
    parts = [
        without_quotes(part) for part in split(str(given.replace(return_annotation=inspect.Signature.empty))[1:-1])
    ]
    end = line.rpartition(")")[2]
    return "(\n" + "".join(f"    {part},\n" for part in parts if part != "self") + f"){end}"


def split(parameters: str) -> list[str]:
    """At the commas that are in no bracket and no quotes.

    >>> split("a: 'dict[str, int]' = {}, *, b: 'str' = ','")
    ["a: 'dict[str, int]' = {}", '*', "b: 'str' = ','"]
    """
    parts, depth, quoted = [""], 0, False
    for letter in parameters:
        quoted ^= letter == "'"
        depth += 0 if quoted else (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def without_quotes(text: str) -> str:
    text = FUNCTION.sub("...", FORWARD.sub(r"\1", ENUM.sub(r"\1", text))).replace("<factory>", "...")
    return re.sub(r"(?<=[:>] )'([^']*)'", r"\1", text).replace("(self, ", "(", 1)
