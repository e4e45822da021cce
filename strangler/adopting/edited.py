"""Files as they would be: insertions by line and by place, and the unified diff of them."""

from __future__ import annotations

import ast
import difflib
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from strangler.source_files import read_source

LAST = sys.maxsize  # a use that is not reached before the module is whole
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # as Python ends them; a form feed ends none
_BOM = "\ufeff"


@dataclass(slots=True)
class Edited:
    """`text` as it is, None for a file that is not there yet; `new` is the whole of such a one."""

    path: str
    text: str | None
    new: str = ""
    encoding: str = "utf-8"
    bom: str = ""
    _inserted: list[tuple[int, str]] = field(default_factory=list)  # by offset
    _imports: dict[str, int] = field(default_factory=dict)  # the line of its first use, by statement

    @classmethod
    def read(cls, path: str, file: Path) -> Edited:
        """As Python decodes it."""
        data = read_source(file)
        encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0].removesuffix("-sig")
        text = data.decode(encoding)
        bom = _BOM if text.startswith(_BOM) else ""
        return cls(path, text.removeprefix(bom), encoding=encoding, bom=bom)

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text or "")

    def before_line(self, line: int, text: str) -> None:
        """Whole lines, before that line (from 1); behind the last one where there is no such line."""
        self._inserted.append((self._offset(line), text))

    def at(self, line: int, column: int, text: str) -> None:
        """Within a line; `column` counts UTF-8 bytes, as `ast` does."""
        found = _lines(self.text or "")[line - 1]
        self._inserted.append((self._offset(line) + len(found.encode()[:column].decode()), text))

    def indent_of(self, line: int) -> str:
        """The white space that the line begins with."""
        found = _lines(self.text or "")[line - 1]
        return found[: len(found) - len(found.lstrip())]

    def import_names(self, *statements: str, before: int = LAST) -> None:
        """Import statements, each once and before that line; names that the module has there are left out."""
        known = _imported(self.tree, before)
        for one in statements:
            if not _imported(ast.parse(one), LAST) <= known:
                self._imports[one] = min(before, self._imports.get(one, LAST))

    def gets(self, statement: str) -> bool:
        """Whether the statement is among what is imported."""
        return statement in self._imports

    def _behind_imports(self, before: int) -> int:
        """Behind the last import above that line, else behind the module's own words."""
        line = 1
        for number, node in enumerate(self.tree.body):
            is_docstring = number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if node.lineno < before and (is_docstring or isinstance(node, ast.Import | ast.ImportFrom)):
                line = (node.end_lineno or node.lineno) + 1
        return line

    def _offset(self, line: int) -> int:
        return sum(map(len, _lines(self.text or "")[: line - 1]))

    @property
    def after(self) -> str:
        """The text with everything inserted, its lines ended as they are."""
        if self.text is None:
            return self.new
        newline = "\r\n" if _lines(self.text)[:1] and _lines(self.text)[0].endswith("\r\n") else "\n"
        text = self.text if self.text.endswith(("\n", "\r")) or not self.text else self.text + newline
        imports = [(self._offset(self._behind_imports(at)), f"{one}\n") for one, at in reversed(self._imports.items())]
        for offset, inserted in sorted([*self._inserted, *imports], key=lambda one: -one[0]):
            text = text[:offset] + inserted.replace("\n", newline) + text[offset:]
        return text

    def diff(self) -> Iterator[str]:
        """The lines of a unified diff that `patch -p1` and `git apply` take."""
        before, after = _lines(self.bom + (self.text or "")), _lines(self.bom + self.after)
        name = f"a/{self.path}" if self.text is not None else "/dev/null"
        for line in difflib.unified_diff(before, after, name, f"b/{self.path}"):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    return _LINE.findall(text)


def _imported(tree: ast.Module, before: int) -> set[tuple[str, str, str]]:
    """Module, name and name here, of each import at its top level above the line."""
    found: set[tuple[str, str, str]] = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom) and node.lineno < before:
            base = "." * node.level + (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            found |= {(base, one.name, one.asname or one.name) for one in node.names}
    return found
