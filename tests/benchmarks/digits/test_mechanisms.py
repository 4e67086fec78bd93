"""Mechanisms and capacities: every step of both, and what their measures say of learners that are known."""

import json

import pytest
import torch

from benchmarks.digits import capacities, mechanisms
from benchmarks.digits import run as digits
from benchmarks.digits.capacities_report import CLASS, ON_W, REST, WITHOUT
from benchmarks.digits.capacities_report import claims as capacity_claims
from benchmarks.digits.letters import letters
from benchmarks.digits.mechanisms_report import claims
from benchmarks.digits.run import Options, jobs
from benchmarks.harness.command import presets_of
from benchmarks.harness.options import Sweep
from benchmarks.harness.papers import Found, Job
from envs.transformed_digits import SHIFT, TransformedDigits

KINDS = ("right", "inversion")


def seeded():
    return torch.Generator().manual_seed(0)


class Undoes:
    """Knows both mechanisms: expert 0 undoes the shift, expert 1 the inversion."""

    code_size = 2

    def scores(self, pictures):
        made = torch.stack([pictures.roll(-SHIFT, -1), 1 - pictures], 1)
        bright = pictures.flatten(1).mean(1)
        return made, torch.stack([0.5 - bright, bright - 0.5], 1)

    def encode(self, pictures):
        return self.scores(pictures)[1].softmax(-1)

    def restore(self, pictures):
        won = self.encode(pictures).argmax(1)
        return self.apply_expert(pictures, won), won

    def apply_expert(self, pictures, expert):
        return self.scores(pictures)[0][torch.arange(len(pictures)), expert]


def settings_of(paper):
    return dict(presets_of("digits")["quick"]["papers"][paper])


def found(paper, variant, seed, scores, **more):
    return Found(Job(paper, "default", seed, "cpu", paper=paper, variant=variant, settings=more), None, scores)


def test_experts_that_know_are_told_to():
    world = TransformedDigits(KINDS, 20, split="test")
    judge = mechanisms.judge_of(KINDS, 20, "", "", 2)
    scores, wins = mechanisms.measure(Undoes(), judge, world, mechanisms.each_mechanism(world, 60))
    assert torch.equal(wins, torch.eye(2))
    assert (scores["own"], scores["undone"], scores["won_by_own"]) == (1, 2, 1)
    assert scores["accuracy_restored"] == scores["accuracy_clean"]
    assert scores["error_after"] < 1e-6 < scores["error_before"]
    assert scores["explicitness"] > 0.4  # of two factors it says all of the first
    more, letter_wins = mechanisms.transfer(Undoes(), wins.argmax(1), KINDS, 20)
    assert torch.equal(letter_wins, torch.eye(2))
    assert more == {"letters_transformed": pytest.approx(0.1, abs=0.1)} | {
        name: value for name, value in more.items() if name != "letters_transformed"
    }
    assert (more["letters_restored"], more["letters_same_expert"], more["letters_undone"]) == (1, 1, 2)


class Watched(Undoes, torch.nn.Linear):
    """The same, as a module that can be trained."""


def test_a_competition_is_looked_at_now_and_then_and_once_a_step(tmp_path):
    world = TransformedDigits(KINDS, 20, split="test")
    judge, rows = mechanisms.judge_of(KINDS, 20, "", "", 2), mechanisms.each_mechanism(world, 60)
    told = mechanisms.measure(Undoes(), judge, world, rows)[0]["accuracy_restored"]
    model = Watched(1, 1)
    look = mechanisms.Competition(model, judge, world, rows, 5, tmp_path / "curve.jsonl")
    assert look.curve() == []
    for step in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 9, 10):  # stopped behind step 8, or before, and continued
        look(step)
        assert model.training
    assert look.curve() == [{"step": step, "accuracy": told, "wins": [[1.0, 0.0], [0.0, 1.0]]} for step in (5, 10)]
    never = mechanisms.Competition(model, judge, world, rows, 0, tmp_path / "never.jsonl")
    never(10)
    assert never.curve() == []


