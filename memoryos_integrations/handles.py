"""Handles as JSON values, for hosts that write their state down: where a memory is kept, never what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from memoryos_engine import InvalidInput, MemoryOS, MemorySettings, UserMemory
from memoryos_engine.heat import HeatWeights
from memoryos_engine.reopening import SystemReference, reopened_system

_IDS = ("user_id", "assistant_id", "session_id")
_KINDS: dict[str, type | tuple[type, ...]] = {"token": str, "path": (str, type(None)), "plain": bool}
_FIX = "Make the object anew with memory= or system=."


def system_value(system: MemoryOS) -> dict[str, Any]:
    """Return by what a system is found again: its place and settings; no key, no client, no text."""
    return asdict(system.reference())


def memory_value(memory: UserMemory) -> dict[str, Any]:
    """Return by what a memory is found again: its system and its ids."""
    owner = memory.owner
    ids = {"user_id": owner.user_id, "assistant_id": owner.assistant_id, "session_id": memory.session_id}
    return {"system": system_value(memory.system), **ids}


def system_of(value: Mapping[str, Any]) -> MemoryOS:
    """Return the system that a value of `system_value` stands for; see `reopening.reopened_system`.

    Raises:
        InvalidInput: it is no such value, or its system needs parts that do not travel.
        ClosedError, StoreLocked, StoreError: its system is closed here, or cannot be opened.
    """
    return reopened_system(_reference(value))


def memory_of(value: Mapping[str, Any]) -> UserMemory:
    """Return the memory that a value of `memory_value` stands for.

    Raises:
        InvalidInput, ClosedError, StoreLocked, StoreError: as `system_of` does.
    """
    if not isinstance(value.get("system"), Mapping) or not all(isinstance(value.get(name), str) for name in _IDS):
        raise InvalidInput("memory", "is no handle that this version can read", _FIX)
    return system_of(value["system"]).memory(**{name: value[name] for name in _IDS})


def _reference(value: Mapping[str, Any]) -> SystemReference:
    try:
        parts = {name: _of_kind(value[name], kind) for name, kind in _KINDS.items()}
        settings = dict(value["settings"])
        weights = HeatWeights(**settings.pop("heat_weights"))
        return SystemReference(**parts, settings=MemorySettings(heat_weights=weights, **settings))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("system", "is no handle that this version can read", _FIX) from error


def _of_kind(value: Any, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(value, kind):
        raise TypeError(type(value).__name__)
    return value
