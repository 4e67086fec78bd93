"""Whatever an annotation rules out is refused at every public entry, by the name of the argument."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.borders.entries import entries, wrong

QUIET = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck), "database": None}


def refused(entry, argument, value):
    """The message of the error with which an entry refuses a value."""
    with pytest.raises((TypeError, ValueError)) as caught:
        entry(argument, value)
    return str(caught.value)


def draws(entry, data):
    argument = data.draw(st.sampled_from(sorted(entry.hints)))
    values = wrong(entry.hints[argument], argument, entry.good.get(argument))
    if not values:
        return
    value = data.draw(st.sampled_from(values))
    assert argument.rstrip("s") in refused(entry, argument, value), (argument, value)


ENTRIES = [pytest.param(entry, id=entry.name) for entry in entries() if entry.hints]


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_wrong_is_refused_by_name(entry):
    settings(max_examples=12, **QUIET)(given(st.data())(lambda data: draws(entry, data)))()


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES)
def test_all_that_is_wrong_is_refused_by_name(entry):
    for argument, hint in entry.hints.items():
        for value in wrong(hint, argument, entry.good.get(argument)):
            assert argument.rstrip("s") in refused(entry, argument, value), (argument, value)


def test_the_registries_and_what_they_annotate_are_found_at_all():
    names = {entry.name for entry in entries()}
    assert {"make(vae)", "vae.decode", "make_world(planar)", "planar.step", "planners.ilqr"} <= names
    assert sum(len(wrong(h, a, e.good.get(a))) for e in entries() for a, h in e.hints.items()) > 5000


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("entry", [p for p in ENTRIES if "." in p.id and "(" not in p.id])
def test_any_floating_type_will_do(entry, dtype):
    given_ = {a: v.to(dtype) if torch.is_tensor(v) and v.is_floating_point() else v for a, v in entry.good.items()}
    if given_ == entry.good or not any(torch.is_tensor(value) for value in given_.values()):
        pytest.skip("it takes no floats")
    with torch.no_grad():
        entry.call(**given_)
