"""Policies by name and from files (TOML or YAML).

extends = "copyleft"            # a preset to start from; rules of the file come before its rules
name = "ours"
on_error = "closed"
allow = ["github.com/our-org/*"]

[licenses]
forbidden = ["SSPL-1.0", "BUSL-1.1", "LicenseRef-partner-*"]

[[rules]]
name = "partner code"
action = "block"
license_any = ["forbidden"]
min_length = 120
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from provenance.errors import InputError, ParameterError
from provenance.guard.policy import Policy, Rule

_COPYLEFT = ("strong-copyleft", "weak-copyleft", "restricted", "unknown")
_FLOOR = 127
"""The floor of the default windows: shorter copies may be missed anyway, and most of them are coincidences."""

PRESETS: Mapping[str, Policy] = {
    each.name: each
    for each in (
        Policy(name="observe", default="observe"),
        Policy(name="annotate", default="annotate"),
        Policy(
            name="copyleft",
            rules=(
                Rule(name="withdrawn", action="block", kinds=("withdrawn",)),
                Rule(name="copyleft", action="block", license_any=_COPYLEFT, common=False, min_length=_FLOOR),
            ),
            verify=True,
            on_error="closed",
        ),
        Policy(name="strict", default="block", on_error="closed"),
    )
}
"""``observe``: count. ``annotate``: tell (the default). ``copyleft``: keep back verified copies that are uncommon, at
least 127 normalised characters long and have a source under a copyleft, restricted or unknown licence, tell of the
others. ``strict``: keep back whatever the filters know, common or not."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "tuple[str, ...]": (list,),
    "bool | None": (bool,),
    "Mapping[str, tuple[str, ...]]": (dict,),
}
_TEXT = "str"


def load_policy(named: str | os.PathLike[str], *, on_error: str | None = None) -> Policy:
    """Return a preset by its name, or the policy in a ``.toml``, ``.yaml`` or ``.yml`` file.

    ``on_error`` (``open`` or ``closed``) goes before what the policy says itself.

    Raises:
        ParameterError: no such preset, or the file says something that means nothing. InputError: it cannot be read.
    """
    own: dict[str, Any] = {} if on_error is None else {"on_error": on_error}
    if isinstance(named, str) and named in PRESETS:
        return replace(PRESETS[named], **own)
    path = Path(named)
    if path.suffix not in (".toml", ".yaml", ".yml"):
        raise ParameterError(
            f"{named}: there is no such policy; name one of {', '.join(PRESETS)}, or a .toml or .yaml file"
        )
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: the policy cannot be read: {getattr(error, 'strerror', 'it is not UTF-8')}"
        ) from None
    return policy_of({**_parsed(path, text), **own}, default_name=path.stem)


def policy_of(values: Mapping[str, Any], *, default_name: str = "policy") -> Policy:
    """Return the policy that a mapping describes. Raises `ParameterError` for what is not known or does not fit."""
    values = dict(values)
    base_name = values.pop("extends", None)
    if base_name is not None and base_name not in PRESETS:
        raise ParameterError(f"policy: extends is {base_name!r}: there is {', '.join(PRESETS)}")
    base = PRESETS[base_name] if base_name is not None else Policy(name=default_name)
    rules = values.pop("rules", [])
    if not isinstance(rules, list) or not all(isinstance(each, dict) for each in rules):
        raise ParameterError("policy: rules is no list of tables")
    own = tuple(_rule(each, number) for number, each in enumerate(rules, 1))
    settings = _fitting(Policy, values, "policy", leave=("rules",))
    return replace(base, **{"name": default_name, **settings, "rules": (*own, *base.rules)})


def _rule(values: Mapping[str, Any], number: int) -> Rule:
    where = f"policy: rule {number}"
    found = _fitting(Rule, {"name": f"rule {number}", **values}, where)
    if "action" not in found:
        raise ParameterError(f"{where} has no action")
    return Rule(**found)


def _fitting(
    kind: type[Policy] | type[Rule], values: Mapping[str, Any], where: str, leave: tuple[str, ...] = ()
) -> dict[str, Any]:
    known = {each.name: str(each.type) for each in fields(kind) if each.name not in leave}
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            remedy = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known)}"
            raise ParameterError(f"{where}: {name!r} is not known; {remedy}")
        # The names of choices are compared where the value is made.
        types = _TYPES.get(known[name], _TYPES[_TEXT])
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise ParameterError(f"{where}: {name} is {value!r}: it must be {_wanted(types)}")
        found[name] = _frozen(name, value, where)
    return found


def _frozen(name: str, value: Any, where: str) -> Any:
    if isinstance(value, list):
        if not all(isinstance(each, str) for each in value):
            raise ParameterError(f"{where}: {name} must hold strings alone")
        return tuple(value)
    if isinstance(value, dict):
        for key, each in value.items():
            if not isinstance(each, list):
                raise ParameterError(f"{where}: {name}.{key} is no list")
        return {str(key): _frozen(f"{name}.{key}", each, where) for key, each in value.items()}
    return value


def _wanted(types: tuple[type, ...]) -> str:
    return {
        str: "a string",
        int: "a whole number" if types == (int,) else "a number",
        bool: "true or false",
        list: "a list of strings",
        dict: "a table of lists",
    }[types[0]]


def _parsed(path: Path, text: str) -> Mapping[str, Any]:
    found: Any
    if path.suffix == ".toml":
        import tomllib

        try:
            found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ParameterError(f"{path}: not TOML: {error}") from None
    else:
        try:
            import yaml
        except ModuleNotFoundError:
            raise ParameterError(
                f"{path}: YAML needs PyYAML; install it with `pip install 'corpus-provenance[guard]'`, or write TOML"
            ) from None
        try:
            found = yaml.safe_load(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            raise ParameterError(f"{path}: not YAML{f', line {mark.line + 1}' if mark else ''}") from None
    if not isinstance(found, dict):
        raise ParameterError(f"{path}: a policy is a table of settings")
    return found
