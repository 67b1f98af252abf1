"""Dynamic batching: each lens runs its own code in a thread, and device calls of several lenses are made as one.

How many searches, descents and rounds of draws a lens takes depends on its data. Each lens has a thread with plain sequential
code. Calls of `compiled` functions are collected here. Those of one function with equal shapes run as one vmapped call.
"""

import dataclasses
import functools
import operator
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

# a call is padded to one of these widths, so that a function is compiled a few times at most
WIDTHS = (16, 64, 256, 1024)
OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"  # how XLA says it
_here = threading.local()

Answer = TypeVar("Answer")


def wide_device() -> bool:
    """Whether vectorising over lenses makes the device faster; a CPU gains nothing (decision 9)."""
    return jax.default_backend() != "cpu"


def stopwatch() -> float:
    """Seconds that count for the lens of this thread: wall time, or its share of the calls made for several lenses."""
    return float(getattr(_here, "spent", 0.0)) if getattr(_here, "together", None) else time.perf_counter()


def device_width() -> int:
    """How many lenses are fitted at the same time on this device."""
    return WIDTHS[-1] if wide_device() else 1


def over(function: Callable[[Any], Any], items: Any, group: int | None = None) -> Any:
    """`function` of every item along the leading axis: one after the other on a CPU, else all, or `group`, at once.

    The last group is padded with repeated items: a group of another size would need a compilation of its own.
    """
    if not wide_device():
        return jax.lax.map(function, items)
    if group is None:
        return jax.vmap(function)(items)
    number = len(jax.tree.leaves(items)[0])
    filled = np.arange(-(-number // group) * group) % number
    found = jax.lax.map(function, jax.tree.map(lambda leaf: leaf[filled], items), batch_size=group)
    return jax.tree.map(lambda leaf: leaf[:number], found)


class BatchedFunction:
    """A jitted function whose calls from lenses that are fitted at the same time are made together.

    What is fixed when it is compiled (a family of models, the length of a round) lies in its arguments as static parts of
    pytrees, so that it belongs to their structure.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.alone = jax.jit(function)
        self.wide: dict[Any, Callable[..., Any]] = {}
        self.name = function.__name__
        functools.update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        """The function's value: computed at once, or together with the calls of other lenses of the batch."""
        together: BatchServer | None = getattr(_here, "together", None)
        if together is None:
            return self.alone(*arguments)
        leaves, structure = jax.tree.flatten(arguments)
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return self.alone(*arguments)
        return together.ask(Call(self, structure, leaves))

    def widened(self, structure: Any, axes: tuple[int | None, ...]) -> Callable[..., Any]:
        """The jitted function of stacked leaves."""
        known = (structure, axes)
        if known not in self.wide:
            self.wide[known] = jax.jit(jax.vmap(functools.partial(self._of_leaves, structure), in_axes=axes))
        return self.wide[known]

    def _of_leaves(self, structure: Any, *leaves: Any) -> Any:
        return self.function(*jax.tree.unflatten(structure, leaves))


def compiled(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """Decorator: jit a function, and batch its calls with those of other lenses."""
    return BatchedFunction(function)


@dataclasses.dataclass(eq=False)
class Call:
    """A lens's call, and the answer that it waits for."""

    function: BatchedFunction
    structure: Any
    leaves: list[Any]
    answer: Future = dataclasses.field(default_factory=Future)
    share: float = 0.0  # seconds of the device, by the number of lenses that asked

    @property
    def kind(self) -> Any:
        """What calls must have in common to be made together."""
        return self.function, self.structure, tuple((np.shape(x), _dtype(x)) for x in self.leaves)


def _dtype(leaf: Any) -> Any:
    return leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype


class Made(NamedTuple):
    """An account of calls made as one: the function's name, how many lenses asked, for how many it ran, seconds of wall time."""

    function: str
    lenses: int
    width: int
    seconds: float


class BatchServer:
    """Serves the calls of threads, one a lens. Calls are made when all threads wait; the kind with most calls goes first."""

    def __init__(self, tasks: int, width: int, shared: Any, made: list[Made]) -> None:
        self.unfinished, self.width = tasks, min(width, tasks)
        self.shared = {id(leaf) for leaf in jax.tree.leaves(shared)}
        self.most: dict[Any, int] = {}
        self.waiting: list[Call] = []
        self.in_progress: list[Call] = []
        self.given_up: BaseException | None = None
        self.changed = threading.Condition()
        self.made = made
        self.stacked: dict[Any, tuple[Sequence[Any], Any]] = {}

    def ask(self, call: Call) -> Any:
        """The answer to a call, once it has been made with those of other lenses."""
        with self.changed:
            if self.given_up is not None:
                raise self.given_up
            self.waiting.append(call)
            self.changed.notify_all()
        answer = call.answer.result()
        _here.spent = getattr(_here, "spent", 0.0) + call.share
        return answer

    def done(self) -> None:
        """Count one thread's task as finished."""
        with self.changed:
            self.unfinished -= 1
            self.changed.notify_all()

    def give_up(self, error: BaseException) -> None:
        """End every thread: each waiting or later call raises the error."""
        with self.changed:
            self.given_up = error
            for call in (*self.waiting, *self.in_progress):
                if not call.answer.done():
                    call.answer.set_exception(error)

    def serve(self) -> None:
        """Make calls until every task is done."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: len(self.waiting) == min(self.width, self.unfinished))
                if not self.unfinished:
                    return
                self.in_progress = self._commonest()
                self.waiting = [call for call in self.waiting if call not in self.in_progress]
            self._make(self.in_progress)

    def _commonest(self) -> list[Call]:
        kinds: dict[Any, list[Call]] = {}
        for call in self.waiting:
            kinds.setdefault(call.kind, []).append(call)
        return max(kinds.values(), key=len)

    def _make(self, calls: list[Call]) -> None:
        """Answer calls of one kind, in as few pieces as the device's memory allows."""
        kind = calls[0].kind
        most = self.most.get(kind, WIDTHS[-1])
        for begin in range(0, len(calls), most):
            some = calls[begin : begin + most]
            try:
                answers = self._at_once(some)
            except Exception as error:  # noqa: BLE001 (each lens raises it where it called)
                if OUT_OF_MEMORY in str(error) and len(some) > 1:
                    self.most[kind] = max(1, self._width(some) // 4)
                    self._make(calls[begin:])
                    return
                for call in some:
                    call.answer.set_exception(error)
                continue
            for call, answer in zip(some, answers, strict=True):
                call.answer.set_result(answer)

    def _width(self, calls: list[Call]) -> int:
        return min(
            next((width for width in WIDTHS if width >= len(calls)), len(calls)),
            self.most.get(calls[0].kind, WIDTHS[-1]),
        )

    def _at_once(self, calls: list[Call]) -> list[Any]:
        first, width = calls[0], self._width(calls)
        filled, clock = calls + [calls[-1]] * (width - len(calls)), time.perf_counter()
        shared = [id(leaf) in self.shared for leaf in first.leaves]
        axes = tuple(None if one else 0 for one in shared)
        columns = [
            leaf if one else self._column(first, i, [call.leaves[i] for call in filled])
            for i, (leaf, one) in enumerate(zip(first.leaves, shared, strict=True))
        ]
        out = first.function.widened(first.structure, axes)(*columns)
        leaves, structure = jax.tree.flatten(out)
        rows = [_rows(leaf, len(calls)) for leaf in leaves]
        seconds = time.perf_counter() - clock
        self.made.append(Made(first.function.name, len(calls), width, seconds))
        for call in calls:
            call.share = seconds / len(calls)
        return [jax.tree.unflatten(structure, [row[i] for row in rows]) for i in range(len(calls))]

    def _column(self, call: Call, position: int, leaves: list[Any]) -> Any:
        """An argument of every lens, stacked on the device; reused where it is the same as at the last call of its kind."""
        before, stacked = self.stacked.get((call.kind, position), ((), None))
        if len(before) == len(leaves) and all(map(operator.is_, before, leaves)):
            return stacked
        stacked = _stack(leaves)
        self.stacked[call.kind, position] = leaves, stacked
        return stacked


def _is_key(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _stack(leaves: list[Any]) -> Any:
    """Arrays of several lenses as one, with a leading axis."""
    if _is_key(leaves[0]):
        return jax.random.wrap_key_data(jnp.stack([jax.random.key_data(leaf) for leaf in leaves]))
    return jnp.asarray(np.stack([np.asarray(leaf) for leaf in leaves]))


def _rows(leaf: Any, number: int) -> Sequence[Any]:
    """The first rows of an array, on the host, where lenses use them one by one."""
    if _is_key(leaf):
        return list(leaf[:number])
    return list(np.asarray(leaf)[:number])


def batched(
    task: Callable[[Any], Any], items: Sequence[Any], *, width: int, shared: Any = None, made: list[Made] | None = None
) -> list[Any]:
    """`task` of every item, `width` at a time, their calls of compiled functions made together; one by one where it is 1.

    Arrays in `shared`, the same objects for every item, are passed once. An account of the calls is added to `made`. The first
    exception of a task is raised when all tasks are done.
    """
    if width <= 1 or len(items) <= 1:
        return [task(item) for item in items]
    together = BatchServer(len(items), width, shared, [] if made is None else made)

    def walk(item: Any) -> Any:
        _here.together, _here.spent = together, 0.0
        try:
            return task(item)
        finally:
            _here.together = None
            together.done()

    with ThreadPoolExecutor(together.width, thread_name_prefix="lens") as threads:
        futures = [threads.submit(walk, item) for item in items]
        try:
            together.serve()
        except BaseException as error:
            together.give_up(error)
            raise
        return [future.result() for future in futures]
