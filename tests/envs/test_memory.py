"""Memory stays flat: over long episodes of every environment, and over grasp environments that come and go."""

import gc
import resource
from pathlib import Path

import gymnasium as gym
import pytest

import envs  # noqa: F401

STATM = Path("/proc/self/statm")
NAMES = ("Planar", "DSprites", "ColorDSprites", "MultiSprites", "ShapeMotion", "SwitchMaze", "DigitGrid")
LONG = ("Planar", "DSprites", "SwitchMaze", "DigitGrid")
pytestmark = pytest.mark.skipif(not STATM.exists(), reason="memory is read from /proc")
slow = pytest.mark.slow


@pytest.fixture(autouse=True)
def frozen():
    """What lives already is not looked through at every collection: that took most of the time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def resident():
    """MiB that this process holds."""
    gc.collect()
    return int(STATM.read_text().split()[1]) * resource.getpagesize() / 2**20


@pytest.mark.parametrize(
    ("name", "steps"), [(name, 1000) for name in NAMES] + [pytest.param(name, 200_000, marks=slow) for name in LONG]
)
def test_steps_leave_nothing_behind(name, steps):
    env = gym.make_vec(f"disco/{name}-v0", num_envs=20)
    env.reset(seed=0)
    env.action_space.seed(0)
    action, seen = env.action_space.sample(), []
    for done in range(0, steps, 20):
        env.step(action)
        if done % (steps // 10) == 0:
            seen.append(resident())
    assert max(seen[3:]) - max(seen[:3]) < 4  # MiB: a picture kept at every hundredth step would be 4 MiB in 200,000


@pytest.mark.parametrize("count", [10, pytest.param(500, marks=slow)])
def test_grasp_environments_leave_nothing_behind_whether_they_are_closed_or_dropped(count):
    pytest.importorskip("pybullet")

    def once(closed):
        env = gym.make("disco/Grasp-v0")
        env.reset(seed=0)
        if closed:
            env.close()

    for k in range(4):
        once(k % 2)
    before = resident()
    for k in range(count):
        once(k % 2)
    assert resident() - before < 30  # MiB: one client
