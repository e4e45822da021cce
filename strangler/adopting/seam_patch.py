"""The patch that makes a function of an application a step of its chain, as far as its source allows. Pure."""

from __future__ import annotations

import ast
import builtins
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from strangler.adopting.chain import RouteChain, RouteLink, asks_only
from strangler.adopting.edited import Edited
from strangler.adopting.effects import SeenEffect, effect_of
from strangler.adopting.names import dotted, keyword, text_of
from strangler.adopting.seam_places import STRANGLED, About, Suggestion, made_and_served, module_names
from strangler.adopting.seen import Function, Model, SeenApplication
from strangler.adopting.shape import Shape
from strangler.errors import Refused
from strangler.source_files import module_of

HTTP = ("requests", "httpx")


@dataclass(slots=True)
class Wanted:
    """The function that becomes a step, and what is known of it. `middle`: the chain needs what it answers."""

    function: Function
    chain: RouteChain
    link: RouteLink
    model: Model
    effect: SeenEffect
    names: Shape
    middle: bool
    others: Sequence[RouteChain] = field(default=())


def suggest(function: Function, seen: SeenApplication, shape: Shape, folder: Path) -> Suggestion | Refused:
    """For that function; `Refused` says why there is none, and what to change first."""
    wanted = _wanted(function, seen, shape)
    if isinstance(wanted, Refused):
        return wanted
    files = {path: Edited.read(path, folder / path) for path in _paths(seen)}
    suggestion = Suggestion("middle" if wanted.middle else "tail", files)
    about = _strangling(wanted, suggestion, seen, folder)
    _decorate(wanted, about)
    made_and_served(wanted.chain, about, seen, folder)
    for other in wanted.others:
        route = other.route
        suggestion.by_hand.append(
            f"{','.join(route.methods)} {route.path} ({route.function.place}) calls it too: before its commit say "
            f'{about.strangled}.changed({shape.variable}, "{wanted.model.name}Changed", ...), and name that type in '
            "`on` of this seam and of the service"
        )
    return suggestion


def _paths(seen: SeenApplication) -> set[str]:
    places = (
        [one.place for one in seen.functions] + [one.place for one in seen.models] + [one.place for one in seen.apps]
    )
    return {place.path for place in places}


def _wanted(function: Function, seen: SeenApplication, shape: Shape) -> Wanted | Refused:
    reaching = [
        (chain, link)
        for chain in shape.chains
        for link in chain.outgoing()
        if function in (link.holder, link.within) and not asks_only(link)
    ]
    named = f"{function.name} ({function.place})"
    if any(dotted(one).endswith((".step", ".awaited")) for one in function.node.decorator_list):
        return Refused(f"{named} is a step already", "name another function; `strangler check` holds it")
    if not reaching:
        return Refused(
            f"no route was seen that calls {named} and has an effect outside of the process by it",
            "name a function that sends or asks something: `strangler init --dry-run` lists them by route",
        )
    creating = [(chain, link) for chain, link in reaching if seen.model(chain.model) is not None]
    chain, link = creating[0] if creating else reaching[0]
    model = seen.model(chain.model)
    if model is None:
        return Refused(
            f"no route that calls {named} makes a row of a model that is seen",
            "tell of its changes by hand: docs/reference/strangled.md",
        )
    if link.holder is not None and link.holder is not function:
        holder = f"{link.holder.name} ({link.holder.place})"
        return Refused(
            f"{named} is called by {holder}, which takes the {model.name}",
            f"make that one the step: `strangler seam suggest {link.holder.place}`",
        )
    if link.holder is None:
        taken = ", ".join(function.parameters) or "nothing"
        variable = shape.variable
        return Refused(
            f"{named} takes {taken}, and no {model.name}: a step's subject is a parameter of it",
            f"write `def {function.name}_of({variable})` that calls it, call that in the route, and ask again",
        )
    middle = not link.committed and link.action.used
    others = [one for one, _ in reaching if one is not chain and not one.model]
    unique = list({id(one): one for one in others}.values())
    return Wanted(function, chain, link, model, effect_of(link, seen), shape, middle, unique)


def _strangling(wanted: Wanted, suggestion: Suggestion, seen: SeenApplication, folder: Path) -> About:
    """With the application's Strangled: that which is there, its subject's before another's, else a new file's."""
    shape = wanted.names
    there = [name for name, made in seen.globals.items() if made in STRANGLED]
    subjects = {name: _first_text(seen.constants.get(name)) for name in there}
    name = next((one for one in there if subjects[one] == shape.subject), there[0] if there else "strangled")
    if there:
        path = seen.homes[name]
        if subjects[name] != shape.subject:
            suggestion.by_hand.append(
                f"{name} ({path}) is the Strangled of {subjects[name]!r}: the plan's subject has the same name, or the "
                f"{wanted.model.name} gets a Strangled of its own"
            )
    else:
        near = Path(wanted.function.place.path).parent
        names = ("strangling.py", "strangled_seams.py", f"strangling_{shape.variable}.py")
        path = next(
            (one for each in names if not os.path.lexists(folder / (one := (near / each).as_posix()))), names[-1]
        )
        suggestion.files[path] = Edited(
            path,
            None,
            f'"""The seams of the {shape.subject}: one Strangled, which the application imports."""\n\n'
            f'from strangler.flask import Strangled\n\nstrangled = Strangled("{shape.subject}")\n',
        )
    imported = f"from {module_of(folder / path).name} import {name}"
    return About(wanted.model, shape, suggestion, name, path, imported)


def _first_text(node: ast.AST | None) -> str:
    return text_of(node.args[0]) if isinstance(node, ast.Call) and node.args else ""