def test_no_picture_has_its_original_among_the_canonical_ones():
    world = TransformedDigits(KINDS, 20, split="train")
    rows = mechanisms.halves(world, 2000, seeded())
    assert (rows[:2000, 0] == 0).all()
    assert (rows[2000:, 0] > 0).all()
    counts = world.handwriting.counts[rows[:, 1].long()]
    assert (rows[:, 2] < counts).all()  # none is counted round to another's place
    canonical, transformed = ({(d, e) for _, d, e in part.tolist()} for part in rows.split(2000))
    assert not canonical & transformed
    assert min(len(canonical), len(transformed)) > 500


def test_letters_stand_in_margins_that_lose_nothing():
    for side in (20, 32):
        plain = letters(side)
        assert plain.shape == (26, 1, side, side)
        inside = plain[..., SHIFT:-SHIFT, SHIFT:-SHIFT]
        torch.testing.assert_close(inside.sum(), plain.sum())
        assert (inside.flatten(1).mean(1) > 0.05).all()
        edge = torch.cat([inside[..., 0, :], inside[..., -1, :], inside[..., 0], inside[..., -1]], -1)
        assert edge.amax() < 0.5


def test_an_expert_for_each_in_seven_of_ten_runs_is_shown():
    def runs(own, restored=0.96):
        scores = {
            "accuracy_clean": 0.97,
            "accuracy_restored": restored,
            "accuracy_transformed": 0.4,
            "experts_used": 6.0,
        }
        scores |= {"letters_restored": 0.9, "letters_transformed": 0.3, "letters_same_expert": 0.9}
        return {"6 experts": [found("mechanisms", "6 experts", k, scores | {"own": float(k < own)}) for k in range(10)]}

    verdicts = [claim.shown for claim in claims(runs(7))]
    assert verdicts == [True, True, True]
    assert [claim.shown for claim in claims(runs(6, 0.94))] == [False, False, True]


def test_controls_take_fewer_seeds():
    papers = {"mechanisms": settings_of("mechanisms")}
    planned = jobs(Sweep(model="causal_mechanisms", seeds=3), Options(papers=papers))
    rows = [(job.variant, job.seed) for job in planned]
    assert rows == [
        ("2 experts", 0),
        ("2 experts", 1),
        ("2 experts", 2),
        *((v, 0) for v in ("3 experts", "1 experts", "one net")),
    ]
    assert all("seeds" not in job.settings for job in planned)


def test_a_probe_reads_what_is_there_and_chance_where_nothing_is():
    generator = seeded()
    label = torch.randint(3, (600,), generator=generator)
    noise = torch.randn(600, 2, generator=generator)
    place = torch.stack([label.cos(), (2.0 * label).sin()], 1) + 0.05 * noise
    assert capacities.probe(place[:400], label[:400], place[400:], label[400:]) > 0.95
    assert capacities.probe(noise[:400], label[:400], noise[400:], label[400:]) < 0.45


def test_the_claim_on_capacities_is_decided_seed_by_seed():
    def cell(variant, z, w):
        scores = dict.fromkeys((*CLASS, *REST), 0.5)
        return [found("capacities", variant, k, scores | {"accuracy_z": z + k, "accuracy_w": w + k}) for k in range(3)]

    told = capacity_claims({WITHOUT: cell(WITHOUT, 0.4, 0.3), ON_W: cell(ON_W, 0.3, 0.5)})
    assert [claim.shown for claim in told] == [True]
    told = capacity_claims({WITHOUT: cell(WITHOUT, 0.4, 0.3), ON_W: cell(ON_W, 0.5, 0.5)})
    assert [claim.shown for claim in told] == [False]


@pytest.mark.parametrize("model", ["causal_mechanisms", "class_conditional"])
def test_it_runs_every_step_and_says_what_it_shows(model, tmp_path, capsys):
    out = tmp_path / "run"
    digits.main([f"--model={model}", "--preset=quick", "--workers=1", f"--out={out}"])
    told = json.loads((out / "result.json").read_text())
    assert {claim["verdict"] for claim in told["claims"]} == {"undecided"}
    assert "data:image/png" in (out / "report.html").read_text()
    printed = capsys.readouterr().out
    names = {"causal_mechanisms": ["experts.png", "iterations.png", "letters.png", "restored.png", "wins.png"]}
    assert ("7 of 10" if model == "causal_mechanisms" else "without L_class") in printed
    for folder in out.glob(f"{model}-*"):
        wanted = {"result.json", "model", *names.get(model, ["swaps.png", "traversals.png"])}
        assert wanted <= {file.name for file in folder.iterdir()}
