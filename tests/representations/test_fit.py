"""The loop: memory layouts, signals, checkpoints, what is not finite, frozen parts, and every kind of batch."""

import dataclasses
import gc
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from borders.files import FolderInUse, read_tensors, write_tensors
from representations import Stepped, fit
from representations.batches import Stream
from representations.model import Objective
from representations.stopping import Stopped

CHECKOUT = Path(__file__).parents[2]


class Filters(nn.Module):
    """One convolution, its weight kept or only used with channels last."""

    def __init__(self, fused, kept):
        super().__init__()
        weight = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        self.weight = nn.Parameter(weight.to(memory_format=torch.channels_last) if kept else weight)
        self.optimizer = partial(torch.optim.Adam, lr=0.1, fused=fused)

    def loss(self, batch):
        weight = self.weight.to(memory_format=torch.channels_last)
        return functional.conv2d(batch, weight, stride=2).cos().sum(), {}

    def objectives(self):
        return (Objective("filters", self.loss, (self.weight,), self.optimizer),)


def pictures(generator):
    return torch.randn(4, 3, 8, 8, generator=generator)


def trained(model, steps, folder=None, resume=False):
    options = {"progress": False, "device": "cpu", "log_every": 1, "checkpoint_every": 1, "resume": resume}
    fit(model, pictures, steps, torch.Generator().manual_seed(1), folder, **options)
    return model.weight.detach()


@pytest.mark.parametrize("kept", [False, True])
def test_a_fused_optimizer_moves_weights_as_a_plain_one_does_in_either_layout(kept):
    torch.testing.assert_close(trained(Filters(True, kept), 5), trained(Filters(False, kept), 5))


@pytest.mark.parametrize("kept", [False, True])
def test_a_resumed_run_ends_at_the_same_weights_in_either_layout(kept, tmp_path):
    whole = trained(Filters(True, kept), 6)
    trained(Filters(True, kept), 3, tmp_path)
    assert torch.equal(trained(Filters(True, kept), 6, tmp_path, resume=True), whole)


def test_events_hold_the_figures_of_the_log(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    model = Filters(False, False)
    logs = fit(model, pictures, 4, torch.Generator(), tmp_path, log_every=2, progress=False, tensorboard=True)
    found = events.EventAccumulator(str(tmp_path)).Reload().Scalars("filters/loss")
    assert [event.step for event in found] == [2, 4]
    assert [event.value for event in found] == pytest.approx([line["filters/loss"] for line in logs])


def test_events_need_a_folder_and_their_package(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="run folder"):
        fit(Filters(False, False), pictures, 1, torch.Generator(), tensorboard=True)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="pip install"):
        fit(Filters(False, False), pictures, 1, torch.Generator(), tmp_path, tensorboard=True)


class Line(nn.Module):
    """y = w x + b fitted to 3 x + 1 under noise, by one player or by two; `poison` spoils step `at`."""

    def __init__(self, players=1, at=None, poison="", logs=None):
        super().__init__()
        self.settings = {"players": players}
        self.weight, self.bias = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.players, self.at, self.poison, self.logs = players, at, poison, logs or {}
        self.moves = 0

    def loss(self, batch):
        self.moves += 1
        x = batch["x"] if isinstance(batch, dict) else batch
        wrong = self.weight * x + self.bias + 0.1 * torch.randn_like(x) - (3 * x + 1)
        loss = wrong.square().mean()
        if self.moves == self.at:
            if self.poison == "loss":
                loss = loss * float("nan")
            elif self.poison == "gradient":
                self.weight.register_hook(lambda gradient: gradient * float("nan"))
        return loss, {"error": wrong.abs().mean(), **self.logs}

    def spoil(self):
        if self.poison == "weight" and self.moves == self.at:
            self.bias.data.fill_(float("inf"))

    def objectives(self):
        both = ((self.weight,), (self.bias,)) if self.players == 2 else ((self.weight, self.bias),)
        make = partial(torch.optim.Adam, lr=0.05)
        return tuple(Objective(f"p{k}", self.loss, moved, make, after=self.spoil) for k, moved in enumerate(both))


def numbers(generator):
    return torch.rand(8, generator=generator)


QUIET = {"progress": False, "device": "cpu"}


def seeded():
    return torch.Generator().manual_seed(0)


def interrupt(at, number=signal.SIGINT):
    return lambda step: os.kill(os.getpid(), number) if step == at else None


