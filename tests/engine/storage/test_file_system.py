"""Which directories a store can live in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from memoryos_engine import MemoryOS
from memoryos_engine.errors import StoreError
from memoryos_engine.storage import file_system

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lists its mounts in a file")


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Have the machine's table of mounts say what a test wants."""

    def mounting(*lines: str) -> None:
        table = tmp_path / "mounts"
        table.write_text("".join(f"{line}\n" for line in ("/dev/root / ext4 rw 0 0", *lines)))
        monkeypatch.setattr(file_system, "MOUNTS", table)

    return mounting


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "ceph"])
def test_a_directory_on_a_network_file_system_is_refused_with_the_way_out(mounted, tmp_path, kind):
    """NFS-safe or refused: two machines on one directory could not see each other's lock."""
    share = tmp_path / "my share"
    mounted(f"server:/data {str(share).replace(' ', chr(92) + '040')} {kind} rw 0 0")

    with pytest.raises(StoreError, match=rf"on a network file system \({kind}\).*memoryos serve"):
        MemoryOS(share / "store")
    assert not (share / "store" / "chroma.sqlite3").exists()


def test_a_local_directory_beneath_a_network_one_is_local(mounted, tmp_path):
    """The mount that is nearest counts, and of several on one place the last."""
    mounted(
        f"server:/data {tmp_path} nfs4 rw 0 0",
        f"tmpfs {tmp_path / 'local'} nfs rw 0 0",
        f"tmpfs {tmp_path / 'local'} tmpfs rw 0 0",
    )

    assert file_system.type_of(tmp_path / "local" / "store") == "tmpfs"
    assert file_system.type_of(tmp_path / "other") == "nfs4"
    assert file_system.type_of(Path("/somewhere")) == "ext4"


def test_a_machine_that_does_not_list_its_mounts_is_taken_at_its_word(monkeypatch, tmp_path):
    """A sandbox without /proc keeps nobody from working."""
    monkeypatch.setattr(file_system, "MOUNTS", tmp_path / "nowhere")

    assert file_system.type_of(tmp_path) == ""
    file_system.require_local(tmp_path)
