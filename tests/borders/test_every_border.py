"""Whatever an annotation rules out is refused at every public entry, by the name of the argument."""

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.borders.entries import entries, ruled_out, wrong

QUIET = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck), "database": None}
ENTRIES = [pytest.param(entry, id=entry.name) for entry in entries() if entry.hints]


def demand_refusal(entry, argument, value):
    """The entry raises a TypeError or ValueError that names the argument."""
    with pytest.raises((TypeError, ValueError)) as caught:
        entry(argument, value)
    assert argument.rstrip("s") in str(caught.value), (argument, value)


def try_drawn(entry, examples):
    """Values that hypothesis draws."""
    hints = {a: hint for a, hint in entry.hints.items() if wrong(hint, a, entry.good.get(a))}
    pairs = [st.tuples(st.just(a), ruled_out(hint, a, entry.good.get(a))) for a, hint in hints.items()]
    if pairs:
        settings(max_examples=examples, **QUIET)(given(st.one_of(pairs))(lambda pair: demand_refusal(entry, *pair)))()


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_is_wrong_is_refused_by_name(entry):
    for argument, hint in entry.hints.items():
        for value in wrong(hint, argument, entry.good.get(argument)):
            demand_refusal(entry, argument, value)
    try_drawn(entry, 10)


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES)
def test_whatever_is_drawn_is_refused_by_name(entry):
    try_drawn(entry, 500)


def test_the_registries_and_what_they_annotate_are_found_at_all():
    names = {entry.name for entry in entries()}
    assert {"make(vae)", "vae.decode", "make_world(planar)", "planar.step", "planners.ilqr"} <= names
    assert sum(len(wrong(h, a, e.good.get(a))) for e in entries() for a, h in e.hints.items()) > 5000


def finite(answer):
    """Whether every float of an answer, a tensor or nest of some, is finite."""
    if torch.is_tensor(answer):
        return bool(answer.isfinite().all()) if answer.is_floating_point() else True
    parts = vars(answer).values() if hasattr(answer, "__dict__") else answer if isinstance(answer, tuple) else ()
    return all(map(finite, parts)) and not (isinstance(answer, float) and not math.isfinite(answer))


def takes_tensors(entry):
    """Whether its good arguments are whole: costs take functions, some batches are walks or views, one needs a gradient."""
    made_up = ("cost", "icf.icf", "icf_discrete.icf", "geometry_grasp.shape", "infogan.critic")
    return any(map(torch.is_tensor, entry.good.values())) and not any(name in entry.name for name in made_up)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("entry", [p for p in ENTRIES if takes_tensors(p.values[0])])
def test_any_floating_type_will_do(entry, dtype):
    lowered = {a: v.to(dtype) if torch.is_tensor(v) and v.is_floating_point() else v for a, v in entry.good.items()}
    with torch.no_grad():
        assert finite(entry.call(**lowered))
