"""What a chain's memory costs and brings, for three memories that take turns in one run.

    python -m memoryos_integrations.evaluation.langchain_overhead FILE

FILE is a LoCoMo file. Each conversation goes through the same chain with each memory, turn by
turn in changing order; then each memory is asked every question, and the share of the
evidence that stands in what it would put into the prompt is taken.
"""

from __future__ import annotations

from functools import partial

import typer

from memoryos_engine import HashingEmbedder
from memoryos_integrations.evaluation.langchain_chains import BUFFER, OURS, VECTORS, open_chains
from memoryos_integrations.evaluation.overhead import MAX_TOKENS, PAGES, Comparison, Limit, LoCoMoFile, compare

COMPARISON = Comparison(
    title="A chain and its memory",
    names=(OURS, BUFFER, VECTORS),
    opening=partial(open_chains, embedder=HashingEmbedder()),
    explained=(
        "MemoryOSChatMemory, ConversationBufferMemory, VectorStoreRetrieverMemory on Chroma. "
        "A turn: of an LLMChain whose model answers at once, median. "
        f"Ours keeps to {MAX_TOKENS:,} tokens, the vector store returns {PAGES} turns, both with the default embedder. "
        "Evidence: share of a question's evidence that stands whole in the history, mean over questions. "
        "Tokens by this machine's counter."
    ),
)


def main(file: LoCoMoFile, limit: Limit = 0) -> None:
    """Print time per turn, tokens sent and evidence found of three memories of one chain."""
    compare(file, limit, COMPARISON)


if __name__ == "__main__":
    typer.run(main)
