"""What was found as LlamaIndex nodes: `excerpts` says what their text and their metadata are.

Models and embedders are shown the text alone, which says who spoke and when; the metadata is the application's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from llama_index.core.schema import (
    NodeRelationship,
    NodeWithScore,
    ObjectType,
    RelatedNodeInfo,
    RelatedNodeType,
    TextNode,
)

from memoryos_engine import RetrievedMemory, Tier
from memoryos_integrations.excerpts import Excerpt, excerpts_of

SAID_AT = "__last_accessed__"
"""When it was said, in seconds since 1970, under the name where `TimeWeightedPostprocessor` looks for a time."""


class MemoryNode(TextNode):
    """A page or a fact that was found; written down and read again, a `TextNode`."""

    @property
    def hash(self) -> str:
        """What tells it from others: its id and its text.

        Fusion takes nodes of one hash for one, so it must not depend on the query, as the score in the metadata does.
        """
        return TextNode(text=self.text, metadata={"id": self.id_}).hash


def nodes_of(found: RetrievedMemory, tiers: Mapping[str, Tier]) -> list[NodeWithScore]:
    """Return what a retrieval found as nodes with their scores, in the order of `excerpts_of`.

    Args:
        found: what retrieval returned.
        tiers: page id to tier, for pages whose tier shall stand in the metadata.
    """
    return [_scored(excerpt) for excerpt in excerpts_of(found, tiers)]


def _scored(excerpt: Excerpt) -> NodeWithScore:
    said_at = datetime.fromisoformat(excerpt.metadata["timestamp"]).timestamp()
    metadata = {**excerpt.metadata, SAID_AT: said_at}
    node = MemoryNode(
        id_=excerpt.id,
        text=excerpt.text,
        extra_info=metadata,  # `metadata`, by the name that type checkers know it
        excluded_embed_metadata_keys=list(metadata),
        excluded_llm_metadata_keys=list(metadata),
        relationships=_relationships(excerpt),
    )
    return NodeWithScore(node=node, score=excerpt.metadata.get("score"))


def _relationships(excerpt: Excerpt) -> dict[NodeRelationship, RelatedNodeType]:
    """Return where a page comes from: its session is its document. Facts may come from several pages."""
    session_id = excerpt.metadata.get("session_id")
    if session_id is None:
        return {}
    return {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=session_id, node_type=ObjectType.DOCUMENT)}
