"""What a fact is about, as a key: facts on one subject and attribute follow each other in time.

Keys are English words of the model's choosing, so only what cannot have two values at
once may be one: who likes sailing has not stopped liking hiking.
"""

from __future__ import annotations

from collections.abc import Collection

from memoryos_engine.analysis.prompts.promotion import PROFILE_FIELDS
from memoryos_engine.analysis.sides import ASSISTANT_NAMES, USER_NAMES
from memoryos_engine.records import KnowledgeKind

LONGEST = 60
"""In characters; what is longer is a sentence."""

_FIELDS = frozenset(PROFILE_FIELDS)
_ALIASES = {
    "residence": "home", "city": "home", "home city": "home", "location": "home", "address": "home", "lives in": "home",
    "current city": "home", "current home": "home", "place of residence": "home", "living place": "home",
    "job": "occupation", "profession": "occupation", "job title": "occupation", "employer": "workplace",
    "company": "workplace", "hometown": "origin", "home town": "origin", "birthplace": "origin",
    "relationship status": "marital_status", "relationship": "marital_status", "spouse": "partner", "wife": "partner",
    "husband": "partner", "full name": "name", "first name": "name", "birth year": "birth_year",
    "year of birth": "birth_year", "birth date": "birthday", "date of birth": "birthday",
}  # fmt: skip
_MANY_WORDS = (
    "enjoy enjoys enjoyment pastime pastimes passion passions favorites favourites "
    "like likes liking dislike dislikes love loves hobby hobbies interest interests preference preferences activity "
    "activities event events visit visited trip trips travel friend friends family pet pets plan plans goal goals "
    "skill skills language languages possession possessions owns experience experiences opinion opinions advice "
    "child children daughter son sibling siblings brother sister parent parents "
    "recommendation recommendations food foods book books music sport sports achievement achievements fact memory"
)
_MANY = frozenset(_MANY_WORDS.split())


def profile_field(attribute: str) -> str:
    """Return the profile field that an attribute names, or "" if it names none."""
    plain = _plain(attribute)
    field = _ALIASES.get(plain, plain).replace(" ", "_")
    return field if field in _FIELDS else ""


def qualified(subject: str, attribute: str, kind: KnowledgeKind, *, names: Collection[str] = ()) -> str:
    """Return the key of a fact: its attribute, after its subject where that is somebody else; "" if it can have none.

    Args:
        subject: whom or what the fact is about.
        attribute: what of it.
        kind: whose knowledge it is.
        names: the user's own, lower case.
    """
    about, plain = _plain(subject), _plain(attribute)
    own = USER_NAMES.union(names) if kind is KnowledgeKind.USER_KNOWLEDGE else ASSISTANT_NAMES
    if not plain or max(len(about), len(plain)) > LONGEST or plain in ("none", "null", "n/a"):
        return ""
    return plain if not about or about in own else f"{about}: {plain}"


def is_many_valued(key: str) -> bool:
    """Say whether a key names what somebody can have many of at once."""
    return any(word in _MANY for word in key.rpartition(": ")[2].split())


def _plain(text: str) -> str:
    return " ".join(text.replace("_", " ").casefold().split())
