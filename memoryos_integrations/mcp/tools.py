"""The tools: what a model may do with the memory of whoever calls.

Their descriptions are written for the model that reads them; the language of what is remembered stays as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from mcp.server.elicitation import ElicitationResult
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Resolve
from pydantic import Field

from memoryos_engine import ClosedError, InvalidInput, MemoryOSError, NotFound, StoreError, UserMemory
from memoryos_integrations.mcp.callers import Callers
from memoryos_integrations.mcp.config import ServerConfig
from memoryos_integrations.mcp.confirming import Confirmation, confirmed, require_word
from memoryos_integrations.mcp.listing import Listing, forgotten, listed
from memoryos_integrations.mcp.recalling import retrieved, who_the_user_is
from memoryos_integrations.mcp.replies import (
    Corrected,
    Forgotten,
    Listed,
    Retrieved,
    Status,
    Stored,
    UserProfileReply,
    consolidation_reply,
    fact_reply,
)
from memoryos_integrations.mcp.spoken import spoken

Called = TypeVar("Called", bound=Callable[..., Any])


def telling(tool: Called) -> Called:
    """Have a tool tell the model what went wrong; our messages say what to do and quote nothing that is stored."""

    @functools.wraps(tool)
    def told(*args: Any, **kwargs: Any) -> Any:
        try:
            return tool(*args, **kwargs)
        except NotFound as error:
            raise ToolError("Nothing was done: this user has no memory with this id. Look for it first.") from error
        except InvalidInput as error:
            raise ToolError(f"Nothing was done: {spoken(error)}") from error
        except ClosedError as error:
            raise ToolError(f"The server is ending. {_UNKNOWN}") from error
        except StoreError as error:
            raise ToolError(f"The store failed. {_UNKNOWN} It says: {error}") from error
        except MemoryOSError as error:
            raise ToolError(f"Nothing was done: {error}") from error

    return told  # type: ignore[return-value]


_UNKNOWN = "Whether it was done is not known: look, with list_memories, before you do it again."


class MemoryTools:
    """The tools of one server. Every call is about the memory of its caller.

    Args:
        callers: whose memory a call is about.
        config: what retrievals return unless they ask for other.
    """

    def __init__(self, callers: Callers, config: ServerConfig) -> None:
        self._callers = callers
        self._config = config

    def memory(self, context: Context[Any, Any]) -> UserMemory:
        """Return the memory a call is about."""
        return self._callers.memory(context.request_context.request)

    @telling
    def add_memory(
        self,
        ctx: Context[Any, Any],
        user_input: Annotated[str, Field(description="what the user said, word for word, in the user's language")],
        agent_response: Annotated[str, Field(description="what you answered, word for word; empty if nothing")] = "",
        timestamp: Annotated[
            str | None, Field(description="when it was said, ISO 8601 with a zone; now if left out")
        ] = None,
        meta_data: Annotated[dict[str, Any] | None, Field(description="anything to keep with it, as JSON")] = None,
    ) -> Stored:
        """Remember one exchange with the user, for good, so that it is known in every later conversation.

        Call it after each exchange that says something about the user: facts, preferences, decisions, plans. It is on
        disk when this returns; topics and facts are read out of it later, in the background.
        """
        memory = self.memory(ctx)
        page = memory.add_memory(user_input, agent_response, timestamp=timestamp or None, metadata=meta_data)
        return Stored(id=page.id, timestamp=page.timestamp.isoformat(), consolidation=consolidation_reply(memory))

    @telling
    def retrieve_memory(
        self,
        ctx: Context[Any, Any],
        query: Annotated[str, Field(description="what to look for, in the user's words and language")],
        relationship_with_user: Annotated[str, Field(description='what you are to the user, such as "tutor"')] = "",
        style_hint: Annotated[str, Field(description='how to answer, such as "warm and brief"')] = "",
        max_results: Annotated[int | None, Field(ge=1, le=100, description="most exchanges to return in all")] = None,
    ) -> Retrieved:
        """Find what is remembered of this user that matters for a question.

        Call it before you answer whenever the user refers to something that is not in this conversation, or knowing the
        user better would change your answer. Returns past exchanges with dates (UTC), the user's profile, and what
        is known of the user and of yourself.
        """
        most = max_results or self._config.retrieval_queue_capacity
        guidance = (relationship_with_user, style_hint)
        return retrieved(self.memory(ctx), query, most=most, max_tokens=self._config.max_tokens, guidance=guidance)

    @telling
    def get_user_profile(
        self,
        ctx: Context[Any, Any],
        include_knowledge: Annotated[bool, Field(description="also what is known of the user")] = True,
        include_assistant_knowledge: Annotated[bool, Field(description="also what is known of you")] = False,
    ) -> UserProfileReply:
        """Return who the user is, as learnt from past conversations: profile, preferences, and known facts.

        Call it at the beginning of a conversation, or when the user asks what you know about them.
        """
        asked = [include_knowledge, include_assistant_knowledge]
        kinds = [kind for kind, wanted in zip(_KNOWLEDGE, asked, strict=True) if wanted]
        return who_the_user_is(self.memory(ctx), kinds, max_tokens=self._config.max_tokens)

    @telling
    def list_memories(
        self,
        ctx: Context[Any, Any],
        kind: Annotated[Literal["pages", "facts"], Field(description="exchanges, or what is known")] = "pages",
        limit: Annotated[int, Field(ge=1, le=100, description="most to return")] = 20,
        cursor: Annotated[str | None, Field(description="next_cursor of the list before")] = None,
        session_id: Annotated[str | None, Field(description="only exchanges of this session")] = None,
        since: Annotated[str | None, Field(description="only from this time on, ISO 8601")] = None,
        until: Annotated[str | None, Field(description="only from before this time, ISO 8601")] = None,
    ) -> Listed:
        """List what is remembered of this user, newest first, with ids for forget_memory and update_knowledge.

        It returns as many as there is room for, at most `limit`; next_cursor leads to the rest.

        For looking through memory with the user; to answer a question call retrieve_memory instead.
        """
        asked = Listing(
            limit=limit,
            max_tokens=self._config.max_tokens,
            cursor=cursor or None,
            session_id=session_id,
            since=since or None,
            until=until or None,
        )
        return listed(self.memory(ctx), kind, asked)

    @telling
    def forget_memory(
        self,
        ctx: Context[Any, Any],
        word: Annotated[ElicitationResult[Confirmation], Resolve(confirmed)],
        memory_id: Annotated[str, Field(description="the id of an exchange or of a fact")] = "",
        everything: Annotated[
            bool, Field(description="all that is remembered of this user, instead of one id")
        ] = False,
        confirmed_by_user: Annotated[
            bool, Field(description="whether the user has said, in this conversation, to forget everything")
        ] = False,
    ) -> Forgotten:
        """Delete one exchange of this user for good, with what was learnt from it alone, or one fact, or everything.

        A fact can be read again out of the exchanges that say it: to get rid of it, forget those too (said_in).

        Call it when the user asks you to forget something, or when a memory is wrong and there is nothing to put in
        its place. Ids come from retrieve_memory, list_memories and get_user_profile. Forgetting everything asks
        the user first.
        """
        del confirmed_by_user  # `confirmed` has read it
        if everything == bool(memory_id):
            fix = "Pass an id, or everything=true."
            raise InvalidInput("memory_id", "or everything is needed, and only one of them", fix)
        if everything:
            require_word(ctx, word)
        return forgotten(self.memory(ctx), None if everything else memory_id)

    @telling
    def update_knowledge(
        self,
        ctx: Context[Any, Any],
        knowledge_id: Annotated[
            str, Field(description="the id of the fact or profile field that is not true (any more)")
        ],
        text: Annotated[
            str, Field(description="how it is now, in the user's language: a sentence, or the bare value of a field")
        ],
    ) -> Corrected:
        """Correct a fact that is known of the user: from now on the new one holds; the old one stays in history.

        Call it when the user says that something has changed or was wrong. The exchange that said the old one stays,
        and so do other facts that say it in other words; list_memories(kind="facts") shows them.
        """
        return Corrected(fact=fact_reply(self.memory(ctx).correct(knowledge_id, text)))

    @telling
    def memory_status(self, ctx: Context[Any, Any]) -> Status:
        """Say how much is remembered of this user, what still waits in the background, and what went wrong there."""
        memory = self.memory(ctx)
        system = memory.system
        return Status(
            user_id=memory.owner.user_id,
            assistant_id=memory.owner.assistant_id,
            pages=len(memory.pages()),
            short_term=len(memory.latest_memory().short_term),
            segments=len(memory.segments()),
            facts=len(memory.knowledge()),
            model=None if self._config.offline else self._config.llm_model,
            embedder=system.embedder.name,
            consolidation=consolidation_reply(memory),
        )


_KNOWLEDGE = ("user_knowledge", "assistant_knowledge")
