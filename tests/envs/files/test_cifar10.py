import numpy as np
import pytest
import torch

from envs.files import cifar10
from envs.files.cifar10 import FILES, FOLDER, load_cifar10


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Files in the published layout, with few records: pixel p of channel c of record r of file f is f + r + c + p."""
    monkeypatch.setattr(cifar10, "RECORDS", 4)
    target = tmp_path / FOLDER
    target.mkdir()
    for f, name in enumerate((*FILES["train"], *FILES["test"])):
        records = np.zeros((4, 3073), np.uint8)
        for r in range(4):
            records[r, 0] = (f + r) % 10
            records[r, 1:] = (f + r + np.arange(3)[:, None] + np.arange(1024)).reshape(-1) % 256
        records.tofile(target / name)
    return tmp_path


def test_pictures_are_channels_of_rows_and_files_follow_each_other(folder, monkeypatch):
    pictures, classes = load_cifar10("train", folder)
    assert pictures.shape == (20, 3, 32, 32)
    assert pictures.dtype == torch.uint8
    assert classes.tolist() == [(f + r) % 10 for f in range(5) for r in range(4)]
    assert pictures[6, 2, 1, 3] == 1 + 2 + 2 + 32 + 3  # file 1, record 2, blue, second row, fourth column
    monkeypatch.setenv("DISCO_DATA", str(folder))
    assert load_cifar10("test")[0].shape == (4, 3, 32, 32)
    assert torch.equal(load_cifar10("test", folder / FOLDER)[1], torch.tensor([5, 6, 7, 8]))


def test_missing_and_damaged_files_are_named_with_their_origin(folder, monkeypatch):
    file = folder / FOLDER / "data_batch_2.bin"
    content = file.read_bytes()
    file.write_bytes(content[:-5])
    with pytest.raises(ValueError, match=r"data_batch_2\.bin: expected 12292 bytes, got 12287.*Krizhevsky"):
        load_cifar10("train", folder)
    file.write_bytes(bytes([99]) + content[1:])
    with pytest.raises(ValueError, match="classes 0 to 9, got 99"):
        load_cifar10("train", folder)
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"no file data_batch_2\.bin in .*Krizhevsky"):
        load_cifar10("train", folder)
    monkeypatch.delenv("DISCO_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="DISCO_DATA"):
        load_cifar10("test")
    with pytest.raises(ValueError, match="'validation'"):
        load_cifar10("validation", folder)
