"""What may be told of an error that a handler raised: its words as far as they are the program's own, and its place.

An error's text holds values: a key, a name, what a vendor said of a customer. So a word of it is shown only if the code
that the error went through has it, as a constant or a name, or Python and PostgreSQL do in messages of their own.
"""

from __future__ import annotations

import builtins
import re
import sysconfig
import traceback
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import CodeType

TEXT_CHARACTERS = 300
CAUSES = 5
HIDDEN = "…"

_WORD = re.compile(r"[^\W_]\w*|_\w+")
_OURS = str(Path(__file__).parents[1])
_PYTHON = (*(sysconfig.get_path(name) for name in ("stdlib", "platstdlib")), "<")
_INSTALLED = tuple(sysconfig.get_path(name) for name in ("purelib", "platlib"))

# What CPython says in C, PostgreSQL by itself, and operating systems of connections: their text is in no traceback.
_SAID = """
    a abort aborted access active address administrator after all already ambiguous an and any are argument arguments as
    assigned assignment associated at attribute background base be because been before being block broken by bytes call
    callable can canceling cannot case cast character characters char check closed column command commands commit
    comparison complex concatenate concurrent configuration conflicting connect connection constraint contain contains
    context convert converting conversion could data database date day deadlock decode default defined deleted denied
    descriptor detected determine dict dictionary did division do does due duplicate during element empty encode end
    error exceeded exclusion execute exist exists expected expecting expired explicit failed false field file float
    for forbidden foreign format found from function generated get given got greater had handle has hashable have host
    idle ignored immediate in index indices infinity initialize input insert inserted inside instance instances int
    integer interpreter into invalid is isn it item iterable iteration iterator its json key keyword kind length less
    levels limit line list literal lock mapping maximum member memory method missing more multiple must mutable name nan
    near network new no non none not null number numeric object objects of offset on once only open operand operands
    operation operator or order ordinal other out over overflow parameter parse partition password peer permission
    permitted position positional precision primary procedure process property query quoted range reached read refused
    relation release required reset resolution resource result return returned rollback route row savepoint schema
    sequence serialize server set shared shutdown signal signals size slice some started statement str string
    subscriptable support supported syntax system table take takes temporarily term terminated terminating than that
    the there this time timed timeout timestamp to token too traceback transaction true try tuple type types unable
    unavailable unexpected unhashable unique unknown unpack unreachable unsupported unterminated until update use used
    user using valid value values varying violates wait waiting was when while with within without work write wrong
    year your zero
    depth detail directory errno few hint isoformat many nonetype recursion such
"""
_KNOWN = frozenset(_SAID.split()) | frozenset(name.lower() for name in dir(builtins))


def text_of(error: BaseException) -> str:
    """What it says, `…` for what may be a customer's; of PostgreSQL's only the first line, which shows no row.

    >>> text_of(ValueError("invalid literal for int() with base 10: 'Jane'"))
    'invalid literal for int() with base …'
    """
    diagnosis = getattr(error, "diag", None)
    try:
        said = getattr(diagnosis, "message_primary", None) or str(error)
    except Exception:  # noqa: BLE001 - an error's text is a handler's code too, and this tells of its mistakes
        return "it has no text that can be shown"
    pieces = said[: 2 * TEXT_CHARACTERS].split()
    words = {word.lower() for piece in pieces for word in _WORD.findall(piece)}
    hidden = _not_in_the_code(words - _KNOWN - _names(diagnosis), error)
    shown: list[str] = []
    for piece in pieces:
        ours = piece.isprintable() and not any(word.lower() in hidden for word in _WORD.findall(piece))
        one = piece if ours else HIDDEN
        if one != HIDDEN or shown[-1:] != [HIDDEN]:
            shown.append(one)
    return " ".join(shown)[:TEXT_CHARACTERS]


def place_of(error: BaseException) -> str | None:
    """Where it was raised, as file:line: in the handler rather than in what that calls, if a traceback says so."""
    lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    theirs = [one for one in lines if not one[0].startswith((_OURS, *_PYTHON))]
    own = [one for one in theirs if not one[0].startswith(_INSTALLED)]
    chosen = own[-1:] or theirs[:1] or lines[-1:]  # a handler may be installed as libraries are: what we called
    return f"{Path(chosen[0][0]).name}:{chosen[0][1]}" if chosen else None


def calls_of(error: BaseException) -> str:
    """The calls that led there, and to what caused it, as lines of code: without a value, and without its words."""
    return "".join(f"{''.join(traceback.format_tb(one.__traceback__))}{type(one).__name__}\n" for one in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(CAUSES):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _not_in_the_code(words: set[str], error: BaseException) -> set[str]:
    """Those that the code that it went through has not, as constants or names, nor what is defined beside it."""
    for code, names in {frame.f_code: frame.f_globals for frame, _ in traceback.walk_tb(error.__traceback__)}.items():
        if not words:
            break
        words = words - _words_of(code) - {name.lower() for name in names}
    return words


@lru_cache(maxsize=1_000)
def _words_of(code: CodeType) -> frozenset[str]:
    return frozenset(word.lower() for text in _texts(code) for word in _WORD.findall(text))


def _texts(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    yield from code.co_varnames
    yield from code.co_freevars
    constants = list(code.co_consts)
    while constants:
        match constants.pop():
            case str() as text:
                yield text
            case tuple() | frozenset() as several:
                constants.extend(several)


def _names(diagnosis: object) -> frozenset[str]:
    """Those of the schema that PostgreSQL names beside its message."""
    named = ("schema_name", "table_name", "column_name", "datatype_name", "constraint_name")
    found = (getattr(diagnosis, name, None) for name in named)
    return frozenset(word.lower() for one in found if one for word in _WORD.findall(one))
