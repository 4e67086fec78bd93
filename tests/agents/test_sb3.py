import copy
import pickle

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, PPO, SAC, HerReplayBuffer
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from torch import nn

from agents.sb3 import (
    BatchedVecEnv,
    EncodeObservation,
    RepresentationExtractor,
    SmallExtractor,
    Standardised,
    make_batched,
    policy_kwargs_for,
)
from agents.sb3_carry import Carried
from envs import make_world
from representations import make, save
from representations.model import Representation, pixels

torch.set_num_threads(1)
PLANAR = "envs:disco/Planar-v0"
SMALL_PPO = {"n_steps": 4, "batch_size": 16, "n_epochs": 2, "seed": 0, "device": "cpu"}
LATE_SAC = {"learning_starts": 64, "batch_size": 16, "buffer_size": 500, "seed": 0, "device": "cpu"}


class Normed(Representation):
    """A tiny encoder with everything that a policy could spoil: linear layers, running statistics, dropout."""

    def __init__(self, shape=(1, 40, 40), code_size=3):
        super().__init__()
        self.code_size = code_size
        self.network = nn.Sequential(
            nn.Conv2d(shape[0], 4, 3, stride=4),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.LazyLinear(code_size),
        )
        with torch.no_grad():
            for _ in range(20):
                self.network(torch.rand(8, *shape))

    def encode(self, observations):
        return self.network(pixels(observations))

    def objectives(self):
        return ()


def weights(module: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in module.state_dict().items()}


def same(before: dict[str, torch.Tensor], module: nn.Module) -> bool:
    after = module.state_dict()
    return before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)


def pictures(n: int = 8) -> torch.Tensor:
    world = make_world("planar")
    return world.render(world.sample(n, torch.Generator().manual_seed(0)))


def test_ppo_leaves_frozen_weights_untouched_and_learns_around_them():
    model = Normed().train()
    before = weights(model)
    policy = PPO("CnnPolicy", make_batched(PLANAR, 4), policy_kwargs=policy_kwargs_for(model), **SMALL_PPO)
    extractor = policy.policy.features_extractor
    assert same(before, extractor.model)
    heads = weights(policy.policy.mlp_extractor)
    policy.learn(64)
    assert same(before, extractor.model)
    assert same(before, model)
    assert not same(heads, policy.policy.mlp_extractor)


def test_ppo_fine_tunes_a_copy_where_asked():
    model = Normed().eval()
    before = weights(model)
    kwargs = policy_kwargs_for(model, frozen=False)
    policy = PPO("CnnPolicy", make_batched(PLANAR, 4), policy_kwargs=kwargs, **SMALL_PPO)
    tuned = policy.policy.features_extractor.model
    assert same(before, tuned)
    policy.learn(64)
    assert same(before, model)
    changed = {key for key, value in tuned.state_dict().items() if not torch.equal(value, before[key])}
    assert {"network.0.weight", "network.5.weight"} <= changed
    assert not {key for key in changed if "running" in key}


@pytest.mark.parametrize("frozen", [True, False])
def test_sac_does_not_shrink_the_encoder(frozen):
    model = Normed().eval()
    before = weights(model)
    kwargs = policy_kwargs_for(model, frozen=frozen)
    policy = SAC("CnnPolicy", PLANAR, policy_kwargs=kwargs, tau=0.5, train_freq=8, gradient_steps=4, **LATE_SAC)
    policy.learn(100)
    assert same(before, model)
    critic, target = policy.critic.features_extractor.model, policy.critic_target.features_extractor.model
    assert critic is not target
    if frozen:
        assert same(before, critic)
        assert same(before, target)
        assert same(before, policy.actor.features_extractor.model)
    else:
        norms = [float(module.network[0].weight.detach().norm()) for module in (model, critic, target)]
        assert norms[2] == pytest.approx(norms[0], rel=0.1)


def test_frozen_batchnorm_and_dropout_stay_in_evaluation_mode():
    extractor = RepresentationExtractor(spaces.Box(0, 255, (1, 40, 40), np.uint8), Normed().train())
    extractor.train()
    assert extractor.training
    assert not any(module.training for module in extractor.model.modules())
    seen = pictures().float() / 255
    assert torch.equal(extractor(seen), extractor(seen))
    assert not extractor(seen).requires_grad


