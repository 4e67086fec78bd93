"""What test_processes.py looks at: trainings that two processes share, started as a user starts them.

`python two_processes.py FOLDER` starts itself a second time, and leaves `found.json` and checkpoints in the folder.
"""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

import torch
from torch import nn

import representations
from representations import Objective, Rendered, fit
from representations.stopping import Stopped

SMALL = {"shape": (1, 16, 16), "code_size": 3}
NET = SMALL | {"channels": 4, "hidden": 8}
MOVES = SMALL | {"action_size": 2, "hidden": 8, "steps": 8}
LEARNERS = {
    "vae": ("vae", NET),
    "factor_vae": ("factor_vae", NET | {"depth": 2, "width": 16, "repeats": 2}),
    "remembering": (
        "factor_vae",
        NET | {"depth": 2, "width": 16, "memory": 12, "repeats": 2, "warmup": 4, "turned": True},
    ),
    "capacity_vae": ("capacity_vae", NET | {"steps": 8, "gamma": 10.0}),
    "dip_vae": ("dip_vae", NET | {"kind": "II"}),
    "disentangled_autoencoder": ("disentangled_autoencoder", NET | {"noise": 0.2}),
    "covariance_penalty": ("covariance_penalty", {"shape": (6,), "code_size": 3, "weight": 1.0}),
    "infogan": ("infogan", NET | {"noise": 5, "repeats": 2, "network": "convolutional", "haze": 0.1}),
    "pca": ("pca", SMALL | {"rank": 10}),
    "rce": ("rce", MOVES),
    "e2c": ("e2c", MOVES),
    "f_statistic": ("f_statistic", NET | {"classes": 3}),
    "histogram": ("histogram", NET | {"classes": 3, "step": 0.1}),
    "mvae": ("mvae", {"shape": (1, 16, 16), "slots": 3, "object_size": 2, "channels": 4, "hidden": 8, "warmup": 3}),
}
STEPS, ROWS, LATER = 6, 8, 9
PICTURES = torch.rand(40, 1, 16, 16, generator=torch.Generator().manual_seed(5))
PICTURES *= torch.linspace(0.1, 1, 40)[:, None, None, None]
ACTIONS = torch.randn(40, 2, generator=torch.Generator().manual_seed(6))
QUIET = {"progress": False, "log_every": 1}


def draw(name, generator):
    """A batch of the kind that a learner takes."""
    i, j = torch.randint(len(PICTURES), (2, ROWS), generator=generator)
    if name == "covariance_penalty":
        return PICTURES[i, 0, 0, :6]
    if name in ("f_statistic", "histogram"):
        return {"x": PICTURES[i], "y": i % 3}
    return {"x": PICTURES[i], "u": ACTIONS[i], "x_next": PICTURES[j]} if name in ("rce", "e2c") else PICTURES[i]


def trained(name, fabric=None, steps=STEPS, run=None, seed=1, batches=None, **options):
    """The logs of a small learner's training, and the learner."""
    model, settings = LEARNERS[name]
    torch.manual_seed(0)
    made = representations.make(model, **settings)
    options = QUIET | ({} if fabric else {"device": "cpu"}) | options
    batches = batches or partial(draw, name)
    return fit(made, batches, steps, torch.Generator().manual_seed(seed), run, fabric=fabric, **options), made


def half(name, generator):
    """The first half of each batch."""
    batch = draw(name, generator)
    return {key: rows[: ROWS // 2] for key, rows in batch.items()} if isinstance(batch, dict) else batch[: ROWS // 2]


class Own(nn.Module):
    """A learner with noise of torch's own, a buffer of its own share, and a part that nobody trains."""

    def __init__(self, start):
        super().__init__()
        self.settings = {}
        self.weight, self.still = nn.Parameter(torch.full((), start)), nn.Parameter(torch.full((), start))
        self.still.requires_grad_(False)
        self.register_buffer("seen", torch.zeros(()))
        self.noise, self.sizes = [], []

    def loss(self, batch):
        self.noise.append(torch.randn(()).item())
        self.sizes.append(len(batch))
        before = self.seen.clone()
        self.seen += batch.mean()
        return (self.weight * batch - self.still).square().mean(), {"before": before}

    def objectives(self):
        return (Objective("own", self.loss, (self.weight, self.still), partial(torch.optim.SGD, lr=0.1)),)


def refused(call):
    """What a call raises."""
    try:
        call()
    except (ValueError, Stopped) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def main(folder):
    from lightning_fabric import Fabric

    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
    fabric.launch()
    found = {"logs": {}, "weights": {}}
    for name in LEARNERS:
        logs, model = trained(name, fabric)
        found["logs"][name] = logs
        found["weights"][name] = [parameter.detach().flatten().tolist() for parameter in model.parameters()]

    own = Own(1.0 + fabric.global_rank)
    rendered = []
    batches = Rendered(lambda g: torch.rand(ROWS, generator=g), lambda rows: rendered.append(len(rows)) or rows)
    logs = fit(own, batches, 3, torch.Generator().manual_seed(fabric.global_rank), fabric=fabric, **QUIET)
    found["own"] = {"noise": own.noise, "sizes": own.sizes, "rendered": rendered, "still": own.still.item()}
    found["own"] |= {"weight": own.weight.item(), "logs": [line["own/before"] for line in logs]}

    checkpoints = QUIET | {"checkpoint_every": 1}
    trained("factor_vae", fabric, STEPS, folder / "cut", **checkpoints)
    logs, model = trained("factor_vae", fabric, LATER, folder / "cut", resume=True, **checkpoints)
    found["resumed"] = [parameter.detach().flatten().tolist() for parameter in model.parameters()]
    found["lines"] = len(logs)

    def interrupt(step):
        if step == 5 and fabric.global_rank == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    stopped = {"run": folder / "stopped", "on_step": interrupt, "log_every": 4}
    (folder / "damaged").mkdir(exist_ok=True)
    (folder / "damaged" / "checkpoint.safetensors").write_bytes(b"nothing")
    found["refused"] = {
        "signal": refused(partial(trained, "vae", fabric, 20, **stopped)),
        "seed": refused(partial(trained, "factor_vae", fabric, LATER, folder / "cut", 2, resume=True)),
        "damaged": refused(partial(trained, "vae", fabric, 3, folder / "damaged", resume=True)),
        "rows": refused(partial(trained, "vae", fabric, batches=lambda g: torch.rand(7, 1, 16, 16, generator=g))),
        "uneven": refused(partial(trained, "vae", fabric, batches=lambda g: {"x": PICTURES[:8], "at": PICTURES[:6]})),
        "device": refused(partial(trained, "vae", fabric, device="cpu")),
    }
    (folder / f"found{fabric.global_rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
