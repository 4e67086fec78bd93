"""One decorator for every border: what the annotations say is checked where arguments are bound.

    @checked
    def generate(self, n: Natural, generator: torch.Generator) -> Tensor: ...

Of a dataclass it is the constructor that is checked. The checks are made from the annotations at the first call; an
argument without one, or left at its default, is taken as it is.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from borders.settings import setting
from borders.tensors import TensorCheck, tensor

F = TypeVar("F", bound=Callable[..., Any])
Checks = dict[str, Callable[[str, Any, object, dict[str, Any]], Any]]


def checked(function: F, contract: Callable[..., Any] | None = None) -> F:
    """`function`, or a dataclass, that checks its arguments; `contract` speaks where no shape is annotated."""
    if inspect.isclass(function):  # the annotations of a dataclass's fields may stand in several modules
        function.__init__ = checked(function.__init__, function)  # type: ignore[misc, method-assign]
        return function
    if hasattr(function, "__unchecked__"):
        return function
    names = [name for name, p in inspect.signature(function).parameters.items() if p.kind not in _VARIABLE]
    owned = names[:1] in (["self"], ["cls"])

    made: list[tuple[tuple[int, str, Any], ...]] = []  # no cache of functools, which a process could not be sent

    def make() -> None:
        found = argument_checks(function)
        if contract is not None:
            shaped = {name: check for name, check in found.items() if isinstance(check, TensorCheck)}
            found |= argument_checks(contract) | shaped
        made.append(tuple((i, name, found[name]) for i, name in enumerate(names) if found.get(name)))

    @functools.wraps(function)
    def border(*args: Any, **settings: Any) -> Any:
        if not made:
            make()
        if not made[0]:
            return function(*args, **settings)
        values = list(args)
        owner = args[0] if owned and args else None
        sizes: dict[str, Any] = {}
        for place, name, check in made[0]:
            if place < len(values):
                values[place] = check(name, values[place], owner, sizes)
            elif name in settings:
                settings[name] = check(name, settings[name], owner, sizes)
        return function(*values, **settings)

    border.__unchecked__ = function  # type: ignore[attr-defined]
    return typing.cast(F, border)


def unchecked(method: F) -> F:
    """The function or bound method without its border, for a loop that checks what it passes itself."""
    inner = getattr(method, "__unchecked__", method)
    owner = getattr(method, "__self__", None)
    return inner if owner is None or inner is method else typing.cast(F, types.MethodType(inner, owner))


_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def argument_checks(function: Callable[..., Any]) -> dict[str, Any]:
    """The check of every annotated parameter of a function, or field of a dataclass; None for one that needs none."""
    function = getattr(function, "__unchecked__", function)
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError:  # a name that exists for type checkers only
        hints = {}
    return {name: _check(hint) for name, hint in hints.items() if name != "return"}


class Fields:
    """The check of an argument that holds others by name, a `TypedDict`: `batch["x"]`; what it does not know stays."""

    def __init__(self, hint: Any):
        found = {key: _check(kind) for key, kind in typing.get_type_hints(hint, include_extras=True).items()}
        self.checks = {key: check for key, check in found.items() if check is not None}
        self.needs = [key for key in found if key in hint.__required_keys__]

    def __call__(self, name: str, value: Any, owner: object, sizes: dict[str, Any]) -> Any:
        """A dict of what was checked; TypeError or ValueError says what `name` must hold."""
        wanted = f"{name} must hold {', '.join(self.needs)} by name"
        if not isinstance(value, Mapping):
            raise TypeError(f"{wanted}, got a {type(value).__name__}")
        missing = [key for key in self.needs if key not in value]
        if missing:
            raise ValueError(
                f"{wanted}, but {missing[0]} is missing; it holds {', '.join(map(str, value)) or 'nothing'}"
            )
        found = {key: check for key, check in self.checks.items() if key in value}
        return {**value} | {key: check(f'{name}["{key}"]', value[key], owner, sizes) for key, check in found.items()}


def _check(hint: Any) -> Any:
    if typing.is_typeddict(hint):
        return Fields(hint)
    of_tensor, of_setting = tensor(hint), setting(hint)
    if of_tensor is not None or of_setting is None:
        return of_tensor

    def check(name: str, value: Any, owner: object, sizes: dict[str, Any]) -> Any:
        return of_setting(name, value)

    return check