def test_batches_that_change_are_told_the_step_in_a_resumed_run_too(tmp_path):
    told = []

    def batches(generator, step):
        told.append(step)
        return numbers(generator) + step

    whole, resumed = Line(2), Line(2)
    fit(whole, Stepped(batches), 12, seeded(), **QUIET)
    assert told == [step for step in range(12) for _ in range(2)]
    told.clear()
    with pytest.raises(Stopped):
        fit(Line(2), Stepped(batches), 12, seeded(), tmp_path, on_step=interrupt(5), **QUIET)
    fit(resumed, Stepped(batches), 12, seeded(), tmp_path, resume=True, **QUIET)
    assert told == [step for step in range(12) for _ in range(2)]
    assert resumed.state_dict() == whole.state_dict()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("players", [1, 2])
def test_a_signal_ends_a_run_behind_its_step_and_the_same_call_continues_to_the_same_numbers(tmp_path, number, players):
    whole = Line(players)
    logs = fit(whole, numbers, 50, seeded(), log_every=20, **QUIET)
    before = signal.getsignal(number)
    with pytest.raises(Stopped, match="stopped at step 33 of 50; the same command continues") as stopped:
        fit(Line(players), numbers, 50, seeded(), tmp_path, log_every=20, on_step=interrupt(33, number), **QUIET)
    assert stopped.value.number == number
    assert signal.getsignal(number) is before
    resumed = Line(players)
    again = fit(resumed, numbers, 50, seeded(), tmp_path, log_every=20, resume=True, **QUIET)
    assert resumed.moves == players * 17
    assert resumed.state_dict() == whole.state_dict()
    drop = [{key: value for key, value in line.items() if key != "seconds"} for line in (*logs, *again)]
    assert drop[:3] == drop[3:]
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [20, 40, 50]


def test_a_checkpoint_is_written_when_its_seconds_have_passed(tmp_path):
    def late(step):
        time.sleep(0.02)
        if step == 10:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fit(Line(), numbers, 50, seeded(), tmp_path, checkpoint_seconds=0.01, on_step=late, **QUIET)
    resumed = Line()
    fit(resumed, numbers, 50, seeded(), tmp_path, resume=True, **QUIET)
    assert resumed.moves == 41


@pytest.mark.parametrize(("poison", "named"), [("loss", "p0/loss"), ("gradient", "weight, bias"), ("weight", "bias")])
def test_what_stops_being_finite_is_named_and_the_last_good_state_kept(tmp_path, poison, named):
    model = Line(at=24, poison=poison)
    with pytest.raises(
        FloatingPointError, match=f"{named}.* between steps 20 and 30; .*of step 20, is kept in .*run/check"
    ):
        fit(model, numbers, 50, seeded(), tmp_path / "run", log_every=10, checkpoint_every=20, **QUIET)
    kept = Line()
    fit(kept, numbers, 20, seeded(), tmp_path / "run", resume=True, **QUIET)
    whole = Line()
    fit(whole, numbers, 20, seeded(), **QUIET)
    assert kept.state_dict() == whole.state_dict()


@pytest.mark.parametrize(
    ("steady", "expected"), [(0.0, [1, 0.75, 0.5, 0.25]), (0.5, [1, 1, 1, 0.5]), (1.0, [1, 1, 1, 1])]
)
def test_rates_fall_from_the_share_steady_on(steady, expected):
    model, rates = Line(), []
    (player,) = model.objectives()
    optimizer = player.optimizer(player.parameters)
    before = optimizer.param_groups[0]["lr"]
    model.objectives = lambda: (dataclasses.replace(player, optimizer=lambda _: optimizer),)
    look = lambda _: rates.append(optimizer.param_groups[0]["lr"] / before)  # noqa: E731
    fit(model, numbers, 4, seeded(), decay=True, steady=steady, on_step=look, **QUIET)
    assert rates == pytest.approx(expected)


class Later(Line):
    """Two players, of whom the second waits for three moves of the first; it logs how often it has moved."""

    def __init__(self):
        super().__init__(players=2)
        self.register_buffer("done", torch.zeros(()))

    def objectives(self):
        first, second = super().objectives()
        second = dataclasses.replace(second, loss=self.told, waits=lambda: bool(self.done < 3))
        return dataclasses.replace(first, after=lambda: self.done.add_(1)), second

    def told(self, batch):
        return self.loss(batch)[0], {"moves": self.done - 2}


