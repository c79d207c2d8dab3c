"""A conversation of a ChatGPT data export: a tree of messages, of which one branch was shown last.

That branch is followed from its end to the root. What other branches say, what nobody was shown,
and what tools were asked and answered is left out and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from memoryos_engine.errors import InvalidInput
from memoryos_engine.importers.content import words
from memoryos_engine.importers.pairing import Said, paired
from memoryos_engine.importers.turn import Keys, Turn, moment, storable

_SHOWN = ("text", "multimodal_text", "code", None)
"""Types of content that were said; others are thoughts, instructions and the traffic of tools."""
_MOST_TITLE = 500
_AGAIN = "Remove this conversation from the file, or export again."


def conversation_turns(conversation: Mapping[str, Any], where: str, keys: Keys, left_out: Counter[str]) -> list[Turn]:
    """Return the turns of the branch that was shown last, in a session named by the conversation's id.

    Raises:
        InvalidInput: the tree is broken or runs in a circle; the message names the place.
    """
    mapping = conversation["mapping"]
    if not isinstance(mapping, dict):
        raise InvalidInput(f"{where}.mapping", f"is a {type(mapping).__name__}, not an object", _AGAIN)
    nodes = {name: _node(node, f"{where}.mapping[{place}]") for place, (name, node) in enumerate(mapping.items())}
    branch = _branch(nodes, conversation.get("current_node"), where)
    on_branch = set(branch)
    left_out["messages on other branches"] += sum(
        _shown(node.get("message")) for name, node in nodes.items() if name not in on_branch
    )
    places = {name: f"{where}.mapping[{place}].message" for place, name in enumerate(mapping)}
    title = conversation.get("title")
    named = conversation.get("conversation_id") or conversation.get("id")
    return list(
        paired(
            _said(((places[name], nodes[name].get("message")) for name in branch), left_out),
            keys,
            session_id=storable(named) if isinstance(named, str) else f"ChatGPT {where}",
            metadata={"title": storable(title)[:_MOST_TITLE]} if isinstance(title, str) and title else None,
            begun=moment(conversation.get("create_time"), f"{where}.create_time"),
        )
    )


def _node(node: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(node, dict) or not isinstance(node.get("message"), (dict, type(None))):
        raise InvalidInput(where, "is no node of a conversation", _AGAIN)
    return node


def _branch(nodes: Mapping[str, Mapping[str, Any]], last: Any, where: str) -> list[str]:
    """Return the names of the nodes from the root to `last`, or to the node that came last if there is none named."""
    if not last:
        parents = {node.get("parent") for node in nodes.values() if isinstance(node.get("parent"), str)}
        leaves = [name for name in nodes if name not in parents]
        last = max(leaves, key=lambda name: _time(nodes[name]), default=None)
        if last is None and nodes:
            raise InvalidInput(f"{where}.mapping", "runs in a circle", _AGAIN)
    elif not isinstance(last, str) or last not in nodes:
        raise InvalidInput(f"{where}.current_node", "is no node of its mapping", _AGAIN)
    branch: dict[str, None] = {}
    while isinstance(last, str) and last in nodes:
        if last in branch:
            raise InvalidInput(f"{where}.mapping", "runs in a circle", _AGAIN)
        branch[last] = None
        last = nodes[last].get("parent")
    return list(reversed(branch))


def _time(node: Mapping[str, Any]) -> float:
    time = (node.get("message") or {}).get("create_time")
    return float(time) if isinstance(time, (int, float)) else 0.0


def _said(messages: Iterator[tuple[str, Any]], left_out: Counter[str]) -> Iterator[Said]:
    for where, message in messages:
        if message is None:
            continue  # the root
        reason = _reason_to_leave(message)
        text = "" if reason else _text(message["content"], f"{where}.content")
        if not reason and not text.strip():
            reason = "empty messages"
        if reason:
            left_out[reason] += 1
            continue
        name = message.get("id")
        yield Said(
            by_user=_role(message) == "user",
            text=text,
            place=storable(name) if isinstance(name, str) else where,
            at=_moment(message, where),
        )


def _moment(message: Mapping[str, Any], where: str) -> datetime | None:
    return moment(message.get("create_time"), f"{where}.create_time")


def _shown(message: Any) -> bool:
    return message is not None and not _reason_to_leave(message)


def _reason_to_leave(message: Mapping[str, Any]) -> str:
    """Say why a message was not said between user and assistant; nothing if it was."""
    metadata, content, role = message.get("metadata"), message.get("content"), _role(message)
    hidden = isinstance(metadata, dict) and metadata.get("is_visually_hidden_from_conversation")
    if hidden or role == "system":
        return "system and hidden messages"
    if role not in ("user", "assistant") or message.get("recipient") not in (None, "all"):
        return "tool traffic"
    if not isinstance(content, dict):
        return "empty messages"
    kind = content.get("content_type")
    return "" if kind in _SHOWN else "thoughts and custom instructions"


def _role(message: Mapping[str, Any]) -> str:
    author = message.get("author")
    role = author.get("role") if isinstance(author, dict) else None
    return role if isinstance(role, str) else ""


def _text(content: Mapping[str, Any], where: str) -> str:
    if "parts" in content:
        return words(content["parts"], f"{where}.parts")
    return words(content.get("text"), f"{where}.text")
