"""The maze benchmark end to end, small; its measures where the answer is known."""

import json
import math

import pytest
import torch

from agents import Composer
from benchmarks.maze import run as maze
from benchmarks.maze.measures import Map, Variations, clusters, linear_r2, modes, shortest, travel
from benchmarks.pretrain import run as pretrain
from envs.switch_maze import SwitchMaze

MOVES = ("left", "right", "up", "down")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    out = tmp_path_factory.mktemp("maze") / "run"
    command = ["--preset", "quick", "--model", "icf,icf_discrete", "--workers", "1", "--out", str(out)]
    maze.main(command)
    return out


def test_a_run_leaves_everything_that_is_promised(quick):
    result = json.loads((quick / "result.json").read_text())
    assert {"benchmark", "model", "preset", "seed", "scores", "seconds", "versions", "hardware"} <= result.keys()
    assert {"modes", "r2_row", "composed", "sequence", "ilqr", "cem", "dither", "mig"} <= result["scores"]["icf"].keys()
    assert {"corr_x1", "corr_least", "actions_named", "mig"} <= result["scores"]["icf_discrete"].keys()
    assert len(result["claims"]) == 5
    one, other = sorted(quick.glob("icf*-seed0-*"))
    for name in ("figure_2.png", "predictions.png", "policies.png", "composed.gif", "model/model.safetensors"):
        assert (one / name).stat().st_size > 0
    assert (other / "features.png").stat().st_size > 0
    assert "data:image/gif;base64" in (quick / "report.html").read_text()


@pytest.mark.parametrize("experiment", ["switches", "steps"])
def test_other_experiments_and_the_printed_recipe_run(experiment, tmp_path):
    command = ["--preset", "quick", "--steps", "4", "--experiment", experiment, "--recipe", "printed", "--workers", "1"]
    maze.main([*command, "--out", str(tmp_path / "run")])
    assert json.loads((tmp_path / "run" / "result.json").read_text())["scores"]["selectivity"] < 5


