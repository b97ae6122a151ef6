"""A lake in an object store, as DuckDB reads files: through the client that the tables' log is read with.

DuckDB's own extension for object stores is a download, and Arrow's threads may outlive the query and end the process
with a signal. So Parquet files are handed to DuckDB's reader as files, by the credentials that Delta uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock, local
from typing import Any

from deltalake.fs import DeltaStorageHandler
from fsspec import AbstractFileSystem

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Opened:
    """One file, for all of DuckDB's threads: each has a place of its own, and they read in turn."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._turn = Lock()
        self._place = local()

    def seek(self, offset: int) -> None:
        """This thread goes on at `offset`."""
        self._place.at = offset

    def tell(self) -> int:
        """Where this thread goes on."""
        at: int = self._place.__dict__.setdefault("at", 0)
        return at

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end."""
        with self._turn:
            self._file.seek(self.tell())
            found = bytes(self._file.read(size))
        self._place.at += len(found)
        return found

    def size(self) -> int:
        """Bytes in all."""
        with self._turn:
            return int(self._file.size())

    def close(self) -> None:
        """Give the file back."""
        with self._turn:
            self._file.close()


class Objects(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The files under a lake's root, read only. Names are `p9lake://{table}/{file}`."""

    protocol = "p9lake"
    cachable = False

    def __init__(self, root: str, storage_options: Mapping[str, str] | None) -> None:
        super().__init__()
        self._root = root.removeprefix("file://")  # Delta names such files by their path
        self._store = DeltaStorageHandler(root, dict(storage_options or {}))._handler

    def name(self, uri: str) -> str:
        """What a file of the lake is called here."""
        return f"{self.protocol}:/{uri.removeprefix(self._root)}"

    def open(self, path: str, mode: str = "rb", **_: object) -> Opened:
        """A file to read. Raises OSError when it is gone."""
        if mode != "rb":
            raise OSError(f"{path}: the lake is only read through DuckDB")
        return Opened(self._store.open_input_file(path.removeprefix(f"{self.protocol}://")))

    def info(self, path: str, **_: object) -> dict[str, object]:
        """Name, kind and bytes of a file."""
        return {"name": path, "type": "file", "size": self.open(path).size()}

    def glob(self, path: str, **_: object) -> list[str]:
        """The name itself: the log says which files there are."""
        return [path]

    def modified(self, path: str) -> datetime:
        """A file of the lake never changes."""
        return _NEVER
