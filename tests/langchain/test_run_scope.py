"""Where a run may name its user and session."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from langchain_core.runnables import RunnableLambda

from memoryos_integrations.addressing import Address
from memoryos_integrations.langchain.run_scope import sources


@dataclass
class Context:
    user_id: str


RUNTIME = "__pregel_runtime"
NAMED = {
    "nobody": ({}, None),
    "configurable": ({"configurable": {"user_id": "tom"}}, "tom"),
    "metadata": ({"metadata": {"user_id": "tom"}}, "tom"),
    "configurable before metadata": ({"configurable": {"user_id": "tom"}, "metadata": {"user_id": "eve"}}, "tom"),
    "none is no name": ({"configurable": {"user_id": None}, "metadata": {"user_id": "eve"}}, "eve"),
    "an agent's context": ({"configurable": {RUNTIME: SimpleNamespace(context=Context("ann"))}}, "ann"),
    "an agent's context as a mapping": (
        {"configurable": {RUNTIME: SimpleNamespace(context={"user_id": "ann"}), "user_id": "tom"}},
        "ann",
    ),
    "an agent without a context": (
        {"configurable": {RUNTIME: SimpleNamespace(context=None), "user_id": "tom"}},
        "tom",
    ),
    "a runtime that is none": ({"configurable": {RUNTIME: object(), "user_id": "tom"}}, "tom"),
    "empty parts": ({"configurable": None, "metadata": None}, None),
}


@pytest.mark.parametrize(("config", "user"), NAMED.values(), ids=NAMED)
def test_a_run_names_its_user(system, config, user):
    memory = Address(system=system, user_id="nobody").resolve(*sources(config))

    assert memory.owner.user_id == (user or "nobody")


def seen_by(system):
    """A runnable that returns the user whose memory a call inside it is about."""
    return RunnableLambda(lambda _: Address(system=system, user_id="nobody").resolve(*sources()).owner.user_id)


def test_without_a_config_the_surrounding_run_names_the_user(system):
    chain = seen_by(system) | RunnableLambda(str.upper)

    assert chain.invoke("", {"configurable": {"user_id": "tom"}}) == "TOM"
    assert chain.invoke("", {"metadata": {"user_id": "eve"}}) == "EVE"
    assert chain.with_config(metadata={"user_id": "ann"}).batch(["", ""]) == ["ANN", "ANN"]


def test_outside_of_any_run_nobody_is_named(system):
    seen_by(system).invoke("", {"configurable": {"user_id": "tom"}})

    assert Address(system=system, user_id="nobody").resolve(*sources()).owner.user_id == "nobody"


def test_runs_side_by_side_do_not_see_each_other(system):
    """Their config is handed on: without, LangChain loses it in tasks before Python 3.11."""
    address = Address(system=system)
    chain = RunnableLambda(lambda _, config: address.resolve(*sources(config)).owner.user_id)

    async def all_users():
        return await asyncio.gather(*(chain.ainvoke("", {"configurable": {"user_id": f"u{n}"}}) for n in range(20)))

    assert asyncio.run(all_users()) == [f"u{n}" for n in range(20)]
