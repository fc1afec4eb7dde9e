"""The state folder: one user's by default, or shared by several, whose runs then know of each other."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optimizer.errors import BusyError, EstateError
from optimizer.rollout.session.ledger import CountedWrite, Ledger, hold_locks, state_folder
from optimizer.rollout.session.state_files import holder_of, sign

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[3]
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
GROUP, FIRST, SECOND, OUTSIDER = 54320, 54321, 54322, 54323
"""Ids of a group, of two users in it and of one that is not."""

needs_root = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason="only root can start processes of other users"
)


def mode(path: Path) -> int:
    """Access to a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def umask(value: int) -> Iterator[None]:
    """Take these bits from whatever is made."""
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def use(folder: Path) -> None:
    """Count a write and hold a lock."""
    Ledger(folder).add(CountedWrite(at=NOW, vault_id="/v"))
    with hold_locks(folder, folder / "plan.journal.jsonl", ["/v"]):
        pass


@pytest.mark.skipif(os.name == "nt", reason="access by mode is a matter of POSIX")
@pytest.mark.parametrize(
    ("access", "files"), [(0o700, 0o600), (0o770, 0o660), (0o2770, 0o660), (0o777, 0o666), (0o1777, 0o666)]
)
@pytest.mark.parametrize("taken", [0o022, 0o077])
def test_files_have_the_access_of_the_folder(tmp_path: Path, access: int, files: int, taken: int) -> None:
    """Whoever may use the folder may use what is in it, whatever the umask of the user who made it first."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(access)
    with umask(taken):
        use(folder)
    assert mode(folder) == access
    assert mode(folder / "locks") == access
    found = {path.name: mode(path) for path in (folder / "writes.jsonl", folder / "writes.lock")}
    assert set(found.values()) == {files}, found
    assert [mode(path) for path in (folder / "locks").iterdir()] == [files]


@pytest.mark.skipif(os.name == "nt", reason="access by mode is a matter of POSIX")
@pytest.mark.parametrize(("taken", "access"), [(0o022, 0o750), (0o002, 0o770), (0o077, 0o700)])
def test_a_named_folder_is_made_as_the_umask_says(tmp_path: Path, taken: int, access: int) -> None:
    """A folder that the variable names may be shared with the group; by default it is the user's own."""
    folder = tmp_path / "shared" / "state"
    with umask(taken):
        assert state_folder({"BACKUP_OPTIMIZER_STATE": str(folder)}) == folder
        Ledger(tmp_path / "own")
    assert mode(folder) == access
    assert mode(tmp_path / "own") == 0o700


@pytest.mark.skipif(os.name == "nt", reason="access by mode is a matter of POSIX")
def test_files_of_an_earlier_version_are_shared_by_their_owner(tmp_path: Path) -> None:
    """A folder that was one user's becomes shared by its access alone, with that user's next run."""
    use(tmp_path)
    parts = [tmp_path / "writes.jsonl", tmp_path / "writes.lock", *(tmp_path / "locks").iterdir()]
    for path in parts:
        path.chmod(0o600)
    (tmp_path / "locks").chmod(0o700)
    tmp_path.chmod(0o770)
    use(tmp_path)
    assert {mode(path) for path in parts} == {0o660}
    assert mode(tmp_path / "locks") == 0o770


def test_a_lock_says_who_holds_it(tmp_path: Path) -> None:
    """The other user and process are named, so that they can be asked."""
    with hold_locks(tmp_path, tmp_path / "one.jsonl", ["/v/a"]):
        (lock,) = (tmp_path / "locks").iterdir()
        assert f"process {os.getpid()}" in holder_of(lock)
        with pytest.raises(BusyError, match=rf"process {os.getpid()}\) is at work"):  # noqa: SIM117
            with hold_locks(tmp_path, tmp_path / "two.jsonl", ["/v/a"]):
                pass


@pytest.mark.parametrize("content", ["", "\x1b[31mred", "\x00"])
def test_a_lock_file_is_not_believed_blindly(tmp_path: Path, content: str) -> None:
    """What is no plain text is not shown; a lock that cannot be signed holds all the same."""
    lock = tmp_path / "lock"
    lock.write_text(content, "utf-8")
    assert holder_of(lock) == ""
    sign(tmp_path)
    assert holder_of(tmp_path) == ""


