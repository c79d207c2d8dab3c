"""How a model names the two sides of a conversation, in the languages it may write in. Data only."""

from __future__ import annotations

USER_NAMES = frozenset(
    (
        "user", "the user", "users", "me", "i", "self", "usuario", "utilisateur", "benutzer", "nutzer", "kullanıcı",
        "utente", "用户", "ユーザー", "کاربر", "المستخدم", "उपयोगकर्ता",
    )
)  # fmt: skip
ASSISTANT_NAMES = frozenset(
    (
        "assistant", "the assistant", "agent", "ai", "assistent", "asistan", "asistente", "assistente", "助手",
        "アシスタント", "دستیار", "المساعد", "सहायक",
    )
)  # fmt: skip
