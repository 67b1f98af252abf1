"""Conversion of profiles to another package's parameters, a row a profile; what has no equivalent is listed with the reason."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

Value = float | np.ndarray  # one number, or one a draw; a vector's elements lie along the last axis
Parameters = dict[str, Any]
Exported = Parameters | list[Parameters]  # of one profile, or of each of those that make up ours


class Component(NamedTuple):
    """A profile and its parameters, in lensmill's names or in the other package's."""

    profile: str
    parameters: Mapping[str, Any]


class LeftOut(NamedTuple):
    """A component that was not converted: its place in the list given, its profile, and why."""

    place: int
    profile: str
    reason: str


class Converted(NamedTuple):
    """The components that have an equivalent, in their order, and those left out."""

    components: list[Component]
    left_out: list[LeftOut]


class NoEquivalent(Exception):
    """A profile, or these values of it, that the other side cannot express; the message says why."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One profile: its name in the other package, and its parameters there (`export`) and back here (`adopt`).

    Both functions name the parameters they take. `export` gives a list where it takes several of their profiles to make ours.
    Without `adopt`, another row reads that profile back.
    """

    theirs: str
    export: Callable[..., Exported]
    adopt: Callable[..., Parameters] | None = None


def lacking(reason: str) -> Row:
    """The row of a profile that the other package does not have."""

    def export(**_: Value) -> NoReturn:
        raise NoEquivalent(reason)

    return Row("", export)


def require(condition: Any, reason: str) -> None:
    """Raise `NoEquivalent` unless every draw meets the condition."""
    if not np.all(condition):
        raise NoEquivalent(reason)


def require_zero(reason: str, *values: Value) -> None:
    """Raise `NoEquivalent` unless every draw of every value is zero."""
    require(all(np.all(np.equal(value, 0)) for value in values), reason)


def require_origin(*position: Value) -> None:
    """Raise `NoEquivalent` unless a shear or a sheet is about the cutout's centre: lensmill's have no other origin."""
    require_zero("its origin is not the cutout's centre, where lensmill's is", *position)


@dataclasses.dataclass(frozen=True)
class Table:
    """The rows of one package for mass or for light, by lensmill's names; `defaults` are what that package fills in."""

    package: str
    rows: Mapping[str, Row]
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def export(self, components: Iterable[tuple[str, Mapping[str, Any]]]) -> Converted:
        """The components in the package's parameters, from lensmill's."""
        return _converted(components, self._exporter, {})

    def adopt(self, components: Iterable[tuple[str, Mapping[str, Any]]]) -> Converted:
        """The components in lensmill's parameters, from the package's."""
        return _converted(components, self._adopter, self.defaults)

    def reads(self, theirs: str) -> bool:
        """Whether `adopt` knows the package's profile `theirs`."""
        return any(row.theirs == theirs and row.adopt is not None for row in self.rows.values())

    def _exporter(self, ours: str) -> tuple[str, Callable[..., Exported]]:
        if ours not in self.rows:
            raise NoEquivalent(f"there is no row for it in the table of {self.package}")
        return self.rows[ours].theirs, self.rows[ours].export

    def _adopter(self, theirs: str) -> tuple[str, Callable[..., Parameters]]:
        for ours, row in self.rows.items():
            if row.theirs == theirs and row.adopt is not None:
                return ours, row.adopt
        raise NoEquivalent(f"lensmill reads no {theirs} of {self.package}")


def _converted(
    components: Iterable[tuple[str, Mapping[str, Any]]],
    find: Callable[[str], tuple[str, Callable[..., Exported]]],
    defaults: Mapping[str, Any],
) -> Converted:
    found = Converted([], [])
    for place, (profile, parameters) in enumerate(components):
        try:
            name, convert = find(profile)
            made = _called(convert, profile, parameters, defaults)
        except NoEquivalent as reason:
            found.left_out.append(LeftOut(place, profile, str(reason)))
        else:
            found.components.extend(Component(name, one) for one in (made if isinstance(made, list) else [made]))
    return found


def _called(
    convert: Callable[..., Exported], profile: str, parameters: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Exported:
    signature = inspect.signature(convert)
    filled = {name: value for name, value in defaults.items() if name in signature.parameters} | dict(parameters)
    try:
        signature.bind(**filled)
    except TypeError as error:
        raise ValueError(f"{profile}: {error}; expected {', '.join(signature.parameters)}") from error
    return convert(**filled)
