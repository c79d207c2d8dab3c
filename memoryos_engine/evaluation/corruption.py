"""What damage does: a corrupted export or row is refused in plain words and changes nothing, or it is still sound.

python -m memoryos_engine.evaluation.corruption --cases 1000
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from memoryos_engine.clock import ManualClock
from memoryos_engine.embedding.hashing import HashingEmbedder
from memoryos_engine.errors import CorruptRecord, InvalidInput
from memoryos_engine.evaluation.damage import damaged_export, damaged_row
from memoryos_engine.memory import UserMemory
from memoryos_engine.settings import MemorySettings
from memoryos_engine.storage.audit_codec import decode_audit
from memoryos_engine.storage.codec import (
    AUDIT,
    KNOWLEDGE,
    PAGE,
    SEGMENT,
    Row,
    decode_knowledge,
    decode_page,
    decode_segment,
    encode_knowledge,
    encode_page,
    encode_segment,
)
from memoryos_engine.system import MemoryOS
from memoryos_engine.terminal import console, progress, table
from memoryos_engine.transfer.export_format import ExportReader

REFUSED, SOUND = "refused", "sound"
"""What may become of damage: an error of ours and nothing changed, or a memory or record as good as any."""
SUBJECTS = ("sourdough bread", "my cat Mina", "the marathon", "my violin", "old stamps")
TURNS = 12
DIMENSION = 64
START = "2024-03-01T12:00:00+00:00"
_CODEC: Mapping[str, tuple[Callable[[Row], Any], Callable[..., Row]]] = {
    PAGE: (decode_page, encode_page),
    SEGMENT: (decode_segment, encode_segment),
    KNOWLEDGE: (decode_knowledge, encode_knowledge),
}

Outcomes = Counter[tuple[str, str]]
"""How often a kind of damage had an outcome: (kind, outcome)."""
Step = Callable[[int], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class CorruptionResult:
    """What became of damaged exports and of damaged rows."""

    exports: Outcomes
    rows: Outcomes

    @property
    def faults(self) -> Outcomes:
        """What must not happen: other errors, changes in spite of an error, memories that are not sound."""
        both = self.exports + self.rows
        return Counter({key: count for key, count in both.items() if key[1] not in (REFUSED, SOUND)})


def measure_corruption(folder: Path, *, cases: int, seed: int, step: Step) -> CorruptionResult:
    """Damage an export and its rows so many times each, and read them.

    Args:
        folder: an empty one, for the stores and files.
        cases: exports, and as many rows.
        seed: equal seeds damage alike.
        step: is told of cases done.
    """
    export = _export(folder)
    exports, rows = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    chance = random.Random(seed)  # noqa: S311 - damage, not a secret
    with _Target(folder / "target") as target:
        for _ in range(cases):
            kind, data = damaged_export(export, chance)
            exports[kind, target.outcome(data)] += 1
            step(1)
    with (folder / "tom.jsonl").open("rb") as stream:
        whole = list(ExportReader(stream, longest=len(export)).rows())
    for _ in range(cases):
        kind, row = damaged_row(chance.choice(whole), chance)
        rows[kind, _decoding(row)] += 1
        step(1)
    return CorruptionResult(exports=exports, rows=rows)


def show_corruption(result: CorruptionResult, *, screen: Console) -> None:
    """Print what became of each kind of damage."""
    for title, outcomes in (("Damaged exports", result.exports), ("Damaged rows", result.rows)):
        made = table(title, ("damage", "cases", REFUSED, SOUND, "faults"), left=("damage",))
        for kind in sorted({kind for kind, _ in outcomes}):
            all_of = sum(count for (other, _), count in outcomes.items() if other == kind)
            refused, sound = outcomes[kind, REFUSED], outcomes[kind, SOUND]
            made.add_row(kind, *(f"{n:,}" for n in (all_of, refused, sound, all_of - refused - sound)))
        screen.print(made)
        total = outcomes.total()
        refused = sum(count for (_, outcome), count in outcomes.items() if outcome == REFUSED)
        sound = sum(count for (_, outcome), count in outcomes.items() if outcome == SOUND)
        screen.print(f"{total:,} cases: {refused:,} {REFUSED}, {sound:,} {SOUND}, {total - refused - sound:,} faults.")
    for (kind, outcome), count in sorted(result.faults.items()):
        screen.print(f"{kind}: {outcome} ({count:,})", style="red")


class _Target:
    """A store with a user of its own, in which damaged exports are read."""

    def __init__(self, folder: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        folder.mkdir()
        self._file = folder / "damaged.jsonl"
        self._again = folder / "again.jsonl"
        self._client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
        self._system = _system(client=self._client)
        _fill(self._system.memory("eve"), TURNS)
        self._before = self._rows()

    def __enter__(self) -> _Target:
        return self

    def __exit__(self, *_: object) -> None:
        self._system.close()
        self._client.close()  # type: ignore[attr-defined]

    def outcome(self, data: bytes) -> str:
        """Import an export and say what became of it; afterwards the store is as it was."""
        self._file.write_bytes(data)
        try:
            memory = self._system.import_memory(self._file)
        except InvalidInput:
            outcome = REFUSED
        except Exception as error:  # noqa: BLE001 - others are what is looked for
            outcome = f"raised {type(error).__name__}"
        else:
            outcome = self._soundness(memory)
            memory.purge()
        return outcome if self._rows() == self._before else self._mended(outcome)

    def _soundness(self, memory: UserMemory) -> str:
        try:
            if self._system.check():
                return "was taken and is not sound"
            memory.flush()
            memory.retrieve_memory("my cat Mina in 2024", touch=False).to_prompt()
            memory.export(self._again)
            return "did not stay sound" if self._system.check() else SOUND
        except Exception as error:  # noqa: BLE001 - see above
            return f"was taken and then raised {type(error).__name__}"

    def _rows(self) -> list[tuple[Any, ...]]:
        found: Any = self._client.get_collection("memoryos", embedding_function=None).get(
            include=["documents", "metadatas", "embeddings"]
        )
        columns = zip(found["ids"], found["documents"], found["metadatas"], found["embeddings"], strict=True)
        return sorted((key, text, *sorted(data.items()), *vector.tolist()) for key, text, data, vector in columns)

    def _mended(self, outcome: str) -> str:
        for owner in self._system.users():
            if owner.user_id != "eve":
                self._system.purge(owner)
        return f"{outcome}, and the store was changed"


def _decoding(row: Row) -> str:
    try:
        if row.kind == AUDIT:  # what it holds is never written again
            decode_audit(row)
            return SOUND
        decode, encode = _CODEC[row.kind]
        record = decode(row)
        again = encode(record, None)
        (again.document + again.data).encode()
        return SOUND if decode(again) == record else "does not stay what it is"
    except CorruptRecord:
        return REFUSED
    except Exception as error:  # noqa: BLE001 - others are what is looked for
        return f"raised {type(error).__name__}"


def _export(folder: Path) -> bytes:
    with _system(path=folder / "source") as system:
        memory = system.memory("tom")
        _fill(memory, TURNS)
        memory.export(folder / "tom.jsonl")
    return (folder / "tom.jsonl").read_bytes()


def _fill(memory: UserMemory, count: int) -> None:
    turns = (
        {
            "user_input": f"I love {SUBJECTS[n % 5]}, and my name is Tom. Text {n}.",
            "agent_response": f"Tell me more about {SUBJECTS[n % 5]}, {n}.",
            "timestamp": f"2024-02-{n + 1:02}T09:30:00+00:00",
            "session_id": f"s{n % 3}",
            "metadata": {"n": n, "tags": ["a", {"b": None}]},
        }
        for n in range(count)
    )
    memory.import_turns(turns)
    memory.flush()


def _system(**where: Any) -> MemoryOS:
    settings = MemorySettings(
        short_term_capacity=2,
        mid_term_capacity=2,
        heat_threshold=2.5,
        similarity_threshold=1.3,
        consolidation_delay=3600,
    )
    return MemoryOS(**where, settings=settings, embedder=HashingEmbedder(DIMENSION), clock=ManualClock(START))


def main(
    cases: Annotated[int, typer.Option(help="Damaged exports, and as many damaged rows.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Equal seeds damage alike.")] = 0,
) -> None:
    """Count what damaged exports and rows lead to; status 1 if to anything but an error or a sound memory."""
    with tempfile.TemporaryDirectory() as folder, progress() as bars:
        task = bars.add_task("damaging", total=2 * cases)
        result = measure_corruption(Path(folder), cases=cases, seed=seed, step=lambda n: bars.advance(task, n))
    show_corruption(result, screen=console())
    raise typer.Exit(1 if result.faults else 0)


if __name__ == "__main__":
    typer.run(main)
