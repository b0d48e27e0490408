"""A small language for conditions on episodes and for values of rows: parsed, checked against a list of what is allowed, computed.

    short = Expression("success and length < 200 and max(abs(action)) <= 1")
    short.evaluate(lookup)      # what `lookup(name)` says a name is

Nothing is ever run but the functions below: Python's parser makes a tree of the text, and each node of it that is not listed here is
an error that points at its column.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from muse.utils.errors import OptionError, nearest

#: The language, for `--help`.
LANGUAGE = """Expressions:
  names        ego, action; those with slashes or of another spelling in quotes: "objects/position"
  of episodes  length (rows), index (number, from 0), success (0 or 1, where the data tells), step (0, 1, 2 ... in each row);
               they come before names of the data that are spelt so
  elements     action[0], "objects/position"[1], ego[0:2], ego[-1]: of each row
  numbers      + - * / // % **, computed in float64; a name of one element is a number
  comparisons  < <= > >= == !=, chained ones too; texts: note == text("left")
  logic        and, or, not
  each element abs sqrt exp log, finite (no NaN or infinity), min(a, b), max(a, b)
  each row     norm (length of the vector), diff (change since the row before; 0 in the first)
  rows         first, last: that row
  all of it    min max mean sum std, any, all"""

_MAX_TEXT, _MAX_NODES = 4000, 500
_ARITHMETIC: dict[type, Callable] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod, ast.Pow: np.power,
}  # fmt: skip
_COMPARISONS: dict[type, Callable] = {
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal, ast.Eq: np.equal, ast.NotEq: np.not_equal,
}  # fmt: skip
_EACH: dict[str, Callable] = {"abs": np.abs, "sqrt": np.sqrt, "exp": np.exp, "log": np.log, "finite": np.isfinite}
_ALL: dict[str, Callable] = {
    "min": np.min, "max": np.max, "mean": np.mean, "sum": np.sum, "std": np.std, "any": np.any, "all": np.all,
}  # fmt: skip
_BOTH: dict[str, Callable] = {"min": np.minimum, "max": np.maximum}
_ROWS = ("norm", "diff", "first", "last")
FUNCTIONS = (*_EACH, *_ALL, *_ROWS, "text")


class ExpressionError(OptionError):
    """An expression that is none, or that does not fit the data."""


class Value(NamedTuple):
    """What a name or a part of an expression is: `(T, *shape)` with a row per step, or `(*shape)` for the whole episode."""

    array: np.ndarray
    has_rows: bool = False


#: Says what a name is.
Lookup = Callable[[str], Value]


class Expression:
    """An expression that has been parsed and holds nothing but what is allowed.

    Args:
        text: The expression; see `LANGUAGE`.
        where: What it belongs to, for messages (`"--where"`).
        each_row: It gives a value for each row: what is of "all of it" goes over the elements of a row, and not over the rows too.

    Attributes:
        names: The names it uses, with the column of each.

    Raises:
        ExpressionError: For anything that is not part of the language; with the column.
    """

    def __init__(self, text: str, where: str = "expression", each_row: bool = False) -> None:
        self.text, self.where, self.each_row = text.strip(), where, each_row
        self.names: dict[str, int] = {}
        if not self.text or len(self.text) > _MAX_TEXT or not self.text.isprintable():
            raise ExpressionError(where, "nothing, too much, or line breaks", f"one line of 1 to {_MAX_TEXT} letters")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._tree = ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            raise self._error(max(0, (error.offset or 1) - 1), error.msg, "an expression") from error
        except (RecursionError, MemoryError, ValueError) as error:
            raise ExpressionError(where, "nested too deeply", "a simpler expression") from error
        if sum(1 for _ in ast.walk(self._tree)) > _MAX_NODES:
            raise ExpressionError(where, "too long", f"at most {_MAX_NODES} parts")
        self._check(self._tree)

    def check_names(self, known: Iterable[str]) -> None:
        """Raises `ExpressionError` for the first name that is not among `known`."""
        known = list(known)
        for name, column in self.names.items():
            if name in known:
                continue
            longer = [other for other in known if other.startswith(f"{name}/")]
            hint = f'names with slashes stand in quotes: "{longer[0]}"' if longer else ""
            expected = "one of " + ", ".join(known)
            raise self._error(column, f"no name '{name}'{'' if longer else nearest(name, known)}", expected, hint)

    def evaluate(self, lookup: Lookup) -> Value:
        """Computes the expression.

        Raises:
            ExpressionError: Where shapes or kinds do not fit; with the column.
        """
        with np.errstate(all="ignore"):
            return self._value(self._tree, lookup)

    def is_true(self, lookup: Lookup) -> bool:
        """Returns whether the expression, one truth value, holds.

        Raises:
            ExpressionError: As `evaluate`, and where it is more than one value.
        """
        with np.errstate(all="ignore"):
            return bool(self._truth(self._tree, lookup).array)

    # Checking the tree

    def _check(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name) | ast.Constant(value=str(name)):
                self.names.setdefault(name, self._column(node))
            case ast.Constant(value=bool() | int() | float()):
                pass
            case ast.List(elts=[ast.Constant(value=str(name))]):
                self.names.setdefault(name, self._column(node))
            case ast.BoolOp(values=values):
                self._check_all(values)
            case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.UAdd(), operand=operand):
                self._check(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                self._check_all((left, right))
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARISONS for op in ops):
                self._check_all((left, *others))
            case ast.Subscript(value=value, slice=part):
                self._check(value)
                self._index(part)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                self._check_call(node, name, args)
            case _:
                hint = f"functions: {', '.join(FUNCTIONS)}" if isinstance(node, ast.Call) else ""
                expected = "names, numbers, comparisons, and/or/not, + - * / // % **, and functions"
                raise self._error(self._column(node), f"'{self._source(node)}' is not allowed", expected, hint)

    def _check_all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self._check(node)

    def _check_call(self, node: ast.Call, name: str, args: list[ast.expr]) -> None:
        if name not in FUNCTIONS:
            raise self._error(self._column(node), f"no function '{name}'{nearest(name, FUNCTIONS)}", ", ".join(FUNCTIONS))
        wanted = (1, 2) if name in _BOTH else (1,)
        if len(args) not in wanted:
            raise self._error(self._column(node), f"{name} of {len(args)} values", f"{name} of {' or '.join(map(str, wanted))}")
        if name == "text":
            if not (isinstance(args[0], ast.Constant) and isinstance(args[0].value, str)):
                raise self._error(self._column(node), "text of something else", 'text("left")')
        else:
            self._check_all(args)

    def _index(self, node: ast.AST) -> int | slice | tuple[int | slice, ...]:
        match node:
            case ast.Constant(value=int(number)) if not isinstance(number, bool):
                return number
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))) if not isinstance(number, bool):
                return -number
            case ast.Slice(lower=lower, upper=upper, step=None):
                begin, end = (None if side is None else self._index(side) for side in (lower, upper))
                return slice(begin, end)
            case ast.Tuple(elts=elements) if elements:
                return tuple(self._index(element) for element in elements)  # type: ignore[misc]
        raise self._error(self._column(node), f"index '{self._source(node)}'", "whole numbers, such as [0] or [0:3]")

    # Computing it

    def _value(self, node: ast.AST, lookup: Lookup) -> Value:
        match node:
            case ast.Name(id=name) | ast.Constant(value=str(name)) | ast.List(elts=[ast.Constant(value=str(name))]):
                return _as_numbers(lookup(name))
            case ast.Constant(value=number):
                return Value(np.asarray(self._number(node, number)))
            case ast.BoolOp(op=op, values=values):
                join = np.logical_and if isinstance(op, ast.And) else np.logical_or
                result = self._truth(values[0], lookup)
                for other in values[1:]:
                    result = self._apply(node, join, result, self._truth(other, lookup))
                return result
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                value = self._truth(operand, lookup)
                return Value(np.logical_not(value.array), value.has_rows)
            case ast.UnaryOp(op=op, operand=operand):
                value = self._numbers(operand, lookup)
                return Value(-value.array if isinstance(op, ast.USub) else value.array, value.has_rows)
            case ast.BinOp(left=left, op=op, right=right):
                return self._apply(node, _ARITHMETIC[type(op)], self._numbers(left, lookup), self._numbers(right, lookup))
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self._compare(node, [left, *others], ops, lookup)
            case ast.Subscript(value=inner, slice=part):
                return self._pick(node, self._value(inner, lookup), self._index(part))
            case ast.Call(func=ast.Name(id=name), args=args):
                return self._call(node, name, args, lookup)
        raise AssertionError(ast.dump(node))  # `_check` lets no other pass.

    def _number(self, node: ast.AST, number: complex) -> float | bool:
        try:
            return number if isinstance(number, bool) else float(number)  # type: ignore[arg-type]
        except OverflowError:
            raise self._error(self._column(node), "a number beyond float64", "a smaller one") from None

    def _numbers(self, node: ast.AST, lookup: Lookup) -> Value:
        """Returns numbers to compute with: float64, so that bytes do not wrap around and truths can be added."""
        value = self._value(node, lookup)
        if value.array.dtype.kind == "U":
            raise self._error(self._column(node), f"'{self._source(node)}' is text", "numbers", "== and != compare texts")
        return Value(value.array.astype(np.float64), value.has_rows)

    def _truth(self, node: ast.AST, lookup: Lookup) -> Value:
        value = self._numbers(node, lookup)
        if not self.each_row and value.array.ndim:
            got = f"'{self._source(node)}' is {_describe(value)}, not one truth value"
            raise self._error(self._column(node), got, "one", "any(...) or all(...) around it")
        return Value(value.array != 0, value.has_rows)

    def _apply(self, node: ast.AST, function: Callable, a: Value, b: Value) -> Value:
        has_rows = a.has_rows or b.has_rows
        dims = max(value.array.ndim - value.has_rows for value in (a, b))
        try:
            return Value(np.asarray(function(_aligned(a, dims), _aligned(b, dims))), has_rows)
        except ValueError:
            got = f"'{self._source(node)}': {_describe(a)} and {_describe(b)}"
            raise self._error(self._column(node), got, "elements that fit one another") from None

    def _compare(self, node: ast.AST, sides: list[ast.expr], ops: list[ast.cmpop], lookup: Lookup) -> Value:
        values, result = [self._value(side, lookup) for side in sides], None
        for i, op in enumerate(ops):
            kinds = {value.array.dtype.kind == "U" for value in values[i : i + 2]}
            if True in kinds and (len(kinds) > 1 or not isinstance(op, (ast.Eq, ast.NotEq))):
                got = f"'{self._source(node)}' compares text"
                raise self._error(self._column(node), got, "== or != of two texts", 'note == text("left")')
            told = self._apply(node, _COMPARISONS[type(op)], values[i], values[i + 1])
            result = told if result is None else self._apply(node, np.logical_and, result, told)
        assert result is not None
        return result

    def _pick(self, node: ast.AST, value: Value, index: int | slice | tuple[int | slice, ...]) -> Value:
        parts = index if isinstance(index, tuple) else (index,)
        try:
            return Value(np.asarray(value.array[(slice(None), *parts) if value.has_rows else parts]), value.has_rows)
        except IndexError:
            got = f"'{self._source(node)}' of {_describe(value)}"
            raise self._error(self._column(node), got, "an element that is there") from None

    def _call(self, node: ast.Call, name: str, args: list[ast.expr], lookup: Lookup) -> Value:
        if name == "text":
            return Value(np.asarray(args[0].value))  # type: ignore[attr-defined]
        values = [self._numbers(arg, lookup) for arg in args]
        if len(values) == 2:
            return self._apply(node, _BOTH[name], *values)
        array, has_rows = values[0]
        if name in _EACH:
            return Value(_EACH[name](array), has_rows)
        if name == "norm":
            axes = tuple(range(int(has_rows), array.ndim))
            return Value(np.sqrt(np.sum(array**2, axis=axes)) if axes else np.abs(array), has_rows)
        if name in _ROWS and not has_rows:
            got = f"'{self._source(args[0])}' has no rows"
            raise self._error(self._column(node), got, f"a name with a row per step in {name}(...)")
        if name == "diff":
            return Value(np.diff(array, axis=0, prepend=array[:1]), True)
        if name in ("first", "last"):
            return Value(array[0 if name == "first" else -1])
        if not array.size:
            raise self._error(self._column(node), f"'{self._source(node)}' of no elements", "at least one")
        if self.each_row and has_rows:
            return Value(np.asarray(_ALL[name](array.reshape(len(array), -1), axis=1)), True)
        return Value(np.asarray(_ALL[name](array)))

    # Messages

    def _column(self, node: ast.AST) -> int:
        """Returns the column of a node in letters: Python counts bytes."""
        return len(self.text.encode()[: getattr(node, "col_offset", 0)].decode(errors="ignore"))

    def _source(self, node: ast.AST) -> str:
        source = ast.get_source_segment(self.text, node) or type(node).__name__  # type: ignore[arg-type]
        return source if len(source) <= 40 else source[:37] + "..."

    def _error(self, column: int, got: str, expected: str, hint: str = "") -> ExpressionError:
        error = ExpressionError(f"{self.where}: column {column + 1}", got, expected, hint)
        # As `add_note` does, which Python 3.10 lacks.
        error.__notes__ = [self.text, " " * column + "^"]
        return error


def _as_numbers(value: Value) -> Value:
    """Returns a name's value; one element, `(T, 1)` or `(1,)`, counts as a number."""
    array = value.array
    if array.shape[int(value.has_rows) :] == (1,):
        array = array[..., 0]
    return Value(array if array.dtype.kind in "Ub" else array.astype(np.float64), value.has_rows)


def _aligned(value: Value, dims: int) -> np.ndarray:
    """Returns the array with `dims` dimensions behind its rows, so that rows meet rows and elements meet elements."""
    if not value.has_rows:
        return value.array
    rows, *shape = value.array.shape
    return value.array.reshape(rows, *[1] * (dims - len(shape)), *shape)


def _describe(value: Value) -> str:
    shape = value.array.shape
    if not shape:
        return "one number"
    return f"shape ({', '.join(['T', *map(str, shape[1:])])}{'' if shape[1:] else ','})" if value.has_rows else f"shape {shape}"