@pytest.mark.parametrize("last", [False, True])
def test_codes_in_the_policy_are_those_of_the_model(last):
    model = make("rce").eval()
    space = spaces.Box(0, 255, (40, 40, 1) if last else (1, 40, 40), np.uint8)
    policy = PPO("CnnPolicy", PLANAR, policy_kwargs=policy_kwargs_for(model), device="cpu").policy
    batch = pictures()
    observation = policy.obs_to_tensor(batch.numpy())[0]
    with torch.no_grad():
        assert torch.equal(policy.extract_features(observation, policy.features_extractor), model.encode(batch))
        shown = batch.float() / 255
        alone = RepresentationExtractor(space, model)(shown.movedim(1, -1) if last else shown)
    assert torch.equal(alone, model.encode(batch))


def test_dict_observation_hides_the_achieved_goal_and_scales_the_desired_one():
    model = make("rce").eval()
    env = gym.make(PLANAR, goal_dict=True)
    extractor = RepresentationExtractor(env.observation_space, model)
    low, high = env.observation_space["desired_goal"].low, env.observation_space["desired_goal"].high
    batch = pictures(2)
    entries = {
        "observation": batch.movedim(1, -1).float() / 255,
        "achieved_goal": torch.full((2, 2), float("nan")),
        "desired_goal": torch.tensor(np.stack([low, high])),
    }
    features = extractor(entries)
    assert extractor.features_dim == features.shape[1] == model.code_size + 2
    assert torch.equal(features[:, 2:], torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))
    assert torch.equal(features[:, :2], model.encode(batch).detach())


@pytest.mark.parametrize("algorithm", [PPO, SAC, DQN])
def test_every_algorithm_learns_from_a_code_and_a_goal_and_leaves_the_encoder(algorithm):
    name, world = (PLANAR, "planar") if algorithm is not DQN else ("envs:disco/ShapeMotion-v0", "shape_motion")
    model = Normed(shape=make_world(world).shape)
    envs = make_batched(name, 2, seed=0, goal_dict=True)
    settings = SMALL_PPO if algorithm is PPO else LATE_SAC | {"learning_starts": 8, "buffer_size": 50}
    policy = algorithm("MultiInputPolicy", envs, policy_kwargs=policy_kwargs_for(model), **settings)
    start = weights(policy.policy)
    policy.learn(16)
    learned = {key for key, value in policy.policy.state_dict().items() if not torch.equal(value, start[key])}
    assert learned
    assert not {key for key in learned if "features_extractor" in key}
    assert policy.predict(envs.reset())[0].shape[0] == 2


def test_unscaled_pictures_are_refused():
    extractor = RepresentationExtractor(spaces.Box(0, 255, (1, 40, 40), np.uint8), make("rce"))
    with pytest.raises(ValueError, match="normalize_images=True"):
        extractor(pictures().float())


def test_pictures_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"shape \(64, 64, 3\), but the model takes pictures \(1, 40, 40\)"):
        RepresentationExtractor(spaces.Box(0, 255, (64, 64, 3), np.uint8), make("rce"))
    with pytest.raises(TypeError, match="encode and code_size, or a saved folder, got int"):
        policy_kwargs_for(3)


def test_saved_folder_goes_to_a_policy_which_is_saved_loaded_and_continued(tmp_path):
    model = make("rce").eval()
    save(model, tmp_path / "model")
    envs = make_batched(PLANAR, 4)
    policy = PPO("CnnPolicy", envs, policy_kwargs=policy_kwargs_for(tmp_path / "model"), **SMALL_PPO)
    policy.learn(32)
    policy.save(tmp_path / "policy")
    for file in (tmp_path / "model").iterdir():
        file.unlink()
    again = PPO.load(tmp_path / "policy", envs, device="cpu")
    seen = envs.reset().transpose(0, 3, 1, 2)
    expected, found = policy.predict(seen, deterministic=True)[0], again.predict(seen, deterministic=True)[0]
    assert np.array_equal(expected, found)
    again.learn(32, reset_num_timesteps=False)
    assert again.num_timesteps == 64
    assert same(weights(model), again.policy.features_extractor.model)