@pytest.mark.parametrize(
    ("line", "understood"),
    [
        (b'{"at": "2026-', True),
        (b"\0\0\0", True),
        (b"", True),
        (b'{"at": "2026-11-02T12:00:00Z", "vault_id": "/v", "from_the_future": 1}', False),
        (b'{"at": "yesterday", "vault_id": "/v"}', False),
        (b"not a ledger at all", False),
        (b"[1, 2]", False),
        (b"\xff\xfe\x00", False),
    ],
)
def test_a_line_is_passed_over_only_if_a_crash_cut_it_off(tmp_path: Path, line: bytes, understood: bool) -> None:
    """Every other line that is not understood may count a write, so it is said and not passed over."""
    write = CountedWrite(at=NOW, vault_id="/v")
    Ledger(tmp_path).add(write)
    with (tmp_path / "writes.jsonl").open("ab") as file:
        file.write(line + b"\n")
    ledger = Ledger(tmp_path)
    if understood:
        assert ledger.since(LONG_AGO) == (write,)
    else:
        with pytest.raises(EstateError, match="does not understand the line") as caught:
            ledger.since(LONG_AGO)
        assert "move it away" in str(caught.value)


SCRIPT = """
import getpass, json, os, pwd, sys
import filelock
from datetime import UTC, datetime
from pathlib import Path
from optimizer.errors import OptimizerError
from optimizer.rollout.session.ledger import CountedWrite, Ledger, hold_locks, state_folder
user, groups = int(sys.argv[1]), json.loads(sys.argv[3])
os.setgroups(groups), os.setgid(user), os.setuid(user)  # only now: other users need not be able to read this Python
try:
    folder = state_folder()
    ledger = Ledger(folder)
    ledger.add(CountedWrite(at=datetime(2026, 11, 2, 12, tzinfo=UTC), vault_id="/v", key=sys.argv[1]))
    with hold_locks(folder, Path(sys.argv[2]), ["/v"]):
        print(sorted(write.key for write in ledger.since(datetime(2026, 1, 1, tzinfo=UTC))))
except OptimizerError as exc:
    print(f"{type(exc).__name__}: {exc}")
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """Make a folder that other users can reach, as those of pytest cannot be."""
    folder = Path(tempfile.mkdtemp(prefix="backup-optimizer-state-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def act_as(user: int, folder: Path, *, member: bool = True, taken: int = 0o022) -> str:
    """Let a user count a write and hold a lock, in a process of their own; what it says."""
    home = folder.parent / f"home-{user}"
    if not home.exists():
        home.mkdir()
        os.chown(home, user, user)
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(user), str(home / "plan.journal.jsonl"), str([GROUP] if member else [])],
        umask=taken,
        env={"BACKUP_OPTIMIZER_STATE": str(folder), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not found.stderr, found.stderr
    return found.stdout.strip()


@needs_root
@pytest.mark.parametrize("access", [0o2770, 0o777, 0o1777])
def test_two_users_share_a_folder(place: Path, access: int) -> None:
    """Each sees what the other wrote, in either order of their runs, and locks work for both."""
    folder = place / "state"
    folder.mkdir()
    os.chown(folder, 0, GROUP)
    folder.chmod(access)
    assert act_as(FIRST, folder, taken=0o077) == f"['{FIRST}']"
    assert act_as(SECOND, folder) == f"['{FIRST}', '{SECOND}']"
    assert act_as(FIRST, folder) == f"['{FIRST}', '{FIRST}', '{SECOND}']"


@needs_root
def test_another_users_folder_is_explained(place: Path) -> None:
    """Whoever may not use a folder is told whose it is and how it is shared; nothing is a traceback."""
    folder = place / "state"
    folder.mkdir()
    os.chown(folder, FIRST, GROUP)
    folder.chmod(0o700)
    assert act_as(FIRST, folder) == f"['{FIRST}']"
    for user, member in ((SECOND, True), (OUTSIDER, False)):
        said = act_as(user, folder, member=member)
        assert said.startswith(f"EstateError: cannot use {folder}: it belongs to "), said
        assert f"chmod -R g+rwX {folder}" in said


@needs_root
@pytest.mark.parametrize("part", ["writes.jsonl", "writes.lock", "locks"])
def test_an_unreadable_part_is_explained(place: Path, part: str) -> None:
    """A ledger that cannot be read is never taken for an empty one."""
    folder = place / "state"
    folder.mkdir()
    os.chown(folder, 0, GROUP)
    folder.chmod(0o2770)
    assert act_as(FIRST, folder) == f"['{FIRST}']"
    (folder / part).chmod(0)
    said = act_as(SECOND, folder)
    assert said.startswith(f"EstateError: cannot use {folder / part}"), said
    assert "may not read and write it" in said


def test_old_writes_do_not_come_back(tmp_path: Path) -> None:
    """A ledger that is opened again knows the same writes, in order of time."""
    writes = [CountedWrite(at=NOW - timedelta(hours=hours), vault_id="/v", key=str(hours)) for hours in (3, 1, 2)]
    for write in writes:
        Ledger(tmp_path).add(write)
    assert [write.key for write in Ledger(tmp_path).since(LONG_AGO)] == ["3", "2", "1"]
