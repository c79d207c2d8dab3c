"""What a chat engine's memory costs and brings, for three memories that take turns in one run.

    python -m memoryos_integrations.evaluation.llama_index_overhead FILE

FILE is a LoCoMo file. Each conversation goes through the same engine with each memory, turn by
turn in changing order; then each memory is asked every question, and the share of the evidence that
stands in what it would put into the prompt is taken, once more after all were closed and opened again.
"""

from __future__ import annotations

from functools import partial

import typer

from memoryos_engine import HashingEmbedder
from memoryos_integrations.evaluation.llama_index_engines import BLOCK, BUFFER, OURS, open_engines
from memoryos_integrations.evaluation.llama_index_memories import BATCHES, FLUSHED, QUEUE_SHARE, SEARCHED_WITH
from memoryos_integrations.evaluation.overhead import MAX_TOKENS, PAGES, Comparison, Limit, LoCoMoFile, compare

COMPARISON = Comparison(
    title="A chat engine and its memory",
    names=(OURS, BLOCK, BUFFER),
    opening=partial(open_engines, embedder=HashingEmbedder()),
    explained=(
        "MemoryOSMemory, Memory with a VectorMemoryBlock on Chroma, ChatMemoryBuffer. "
        "A turn: of a SimpleChatEngine whose model answers at once, median. "
        f"Ours keeps to {MAX_TOKENS:,} tokens and finds {PAGES} pages. "
        f"Memory has a token_limit of {MAX_TOKENS:,} as well: at its default of 30,000 nothing would reach the block "
        f"before 21,000 tokens were said. Its queue may hold {QUEUE_SHARE:.0%} of that, as with us; {FLUSHED} tokens "
        f"leave it at a time, a tenth as by default, and the block returns {BATCHES} such batches, to fill the rest. "
        f"It searches with the last {SEARCHED_WITH} messages, since among its default of 5 the question is lost. "
        "The buffer holds everything; by default it would hold the last 3,000 tokens. All use the default embedder. "
        "Evidence: share of a question's evidence that stands whole in what memory.get(input=question) returns, mean "
        "over questions; ours is asked in a new session. "
        "Restart: all is closed and opened again by its path. The queue of Memory and the buffer are in memory "
        "by default, and gone unless they are given a database or written down by hand. "
        "Tokens by this machine's counter."
    ),
    restarts=True,
)


def main(file: LoCoMoFile, limit: Limit = 0) -> None:
    """Print time per turn, tokens sent and evidence found of three memories of one chat engine."""
    compare(file, limit, COMPARISON)


if __name__ == "__main__":
    typer.run(main)
