"""Lenses at once: the same answers as one by one, in fewer calls, whatever way each lens goes."""

import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.device import batching as module
from lensmill.device.batching import OUT_OF_MEMORY, Made, batched, compiled, over, stopwatch


class Power(eqx.Module):
    exponent: int = eqx.field(static=True)
    shift: dict[str, jax.Array]


@compiled
def raised(power: Power, x: jax.Array) -> dict[str, jax.Array]:
    return {"y": (x + power.shift["by"]) ** power.exponent, "steps": jnp.asarray(power.exponent)}


def power(exponent: int, shift: dict[str, jax.Array], x: jax.Array) -> dict[str, jax.Array]:
    return raised(Power(exponent, shift), x)


@compiled
def noise(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    now, later = jax.random.split(key)
    return jax.random.normal(now, (2,)), later


@compiled
def twice(x: jax.Array) -> jax.Array:
    return 2 * power(1, {"by": jnp.zeros(())}, x)["y"]


SHIFT = {"by": jnp.arange(3.0)}


def walk(number: int) -> list[np.ndarray]:
    """A way of its own: as many calls as the number says, every third with another exponent."""
    x, key, seen = jnp.full(3, float(number)), jax.random.key(number), []
    for step in range(1 + number % 4):
        x = power(3 if number % 3 == 0 else 2, SHIFT, x)["y"] / 10
        jitter, key = noise(key)
        x = twice(x + jitter[0])
        seen.append(np.asarray(x) + step)
    return seen


@pytest.mark.parametrize("width", [3, 64])
def test_a_batch_gives_each_item_its_own_answer(width: int) -> None:
    alone = [walk(number) for number in range(11)]
    together = batched(walk, range(11), width=width, shared=SHIFT)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(np.asarray(other), np.asarray(one), rtol=1e-12)


def test_calls_of_one_kind_are_made_together_and_shared_arrays_passed_once() -> None:
    made: list[Made] = []
    batched(lambda number: power(2, SHIFT, jnp.full(3, float(number))), range(9), width=9, shared=SHIFT, made=made)
    assert [(one.function, one.lenses, one.width) for one in made] == [("raised", 9, 16)]
    made.clear()
    batched(lambda number: power(2 + number % 2, SHIFT, jnp.ones(3)), range(9), width=9, made=made)
    assert sorted((one.lenses, one.width) for one in made) == [(4, 16), (5, 16)]


def test_an_error_of_one_item_stops_no_other() -> None:
    done = []

    def task(number: int) -> None:
        power(2, SHIFT, jnp.ones(3))
        if number == 1:
            raise ValueError("no such lens")
        power(2, SHIFT, jnp.ones(3))
        done.append(number)

    with pytest.raises(ValueError, match="no such lens"):
        batched(task, range(5), width=5)
    assert sorted(done) == [0, 2, 3, 4]


def test_an_error_of_a_call_reaches_those_who_called() -> None:
    @compiled
    def broken(x: jax.Array) -> jax.Array:
        raise TypeError("not for this")

    def task(number: int) -> str:
        try:
            broken(jnp.ones(2))
        except TypeError as error:
            return f"{number}: {error}"
        return "no error"

    assert batched(task, range(3), width=3) == [f"{n}: not for this" for n in range(3)]


def test_an_interruption_ends_every_thread() -> None:
    @compiled
    def interrupted(x: jax.Array) -> jax.Array:
        raise KeyboardInterrupt

    ended = []

    def task(number: int) -> None:
        try:
            interrupted(jnp.ones(2)) if number < 3 else power(2, SHIFT, jnp.ones(3))
        except KeyboardInterrupt:
            ended.append(number)

    with pytest.raises(KeyboardInterrupt):
        batched(task, range(5), width=5)
    assert sorted(ended) == list(range(5))


def test_a_call_too_large_for_the_device_is_made_in_pieces() -> None:
    @compiled
    def hungry(x: jax.Array) -> jax.Array:
        return x + 1

    widen, made = hungry.widened, []

    def small_device(*known):
        function = widen(*known)

        def call(x: np.ndarray) -> jax.Array:
            if len(x) > 16:
                raise RuntimeError(f"{OUT_OF_MEMORY}: out of memory")
            return function(x)

        return call

    hungry.widened = small_device
    answers = batched(lambda number: float(hungry(jnp.asarray(float(number)))), range(40), width=40, made=made)
    assert answers == [number + 1.0 for number in range(40)]
    assert [one.lenses for one in made] == [16, 16, 8]


@pytest.mark.parametrize("group", [None, 2, 3, 8])
def test_items_in_groups_give_what_they_give_in_turn(group: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the function is compiled for groups of one size alone."""
    traced = []

    def spread(item: tuple[jax.Array, jax.Array]) -> dict[str, jax.Array]:
        traced.append(item)
        return {"x": item[0] * jax.random.normal(item[1], (2,))}

    items = jnp.arange(7.0), jax.random.split(jax.random.key(0), 7)
    expected = over(spread, items, group)
    monkeypatch.setattr(module, "wide_device", lambda: True)
    traced.clear()
    found = over(spread, items, group)
    assert found["x"].shape == (7, 2)
    np.testing.assert_array_equal(found["x"], expected["x"])
    assert len(traced) == 1


def test_a_lens_has_its_share_of_the_seconds_of_calls_made_together() -> None:
    made: list[Made] = []

    def task(number: int) -> float:
        begin = stopwatch()
        for _ in range(3):
            power(2, SHIFT, jnp.full(3, float(number)))
        return stopwatch() - begin

    shares = batched(task, range(8), width=8, made=made)
    assert sum(shares) == pytest.approx(sum(one.seconds for one in made), rel=1e-6)
    begin = stopwatch()
    time.sleep(0.05)
    assert 0.05 <= stopwatch() - begin < 5
