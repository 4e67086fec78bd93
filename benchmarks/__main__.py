"""What can be run: `python -m benchmarks` lists the benchmarks, their systems and the time they take."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.table import Table, show


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: `python -m benchmarks.<name>`; `time` is that of its defaults on two cores."""

    name: str
    question: str
    systems: str
    time: str


BENCHMARKS = (
    Benchmark(
        "planar",
        "from pixels to the goal, with and without actions in the data",
        "dyn_content, rce, e2c; oracle, random",
        "3 minutes a model and seed",
    ),
    Benchmark(
        "grasp",
        "grasping objects that were never seen",
        "geometry_grasp, grasp_cnn; random",
        "5 minutes a model and seed",
    ),
    Benchmark(
        "grasp_data",
        "a data set of tried grasps",
        "the 101 objects",
        "2 minutes for 8,080 grasps",
    ),
    Benchmark(
        "maze",
        "factors that an agent can control on their own, and going to a goal by composing them",
        "icf, icf_discrete",
        "2 minutes a model and seed",
    ),
    Benchmark(
        "sprites",
        "disentanglement without labels",
        "vae, beta_vae, capacity_vae, dip_vae, dip_vae_ii, factor_vae, factor_bottleneck; noise, random_linear",
        "2 minutes a model and seed",
    ),
    Benchmark(
        "beta_sweep",
        "what a weight on the KL term does to a code",
        "dense, conv, dense_denoising, conv_denoising",
        "1 minute a model, beta and seed",
    ),
    Benchmark(
        "dci",
        "what one code dimension knows of one factor, also of unseen combinations",
        "infogan, pca",
        "5 minutes a model and seed",
    ),
    Benchmark(
        "covariance",
        "does a penalty on a layer's covariance find the data's dimensions",
        "covariance_penalty, l1, none",
        "1 minute a network",
    ),
    Benchmark(
        "pretrain",
        "a representation of a world, saved for a policy",
        "every model of pictures; noise, random_linear",
        "minutes a model and seed",
    ),
    Benchmark(
        "policies",
        "how fast a policy learns from a code",
        "pixels, state, every model of pictures, saved representations",
        "10 minutes for pixels, state and dyn_content",
    ),
    Benchmark(
        "worlds",
        "what every world looks like, and how fast it is drawn",
        "every world",
        "1 minute",
    ),
    Benchmark(
        "scores",
        "what every score gives to codes that theory knows",
        "identity, rotation, copies, constant, pca; noise, random_linear",
        "1 minute an encoder",
    ),
    Benchmark(
        "speed",
        "how fast everything is",
        "worlds, environments, planners, scores, training, grasping",
        "5 minutes",
    ),
    Benchmark(
        "readme",
        "README's tables, from the results we stand behind",
        "every file of benchmarks/results",
        "seconds",
    ),
)


def table() -> Table:
    """The benchmarks as a table."""
    rows = tuple((row.name, row.question, row.systems, row.time) for row in BENCHMARKS)
    return Table(
        "python -m benchmarks.NAME (--help lists the options)", ("name", "question", "systems", "typical time"), rows
    )


def main() -> None:
    """Print the table."""
    show([table()], ())


if __name__ == "__main__":
    main()