def test_sac_with_hindsight_on_codes_is_saved_loaded_and_continued(tmp_path):
    model = make("rce")
    envs = make_batched(PLANAR, 2, seed=0, model=model, goal_dict=True)
    kwargs = {"features_extractor_class": SmallExtractor}
    her = {"replay_buffer_class": HerReplayBuffer, "policy_kwargs": kwargs} | LATE_SAC | {"learning_starts": 84}
    policy = SAC("MultiInputPolicy", envs, **her)
    policy.learn(90)
    assert list(policy.ep_success_buffer) == [0, 0]
    policy.save(tmp_path / "policy")
    policy.save_replay_buffer(tmp_path / "replay")
    again = SAC.load(tmp_path / "policy", envs, device="cpu")
    again.load_replay_buffer(tmp_path / "replay")
    assert again.replay_buffer.size() == policy.replay_buffer.size()
    critic = weights(again.critic)
    again.learn(20, reset_num_timesteps=False)
    assert again.num_timesteps == 110
    assert not same(critic, again.critic)


@pytest.mark.parametrize("frozen", [True, False])
def test_dqn_with_an_encoder_inside_is_saved_loaded_and_continued(frozen, tmp_path):
    env = "envs:disco/ShapeMotion-v0"
    model = Normed(shape=make_world("shape_motion").shape)
    kwargs = policy_kwargs_for(model, frozen=frozen) | {"net_arch": [16]}
    small = {"learning_starts": 10, "buffer_size": 100, "batch_size": 8, "device": "cpu", "seed": 0}
    policy = DQN("CnnPolicy", env, policy_kwargs=kwargs, **small)
    policy.learn(24)
    policy.save(tmp_path / "policy")
    again = DQN.load(tmp_path / "policy", gym.make(env), device="cpu")
    encoder = weights(policy.q_net.features_extractor.model)
    assert same(encoder, again.q_net.features_extractor.model)
    again.learn(40, reset_num_timesteps=False)
    assert same(encoder, again.q_net.features_extractor.model) is frozen


@pytest.mark.parametrize("goal_dict", [False, True])
def test_encoded_environments_store_codes_and_give_those_of_the_model(goal_dict):
    model = make("rce").eval()
    plain, coded = (make_batched(PLANAR, 3, seed=5, model=m, goal_dict=goal_dict) for m in (None, model))
    policy = PPO("MultiInputPolicy" if goal_dict else "MlpPolicy", coded, **SMALL_PPO)
    stored = policy.rollout_buffer.observations
    assert (stored["observation"] if goal_dict else stored).shape == (4, 3, model.code_size)
    plain.seed(5)
    coded.seed(5)
    seen, codes = plain.reset(), coded.reset()
    for _ in range(45):
        picture, code = (seen["observation"], codes["observation"]) if goal_dict else (seen, codes)
        with torch.no_grad():
            expected = model.encode(torch.from_numpy(picture).movedim(-1, 1))
        np.testing.assert_allclose(code, expected, atol=1e-5)
        actions = np.full((3, 2), 1.5, np.float32)
        seen, _, _, infos = plain.step(actions)
        codes, _, dones, coded_infos = coded.step(actions)
        for row in np.flatnonzero(dones):
            last, last_code = infos[row]["terminal_observation"], coded_infos[row]["terminal_observation"]
            if goal_dict:
                assert np.array_equal(last["desired_goal"], last_code["desired_goal"])
                last, last_code = last["observation"], last_code["observation"]
            with torch.no_grad():
                expected = model.encode(torch.from_numpy(last)[None].movedim(-1, 1))[0]
            np.testing.assert_allclose(last_code, expected, atol=1e-5)


def test_single_encoded_environment_is_a_valid_one():
    model = make("rce")
    env = EncodeObservation(gym.make(PLANAR), model)
    check_env(env)
    observation, _ = env.reset(seed=0)
    picture, _ = gym.make(PLANAR).reset(seed=0)
    with torch.no_grad():
        expected = model.encode(torch.from_numpy(picture)[None].movedim(-1, 1))[0]
    np.testing.assert_allclose(observation, expected, atol=1e-6)


def test_single_environment_with_goals_keeps_them_and_relabels_them():
    model = make("rce")
    env = EncodeObservation(gym.make(PLANAR, goal_dict=True), model)
    check_env(env)
    assert env.observation_space["observation"].shape == (2,)
    policy = SAC(
        "MultiInputPolicy", env, replay_buffer_class=HerReplayBuffer, **LATE_SAC | {"learning_starts": 41}, train_freq=8
    )
    policy.learn(50)
    batch = policy.replay_buffer.sample(32)
    far = (batch.next_observations["achieved_goal"] - batch.observations["desired_goal"]).norm(dim=1)
    torch.testing.assert_close(batch.rewards[:, 0], -far / 40, atol=1e-5, rtol=1e-4)


