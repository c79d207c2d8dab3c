"""Where nothing can be written: opening is refused and changes nothing, and a store that becomes so loses nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from memoryos_engine.errors import StoreError
from memoryos_engine.evaluation.soak.counts import Counts, Skipped, fault
from memoryos_engine.evaluation.soak.ledger import Ledger, spoken
from memoryos_engine.evaluation.soak.read_only_folder import snapshot, without_permission
from memoryos_engine.evaluation.soak.small_disk import made_read_only, small_disk
from memoryos_engine.settings import MemorySettings
from memoryos_engine.storage.guard import STAYS_READ_ONLY
from memoryos_engine.system import MemoryOS

USER = "user"
PAGES = 20
MEGABYTES = 16
PROMPT = 2.0
"""Seconds in which opening has to be refused."""
SETTINGS = MemorySettings(consolidation_delay=3600.0, short_term_capacity=2)


@dataclass(frozen=True, kw_only=True)
class ReadOnlyResult(Counts):
    """What became of stores where nothing could be written."""

    openings_refused: int
    slowest_refusal: float
    """Seconds."""
    mounts: int
    """1 if a read-only file system was tried too."""
    calls_refused: int
    """Changes of an open store that raised StoreError."""
    acknowledged: int
    read_only_until_reopened: int
    """1 if Chroma kept a connection that it made meanwhile, which stays read-only; the store was opened anew then."""
    openings_not_refused: int = fault()
    """Those that were let through, or ended with another error than StoreError."""
    slow_refusals: int = fault()
    """Those that took more than two seconds."""
    files_changed: int = fault()
    calls_not_refused: int = fault()
    """Changes that were acknowledged, or ended with another error than StoreError."""
    readings_failed: int = fault()
    """Retrievals and looks that did not work while the store could not be written."""
    lost: int = fault()
    doubled: int = fault()
    findings: int = fault()


@dataclass(slots=True)
class _Story:
    ledger: Ledger = field(default_factory=Ledger)
    seconds: list[float] = field(default_factory=list)
    not_refused: int = 0
    changed: int = 0
    mounts: int = 0
    calls: list[bool] = field(default_factory=list)
    """Of each change that was tried, whether it was refused."""
    unread: int = 0
    stuck: int = 0


def forbid_writing(folder: Path) -> ReadOnlyResult:
    """Open and use stores that cannot be written: in a folder without permission, and on a read-only file system.

    Args:
        folder: where the file system is mounted, if this process may; the other store has a folder of its own
            that everyone may enter, because root has to act as somebody else.

    Raises:
        StoreError: a store does not work when it can be written again.
    """
    story = _Story()
    with tempfile.TemporaryDirectory() as name:
        open_to_all = Path(name)
        open_to_all.chmod(0o755)
        _while_open(story, open_to_all / "store")
        with without_permission(open_to_all):
            _open(story, open_to_all / "store")
            _open(story, open_to_all / "new")
        with MemoryOS(open_to_all / "store", settings=SETTINGS) as system:
            memory = system.memory(USER)
            story.ledger.added(USER, memory.add_memory(*spoken(2 * PAGES)).id, spoken(2 * PAGES))
            audit = story.ledger.audit(system)
    _on_a_mount(story, folder)
    return ReadOnlyResult(
        openings_refused=len(story.seconds),
        slowest_refusal=max(story.seconds, default=0.0),
        mounts=story.mounts,
        calls_refused=sum(story.calls),
        acknowledged=story.ledger.acknowledged,
        read_only_until_reopened=story.stuck,
        openings_not_refused=story.not_refused,
        slow_refusals=sum(seconds > PROMPT for seconds in story.seconds),
        files_changed=story.changed,
        calls_not_refused=len(story.calls) - sum(story.calls),
        readings_failed=story.unread,
        lost=audit.lost,
        doubled=audit.doubled,
        findings=audit.findings,
    )


def _while_open(story: _Story, store: Path) -> None:
    """Add, become read-only, try every change and look, become writable, add again."""
    with MemoryOS(store, settings=SETTINGS) as system:
        memory = system.memory(USER)
        pages = [memory.add_memory(*spoken(number)) for number in range(PAGES)]
        for number, page in enumerate(pages):
            story.ledger.added(USER, page.id, spoken(number))
        changes: list[Callable[[], object]] = [
            lambda: memory.add_memory("not acknowledged"),
            lambda: memory.add_response("not acknowledged", page_id=pages[-1].id),
            lambda: memory.import_turns([{"user_input": "not acknowledged"}]),
            lambda: memory.forget(pages[0].id),
            lambda: memory.move_pages([pages[0].id], "elsewhere"),
            memory.forget_session,
            memory.flush,
            memory.purge,
        ]
        looks: list[Callable[[], object]] = [lambda: memory.retrieve_memory("violin"), memory.pages, system.check]
        with without_permission(store):
            story.calls += [_refused(change) for change in changes]
            story.unread += sum(not _works(look) for look in looks)
        try:
            memory.flush()
            story.ledger.added(USER, memory.add_memory(*spoken(PAGES)).id, spoken(PAGES))
        except StoreError as error:
            if STAYS_READ_ONLY not in str(error):
                raise
            story.stuck += 1


def _open(story: _Story, store: Path) -> None:
    before = snapshot(store.parent)
    start = time.perf_counter()
    try:
        MemoryOS(store).close()
    except StoreError:
        story.seconds.append(time.perf_counter() - start)
    except Exception:  # noqa: BLE001 - whatever it is, it is what is counted here
        story.not_refused += 1
    else:
        story.not_refused += 1
    after = snapshot(store.parent)
    story.changed += sum(before.get(name, b"") != after.get(name, b"") for name in {*before, *after})


def _on_a_mount(story: _Story, folder: Path) -> None:
    with small_disk(folder, megabytes=MEGABYTES) as disk:
        if isinstance(disk, Skipped):
            return
        with MemoryOS(disk / "store", settings=SETTINGS) as system:
            system.memory(USER).add_memory(*spoken(0))
        with made_read_only(disk):
            _open(story, disk / "store")
            _open(story, disk / "new")
        story.mounts += 1


def _refused(change: Callable[[], object]) -> bool:
    try:
        change()
    except StoreError:
        return True
    except Exception:  # noqa: BLE001 - another error is as wrong as none
        return False
    return False


def _works(look: Callable[[], object]) -> bool:
    try:
        look()
    except Exception:  # noqa: BLE001 - whatever it is, reading did not work
        return False
    return True
