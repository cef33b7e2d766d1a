"""The few instructions that a saved tensor needs, of those that `torch.save` writes, read by hand.

What torch saves is a program for a virtual machine, and a hostile one can run anything. Here nothing of it is called:
`pickletools.genops` lists its instructions, those that build one tensor's description are followed on a stack of plain
values, and everything else (other instructions, other names) is one error.
"""

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from unlearn.errors import DataError
from unlearn.sources import _places

LONGEST = 64 * 1024  # bytes; a tensor takes 300
WIDEST = 2**48  # of any number
STORAGES = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte")
BUILDER = "torch._utils _rebuild_tensor_v2"
HOOKS = "collections OrderedDict"
NAMES = {BUILDER, HOOKS, *(f"torch {kind}Storage" for kind in STORAGES)}


@dataclass(frozen=True)
class Name:
    """One of NAMES; what it stands for is never looked up."""

    text: str


@dataclass(frozen=True)
class Storage:
    """Numbers in a file of their own: kind of number, the file's name, how many."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class Description:
    """A tensor within its storage, in numbers, not in bytes."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class Refused(Exception):
    """What is wrong, in words; becomes a DataError with its place."""


class _Mark:
    pass


class _Hooks:
    """An empty OrderedDict."""


@dataclass(frozen=True)
class _Machine:
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def pop(self) -> Any:
        if not self.stack:
            raise Refused("takes a value from an empty stack")
        return self.stack.pop()

    def since_mark(self) -> tuple[Any, ...]:
        found: list[Any] = []
        while not isinstance(value := self.pop(), _Mark):
            found.append(value)
        return tuple(reversed(found))

    def last(self, count: int) -> tuple[Any, ...]:
        return tuple(reversed([self.pop() for _ in range(count)]))


def described(program: bytes, place: str) -> Description:
    """The one tensor that a program describes.

    Raises:
        DataError: anything but one plain tensor, or a damaged program.
    """
    try:
        return _followed(program)
    except Refused as refusal:
        raise DataError(f"{place}: {refusal}; only a plain tensor is read from foreign files") from None


def _followed(program: bytes) -> Description:
    if len(program) > LONGEST:
        raise Refused(f"its data.pkl has {len(program):,} bytes, more than {LONGEST:,}")
    machine = _Machine()
    for name, argument in _instructions(program):
        if name not in INSTRUCTIONS:
            raise Refused(f"holds the instruction {name}")
        INSTRUCTIONS[name](machine, argument)
    if len(machine.stack) != 1 or not isinstance(machine.stack[0], Description):
        raise Refused("holds something else than one tensor")
    return machine.stack[0]


def _instructions(program: bytes) -> Iterator[tuple[str, Any]]:
    try:
        yield from ((opcode.name, argument) for opcode, argument, _ in pickletools.genops(program))
    except Refused:
        raise
    except Exception as error:  # the lister raises several kinds on damaged programs
        raise Refused(f"its data.pkl is damaged ({_places.reason(error)})") from error


def _name(machine: _Machine, text: Any) -> None:
    if text not in NAMES:
        raise Refused(f"names {_places.shown(text)[:80].replace(' ', '.')}")
    machine.stack.append(Name(text))


def _name_on_stack(machine: _Machine, _: Any) -> None:
    parts = machine.last(2)
    if not all(isinstance(part, str) for part in parts):
        raise Refused("holds a name that is no text")
    _name(machine, " ".join(parts))


def _remember(machine: _Machine, place: Any) -> None:
    machine.memo[len(machine.memo) if place is None else place] = _top(machine)


def _top(machine: _Machine) -> Any:
    value = machine.pop()
    machine.stack.append(value)
    return value


def _recall(machine: _Machine, place: Any) -> None:
    if place not in machine.memo:
        raise Refused("recalls a value that it did not keep")
    machine.stack.append(machine.memo[place])


def _storage(machine: _Machine, _: Any) -> None:
    """A reference to a file of numbers: ("storage", kind, key, device, count)."""
    match machine.pop():
        case ("storage", Name(text), str() as key, str(), int() as count) if text.endswith("Storage"):
            kind = text.removeprefix("torch ").removesuffix("Storage")
            machine.stack.append(Storage(kind, key, _number(count)))
        case _:
            raise Refused("holds a reference that is no storage")


def _built(machine: _Machine, _: Any) -> None:
    """A call, of which two are known: an empty OrderedDict, and a tensor from its description."""
    called, given = machine.last(2)
    match called, given:
        case Name(text), () if text == HOOKS:
            machine.stack.append(_Hooks())
        case Name(text), (Storage() as storage, offset, tuple() as size, tuple() as stride, bool(), _Hooks()) if (
            text == BUILDER
        ):
            machine.stack.append(Description(storage, _number(offset), _numbers(size), _numbers(stride)))
        case _:
            raise Refused("holds a call that builds no plain tensor")


def _numbers(values: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(map(_number, values))


def _number(value: Any) -> int:
    """A whole number within bounds; True and False are none."""
    if type(value) is not int or not 0 <= value < WIDEST:
        raise Refused("describes its tensor by something else than whole numbers within bounds")
    return value


def _pushed(value: Any) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(value)


def _argument(machine: _Machine, argument: Any) -> None:
    machine.stack.append(argument)


def _tuple(count: int) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(machine.last(count))


def _nothing(machine: _Machine, _: Any) -> None:
    pass


INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), _nothing),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1"), _argument),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "MEMOIZE"), _remember),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _recall),
    "MARK": lambda machine, _: machine.stack.append(_Mark()),
    "TUPLE": lambda machine, _: machine.stack.append(machine.since_mark()),
    **{f"TUPLE{count}": _tuple(count) for count in (1, 2, 3)},
    "EMPTY_TUPLE": _pushed(()),
    "NONE": _pushed(None),
    "NEWTRUE": _pushed(True),
    "NEWFALSE": _pushed(False),
    "GLOBAL": _name,
    "STACK_GLOBAL": _name_on_stack,
    "BINPERSID": _storage,
    "REDUCE": _built,
}
