"""Tensors, in safetensors files with a checksum."""

from __future__ import annotations

import errno
import json
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file
from torch import Tensor

from borders.files.disk import read_bytes, write_atomically

CHECKSUM = "crc32"
LARGEST_TENSORS = 16 << 30  # bytes


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors, each with memory of its own on the CPU, to a safetensors file, and a checksum in its metadata.

    OSError where the disk is full, or the file cannot be written for another reason.
    """
    about = {**(metadata or {}), CHECKSUM: _checksum(tensors)}
    try:
        write_atomically(path, lambda partial: save_file(dict(tensors), partial, about))
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code), str(path)) from error


def read_tensors(path: Path, what: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file; ValueError says what is wrong with another.

    Tensors that do not fit the checksum in the metadata are damaged; a file from elsewhere needs none.
    """
    content = read_bytes(path, what, LARGEST_TENSORS)  # once: header and tensors are of one file, whoever replaces it
    try:
        tensors = load_tensors(content)
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size]).get("__metadata__", {})
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{path} should be {what}, but it is damaged or no safetensors file: {error}") from None
    if CHECKSUM in metadata and metadata[CHECKSUM] != _checksum(tensors):
        raise ValueError(f"{path} should be {what}, but it is damaged: its tensors do not fit its checksum")
    return tensors, metadata


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    found = 0
    for key in sorted(tensors):
        value = tensors[key].contiguous()
        found = zlib.crc32(f"{key} {value.dtype} {list(value.shape)}".encode(), found)
        found = zlib.crc32(value.view(-1).view(torch.uint8).numpy().data, found)
    return f"{found:08x}"
