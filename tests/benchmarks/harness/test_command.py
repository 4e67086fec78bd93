"""The command line of every benchmark: its help, what it merges, and the right form in its messages."""

import importlib
import sys

import pytest
import yaml

from benchmarks.harness.command import merged, parse
from benchmarks.harness.options import Sweep, check_keys
from benchmarks.harness.own import registered
from benchmarks.harness.rooms import rooms
from benchmarks.sprites.run import LEARNERS, Options, jobs
from envs import WORLDS
from representations import MODELS

COMMANDS = {room.name: importlib.import_module(f"benchmarks.{room.name}").main for room in rooms()}


def said_by(command, words, capsys) -> str:
    with pytest.raises(SystemExit) as caught:
        command(words)
    out = capsys.readouterr()
    return f"{caught.value}{out.out}{out.err}"


def sprites(*words):
    return parse("sprites", Sweep, Options, ["--preset", "quick", *words], LEARNERS)[1]


@pytest.mark.parametrize("room", rooms(), ids=lambda room: room.name)
def test_help_asks_the_benchmarks_own_question_and_explains_every_option(room, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    told = said_by(COMMANDS[room.name], ["--help"], capsys)
    assert room.question.split()[0] in told
    assert " ".join(room.question.split()) in " ".join(told.split())
    options = [line.strip() for line in told.splitlines() if line.strip().startswith("--")]
    assert len(options) > 8
    for place, line in enumerate(options):
        assert len(line.split("  ")) > 1 or "  " in told.splitlines()[told.splitlines().index(f"  {line}") + 1], place
        assert not line.split("  ")[-1].strip().startswith("(type"), line  # a type alone explains nothing
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, said_by(COMMANDS[room.name], ["--help"], capsys).splitlines())) <= 80


def test_a_setting_is_merged_with_those_of_the_preset():
    values = sprites(
        "--settings.beta_vae.beta", "8", "--settings.beta_vae.hidden=16", "--settings.vae", "{channels: 2}"
    )
    assert values["settings"]["beta_vae"] == {"channels": 8, "hidden": 16, "beta": 8}
    assert values["settings"]["vae"] == {"channels": 2, "hidden": 32}
    assert values["settings"]["factor_vae"]["width"] == 32


def test_a_configuration_file_is_merged_too_and_what_is_printed_is_one(tmp_path, capsys):
    (tmp_path / "own.yaml").write_text("preset: quick\nsettings: {vae: {hidden: 9}}\n")
    command = ["--config", str(tmp_path / "own.yaml"), "--settings.vae.channels", "3", "--print_config"]
    with pytest.raises(SystemExit):
        parse("sprites", Sweep, Options, command)
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["settings"]["vae"] == {"channels": 3, "hidden": 9}
    assert printed["preset"] == "quick"
    assert printed["pictures"] == 640


def test_merging_keeps_what_is_not_named():
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 4}, "e": 5}) == {"a": {"b": 4, "c": 2}, "d": 3, "e": 5}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--seeds", "two"], "--seeds takes a whole number, such as 3, got 'two'"),
        (["--beta", "8"], "(beta is a setting of beta_vae: --settings.beta_vae.beta VALUE)"),
        (["--settings.beta", "8"], "got 'beta': write --settings.MODEL.beta 8"),
        (["--settings.beta_vea.beta", "8"], "settings are given by model, beta_vae,"),
        (["--settings", "8"], "--settings takes settings by name, such as --settings.KEY.NAME VALUE"),
        (["--settings.beta_vae.beta", "abc"], "(--settings.beta_vae.beta VALUE)"),
        (["--rises.vaa", "0.5"], "rises are given by model"),
        (["--rises.vae", "half"], "--rises.vae takes a number, such as 0.5, got 'half'"),
        (["--worlds.dsprite.path", "x"], "worlds are given by world, dsprites,"),
        (["--workers", "-5"], "workers must be at least 1, or 0 for one per core, got -5"),
        (["--engine", "cloud"], "engine must be one of local, ray, got 'cloud'"),
        (["--ray-address", "auto"], "ray_address and gpus_per_job need --engine ray"),
        (["--shard", "3/2"], "shard must be i/n with i from 1 to n, such as 2/8, got '3/2'"),
        (["--samples", "0"], "samples must be at least 100, got 0"),
        (["--metric_seeds", "0"], "metric_seeds must be at least 1, got 0"),
        (["--test", "-1"], "test must be at least 1, got -1"),
        (["--import", "nowhere_at_all"], "--import nowhere_at_all: No module named 'nowhere_at_all'"),
        (["--device", "tpu"], "device 'tpu' is not available here"),
        (["--out", "/proc/x"], "the output folder /proc/x cannot be written"),
    ],
)
def test_a_mistake_is_answered_with_the_right_form(words, told, capsys):
    given = ["--preset", "quick", "--model", "vae,beta_vae", *words]
    assert told in said_by(COMMANDS["sprites"], given, capsys)


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("beta_sweep", ["--source", "nope"], "nope"),
        ("speed", ["--out", "/proc/x"], "the output folder /proc/x cannot be written"),
        ("maze", ["--pool", "0"], "pool must be at least 100, got 0"),
        ("covariance", ["--sizes.xor.step", "3"], "sizes of xor are steps, batch and samples"),
        ("dci", ["--settings.pcaa.x", "3"], "settings are given by model"),
        ("grasp", ["--settings.cnn.x", "3"], "settings are given by model"),
        ("planar", ["--seeds=1.5"], "--seeds takes a whole number"),
        ("worlds", ["--world", "cubes"], "unknown world 'cubes'"),
        ("scores", ["--samples", "3"], "samples must be at least 100, got 3"),
        ("pretrain", ["--samples", "3"], "samples must be at least 100, got 3"),
    ],
)
def test_what_can_fail_fails_before_anything_is_computed(name, words, told, capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.harness.experiment.compute", lambda *_, **__: pytest.fail("a job was begun"))
    assert told in said_by(COMMANDS[name], ["--preset", "quick", *words], capsys)


def test_an_unknown_name_lists_the_known_ones_nearest_first():
    with pytest.raises(ValueError, match="settings are given by model, beta_vae, vae, got 'beta_va'"):
        check_keys("settings", {"beta_va": {"beta": 1}}, ("vae", "beta_vae"), "model")
    check_keys("settings", {"vae": {}}, ("vae", "beta_vae"), "model")


def test_an_imported_module_registers_worlds_and_learners(tmp_path, monkeypatch, capsys):
    (tmp_path / "my_learners.py").write_text(
        "from envs import WORLDS\nfrom envs.planar import Planar\nfrom representations import MODELS\n"
        "from representations.vae import VAE\n"
        "class Mine(VAE):\n    '''Mine.'''\nclass Plane(Planar):\n    '''Mine.'''\n"
        "MODELS['mine'] = Mine\nWORLDS['plane'] = Plane\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    try:
        told = said_by(COMMANDS["pretrain"], ["--import", "my_learners", "--help"], capsys)
        assert ", mine" in told
        assert "plane" in told
        own = registered()
        assert (set(own.models), set(own.worlds)) == ({"mine"}, {"plane"})
    finally:
        MODELS.pop("mine", None), WORLDS.pop("plane", None)
    own.register()
    assert MODELS.pop("mine") is own.models["mine"]
    assert WORLDS.pop("plane") is own.worlds["plane"]


def test_a_job_of_sprites_has_the_merged_settings():
    own = Sweep(model="beta_vae", seeds=1)
    [job] = jobs(own, Options(**sprites("--settings.beta_vae.beta", "8")))
    assert job.settings == {"channels": 8, "hidden": 32, "beta": 8}
