"""What LangGraph asks of a store: operations checked before anything is done, and what their filters match.

Knows the operations and plain values; no memory and no user.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from langgraph.store.base import GetOp, InvalidNamespaceError, ListNamespacesOp, MatchCondition, Op, PutOp, SearchOp

from memoryos_engine import InvalidInput
from memoryos_engine.settings import require_text

Namespace = tuple[str, ...]
Anything = TypeVar("Anything")

_COMPARISONS = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_EQUALITY = ("$eq", "$ne")
_ROOT_OF_LANGGRAPH = "langgraph"


def checked_op(op: Any) -> Op:
    """Return the operation with its namespaces as tuples.

    Raises:
        InvalidNamespaceError: as LangGraph's own stores raise it.
        InvalidInput: something else in it cannot be served.
    """
    if isinstance(op, GetOp):
        return op._replace(namespace=_labels(op.namespace), key=require_text("key", op.key))
    if isinstance(op, PutOp):
        return _checked_put(op)
    if isinstance(op, SearchOp):
        _check_filter(op.filter)
        _check_window(op.limit, op.offset)
        _check_query(op.query)
        return op._replace(namespace_prefix=_labels(op.namespace_prefix))
    if isinstance(op, ListNamespacesOp):
        return _checked_listing(op)
    fix = "Pass GetOp, PutOp, SearchOp or ListNamespacesOp."
    raise InvalidInput("ops", f"holds a {type(op).__name__}, which is no operation of a store", fix)


def namespace_of(op: Op) -> Namespace:
    """Return the namespace that a checked operation is about; of a listing what is sure of its longest prefix."""
    if isinstance(op, SearchOp):
        return op.namespace_prefix
    if isinstance(op, ListNamespacesOp):
        prefixes = [tuple(each.path) for each in op.match_conditions or () if each.match_type == "prefix"]
        return max((_until_wildcard(path) for path in prefixes), key=len, default=())
    return op.namespace


def matches(value: Any, condition: Any) -> bool:
    """Say whether a field of a value is what a filter asks for: equal, or within its operators.

    Numbers compare with numbers and text with text; all else is neither more nor less than anything.
    """
    if isinstance(condition, Mapping):
        if _asks_operators(condition):
            return all(_holds(value, name, bound) for name, bound in condition.items())
        return isinstance(value, Mapping) and all(matches(value.get(key), each) for key, each in condition.items())
    if isinstance(condition, (list, tuple)):
        alike = isinstance(value, (list, tuple)) and len(value) == len(condition)
        return alike and all(map(matches, value, condition))
    return bool(value == condition)


def listed(namespaces: Iterable[Namespace], op: ListNamespacesOp) -> list[Namespace]:
    """Return the namespaces that a listing asks for, sorted."""
    conditions = op.match_conditions or ()
    found = {each[: op.max_depth] for each in namespaces if all(_meets(each, condition) for condition in conditions)}
    return window(sorted(found), op)


def window(found: Sequence[Anything], op: SearchOp | ListNamespacesOp) -> list[Anything]:
    """Return what an operation's limit and offset leave."""
    return list(found[op.offset : op.offset + op.limit])


def _checked_put(op: PutOp) -> PutOp:
    namespace = _labels(op.namespace)
    if not namespace or namespace[0] == _ROOT_OF_LANGGRAPH:
        raise InvalidNamespaceError('A namespace needs at least one label, and its first cannot be "langgraph".')
    if op.value is not None and not (isinstance(op.value, Mapping) and all(isinstance(key, str) for key in op.value)):
        raise InvalidInput("value", "is no mapping with text as keys", 'Pass a dict such as {"content": "..."}.')
    if op.ttl is not None:
        raise InvalidInput("ttl", "is not supported: what is remembered stays", "Leave ttl out and delete the item.")
    if op.index is not None:
        _check_index(op.index)
    return op._replace(namespace=namespace, key=require_text("key", op.key))


def _checked_listing(op: ListNamespacesOp) -> ListNamespacesOp:
    _check_window(op.limit, op.offset)
    if op.max_depth is not None:
        _require_whole("max_depth", op.max_depth, 1)
    conditions = op.match_conditions or ()
    for condition in conditions:
        if condition.match_type not in ("prefix", "suffix"):
            raise InvalidInput("match_conditions", "has an unknown match_type", 'Pass "prefix" or "suffix".')
    return op._replace(match_conditions=tuple(each._replace(path=_labels(each.path)) for each in conditions))


def _labels(namespace: object) -> Namespace:
    if not isinstance(namespace, (tuple, list)):
        raise InvalidNamespaceError(f"A namespace is a tuple of labels, not a {type(namespace).__name__}.")
    for label in namespace:
        if not is_label(label):
            raise InvalidNamespaceError("A namespace label must be non-empty text without periods and NUL.")
        require_text("namespace", label)
    return tuple(namespace)


def is_label(label: object) -> bool:
    """Say whether LangGraph takes this as a label of a namespace."""
    return isinstance(label, str) and bool(label) and "." not in label and "\0" not in label


def _check_index(index: object) -> None:
    fix = 'Leave index out, or name the fields to be found by, such as index=["content"].'
    if index is False:
        raise InvalidInput("index", "is False, but all that is remembered can be found", fix)
    if not isinstance(index, list) or not index or not all(isinstance(path, str) for path in index):
        raise InvalidInput("index", "is no list of field paths", fix)


def _check_query(query: object) -> None:
    if query is not None:
        require_text("query", query)


def _check_window(limit: object, offset: object) -> None:
    _require_whole("limit", limit, 0)
    _require_whole("offset", offset, 0)


def _require_whole(name: str, value: object, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise InvalidInput(name, f"is no whole number of at least {low}", f"Pass an int of {low} or more.")


def _check_filter(condition: object, *, inside: bool = False) -> None:
    if not inside and condition is not None and not isinstance(condition, Mapping):
        fix = 'Pass a dict such as {"kind": "note"}.'
        raise InvalidInput("filter", f"is a {type(condition).__name__}, not a mapping", fix)
    if not isinstance(condition, Mapping):
        return
    if inside and _asks_operators(condition):
        unknown = condition.keys() - _COMPARISONS.keys()
    else:
        unknown = set()
        for each in condition.values():
            _check_filter(each, inside=True)
    if unknown:
        raise InvalidInput("filter", "has an operator that is unknown", f"Use {', '.join(_COMPARISONS)}.")


def _asks_operators(condition: Mapping[Any, Any]) -> bool:
    return any(isinstance(key, str) and key.startswith("$") for key in condition)


def _holds(value: Any, name: str, bound: Any) -> bool:
    if name not in _EQUALITY and not (_numbers(value, bound) or (isinstance(value, str) and isinstance(bound, str))):
        return False
    return bool(_COMPARISONS[name](value, bound))


def _numbers(*values: object) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _meets(namespace: Namespace, condition: MatchCondition) -> bool:
    path = tuple(condition.path)
    if len(namespace) < len(path):
        return False
    part = namespace[: len(path)] if condition.match_type == "prefix" else namespace[len(namespace) - len(path) :]
    return all(wanted in ("*", label) for label, wanted in zip(part, path, strict=True))


def _until_wildcard(path: Namespace) -> Namespace:
    return path[: path.index("*")] if "*" in path else path
