"""Files are whole or absent, and folders are claimed with care."""

import errno
import stat
from pathlib import Path

import pytest

from unlearn import files
from unlearn.errors import OutputError


def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write_text(path, "old")

    def fail() -> None:
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_modes_are_set_before_the_file_appears(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "key", b"secret", mode=0o600)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_claim_refuses_what_is_not_empty_or_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        files.claim(tmp_path / "file")
    with pytest.raises(OutputError, match="not empty"):
        files.claim(tmp_path)
    assert files.claim(tmp_path, empty=False) == tmp_path
    assert files.claim(tmp_path / "new" / "deep").is_dir()


def test_claim_below_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        files.claim(tmp_path / "file" / "inside")


def test_claim_refuses_when_space_is_short_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="MB needed"):
        files.claim(tmp_path / "out", space=10**18)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_refusals_of_the_system_become_one_line(number: int) -> None:
    with pytest.raises(OutputError), files.output_errors(Path("place")):
        raise OSError(number, "refused", "place/file")


def test_other_system_errors_are_not_hidden() -> None:
    with pytest.raises(OSError, match="odd"), files.output_errors(Path("place")):
        raise OSError(errno.EIO, "odd")