def test_a_player_that_waits_begins_its_optimizer_and_its_means_where_it_begins(tmp_path):
    model, places = Later(), []
    look = lambda _: places.append(model.bias.item())  # noqa: E731
    (whole,) = fit(model, numbers, 5, seeded(), on_step=look, log_every=5, **QUIET)
    assert places[:2] == [0, 0]
    assert places[2] == pytest.approx(0.05)  # Adam's first step is its rate
    assert whole["p1/moves"] == 2  # the mean of 1, 2, 3
    broken = {"log_every": 5, "checkpoint_every": 1, "run": tmp_path, **QUIET}
    fit(Later(), numbers, 4, seeded(), **broken | {"log_every": 50})
    resumed = Later()
    logs = fit(resumed, numbers, 5, seeded(), resume=True, **broken)
    assert torch.equal(resumed.bias, model.bias)
    assert logs[-1]["p1/moves"] == 3  # the log line of step 4 is written


def test_a_checkpoint_of_before_moves_were_counted_resumes_with_as_many_as_steps(tmp_path):
    told = {"log_every": 5, "run": tmp_path, **QUIET}
    fit(Line(), numbers, 4, seeded(), **told | {"log_every": 50})
    (tmp_path / "log.jsonl").unlink()
    file = tmp_path / "checkpoint.safetensors"
    tensors, metadata = read_tensors(file, "a checkpoint")
    window = {f"window/{key}": torch.tensor(0.0) for key in ("p0/loss", "p0/error")}
    kept = {key: value for key, value in tensors.items() if not key.startswith("moves/")}
    write_tensors(file, kept | window, metadata | {"since": "0"})
    (line,) = fit(Line(), numbers, 5, seeded(), resume=True, **told)
    assert line["step"] == 5
    last = fit(Line(), numbers, 5, seeded(), log_every=1, **QUIET)[-1]
    assert line["p0/loss"] == pytest.approx(last["p0/loss"] / 5)  # the sums of four steps are 0 here


def test_a_gradient_alone_is_seen_too():
    model = Line(at=10, poison="gradient")
    still = partial(torch.optim.SGD, lr=0.0)
    model.objectives = lambda: (Objective("p", model.loss, (model.bias, model.weight), still),)
    with pytest.raises(FloatingPointError, match=r"^(weight, )?the gradient of weight stopped"):
        fit(model, numbers, 50, seeded(), log_every=10, **QUIET)


