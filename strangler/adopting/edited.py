"""Files as they would be: insertions by line and by place, and the unified diff of them. Pure."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Edited:
    """`text` as it is, None for a file that is not there yet; `new` is the whole of such a one."""

    path: str
    text: str | None
    new: str = ""
    _inserted: list[tuple[int, str]] = field(default_factory=list)  # by offset

    def before_line(self, line: int, text: str) -> None:
        """Whole lines, before that line (from 1); behind the last one where there is no such line."""
        lines = (self.text or "").splitlines(keepends=True)
        self._inserted.append((sum(map(len, lines[: line - 1])), text))

    def at(self, line: int, column: int, text: str) -> None:
        """Within a line; `column` counts UTF-8 bytes, as `ast` does."""
        lines = (self.text or "").splitlines(keepends=True)
        within = len(lines[line - 1].encode()[:column].decode())
        self._inserted.append((sum(map(len, lines[: line - 1])) + within, text))

    def indent_of(self, line: int) -> str:
        """The white space that the line begins with."""
        found = (self.text or "").splitlines()[line - 1]
        return found[: len(found) - len(found.lstrip())]

    def import_names(self, *statements: str) -> None:
        """Import statements behind those that are there; those that are there already are left out."""
        tree = ast.parse(self.text or "")
        known = {ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)}
        wanted = [one for one in statements if one not in known]
        if wanted:
            self.before_line(self._behind_imports(tree), "".join(f"{one}\n" for one in wanted))

    def gets(self, statement: str) -> bool:
        """Whether the statement is among what is inserted."""
        return any(statement in text.splitlines() for _, text in self._inserted)

    def _behind_imports(self, tree: ast.Module) -> int:
        line = 1
        for number, node in enumerate(tree.body):
            is_docstring = number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if is_docstring or isinstance(node, ast.Import | ast.ImportFrom):
                line = (node.end_lineno or node.lineno) + 1
        return line

    @property
    def after(self) -> str:
        """The text with everything inserted."""
        if self.text is None:
            return self.new
        text = self.text if self.text.endswith("\n") or not self.text else self.text + "\n"
        for offset, inserted in sorted(self._inserted, key=lambda one: -one[0]):
            text = text[:offset] + inserted + text[offset:]
        return text

    def diff(self) -> Iterator[str]:
        """The lines of a unified diff that `patch -p1` and `git apply` take."""
        before = (self.text or "").splitlines(keepends=True)
        name = f"a/{self.path}" if self.text is not None else "/dev/null"
        for line in difflib.unified_diff(before, self.after.splitlines(keepends=True), name, f"b/{self.path}"):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
