"""Who calls, and whose memory that is: never an argument of a tool, which a model writes.

Over stdio it is the configured user. Over HTTP it is whoever the token belongs to.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver.exceptions import ToolError

from memoryos_engine import InvalidInput, MemoryOS, UserMemory
from memoryos_integrations.mcp.config import Caller, ServerConfig

_ASSISTANT = "assistant_id"


def require_callers(config: ServerConfig) -> None:
    """Refuse a configuration by which nobody may call, or two callers are one.

    Raises:
        InvalidInput: two callers have one token, or there is no user.
    """
    tokens = [each.token.get_secret_value() for each in config.users]
    if len(set(tokens)) < len(tokens):
        raise InvalidInput("users", "share a token", "Give each user a token of their own.")
    if config.user_id is None and not (config.http and config.users):
        fix = 'Set it in the file, "user_id": "...", with --user-id or in MEMORYOS_USER_ID.'
        fix += " Those of users can call over HTTP alone." if config.users else ""
        raise InvalidInput("user_id", "is missing: nothing says whose memory this is", fix)


class Callers:
    """The memories of those who may call. Thread-safe.

    Args:
        system: where their memories are.
        config: who they are.

    Raises:
        InvalidInput: two callers have one token, or nobody may call at all.
    """

    def __init__(self, system: MemoryOS, config: ServerConfig) -> None:
        self._system = system
        self._config = config
        require_callers(config)
        self._by_token = [(_digest(each.token.get_secret_value()), each) for each in config.users]

    @property
    def need_tokens(self) -> bool:
        """Whether every call needs a token."""
        return bool(self._config.http and self._by_token)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return who a token belongs to, without the token; None if it is nobody's."""
        given, found = _digest(token), None
        for digest, caller in self._by_token:  # all of them, so that the time taken tells nothing
            found = caller if hmac.compare_digest(digest, given) else found
        return None if found is None else self._access(found)

    def memory(self, request: Any = None) -> UserMemory:
        """Return the memory of whoever calls.

        Args:
            request: the HTTP request a call came with, where it is known; without one, the one this is called in.

        Raises:
            ToolError: it is nobody's.
        """
        user = auth_context_var.get() if request is None else request.scope.get("user")
        if isinstance(user, AuthenticatedUser):
            return self._of(user.access_token.client_id, (user.access_token.claims or {}).get(_ASSISTANT))
        if self._config.user_id is None or self.need_tokens:
            raise ToolError("This call has no valid token, so it has no memory.")
        return self._of(self._config.user_id, None)

    def _of(self, user_id: str, assistant_id: str | None) -> UserMemory:
        return self._system.memory(user_id, assistant_id or self._config.assistant_id, self._config.session_id)

    def _access(self, caller: Caller) -> AccessToken:
        assistant = caller.assistant_id or self._config.assistant_id
        return AccessToken(
            token="-",  # noqa: S106 - who it belongs to is all that is needed from here on
            client_id=caller.user_id,
            subject=assistant,
            claims={_ASSISTANT: assistant},
            scopes=[],
        )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
