"""Where files are read and written: whole or not at all, UTF-8 whatever the locale, and one process a folder.

Reading answers every foreign or damaged file with a ValueError that names it and says what it should be; nothing that is
read is executed, and what it unpacks to is limited. A file is written beside its place under a name that nobody can foresee
and that is new, then put in place, so that two writers never share one, a reader never sees half of one, and a link that
somebody planted is replaced, not followed.

Pictures and meshes, which need larger libraries, are in `borders.files.pictures` and `borders.files.meshes`.
"""

from borders.files.arrays import NpzFile, header_of, parse_idx, read_idx, read_npz, write_npz
from borders.files.claim import FolderInUse, claimed
from borders.files.disk import (
    LARGEST,
    check_file,
    data_folder,
    home,
    read_bytes,
    set_aside,
    unpack,
    write_atomically,
    write_bytes,
)
from borders.files.tensors import read_tensors, write_tensors
from borders.files.text import (
    append_line,
    open_log,
    read_json,
    read_log,
    read_text,
    read_yaml,
    write_json,
    write_text,
    write_yaml,
)

__all__ = [
    "LARGEST",
    "FolderInUse",
    "NpzFile",
    "append_line",
    "check_file",
    "claimed",
    "data_folder",
    "header_of",
    "home",
    "open_log",
    "parse_idx",
    "read_bytes",
    "read_idx",
    "read_json",
    "read_log",
    "read_npz",
    "read_tensors",
    "read_text",
    "read_yaml",
    "set_aside",
    "unpack",
    "write_atomically",
    "write_bytes",
    "write_json",
    "write_npz",
    "write_tensors",
    "write_text",
    "write_yaml",
]
