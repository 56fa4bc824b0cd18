# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Conditions on what a query measured: a small language, read by ast and never evaluated as Python.

    result > 0.99 and result <= 1       one sample
    max(result) < 5                     several
    isnan(result) or len(result) == 0   what can be asked when there is none
"""

from __future__ import annotations

import ast
import math
import operator
from typing import Callable

_LONGEST = 500
_ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_COMPARE = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
            ast.NotEq: operator.ne}
_LANGUAGE = ("a condition has result, result[0], numbers, + - * /, < <= > >= == !=, and, or, not, "
             "len(result), min(result), max(result), isnan(x), isinf(x), default(result, number)")


class ConditionWrong(ValueError):
    """The text is no condition."""


class Undecided(Exception):
    """What was measured does not say whether the condition holds."""


class Condition:
    """One condition. about_absence: it says itself what no data or NaN means."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        if not self.text or len(self.text) > _LONGEST:
            raise ConditionWrong(f"expected a condition of 1 to {_LONGEST} characters; {_LANGUAGE}")
        try:
            self._tree = ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as wrong:
            raise ConditionWrong(f"'{self.text}' cannot be read ({wrong.args[0]}); {_LANGUAGE}") from None
        if _kind(self._tree, self.text) != "truth":
            raise ConditionWrong(f"'{self.text}' is a number and neither true nor false; compare it, for example {self.text} > 0")
        called = {node.func.id for node in ast.walk(self._tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        self.about_absence = bool(called & {"len", "isnan", "default"})

    def holds(self, samples: list[float]) -> bool:
        return bool(_value(self._tree, samples))


def _kind(node: ast.expr, text: str) -> str:
    """truth, number or result (which can stand for its one number); everything that the language lacks is refused here."""
    kind = next((told for kinds, told in _KINDS if isinstance(node, kinds)), None)
    if kind is None:
        raise ConditionWrong(f"'{text}' has {type(node).__name__}; {_LANGUAGE}")
    return kind(node, text)


def _expect(node: ast.expr, text: str, *kinds: str) -> None:
    if _kind(node, text) not in kinds:
        wanted = "true or false" if "truth" in kinds else "a number"
        raise ConditionWrong(f"'{text}': expected {wanted} at '{ast.unparse(node)}'; {_LANGUAGE}")


def _kind_constant(node: ast.Constant, text: str) -> str:
    if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
        raise ConditionWrong(f"'{text}' has {node.value!r}; {_LANGUAGE}")
    return "number"


def _kind_name(node: ast.Name, text: str) -> str:
    if node.id != "result":
        raise ConditionWrong(f"'{text}' has the name {node.id}; {_LANGUAGE}")
    return "result"


def _kind_subscript(node: ast.Subscript, text: str) -> str:
    index = node.slice.value if isinstance(node.slice, ast.Constant) else None
    if _kind(node.value, text) != "result" or not isinstance(index, int) or isinstance(index, bool):
        raise ConditionWrong(f"'{text}': expected result[NUMBER] at '{ast.unparse(node)}'")
    return "number"


def _kind_bool(node: ast.BoolOp, text: str) -> str:
    for part in node.values:
        _expect(part, text, "truth")
    return "truth"


def _kind_unary(node: ast.UnaryOp, text: str) -> str:
    if isinstance(node.op, ast.Not):
        _expect(node.operand, text, "truth")
        return "truth"
    if not isinstance(node.op, (ast.USub, ast.UAdd)):
        raise ConditionWrong(f"'{text}' has {type(node.op).__name__}; {_LANGUAGE}")
    _expect(node.operand, text, "number", "result")
    return "number"


def _kind_arithmetic(node: ast.BinOp, text: str) -> str:
    if type(node.op) not in _ARITHMETIC:
        raise ConditionWrong(f"'{text}' has {type(node.op).__name__}; {_LANGUAGE}")
    for part in (node.left, node.right):
        _expect(part, text, "number", "result")
    return "number"


def _kind_compare(node: ast.Compare, text: str) -> str:
    if any(type(one) not in _COMPARE for one in node.ops):
        raise ConditionWrong(f"'{text}' has {type(node.ops[0]).__name__}; {_LANGUAGE}")
    for part in (node.left, *node.comparators):
        _expect(part, text, "number", "result")
    return "truth"


def _kind_call(node: ast.Call, text: str) -> str:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in _FUNCTIONS or node.keywords or any(isinstance(one, ast.Starred) for one in node.args):
        raise ConditionWrong(f"'{text}' calls '{ast.unparse(node.func)}'; {_LANGUAGE}")
    takes, gives, _ignored = _FUNCTIONS[name]
    if len(node.args) != len(takes):
        raise ConditionWrong(f"'{text}': {name} takes {len(takes)} argument{'s' if len(takes) > 1 else ''}, found {len(node.args)}")
    for part, kinds in zip(node.args, takes):
        _expect(part, text, *kinds)
    return gives


_KINDS: tuple[tuple[type, Callable], ...] = (
    (ast.Constant, _kind_constant), (ast.Name, _kind_name), (ast.Subscript, _kind_subscript), (ast.BoolOp, _kind_bool),
    (ast.UnaryOp, _kind_unary), (ast.BinOp, _kind_arithmetic), (ast.Compare, _kind_compare), (ast.Call, _kind_call))


# ---- values ---------------------------------------------------------------------------------------------------------------


def _one(samples: list[float]) -> float:
    if not samples:
        raise Undecided("no data")
    if len(samples) > 1:
        raise Undecided(f"the query gave {len(samples)} series where the condition asks for one; use max(result), min(result) or result[0]")
    return samples[0]


def _of_some(choose: Callable) -> Callable:
    def chosen(_samples: list[float], result: list[float]) -> float:
        if not result:
            raise Undecided("no data")
        # max and min skip a NaN or return it by the order in which samples stand.
        return math.nan if any(math.isnan(one) for one in result) else choose(result)

    return chosen


def _any_of(test: Callable[[float], bool]) -> Callable:
    return lambda _samples, argument: any(test(one) for one in (argument if isinstance(argument, list) else [argument]))


def _default(_samples: list[float], result: list[float], instead: float) -> float:
    return instead if not result or any(math.isnan(one) for one in result) else _one(result)


# What each takes and gives, and how it is worked out.
_FUNCTIONS: dict[str, tuple[tuple[tuple[str, ...], ...], str, Callable]] = {
    "len": ((("result",),), "number", lambda _samples, result: len(result)),
    "min": ((("result",),), "number", _of_some(min)),
    "max": ((("result",),), "number", _of_some(max)),
    "isnan": ((("result", "number"),), "truth", _any_of(math.isnan)),
    "isinf": ((("result", "number"),), "truth", _any_of(math.isinf)),
    "default": ((("result",), ("number",)), "number", _default),
}


def _value(node: ast.expr, samples: list[float]) -> float | bool:
    if isinstance(node, ast.BoolOp):
        parts = (_value(part, samples) for part in node.values)
        return all(parts) if isinstance(node.op, ast.And) else any(parts)
    if isinstance(node, ast.Compare):
        return _compared(node, samples)
    if isinstance(node, ast.Call):
        takes, _gives, work = _FUNCTIONS[node.func.id]
        return work(samples, *[_argument(part, kinds, samples) for part, kinds in zip(node.args, takes)])
    return _number(node, samples)


def _argument(node: ast.expr, kinds: tuple[str, ...], samples: list[float]) -> list[float] | float:
    return samples if "result" in kinds and isinstance(node, ast.Name) else _value(node, samples)


def _compared(node: ast.Compare, samples: list[float]) -> bool:
    left = _value(node.left, samples)
    for one, part in zip(node.ops, node.comparators):
        right = _value(part, samples)
        if not _COMPARE[type(one)](left, right):
            return False
        left = right
    return True


def _number(node: ast.expr, samples: list[float]) -> float | bool:
    if isinstance(node, ast.Constant):
        return float(node.value)
    if isinstance(node, ast.Name):
        return _one(samples)
    if isinstance(node, ast.Subscript):
        index = int(node.slice.value)
        if not samples:
            raise Undecided("no data")
        if not 0 <= index < len(samples):
            raise Undecided(f"result[{index}] is asked for, the query gave {len(samples)} series")
        return samples[index]
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand, samples)
        return not value if isinstance(node.op, ast.Not) else -value if isinstance(node.op, ast.USub) else value
    try:
        return _ARITHMETIC[type(node.op)](_value(node.left, samples), _value(node.right, samples))
    except ArithmeticError as wrong:
        raise Undecided(f"{ast.unparse(node)}: {wrong}") from None
