"""An estate by URL, read through fsspec: the same as the folder, and errors that say what to do and no secret."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from optimizer.demo.generate import generate_demo
from optimizer.documents.plan_file import open_estate_of, read_plan, write_plan
from optimizer.errors import EstateError
from optimizer.estate.document import ESTATE_FILE
from optimizer.estate.folder import Estate, open_estate
from optimizer.files.remote import RemotePath, hide_password, is_url, locate, require_local, seen_by_workers
from optimizer.intake.estate_import import import_estate
from optimizer.workflow import make_plan
from tests.cli.command_line import run
from tests.intake.inputs import write_load, write_vms


class LeakyFileSystem(fsspec.AbstractFileSystem):
    """A storage whose driver puts everything it knows into its errors."""

    protocol = "leaky"

    def __init__(self, key: str = "", **options: object) -> None:
        super().__init__(**options)
        self._key = key

    def cat_file(self, path: str, **options: object) -> bytes:
        """Refuse, and tell all."""
        raise RuntimeError(
            f"403 for https://user:hunter2@host/{path}?sv=1&sig=AbC%2F123 with {self._key}; AccountKey=c2VjcmV0==; "
            f"Authorization: Bearer eyJhbGciOi.x.y\nand a second line of {options}"
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo estate: load in many days, jobs, policies."""
    path = tmp_path_factory.mktemp("demo") / "estate"
    generate_demo(path, vms=12, weeks=2)
    return path


@pytest.fixture(scope="module", params=["file", "memory"])
def url(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The same estate by URL."""
    if request.param == "file":
        yield folder.as_uri()
        return
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/test-remote/estate", recursive=True)
    yield "memory://test-remote/estate"
    memory.rm("/test-remote", recursive=True)


def test_everything_is_read_by_url(folder: Path, url: str) -> None:
    """Document, load by day, by some VMs and by VM, and jobs are those of the folder."""
    here, there = open_estate(folder), open_estate(url)
    assert str(there.path) == url
    assert there.fingerprint == here.fingerprint
    assert there.jobs().equals(here.jobs())
    day = here.load.dates()[3]
    vm_id = here.load.read_day(day).vm_ids[5]
    reads: list[Callable[[Estate], object]] = [
        lambda estate: estate.load.read_day(day),
        lambda estate: estate.load.read_vms(day, [vm_id.upper()]),
        lambda estate: estate.load.read_vm(vm_id),
        lambda estate: estate.load.read_vm(vm_id.rpartition("/")[2].upper()),
    ]
    for read in reads:
        assert repr(read(there)) == repr(read(here))


def test_some_vms_are_those_between_the_first_and_the_last(folder: Path) -> None:
    """Asked for the third and the fifth VM, whatever their case, a day gives three rows; for nobody, none."""
    load = open_estate(folder).load
    day = load.dates()[0]
    whole = load.read_day(day)
    part = load.read_vms(day, [whole.vm_ids[4].upper(), whole.vm_ids[2], "nobody"])
    assert part.vm_ids == whole.vm_ids[2:5]
    assert part.cpu_percent.tobytes() == whole.cpu_percent[2:5].tobytes()
    assert load.read_vms(day, ["nobody"]).vm_ids == ()


def test_a_plan_keeps_the_url(url: str, tmp_path: Path) -> None:
    """A plan made from a URL names it, and its estate is found there again from wherever the plan lies."""
    path = tmp_path / "plan.json"
    plan = make_plan(open_estate(url), effort=1, path=path)
    write_plan(plan, path)
    assert plan.estate.path == url
    moved = Path(shutil.move(path, tmp_path / "elsewhere.json"))
    assert str(open_estate_of(read_plan(moved), moved).path) == url


def test_the_command_line_takes_a_url(url: str, tmp_path: Path) -> None:
    """plan, explain and report read an estate by URL, from ESTATE, from the plan, and from --estate."""
    path = tmp_path / "plan.json"
    made = run("plan", url, "--effort", 1, "--out", path, "--format", "json")
    assert made.code == 0, made.err
    vm = read_plan(path).schedule[0].vm
    for command in (("explain", path, vm), ("report", path, "--estate", url, "--html", tmp_path / "page.html")):
        answer = run(*command)
        assert answer.code == 0, answer.err


def test_a_damaged_file_is_named_by_url(folder: Path, tmp_path: Path) -> None:
    """A file that is missing or cut off behind a URL is told as one in a folder is."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    estate = open_estate(copy.as_uri())
    first, second = estate.document.load[0].path, estate.document.load[1].path
    (copy / first).unlink()
    (copy / second).write_bytes((copy / second).read_bytes()[:-1])
    days = estate.load.dates()
    with pytest.raises(EstateError, match=f"cannot read {copy.as_uri()}/{first}: No such file"):
        estate.load.read_day(days[0])
    with pytest.raises(EstateError, match=f"{copy.as_uri()}/{second} is damaged: it has"):
        estate.load.read_day(days[1])
    (copy / ESTATE_FILE).unlink()
    with pytest.raises(EstateError, match=f"{copy.as_uri()} is not an estate folder: it contains no estate.json"):
        open_estate(copy.as_uri())


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("s3://bucket/estate", "s3://bucket/estate: s3:// is read by another package, .*: pip install s3fs, then"),
        ("abfs://c@account.dfs.core.windows.net/estate", "pip install adlfs"),
        ("simplecache::gs://bucket/estate", "pip install gcsfs"),
        ("sftp://host/estate", 'sftp:// needs a package that is not installed .*"paramiko"'),
        ("floppy://a/estate", "no such storage is known .*allowed: a folder of this machine, or a URL of fsspec"),
    ],
)
def test_a_storage_without_driver_names_the_package(place: str, message: str) -> None:
    """What reads a storage is the user's to install: the package is named; an unknown storage is refused."""
    with pytest.raises(EstateError, match=message):
        open_estate(place)


