"""The contract that every learner keeps, and the loop that trains them all."""

import json

import pytest
import torch

import representations
from representations import MODELS, fit, load, make, save
from representations.model import Decodes, Predicts, levels, pixels

CONTROL = ("dyn_content", "e2c", "rce")


@pytest.fixture(params=CONTROL)
def name(request):
    return request.param


def batches_of(generator):
    draw = torch.Generator().manual_seed(3)
    scene = torch.rand(1, 1, 40, 40, generator=draw) > 0.7
    x = (scene | (torch.rand(40, 1, 40, 40, generator=draw) > 0.98)).to(torch.uint8) * 255
    index = torch.randint(40, (8,), generator=generator)
    return {"x": x[index], "x_next": x[index.flip(0)], "y": x[:8], "u": torch.rand(8, 2, generator=generator)}


def small(name, **more):
    torch.manual_seed(0)
    return make(name, hidden=16, steps=20, **more)


def test_codes_have_the_stated_shape_and_are_deterministic(name, generator):
    model = small(name).eval()
    pictures = batches_of(generator)["x"]
    code = model.encode(pictures)
    assert code.shape == (8, model.code_size)
    assert torch.equal(code, model.encode(pictures.float() / 255))
    assert isinstance(model, Decodes)
    assert isinstance(model, Predicts)
    drawn = model.decode(code)
    assert drawn.shape == pictures.shape
    assert ((drawn >= 0) & (drawn <= 1)).all()
    assert model.predict(code, torch.zeros(8, 2)).shape == code.shape


def test_training_lowers_the_loss(name, generator):
    logs = fit(small(name, learning_rate=1e-2), batches_of, 40, generator, progress=False, log_every=10)
    key = next(k for k in logs[0] if k.endswith("/loss"))
    assert logs[-1][key] < 0.9 * logs[0][key]


def test_a_saved_model_encodes_the_same_to_the_bit(name, tmp_path, generator):
    model = small(name)
    fit(model, batches_of, 3, generator, progress=False)
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]
    assert again.settings == model.settings
    pictures = batches_of(generator)["x"]
    assert torch.equal(again.encode(pictures), model.encode(pictures))


def test_a_killed_run_resumes_to_the_same_numbers(name, tmp_path):
    def train(folder, steps, resume):
        model = small(name)
        options = {"progress": False, "log_every": 5, "checkpoint_every": 5, "decay": False, "resume": resume}
        fit(model, batches_of, steps, torch.Generator().manual_seed(7), tmp_path / folder, **options)
        return model

    whole = train("whole", 20, False)
    train("broken", 12, False)
    with (tmp_path / "broken" / "log.jsonl").open("a") as log:
        log.write('{"step": 15, "cut off')
    resumed = train("broken", 20, True)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    lines = [[json.loads(line) for line in (tmp_path / f / "log.jsonl").open()] for f in ("whole", "broken")]
    for kept in lines:
        for line in kept:
            line.pop("seconds")
    assert [line for line in lines[1] if line["step"] != 12 and line["step"] > 15] == lines[0][3:]


def test_training_leaves_the_global_generator_as_it_was(generator):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model = make("rce", hidden=8)
    torch.manual_seed(5)
    fit(model, batches_of, 2, generator, progress=False)
    assert torch.equal(torch.rand(3), expected)


def test_foreign_and_damaged_folders_are_named(tmp_path, generator):
    with pytest.raises(ValueError, match="not a saved model"):
        load(tmp_path)
    model = small("rce")
    save(model, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="damaged"):
        load(tmp_path)
    save(small("e2c"), tmp_path / "other")
    (tmp_path / "model.safetensors").write_bytes((tmp_path / "other" / "model.safetensors").read_bytes())
    with pytest.raises(ValueError, match="does not fit RCE"):
        load(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ValueError, match=r"config\.json"):
        load(tmp_path)
    fit(small("rce"), batches_of, 5, generator, tmp_path / "run", progress=False)
    with pytest.raises(ValueError, match="another seed"):
        fit(
            small("rce"), batches_of, 5, torch.Generator().manual_seed(9), tmp_path / "run", resume=True, progress=False
        )
    with pytest.raises(ValueError, match="does not fit E2C: it is of RCE"):
        fit(
            small("e2c"), batches_of, 5, torch.Generator().manual_seed(0), tmp_path / "run", resume=True, progress=False
        )


def test_a_full_disk_while_saving_leaves_the_previous_model(tmp_path, monkeypatch):
    save(small("rce"), tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()

    def full(tensors, path, *more):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("borders.files.tensors.save_file", full)
    with pytest.raises(OSError, match="No space"):
        save(small("rce"), tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def test_unknown_models_and_settings_list_the_known_ones_nearest_first():
    with pytest.raises(ValueError, match=r"unknown model 'dyn_contnt'; the models are dyn_content, "):
        make("dyn_contnt")
    with pytest.raises(TypeError, match=r"no setting 'hiden'; its settings are hidden, "):
        make("rce", hiden=3)


def test_a_model_outside_the_registry_is_not_saved_silently(tmp_path):
    class Mine(MODELS["rce"]):
        pass

    with pytest.raises(ValueError, match=r"representations\.MODELS"):
        save(Mine(hidden=8), tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_player(generator):
    model = small("rce")
    with torch.no_grad():
        model.decoder.background.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="bound"):
        fit(model, batches_of, 10, generator, progress=False, log_every=5)


def test_pictures_are_checked_at_the_border():
    model = small("rce").eval()
    with pytest.raises(ValueError, match="40, 40"):
        model.encode(torch.zeros(2, 1, 32, 32, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        model.encode(torch.full((1, 1, 40, 40), 7.0))
    with pytest.raises(ValueError, match=r"observations must be finite, got nan at \[0, 0, 0, 0\]"):
        model.encode(torch.full((1, 1, 40, 40), float("nan")))
    with pytest.raises(TypeError, match="uint8"):
        pixels(torch.zeros(2, dtype=torch.int64))


def test_the_public_names_are_there():
    assert {"MODELS", "fit", "load", "make", "save"} <= set(representations.__all__)


def test_levels_take_back_what_pixels_make_of_bytes():
    every = torch.arange(256).byte()
    assert torch.equal(levels(pixels(every)), every)
    assert levels(torch.tensor([-0.1, 0.0, 0.5, 1.0, 1.1])).tolist() == [0, 0, 128, 255, 255]