def test_weights_that_are_not_finite_are_never_checkpointed(tmp_path):
    model = Line(at=5, poison="weight")
    with pytest.raises(FloatingPointError, match=r"bias stopped .*no state was saved before"):
        fit(model, numbers, 50, seeded(), tmp_path, on_step=interrupt(7), **QUIET)
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_a_checkpoint_of_another_run_is_refused_with_what_differs(tmp_path):
    fit(Line(), numbers, 5, seeded(), tmp_path, decay=True, **QUIET)
    model = Line()
    model.weight.requires_grad_(False)
    for other, generator, options, message in (
        (Filters(False, False), seeded(), {"decay": True}, "does not fit Filters: it is of Line"),
        (Line(), torch.Generator().manual_seed(1), {"decay": True}, "it is of another seed"),
        (Line(2), seeded(), {"decay": True}, "its players is 1, not 2"),
        (Line(), seeded(), {}, "its decay is 5, not False"),
        (Line(), seeded(), {"decay": True, "precision": "bfloat16"}, "precision is 'float32', not 'bfloat16'"),
        (model, seeded(), {"decay": True}, "other parameters were trained"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(other, numbers, 5, generator, tmp_path, resume=True, **options, **QUIET)


def test_without_resume_an_old_checkpoint_is_set_aside_before_the_first_step(tmp_path):
    fit(Line(), numbers, 5, seeded(), tmp_path, **QUIET)
    old = (tmp_path / "checkpoint.safetensors").read_bytes()

    def cut(step):
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fit(Line(), numbers, 5, seeded(), tmp_path, on_step=cut, **QUIET)
    assert not (tmp_path / "checkpoint.safetensors").exists()
    assert (tmp_path / "previous-checkpoint.safetensors").read_bytes() == old


def test_what_requires_no_gradient_is_left_as_it_is():
    model = Line(2)
    model.bias.requires_grad_(False)
    logs = fit(model, numbers, 200, seeded(), **QUIET)
    assert model.bias == 0
    assert model.weight > 2
    assert set(logs[0]) == {"step", "seconds", "p0/loss", "p0/error"}
    with pytest.raises(ValueError, match="nothing to train"):
        fit(model.requires_grad_(False), numbers, 1, seeded(), **QUIET)


def test_plain_numbers_may_be_logged_and_other_things_are_named():
    logs = fit(Line(logs={"rate": 0.5, "count": 3}), numbers, 4, seeded(), **QUIET)
    assert (logs[0]["p0/rate"], logs[0]["p0/count"]) == (0.5, 3.0)
    with pytest.raises(TypeError, match="the log p0/codes must be a number or a tensor of one"):
        fit(Line(logs={"codes": torch.zeros(3)}), numbers, 4, seeded(), **QUIET)
    with pytest.raises(TypeError, match="the log p0/name must be a number or a tensor of one, got 'line'"):
        fit(Line(logs={"name": "line"}), numbers, 4, seeded(), **QUIET)


class Pair(NamedTuple):
    x: torch.Tensor
    y: torch.Tensor


class PairLine(Line):
    def loss(self, batch):
        assert isinstance(batch, Pair)
        return super().loss(batch.x)


def test_a_named_tuple_stays_one():
    fit(PairLine(), lambda generator: Pair(numbers(generator), numbers(generator)), 2, seeded(), **QUIET)


ROWS = torch.linspace(0, 1, 40)


def shuffled():
    return DataLoader(TensorDataset(ROWS), batch_size=8, shuffle=True)


def own_generator():
    return DataLoader(ROWS, batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(5))


def listed():
    return [{"x": batch, "names": ["a", "b"]} for batch in ROWS.split(7)]


@pytest.mark.parametrize("batches", [shuffled, own_generator, listed])
def test_batches_may_be_iterated_and_a_resumed_run_meets_the_same_ones(tmp_path, batches):
    whole, torch_state = Line(2), torch.get_rng_state()
    fit(whole, batches(), 14, seeded(), **QUIET)
    assert torch.equal(torch.get_rng_state(), torch_state)
    with pytest.raises(Stopped):
        fit(Line(2), batches(), 14, seeded(), tmp_path, on_step=interrupt(9), **QUIET)
    resumed = Line(2)
    fit(resumed, batches(), 14, seeded(), tmp_path, resume=True, **QUIET)
    assert resumed.state_dict() == whole.state_dict()


def test_an_epoch_of_a_shuffled_loader_holds_every_row_once_in_a_new_order():
    stream = Stream(shuffled(), 3)
    first, second = (torch.cat([stream.draw(seeded()) for _ in range(5)]) for _ in range(2))
    assert torch.equal(first.sort().values, ROWS)
    assert torch.equal(second.sort().values, ROWS)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    ("batches", "error", "message"),
    [
        (ROWS, TypeError, "batches must be a function of a generator, or an iterable of batches .* a Tensor"),
        (3, TypeError, "got a int"),
        ([], ValueError, "batches, a list, gave none"),
        (iter([ROWS]), ValueError, "gave none a second time: give a list"),
    ],
)
def test_batches_that_are_none_are_refused(batches, error, message):
    with pytest.raises(error, match=message):
        fit(Line(), batches, 2, seeded(), **QUIET)


def test_a_run_folder_in_use_is_refused_and_told_of(tmp_path):
    script = "import sys, time; from pathlib import Path; from borders.files import claimed\n"
    script += "with claimed(Path(sys.argv[1])): print(1, flush=True); time.sleep(99)"
    other = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, cwd=CHECKOUT)
    try:
        other.stdout.readline()
        with pytest.raises(FolderInUse, match=f"in use by process {other.pid}"):
            fit(Line(), numbers, 2, seeded(), tmp_path, **QUIET)
    finally:
        other.kill()
        other.wait()
    fit(Line(), numbers, 2, seeded(), tmp_path, **QUIET)


def test_resuming_says_so(tmp_path, capsys):
    fit(Line(), numbers, 2, seeded(), tmp_path, device="cpu")
    fit(Line(), numbers, 4, seeded(), tmp_path, device="cpu", resume=True)
    assert f"{tmp_path}: continues at step 2 of 4" in capsys.readouterr().err


def grown(steps):
    """KiB by which a long training's memory rises, once it has settled."""
    import resource

    seen = []

    def look(step):
        if step % (steps // 10) == 0:
            gc.collect()
            seen.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024)

    fit(Line(), numbers, steps, seeded(), on_step=look, log_every=50, **QUIET)
    return max(seen[3:]) - max(seen[:3])


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("steps", [2000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_memory_stays_flat(steps):
    assert grown(steps) < 2048  # KiB: a tensor of 8 numbers kept at every step would be 1 MiB in 2,000 steps


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"log_every": 0}, ValueError, "log_every must be at least 1, got 0"),
        ({"checkpoint_every": 1.5}, TypeError, "checkpoint_every must be an integer, got 1.5"),
        ({"checkpoint_seconds": float("nan")}, ValueError, "checkpoint_seconds must be a finite number, got nan"),
    ],
)
def test_options_that_cannot_be_are_named(options, error, message):
    with pytest.raises(error, match=message):
        fit(Line(), numbers, 2, seeded(), **options, **QUIET)
