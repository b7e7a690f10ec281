"""Systems without fcntl or os.pread, as Windows is: simulated by taking them away."""

import importlib
import json
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from seq2seq.corpora import cache
from seq2seq.corpora.shards import Rows, Shards
from seq2seq.errors import UserError
from seq2seq.system.lock import BYTE, LOCK, exclusive_writer


def still_open(file, key):
    try:
        return os.fstat(file).st_ino == key
    except OSError:
        return False


@pytest.fixture
def only_bytes_are_locked(monkeypatch):
    """No fcntl; msvcrt's locks are kept in a list by the file they are on."""
    held = {}

    def locking(file, mode, count):
        assert (mode, count, os.lseek(file, 0, os.SEEK_CUR)) == (2, 1, BYTE)
        key = os.fstat(file).st_ino
        if held.get(key, file) != file and still_open(held[key], key):
            raise PermissionError(13, "locked")
        held[key] = file

    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("fcntl")


def test_a_folder_has_one_writer_where_only_bytes_are_locked(tmp_path, only_bytes_are_locked):
    for _ in range(2):
        with exclusive_writer(tmp_path):
            assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
            message = f"trained by process {os.getpid()} "
            with pytest.raises(UserError, match=message), exclusive_writer(tmp_path):
                pass
        assert not (tmp_path / LOCK).exists()


def test_a_lock_file_that_cannot_be_removed_is_left_empty(tmp_path, monkeypatch):
    def refuse(path, missing_ok=False):
        raise PermissionError(13, "in use", str(path))

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    for _ in range(2):
        with exclusive_writer(tmp_path):
            pass
        assert (tmp_path / LOCK).read_bytes() == b""


def test_without_any_locks_the_text_of_the_lock_file_counts(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", None)
    message = "if it has died, delete"
    with (
        exclusive_writer(tmp_path),
        pytest.raises(UserError, match=message),
        exclusive_writer(tmp_path),
    ):
        pass
    with exclusive_writer(tmp_path):
        pass


@pytest.mark.parametrize("positioned", [True, False])
def test_rows_are_read_with_and_without_pread(tmp_path, monkeypatch, positioned):
    monkeypatch.setattr(cache, "BATCH", 4)
    if not positioned:
        monkeypatch.delattr(os, "pread", raising=False)
    shards = Shards(tmp_path, 50, width=2, kind=np.int32)
    rows = [np.arange(n % 7, dtype=np.int32) for n in range(100)]
    shards.write(0, [Rows.of(np.concatenate(rows), map(len, rows), len(rows))])
    for pair in (49, 0, 17):
        found = shards[pair]
        assert found.values.tolist() == [*range(2 * pair % 7), *range((2 * pair + 1) % 7)]
