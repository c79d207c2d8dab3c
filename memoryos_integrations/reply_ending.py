"""Why an answer ended, in the words of its provider, as the reasons the engine knows.

Providers say in words of their own that an answer was cut at its limit of tokens or that a
filter withheld it. Knows no framework: metadata in, reason out.
"""

from __future__ import annotations

from collections.abc import Mapping

REASONS = ("finish_reason", "stop_reason", "stopReason", "done_reason")
"""The names under which providers say why an answer ended."""

_CUT = frozenset(
    ("length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded", "error_max_tokens")
)
_WITHHELD = frozenset(
    ("content_filter", "content_filtered", "refusal", "guardrail_intervened", "safety", "recitation", "blocklist",
     "prohibited_content", "spii", "error_toxic")
)  # fmt: skip


def reason_in(metadata: Mapping[str, object]) -> str | None:
    """Return why the answer ended: "length" if it was cut, else the provider's word in small letters.

    None if the provider does not say.
    """
    told = [metadata.get(name) for name in REASONS]
    incomplete = metadata.get("incomplete_details")
    told += [incomplete.get("reason") if isinstance(incomplete, Mapping) else None]
    told += [metadata.get("status")] if metadata.get("status") == "completed" else []
    # Google's are names of an enumeration, some with its own name before them.
    reason = next((each.lower().rpartition(".")[2] for each in told if isinstance(each, str) and each), None)
    return "length" if reason in _CUT else reason


def is_withheld(reason: str | None) -> bool:
    """Return whether an answer that ended for `reason`, as `reason_in` returns it, was declined or withheld."""
    return reason in _WITHHELD