def test_no_secret_is_told(folder: Path) -> None:
    """Passwords, keys, tokens and signatures of URL, options or driver are in no message and in no plan."""
    fsspec.register_implementation("leaky", LeakyFileSystem, clobber=True)
    with pytest.raises(EstateError, match=r"cannot read leaky://user@host/estate/estate\.json: R") as caught:
        open_estate("leaky://user:hunter2@host/estate", storage_options={"key": "open-sesame"})
    with pytest.raises(EstateError, match="without '\\?' and '#'") as signed:
        open_estate("https://host/estate?sig=AbC")
    assert "whether the storage can be reached" in str(caught.value)  # not that a file is to be made readable
    told = f"{caught.value} {signed.value}"
    for secret in ("hunter2", "open-sesame", "AbC", "c2VjcmV0", "eyJhbG", "second line"):
        assert secret not in told
    with pytest.raises(ValueError, match="options are for an estate by URL"):
        open_estate(folder, storage_options={"key": "open-sesame"})


def test_estates_are_written_to_folders(tmp_path: Path) -> None:
    """A URL where an estate is to be written is refused, and what to do instead is said."""
    with pytest.raises(EstateError, match="s3://bucket/estate: estates are written to folders of this machine only"):
        import_estate(write_vms(tmp_path), write_load(tmp_path), "s3://bucket/estate")  # type: ignore[arg-type]
    vms, load = tmp_path / "vms.csv", tmp_path / "load.parquet"
    for command in (
        ("demo", "s3://u:hunter2@bucket/x"),
        ("import", "--vms", vms, "--load", load, "--out", "s3://u:hunter2@bucket/x"),
        ("pull", "--subscription", "1", "--out", "s3://u:hunter2@bucket/x"),
    ):
        answer = run(*command)
        assert (answer.code, answer.out) == (1, "")
        assert "error: s3://u@bucket/x: estates are written to folders" in answer.err


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("s3://bucket/estate", True),
        ("abfs://c@a.dfs.core.windows.net/e", True),
        ("simplecache::s3://bucket/estate", True),
        ("memory://x", True),
        ("C:\\estate", False),
        ("c://estate", False),
        ("estate", False),
        ("/srv/estate", False),
        ("://x", False),
        ("", False),
        (Path("s3:/bucket"), False),
        (5, False),
    ],
)
def test_what_is_a_url(place: object, expected: bool) -> None:
    """A scheme has at least two letters, so that a Windows drive is a folder."""
    assert is_url(place) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ftp://me:secret@host/estate", "ftp://me@host/estate"),
        ("see ftp://me:secret@host and ftp://you:other@host", "see ftp://me@host and ftp://you@host"),
        ("ftp://me@host/estate", "ftp://me@host/estate"),
        ("12:30@noon", "12:30@noon"),
    ],
)
def test_passwords_are_hidden(text: str, expected: str) -> None:
    """The password of a URL is left out, wherever the URL stands in a text."""
    assert hide_password(text) == expected


def test_a_place_is_located(tmp_path: Path) -> None:
    """Text is a folder or a URL; a location stays itself; options are for URLs only."""
    assert locate(str(tmp_path)) == locate(tmp_path) == tmp_path
    remote = locate("memory://estate", {"a": 1})
    assert isinstance(remote, RemotePath) and remote.options == {"a": 1} and locate(remote) is remote
    with pytest.raises(ValueError, match="options are for an estate by URL, not for the folder"):
        locate(tmp_path, {"a": 1})


def test_estates_are_written_to_this_machine_only(tmp_path: Path) -> None:
    """A URL is refused where something is written, without its password."""
    assert require_local(str(tmp_path)) == tmp_path
    with pytest.raises(EstateError, match=r"^ftp://me@host/e: estates are written to folders of this machine only"):
        require_local("ftp://me:secret@host/e")


def test_workers_cannot_see_the_memory_of_this_process(tmp_path: Path) -> None:
    """A folder and a real storage can be read by other processes."""
    assert seen_by_workers(tmp_path)
    assert seen_by_workers(RemotePath(f"file://{tmp_path}"))
    assert not seen_by_workers(RemotePath("memory://estate"))


@pytest.mark.parametrize("url", ["memory://estate?sig=abc", "memory://estate#part"])
def test_a_url_with_a_query_is_refused_without_its_secret(url: str) -> None:
    """Signed URLs would end up in plans; the message shows neither the query nor the fragment."""
    with pytest.raises(EstateError, match=r"^memory://estate: the URL of an estate is that of a folder") as refused:
        RemotePath(url)
    assert "abc" not in str(refused.value)


def test_a_missing_file_by_url_is_a_missing_file() -> None:
    """Readers see the same error as for a folder; paths are joined with one slash."""
    place = RemotePath("memory://none/") / "estate.json"
    assert str(place) == "memory://none/estate.json"
    with pytest.raises(FileNotFoundError):
        place.read_bytes()
