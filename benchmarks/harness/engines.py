"""Where jobs are computed: in this process, in joblib's processes on this machine, or on a Ray cluster.

An engine maps a function over rows of arguments and gives results as they come. It knows nothing of what a job is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import torch

from benchmarks.harness.own import Registered, registered
from benchmarks.harness.pool import failure, in_processes, keep_memory
from benchmarks.harness.rooms import CHECKOUT

ENGINES = ("local", "ray")
LEFT_OUT = [".git", "runs", "out", "**/__pycache__"]


@dataclass(frozen=True)
class Engine:
    """How many jobs run at a time, and where; ValueError for what cannot be."""

    name: str = "local"
    """local (processes on this machine) or ray."""
    workers: int = 0
    """Jobs at a time; 0 for one per core, or with ray as many as the cluster takes."""
    address: str = ""
    """A Ray cluster's address, such as auto or ray://head:10001; a cluster of this machine alone unless told."""
    gpus: float | None = None
    """GPUs, or a share of one, that a job on Ray is given; where there are any, one unless told."""
    retries: int = 2
    """How often Ray runs a job again whose worker was lost."""

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {self.name!r}")
        if self.workers < 0:
            raise ValueError(f"workers must be at least 1, or 0 for one per core, got {self.workers}")
        if self.retries < 0 or (self.gpus is not None and not 0 <= self.gpus < float("inf")):
            raise ValueError(f"retries and gpus_per_job must not be negative, got {self.retries} and {self.gpus}")
        if self.name == "local" and (self.address or self.gpus is not None):
            raise ValueError("ray_address and gpus_per_job need --engine ray")

    def check(self) -> None:
        """Raise ValueError where the engine is not installed."""
        if self.name == "ray":
            _ray()

    def at_once(self, jobs: int) -> int:
        """How many of so many jobs this engine runs at a time on this machine."""
        return min(self.workers or joblib.cpu_count(), max(jobs, 1))

    def map(self, call: Callable[..., Any], rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """`call(*row)` for every row, on one thread each, in the order of finishing: the row's place and the result.

        In place of the result stands a `Failure` where the call raised an exception or its process died.
        """
        own = registered()
        if self.name == "ray":
            yield from self._by_ray(call, rows, own)
        elif self.at_once(len(rows)) == 1:
            before = torch.get_num_threads()
            for place, row in enumerate(rows):
                try:
                    found = _work(own, call, row)
                except Exception as error:
                    found = failure(error)
                finally:
                    torch.set_num_threads(before)
                yield place, found
        else:
            yield from in_processes(_work, [(own, call, row) for row in rows], self.at_once(len(rows)))

    def stop(self) -> None:
        """End the cluster of this machine that calls of `map` left standing for the next one."""
        if self.name == "ray":
            _ray().shutdown()

    def _by_ray(
        self, call: Callable[..., Any], rows: Sequence[tuple[Any, ...]], own: Registered
    ) -> Iterator[tuple[int, Any]]:
        ray = _ray()
        for module in own.modules():  # they need not be installed where the job runs
            ray.cloudpickle.register_pickle_by_value(module)
        about: dict[str, Any] = {"runtime_env": {"working_dir": str(CHECKOUT), "excludes": LEFT_OUT}}
        own_cluster = {"address": "local", "num_cpus": self.workers or None, "include_dashboard": False}
        about |= {"address": self.address} if self.address else own_cluster
        ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level=logging.ERROR, **about)
        gpus = self.gpus if self.gpus is not None else float(torch.cuda.is_available())
        remote = ray.remote(_work).options(num_cpus=1, num_gpus=gpus, max_retries=self.retries)
        waiting = {remote.remote(own, call, row): place for place, row in enumerate(rows)}
        while waiting:
            for done in ray.wait(list(waiting))[0]:
                place = waiting.pop(done)
                try:
                    found = ray.get(done)
                except ray.exceptions.RayError as error:
                    found = failure(getattr(error, "cause", None) or error)
                yield place, found


def _work(own: Registered, call: Callable[..., Any], row: tuple[Any, ...]) -> Any:
    """One row on one thread: the networks are small, and more threads only wait for each other."""
    own.register()
    torch.set_num_threads(1)
    keep_memory()
    return call(*row)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ValueError("engine 'ray' needs the package ray: pip install -e '.[cluster]'") from None
    return ray