def test_the_library_makes_our_environments_by_name():
    envs = make_vec_env(PLANAR, 2, seed=0, env_kwargs={"goal_dict": True})
    seen = envs.reset()
    assert seen["observation"].shape == (2, 40, 40, 1)
    assert seen["observation"].dtype == np.uint8
    _, rewards, _, infos = envs.step(np.zeros((2, 2), np.float32))
    assert np.array_equal(envs.env_method("compute_reward", *both_goals(seen), infos)[0], rewards)


def both_goals(seen):
    return seen["achieved_goal"], seen["desired_goal"]


def test_batched_rows_move_as_the_environment_does_and_keep_what_ended():
    envs, reference = BatchedVecEnv(gym.make_vec(PLANAR, num_envs=5)), gym.make_vec(PLANAR, num_envs=5)
    envs.seed(3)
    seen = envs.reset()
    expected, info = reference.reset(seed=3)
    assert np.array_equal(seen, expected)
    assert np.array_equal(envs.reset_infos[2]["goal"], info["goal"][2])
    generator = np.random.default_rng(0)
    for step in range(1, 81):
        actions = generator.uniform(-3, 3, (5, 2)).astype(np.float32)
        seen, rewards, dones, infos = envs.step(actions)
        expected, reward, _, truncated, info = reference.step(actions)
        assert np.array_equal(seen, expected)
        np.testing.assert_allclose(rewards, reward)
        assert dones.all() == (step % 40 == 0) == truncated.all()
        ended = info["final_info"] if dones.all() else info
        assert [row["distance"] for row in infos] == list(ended["distance"])
        if dones.all():
            assert all(row["TimeLimit.truncated"] for row in infos)
            assert np.array_equal(infos[1]["terminal_observation"], info["final_obs"][1])
            assert np.array_equal(envs.reset_infos[1]["factors"], info["factors"][1])
            assert np.array_equal(envs.reset_infos[1]["goal"], info["goal"][1])


def test_environments_that_reset_a_step_late_are_refused():
    late = gym.vector.SyncVectorEnv([lambda: gym.make("CartPole-v1")])
    with pytest.raises(ValueError, match="autoreset_mode must be SAME_STEP"):
        BatchedVecEnv(late)
    envs = BatchedVecEnv(gym.make_vec(PLANAR, num_envs=2, render_mode="rgb_array"))
    with pytest.raises(ValueError, match="cannot be set in 0"):
        envs.set_attr("task", None, 0)
    envs.reset()
    assert len(envs.get_images()) == 2
    assert envs.get_attr("render_mode", 1) == ["rgb_array"]


def test_hindsight_replay_relabels_codes_with_the_vectorised_reward():
    model = make("rce")
    envs = make_batched(PLANAR, 4, seed=0, model=model, goal_dict=True)
    policy = SAC(
        "MultiInputPolicy",
        envs,
        replay_buffer_class=HerReplayBuffer,
        replay_buffer_kwargs={"n_sampled_goal": 4},
        policy_kwargs={"features_extractor_class": SmallExtractor},
        gradient_steps=2,
        **(LATE_SAC | {"learning_starts": 170}),
    )
    policy.learn(200)
    batch = policy.replay_buffer.sample(32)
    achieved, desired = batch.next_observations["achieved_goal"], batch.observations["desired_goal"]
    expected = -(achieved - desired).norm(dim=1) / 40
    torch.testing.assert_close(batch.rewards[:, 0], expected, atol=1e-5, rtol=1e-4)
    assert batch.observations["observation"].shape == (32, model.code_size)


def test_dqn_moves_factors_of_a_picture():
    env = "envs:disco/DSprites-v0"
    model = Normed(shape=make_world("dsprites").shape)
    kwargs = policy_kwargs_for(model) | {"net_arch": [16]}
    policy = DQN("CnnPolicy", env, policy_kwargs=kwargs, learning_starts=10, buffer_size=100, device="cpu", seed=0)
    policy.learn(40)
    assert same(weights(model), policy.q_net.features_extractor.model)


@pytest.mark.parametrize("side", [8, 12, 35, 40])
def test_small_pictures_work(side):
    space = spaces.Box(0, 255, (3, side, side), np.uint8)
    extractor = SmallExtractor(space, features=7)
    assert extractor(torch.rand(2, 3, side, side)).shape == (2, 7)


def test_tiny_pictures_are_refused():
    with pytest.raises(ValueError, match="at least 8 x 8 pixels"):
        SmallExtractor(spaces.Box(0, 255, (3, 6, 6), np.uint8))


