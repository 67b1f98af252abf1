"""Decision 1: a check of fields must run when a user makes a value, never when JAX rebuilds it."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import flax.struct
import jax
import jax.numpy as jnp
import pytest

checked: list[object] = []


@flax.struct.dataclass
class FlaxValue:
    field: jax.Array

    def __post_init__(self) -> None:
        checked.append(self.field)


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class RegisteredValue:
    field: jax.Array

    def __post_init__(self) -> None:
        checked.append(self.field)


class EquinoxValue(eqx.Module):
    field: jax.Array

    def __check_init__(self) -> None:
        checked.append(self.field)


def values_checked_by(kind: Callable[[jax.Array], object]) -> list[object]:
    """What the check of `kind` saw: at construction, and while a function of the value is compiled."""
    checked.clear()
    value = kind(jnp.array(1.0))
    jax.jit(lambda v: jax.tree.map(jnp.sin, v))(value)
    return list(checked)


def test_equinox_checks_at_construction_only() -> None:
    seen = values_checked_by(EquinoxValue)
    assert len(seen) == 1
    assert not isinstance(seen[0], jax.core.Tracer)


@pytest.mark.parametrize("kind", [FlaxValue, RegisteredValue])
def test_the_others_check_tracers_too(kind: Callable[[jax.Array], object]) -> None:
    assert any(isinstance(value, jax.core.Tracer) for value in values_checked_by(kind))
