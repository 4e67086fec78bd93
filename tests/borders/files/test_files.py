"""Our own files: whole or not at all, one process a folder, and every foreign one named with what it should be."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from borders.files import (
    FolderInUse,
    append_line,
    claimed,
    home,
    read_json,
    read_log,
    read_tensors,
    read_text,
    read_yaml,
    write_atomically,
    write_json,
    write_tensors,
    write_text,
    write_yaml,
)

CHECKOUT = Path(__file__).parents[3]
WHAT = "the notes of a test"


def test_what_is_written_is_read_whatever_the_locale(tmp_path):
    content = {"name": "Größe ☃", "values": [1, 2.5, None, True], "deep": {"x": []}}
    write_json(tmp_path / "a.json", content)
    write_yaml(tmp_path / "a.yaml", content)
    assert read_json(tmp_path / "a.json", WHAT) == read_yaml(tmp_path / "a.yaml", WHAT) == content
    script = "import sys; from pathlib import Path; from borders.files import *; where = Path(sys.argv[1]);"
    script += "write_yaml(where / 'b.yaml', read_yaml(where / 'a.yaml', '')); append_line(where / 'log', chr(233) + chr(9731))"
    plain = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(CHECKOUT)}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, env=plain)
    assert (tmp_path / "b.yaml").read_bytes() == (tmp_path / "a.yaml").read_bytes()
    assert (tmp_path / "log").read_bytes() == "é☃\n".encode()


def test_numbers_of_numpy_and_torch_are_numbers_and_other_things_are_named(tmp_path):
    write_json(tmp_path / "a.json", {"a": np.int64(3), "b": np.float32(0.5), "c": torch.tensor(2)})
    assert read_json(tmp_path / "a.json", WHAT) == {"a": 3, "b": 0.5, "c": 2}
    with pytest.raises(TypeError, match=r"a\.json cannot be written: JSON has no form for .* a type"):
        write_json(tmp_path / "a.json", {"a": int})
    assert read_json(tmp_path / "a.json", WHAT)["a"] == 3


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    def fails(path):
        path.write_text("half")
        raise OSError("No space left on device")

    write_text(tmp_path / "a", "old")
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "a", fails)
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_planted_link_is_replaced_or_refused_never_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("result.json", "log.jsonl"):
        (tmp_path / name).symlink_to(victim)
    write_json(tmp_path / "result.json", {})
    with pytest.raises(OSError, match=r"log\.jsonl"):
        append_line(tmp_path / "log.jsonl", "{}")
    assert victim.read_text() == "mine"
    assert not (tmp_path / "result.json").is_symlink()


DAMAGED = {
    "empty": (b"", "is empty"),
    "a list": (b"[1, 2]", "holds a list, not"),
    "without its keys": (b"{}", "has no scores"),
    "latin": ('{"scores": "é"}'.encode("latin-1"), "not UTF-8"),
    "cut": (b'{"scores": {', "is no "),
    "deep": (b"[" * 100_000, "is no "),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("read", [read_json, read_yaml])
def test_a_damaged_file_is_named_with_what_it_should_be(tmp_path, read, name):
    content, message = DAMAGED[name]
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=f"/x should be {WHAT}, but it .*{message}"):
        read(tmp_path / "x", WHAT, ("scores",))


def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 1 << 40)
    for name, message in (("pipe", "no ordinary file"), ("", "a folder"), ("no", "no such"), ("large", "more than")):
        with pytest.raises(ValueError, match=message):
            read_text(tmp_path / name, WHAT)
    with pytest.raises(ValueError, match="a folder"):
        read_tensors(tmp_path, WHAT)
    (tmp_path / "x").write_bytes((1 << 60).to_bytes(8, "little") + b"{}")
    with pytest.raises(ValueError, match="damaged or no safetensors file"):
        read_tensors(tmp_path / "x", WHAT)


def test_yaml_makes_plain_types_alone_and_few_aliases(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: &a {x: 1}\nb: *a\nc: [*a, *a]\n")
    assert read_yaml(path, WHAT)["c"] == [{"x": 1}] * 2
    bomb = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"] + [
        f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 30)
    ]
    for text, message in (
        ("\n".join(bomb), "aliases are spelled out"),
        ("a: &a [*a]", "holds itself"),
        ("a: !!python/object/apply:os.system ['touch /tmp/x']", "could not determine a constructor"),
        ("a: 2024-13-45", "month must be"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=rf"x\.yaml should be {WHAT}, but it is no YAML: (.|\n)*{message}"):
            read_yaml(path, WHAT)


def test_a_log_keeps_its_whole_lines(tmp_path):
    for step in (1, 2):
        append_line(tmp_path / "log", json.dumps({"step": step}))
    with (tmp_path / "log").open("a") as file:
        file.write('{"step": 3, "lo')
    assert [line["step"] for line in read_log(tmp_path / "log", WHAT, ("step",))] == [1, 2]
    (tmp_path / "log").write_text('{"step": 1}\n{"seconds": 2}\n')
    with pytest.raises(ValueError, match="line 2 has no step"):
        read_log(tmp_path / "log", WHAT, ("step",))


def test_the_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home("~/run") == tmp_path / "run"


HOLD = """
    import sys, time
    from pathlib import Path
    from borders.files import claimed
    with claimed(Path(sys.argv[1])):
        print("has it", flush=True)
        time.sleep(600)
