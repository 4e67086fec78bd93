import pytest
import torch

from benchmarks.harness.labels import chosen, companions, labelled, settings
from benchmarks.harness.observations import collect
from benchmarks.harness.pretraining import PretrainJob, batches_of, build
from envs import make_world
from envs.moves import moving
from representations import MODELS


class Classes:
    def __init__(self, classes: int = 10):
        pass


class Attributes:
    def __init__(self, attributes: tuple = (10,)):
        pass


class Binary:
    def __init__(self, attributes: int = 2):
        pass


class Nodes:
    def __init__(self, structure: dict | None = None):
        pass


def test_a_learner_is_told_classes_and_numbers_as_it_wants_them():
    world = make_world("street_digits")
    assert [world.names[k] for k in chosen(world)] == [
        *("digit", "glyph", "x", "y", "scale", "slant", "texture", "contrast")  # no hue, no one of 1000 arrangements
    ]
    assert settings(Classes, world) == {"classes": 10}
    assert settings(Attributes, world, "slant,digit")["attributes"] == (
        (world.factors[5].low, world.factors[5].high),
        10,
    )
    nodes = settings(Nodes, world, "digit,texture,x")["structure"]
    assert [node["size"] for node in nodes.values()] == [10, 48, 10]
    assert nodes["style"]["reads"] == ["digit", "texture"]
    assert settings(MODELS["vae"], world) == {}


def test_what_cannot_be_told_is_named():
    world = make_world("street_digits")
    for names in ("hue", "digit,digit", "ink"):
        with pytest.raises(ValueError, match="labels must name each of digit, glyph, x"):
            chosen(world, names)
    with pytest.raises(ValueError, match="Classes learns classes, and none of x, y is one"):
        settings(Classes, make_world("blobs"))


def test_batches_hold_pictures_with_their_own_labels(generator):
    world = moving(make_world("digits", style=("shear",)))
    data = collect(world, 200, generator)
    wanted = {"digit": (Classes, (50,)), "digit,shear": (Attributes, (50, 2))}
    for names, (kind, shape) in wanted.items():
        batch = labelled(data.x, data.factors, world, settings(kind, world, names), 50, names)(generator)
        assert batch["y"].shape == shape
        assert batch["labelled"].all()
        labels = batch["y"].view(50, -1).float()
        for x, y in zip(batch["x"], labels, strict=True):
            rows = data.factors[(data.x == x).flatten(1).all(1)]
            assert any(torch.equal(row[[0, 2][: len(y)]], y) for row in rows)
    assert labelled(data.x, data.factors, world, {"shape": (1, 28, 28)}, 50) is None


def test_binary_attributes_are_factors_of_two_classes_or_halves_of_others(generator):
    faces = make_world("faces")
    pairs = [k for k, factor in enumerate(faces.factors) if factor.kind == "categorical" and len(factor.values) == 2]
    assert settings(Binary, faces) == {"attributes": len(pairs)}
    factors = faces.sample(40, generator)
    batch = labelled(torch.arange(40), factors, faces, settings(Binary, faces), 30)(generator)
    assert torch.equal(batch["y"], factors[batch["x"]][:, pairs])
    digits = make_world("digits", style=("shear",))
    factors = digits.sample(40, generator)
    batch = labelled(torch.arange(40), factors, digits, settings(Binary, digits, "digit,shear"), 30, "digit,shear")(
        generator
    )
    shear = factors[batch["x"], digits.names.index("shear")]
    assert torch.equal(batch["y"], torch.stack([(factors[batch["x"], 0] >= 5).float(), (shear > 0).float()], 1))


def test_an_embedding_compares_pictures_of_a_world_s_identities_or_of_the_named_factors(generator):
    world = make_world("characters")
    factors = world.sample(2000, generator)
    assert settings(MODELS["triplet"], world) == {"classes": 672}
    assert settings(MODELS["triplet"], world, "weapon,body") == {"classes": 14}
    for names, who in (("", world.identity), ("weapon,body", lambda rows: rows[:, 0] + 2 * rows[:, 6])):
        told = settings(MODELS["triplet"], world, names)
        draw = labelled(torch.arange(2000), factors, world, told, 64, names, embedding=True)
        for _ in range(5):
            batch = draw(generator)
            assert len(set(batch["x"].tolist())) == len(batch["x"]) <= 64
            counts = batch["y"].unique(return_counts=True)[1]
            assert ((counts > 1) & (counts <= 4)).all()
            assert len(counts) == (16 if not names else 14)
            pairs = batch["y"][:, None] == batch["y"]
            mine = who(factors[batch["x"]])
            assert torch.equal(pairs, mine[:, None] == mine)
    with pytest.raises(ValueError, match="two pictures of two identities, got 1 pictures of 1"):
        labelled(torch.arange(1), factors[:1], world, told, 64, names, embedding=True)


def test_companions_are_of_the_same_class_and_any_of_it(generator):
    y = torch.tensor([2, 0, 2, 1, 2, 0])
    index = torch.arange(6).repeat(200)
    found = companions(y, index, generator)
    assert torch.equal(y[found], y[index])
    assert set(found[index == 0].tolist()) == {0, 2, 4}
    assert set(found[index == 3].tolist()) == {3}


SMALL = {"linear_constraints": {"hidden": 8}, "m2": {"hidden": 8}, "structured_vae": {"hidden": 8}}
TOLD = [name for name, model in MODELS.items() if settings(model, make_world("street_digits"))]


@pytest.mark.parametrize("name", TOLD)
def test_every_learner_with_labels_is_pretrained_on_a_world_of_digits(name, generator):
    world, model = build(PretrainJob(model=name, world="street_digits", settings=SMALL.get(name, {})))
    data = collect(world, 40, generator)
    batch = batches_of(data, world, model, 8)(generator)
    for objective in model.objectives():
        loss, _ = objective.loss(batch)
        assert torch.isfinite(loss)
    assert model.eval().encode(data.x[:3]).shape == (3, model.code_size)