def test_standardised_codes_have_unit_size_and_go_everywhere_a_model_goes():
    model = make("rce").eval()
    seen = pictures(400)
    scaled = Standardised(model, seen)
    codes = scaled.encode(seen).detach()
    torch.testing.assert_close(codes.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    assert float(codes.std(0).max()) == pytest.approx(1, abs=1e-3)
    policy = PPO("MlpPolicy", make_batched(PLANAR, 2, model=scaled), **SMALL_PPO)
    policy.learn(8)
    inside = PPO("CnnPolicy", PLANAR, policy_kwargs=policy_kwargs_for(scaled), device="cpu")
    assert same(weights(scaled), inside.policy.features_extractor.model)
    assert copy.deepcopy(scaled).code_size == 2


def test_episodes_are_measured_for_evaluation():
    envs = make_batched(PLANAR, 4, seed=0, model=make("rce"))
    policy = PPO("MlpPolicy", envs, **SMALL_PPO)
    returns, lengths = evaluate_policy(policy, envs, 4, return_episode_rewards=True)
    assert lengths == [40] * 4
    assert all(value < 0 for value in returns)


def test_a_policy_saved_where_its_encoder_was_on_a_gpu_loads_without_one(tmp_path, monkeypatch):
    model = make("rce").eval()
    policy = PPO("CnnPolicy", PLANAR, policy_kwargs=policy_kwargs_for(model), **SMALL_PPO)
    monkeypatch.setattr(
        torch.serialization, "location_tag", lambda storage: "cuda:0"
    )  # what a GPU's tensors are tagged
    policy.save(tmp_path / "policy")
    monkeypatch.undo()
    again = PPO.load(tmp_path / "policy", device="cpu")
    assert same(weights(model), again.policy.features_extractor.model)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int64, torch.bool])
def test_a_carried_model_keeps_its_tensors_of_every_type_and_what_they_share(dtype):
    net = nn.Linear(2, 3)
    net.register_buffer("table", torch.arange(6).reshape(2, 3).T.to(dtype), persistent=False)
    net.register_buffer("nothing", torch.zeros(0, 3, dtype=dtype))
    net.tied, net.scalar = net.weight, torch.tensor(1).to(dtype)
    net.bias.requires_grad_(False)
    again = pickle.loads(cloudpickle.dumps(Carried(net))).model
    assert again.tied is again.weight
    assert [p.requires_grad for p in (again.weight, again.bias)] == [True, False]
    for name in ("weight", "bias", "table", "nothing", "scalar"):
        assert torch.equal(getattr(net, name), getattr(again, name))
        assert getattr(net, name).dtype == getattr(again, name).dtype


class AsksWhere(nn.Module):
    code_size = 4

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(1600, 4)

    def encode(self, x):
        return self.net(x.to(next(self.parameters()).device).flatten(1) / 255)


def test_a_frozen_encoder_answers_for_its_parameters_and_no_optimizer_sees_them():
    policy = PPO("CnnPolicy", PLANAR, policy_kwargs=policy_kwargs_for(AsksWhere()), **SMALL_PPO)
    before = weights(policy.policy)
    policy.learn(8)
    extractor = policy.policy.features_extractor
    assert [p.shape for p in extractor.model.parameters()] == [(4, 1600), (4,)]
    assert not any(p.requires_grad for p in extractor.model.parameters())
    inside = {id(p) for p in extractor.model.parameters()}
    assert not inside & {id(p) for group in policy.policy.optimizer.param_groups for p in group["params"]}
    assert any("encoder" in key for key in before)
    extractor.double()
    assert {p.dtype for p in extractor.model.parameters()} == {torch.float64}
    policy.policy.load_state_dict({key: value + 1 for key, value in before.items()})
    assert torch.equal(extractor.model.net.bias, (before["features_extractor.encoder.net.bias"] + 1).double())
    with pytest.raises(RuntimeError, match=r"features_extractor\.encoder\.net\.bias"):
        policy.policy.load_state_dict({key: value for key, value in before.items() if not key.endswith("net.bias")})


def test_a_spread_needs_two_observations_with_finite_codes():
    with pytest.raises(ValueError, match="observations must be at least 2"):
        Standardised(make("rce").eval(), pictures(1))

    class Broken(AsksWhere):
        def encode(self, x):
            return super().encode(x) * torch.nan

    with pytest.raises(ValueError, match="finite codes"):
        Standardised(Broken(), pictures(3))