@pytest.mark.parametrize("model", ["icf", "icf_discrete"])
def test_the_paper_preset_starts(model, tmp_path):
    small = ["--steps", "2", "--digit_steps", "2", "--batch", "8", "--digit_batch", "4", "--samples", "16"]
    small += ["--pairs", "2", "--pool", "100", "--scores", "mig", "--seed", "0", "--workers", "1"]
    maze.main(["--preset", "paper", "--model", model, "--out", str(tmp_path / "run"), *small])
    assert json.loads((tmp_path / "run" / "result.json").read_text())["preset"] == "paper"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "icff"], "unknown model 'icff'; the models are icf"),
        (["--experiment", "jumps"], "experiment must be one of moves"),
        (["--recipe", "secret"], "recipe"),
        (["--pairs", "0"], "pairs must be at least 1"),
        (["--scores", "mig,migg"], "unknown score 'migg'; the scores are"),
    ],
)
def test_a_wrong_word_on_the_command_line_is_named(words, told, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        maze.main([*words, "--out", str(tmp_path / "run")])
    assert told in str(caught.value) + capsys.readouterr().err


def test_a_learner_that_needs_actions_is_not_pretrained_on_pictures(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        pretrain.main(["--model", "icf", "--out", str(tmp_path / "run")])
    assert "unknown model 'icf'" in str(caught.value) + capsys.readouterr().err


def small_map():
    return Map.of(SwitchMaze(map="..../.#../..S./....", shades=2, actions=(*MOVES, "toggle")), True)


def test_a_map_holds_what_the_world_does():
    world = SwitchMaze(map="..../.#../..S./....", shades=2, actions=(*MOVES, "toggle"))
    found = small_map()
    for action in range(5):
        after = world.step(found.states, torch.full((len(found.states),), action))
        assert torch.equal(found.states[found.following[:, action]], after)
        changed = (after != found.states).any(1)
        assert torch.equal(found.allowed[:, action], changed)


def test_enumerated_paths_are_all_paths(generator):
    found = small_map()
    batch = found.enumerated(4, 2, generator)
    pictures = [batch["pictures"][level] for level in batch["nodes"]]
    assert [level.shape[1] for level in batch["nodes"]] == [1, 5, 25]
    lookup = {picture.numpy().tobytes(): i for i, picture in enumerate(found.pictures)}
    states = [
        torch.tensor([[lookup[picture.numpy().tobytes()] for picture in row] for row in level]) for level in pictures
    ]
    for first in range(5):
        assert torch.equal(states[1][:, first], found.following[states[0][:, 0], first])
        for second in range(5):
            assert torch.equal(states[2][:, 5 * first + second], found.following[states[1][:, first], second])


def test_states_are_drawn_evenly_over_what_actions_change(generator):
    world = SwitchMaze(**maze.EXPERIMENTS["switches"].maze)
    known = Map.of(world, False)
    changes = known.following != torch.arange(len(known.states))[:, None]
    chances = known.chances()
    assert chances.sum().item() == pytest.approx(1)
    toggle = changes[:, world.actions.index("toggle")]
    ways = torch.cat([changes[:, :4], toggle[:, None]], 1).double()  # pass changes nothing
    torch.testing.assert_close(chances, (ways / ways.sum(0)).mean(1))
    batch = known.enumerated(20_000, 1, generator, evenly=True)
    where = batch["pictures"][batch["nodes"][0][:, 0]]
    switches = known.pictures[toggle]
    drawn = (where[:, None] == switches).flatten(2).all(-1).any(1).double().mean().item()
    assert drawn == pytest.approx(chances[toggle].sum().item(), abs=0.02)
    assert drawn > 2 * toggle.double().mean().item()


def test_the_fewest_steps_are_those_of_a_search():
    found = small_map()
    n = len(found.states)
    start, goal = (torch.arange(n).repeat_interleave(n), torch.arange(n).repeat(n))
    fewest = shortest(found, start, goal)
    reached, now = {0: {0}}, {0}
    for step in range(1, 12):
        now = {int(found.following[s, a]) for s in now for a in range(5)} - set().union(*reached.values())
        reached[step] = now
    for step, states in reached.items():
        for state in states:
            assert fewest[state] == step  # the first n rows start from state 0
    assert (fewest >= 0).all()


def made_up(places, noise, generator, n=600):
    """Variations of a code that is a linear map of the position, by permissible moves."""
    found = small_map()
    codes = found.states[:, :2] @ places
    before = torch.randint(len(found.states), (n,), generator=generator)
    chosen = torch.multinomial(found.allowed[before][:, :4].float(), 1, generator=generator)[:, 0]
    after = found.following[before, chosen]
    change = codes[after] - codes[before] + noise * torch.randn(n, 2, generator=generator)
    return Variations(change, before, after, chosen), found


class TrueFactors:
    """The state as the code, a factor for every direction of an axis, policies that know what each action does."""

    def __init__(self, maze):
        self.maze, self.states = maze, maze.states.float()
        self.action_size = self.states.shape[1]
        eye = torch.eye(self.action_size)
        self.all = torch.cat([eye, -eye])

    def encode(self, pictures):
        apart = torch.cdist(pictures.flatten(1).float(), self.maze.pictures.flatten(1).float())
        return self.states[apart.argmin(1)]

    def draw_factors(self, code, n, generator=None):
        noise = torch.randint(len(self.all), (len(code), n), generator=generator)
        return self.all[noise], noise

    def nearest(self, code):
        return torch.cdist(code.reshape(-1, self.action_size), self.states).argmin(1).view(code.shape[:-1])

    def log_policy(self, code, factor, allowed=None):
        change = self.states[self.maze.following[self.nearest(code)]] - code[..., None, :]
        return (-9 * (change - factor[..., None, :]).square().sum(-1)).log_softmax(-1)

    def predict(self, code, factor):
        here = self.nearest(code)
        return self.states[self.maze.following[here, self.log_policy(code, factor).argmax(-1)]]


def test_the_true_state_composes_every_goal_if_it_looks_ahead_and_only_then(generator):
    for experiment in ("moves", "switches"):
        known = Map.of(SwitchMaze(**maze.EXPERIMENTS[experiment].maze), False)
        start, goal = torch.randperm(len(known.states), generator=generator)[:30].view(2, 15)
        model, pictures, steps = TrueFactors(known), known.pictures[goal], 24
        path = travel(Composer(model, pictures, generator, samples=128), known, start, goal, steps)
        assert torch.equal(path[:, -1], goal)
        if experiment == "switches":
            assert torch.equal((path != goal[:, None]).sum(1), shortest(known, start, goal))
        nearer = travel(Composer(model, pictures, generator, depth=1), known, start, goal, steps)[:, -1] == goal
        assert (nearer.float().mean() > 0.9) == (experiment == "moves")  # which does not go where a switch is


def test_modes_of_a_linear_code_are_the_moves_and_those_of_a_folded_or_blurred_one_are_not(generator):
    turned = torch.tensor([[3.0, 2.0], [-2.0, 3.0]])
    scores = modes(*made_up(turned, 0.05, generator))
    assert scores == {"modes": 4.0, "mode_purity": 1.0, "moves_found": 4.0, "modes_match": 1.0, "kinds": 4.0}
    flat = modes(*made_up(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), 0.02, generator))
    assert flat["modes_match"] == 0
    assert flat["modes"] == 2
    assert modes(*made_up(turned, 4.0, generator))["modes_match"] == 0
    assert modes(*made_up(0 * turned, 0.0, generator))["modes_match"] == 0


def test_linear_r2_is_one_for_a_linear_map_and_small_for_noise(generator):
    codes = torch.randn(500, 3, generator=generator)
    values = torch.stack([codes @ torch.tensor([1.0, -2.0, 0.5]) + 4, torch.randn(500, generator=generator)], 1)
    exact, nothing = linear_r2(codes, values)
    assert exact == pytest.approx(1)
    assert nothing < 0.05


def test_changes_are_clusters_where_the_code_is_linear_and_not_where_it_is_random(generator):
    found = small_map()
    linear = clusters(found.states @ torch.randn(3, 4, generator=generator), found)
    assert linear == pytest.approx({"clustered": 1, "added": 1})
    folded = clusters(torch.randn(len(found.states), 4, generator=generator), found)
    assert folded["clustered"] < 0.8
    assert folded["added"] < 0.5


def test_a_code_turned_against_a_small_grid_is_better_only_where_effectless_actions_are_forbidden():
    """Why `digit_batch` allows every action: forbidden, a code turned by 30 degrees has more selectivity on 4 x 4 cells."""
    moves, k = torch.tensor([[0.0, -1], [0, 1], [-1, 0], [1, 0]]), 4
    cells = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0))

    def best(degrees, forbidden):
        turn = math.radians(degrees)
        turned = torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        after = (cells[:, None] + moves).clamp(0, 3)
        change = k**0.5 * (after - cells[:, None]) @ turned.T  # of one digit; the other's two features stay
        scores = k**0.5 * torch.cat([change, -change, torch.zeros(*change.shape[:2], 4)], -1)
        reward = (scores - (scores.logsumexp(-1, keepdim=True) - math.log(8)))[..., :4]
        if forbidden:
            reward = reward.masked_fill((change == 0).all(-1, keepdim=True), -torch.inf)
        other = -math.log((math.exp(k) + math.exp(-k) + 6) / 8)  # moving the other digit
        return float(reward.amax(1).clamp(min=other).mean())

    assert best(30, True) > best(0, True) + 0.1
    assert best(0, False) > max(best(degrees, False) for degrees in (10, 20, 30, 45))


@pytest.mark.parametrize("experiment", maze.EXPERIMENTS)
def test_the_printed_recipe_leaves_out_all_that_is_not_the_papers(experiment):
    papers = {"code_size", "noise_size", "horizon", "kernel"}
    ours = set(maze.EXPERIMENTS[experiment].icf) - papers - {"ridge"}  # of whitening, which it has not
    assert ours <= set(maze.PRINTED | maze.PRINTED_ICF)