def _decorate(wanted: Wanted, about: About) -> None:
    function, effect, suggestion = wanted.function, wanted.effect, about.suggestion
    file = suggestion.files[function.place.path]
    first = min([function.node.lineno, *(one.lineno for one in function.node.decorator_list)])
    file.import_names("from strangler import Call")  # only a call of what is written here needs it
    about.imports(file, before=first)
    indent = file.indent_of(first)
    subject = wanted.link.subject
    body = _observed(wanted, suggestion)
    pad = f"{indent}    "
    said = f"{indent}def {function.name}_asked({subject}, sent):\n"
    said += f'{pad}return [Call("{effect.step}", "send", {body})]\n\n\n'
    of = f'"{effect.step}", '
    asked = f"observe={function.name}_asked"
    if wanted.middle:
        tells = _tells(effect.step)
        decorator = f"@{about.strangled}.awaited({of}tells={tells!r}, {asked})".replace("'", '"')
        _rest(wanted, about, file, tells)
    else:
        at = "" if function.parameters[0] in (subject,) else f', subject="{subject}"'
        decorator = f'@{about.strangled}.step({of}on=("{wanted.names.event}",), {asked}{at})'
    file.before_line(first, f"{said}{indent}{decorator}\n")
    _with_key(wanted, suggestion, file)


def _observed(wanted: Wanted, suggestion: Suggestion) -> str:
    """The body of the call, of the subject alone where its source allows, else what the function returns."""
    file = suggestion.files[wanted.function.place.path]
    known = module_names(file.tree) | {wanted.link.subject} | set(dir(builtins))
    fields = wanted.effect.body
    unknown = [name for name, source in fields.items() if not _names(source) <= known]
    if fields and not unknown:
        return "{" + ", ".join(f'"{name}": {source}' for name, source in fields.items()) + "}"
    why = (
        f"{', '.join(unknown)} is made of what only it knows" if unknown else "what it sends is not seen in its source"
    )
    suggestion.by_hand.append(
        f"{wanted.function.name}: {why}; let it `return` what it has sent, as a dict: observe takes that"
    )
    return "sent"


def _names(source: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(source, mode="eval")) if isinstance(node, ast.Name)}


def _tells(step: str) -> tuple[str, str]:
    name = "".join(part.capitalize() for part in step.split("_"))
    return f"{name}Done", f"{name}Refused"


def _with_key(wanted: Wanted, suggestion: Suggestion, file: Edited) -> None:
    """The vendor's key, the same from either side, where the call stands in the function itself."""
    node, call = wanted.function.node, wanted.link.action.node
    by_http = wanted.link.action.what.partition(".")[0] in HTTP and wanted.link.within is wanted.function
    if not by_http or call is None:
        return
    arguments = [*node.args.posonlyargs, *node.args.args]
    if node.args.vararg or node.args.kwarg or node.args.kwonlyargs or keyword(call, "headers") is not None:
        suggestion.by_hand.append(
            f"{wanted.function.name} ({wanted.link.action.place}): give it a parameter `key`, and send it as header "
            "Idempotency-Key, where the vendor knows such keys"
        )
        return
    last = arguments[-1]
    end = node.args.defaults[-1] if node.args.defaults else last.annotation or last
    file.at(end.end_lineno or node.lineno, end.end_col_offset or 0, ', key=""')
    headers = 'headers={"Idempotency-Key": key}'
    if call.keywords:
        file.at(call.keywords[0].lineno, call.keywords[0].col_offset, f"{headers}, ")
    else:
        file.at(call.end_lineno or call.lineno, (call.end_col_offset or 1) - 1, f", {headers}")


def _rest(wanted: Wanted, about: About, file: Edited, tells: tuple[str, str]) -> None:
    """What follows the answer becomes functions of the module; which lines these are only a person knows."""
    step, name, suggestion = wanted.effect.step, about.strangled, about.suggestion
    subject = wanted.names.variable if wanted.link.subject == "self" else wanted.link.subject
    line = wanted.function.node.lineno
    end = next(one.end_lineno or line for one in file.tree.body if one.lineno <= line <= (one.end_lineno or line)) + 1
    file.before_line(
        end,
        f'\n\n@{name}.after("{step}")\ndef {step}_done({subject}, outcome):\n'
        f'    raise NotImplementedError("what the route does behind the call moves here")\n'
        f'\n\n@{name}.refused("{step}", status=402)\ndef {step}_refused({subject}, outcome):\n'
        f'    raise NotImplementedError("what becomes of a {wanted.names.subject} that is refused")\n',
    )
    route, function = wanted.chain.route.function, wanted.function.name
    last = route.node.end_lineno
    outcome = f"{function} returns its outcome, a dict of plain JSON, the same as the new side tells"
    moved = (
        f"the lines of {route.name} behind the call ({route.place.path}, to line {last}) move into {step}_done, "
        f"without its commit; the route ends with `return {name}.run({wanted.names.variable}, {function}, "
        f"answer={wanted.model.name}.to_dict)`"
    )
    refusals = f"{function} raises for a refusal? Name that exception, refusals=(...,), and undo in {step}_refused"
    service = (
        f'the service says awaited=True, shadow_on=("{tells[0]}",), topics=("{wanted.names.subject}", "{step}") and a '
        f'conclude; the plan names "{step}" in topics, and a resumer: docs/reference/middle.md'
    )
    suggestion.by_hand += [outcome, moved, refusals, service]


def functions_with_effects(shape: Shape, path: str) -> Mapping[int, Function]:
    """Those of a file that could be steps, by line: they, or a helper of theirs, have an effect outside."""
    links = [link for chain in shape.chains for link in chain.outgoing() if not asks_only(link)]
    holders = [link.holder for link in links if link.holder is not None and link.holder.place.path == path]
    found = holders or [link.within for link in links if link.within.place.path == path]
    return {function.place.line: function for function in found}