"""


def test_a_folder_belongs_to_one_process_until_it_dies(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(tmp_path / "run")]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(CHECKOUT)})
    try:
        assert other.stdout.readline() == b"has it\n"
        (tmp_path / "run" / ".result.1-ab.partial.json").write_text("{")
        with pytest.raises(FolderInUse, match=f"/run is in use by process {other.pid} on .* since 2"):  # noqa: SIM117
            with claimed(tmp_path / "run", patience=0.1):
                pass
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    with claimed(tmp_path / "run"), claimed(tmp_path / "run"):
        assert not list((tmp_path / "run").glob("*.partial*"))
    with claimed(tmp_path / "run", patience=0):
        assert not list((tmp_path / "run").glob(".*.partial*"))


def _save(folder):
    import representations

    model = representations.make("vae", shape=(1, 16, 16), code_size=2, hidden=8, channels=4)
    until = time.monotonic() + 2
    while time.monotonic() < until:
        representations.save(model, folder)
    return representations.load(folder).code_size


def test_two_processes_may_save_to_one_folder(tmp_path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(_save, [tmp_path / "model"] * 2) == [2, 2]
    assert sorted(os.listdir(tmp_path / "model")) == ["config.json", "model.safetensors"]


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    import representations

    model = representations.make("vae", shape=(1, 16, 16), code_size=2, hidden=8, channels=4)
    representations.save(model, tmp_path)
    with torch.no_grad():
        next(iter(model.parameters())).view(-1)[3] = float("nan")
    with pytest.raises(
        ValueError, match=r"vae is not saved to .*: its autoencoder\..* hold values that are not finite"
    ):
        representations.save(model, tmp_path)
    assert all(value.isfinite().all() for value in representations.load(tmp_path).parameters())


def test_a_flipped_bit_of_a_weight_is_found_and_a_file_without_a_checksum_is_taken(tmp_path):
    import representations

    model = representations.make("pca", shape=(1, 4, 4), code_size=2, rank=8)
    path = representations.save(model, tmp_path) / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"model\.safetensors should be .* damaged: its tensors do not fit its checksum"
    ):
        representations.load(tmp_path)
    tensors = {"a": torch.arange(3), "b": torch.tensor(2.0, dtype=torch.bfloat16), "c": torch.zeros(0, 2)}
    save_file(tensors, tmp_path / "x")
    assert read_tensors(tmp_path / "x", WHAT)[0].keys() == tensors.keys()
    write_tensors(tmp_path / "y", tensors, {"step": "1"})
    found, metadata = read_tensors(tmp_path / "y", WHAT)
    assert metadata["step"] == "1"
    assert all(torch.equal(found[key], tensors[key]) for key in tensors)


def test_who_reads_while_another_writes_sees_one_file_or_the_other(tmp_path):
    path = tmp_path / "model.safetensors"
    versions = [{"weight": torch.full((50_000,), float(k))} for k in (1, 2)]
    write_tensors(path, versions[0])
    stop = threading.Event()

    def rewrite():
        while not stop.is_set():
            for tensors in versions:
                write_tensors(path, tensors)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        found = [read_tensors(path, "a model")[0]["weight"] for _ in range(60)]  # a mixture would not fit its checksum
    finally:
        stop.set()
        writer.join()
    assert all(len(set(weight.tolist())) == 1 for weight in found)


def test_a_link_planted_in_the_place_of_a_lock_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".run.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match=r"\.run\.lock"), claimed(tmp_path / "run"):
        pass
    assert (tmp_path / "victim").read_text() == "mine"
