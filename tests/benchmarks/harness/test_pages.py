"""The pages show the results that are kept and no others, name everything that is registered, and lead somewhere."""

import importlib
import re
import shlex
from pathlib import Path

import gymnasium as gym
import pytest

import envs
from benchmarks.harness.kept import Headline, Page, claims_list, verdict
from benchmarks.harness.pages import HOUSES, filled, main, pages, stale
from benchmarks.harness.rooms import CHECKOUT, Room, rooms
from benchmarks.harness.table import Table
from benchmarks.metrics import SCORES
from representations import MODELS

LINK = re.compile(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def text_of(page):
    return page.read_text(encoding="utf-8")


def headings(page):
    """The anchors of a page's headings, as they are made of them where the pages are shown."""
    found = re.findall(r"^#+ (.+)$", CODE.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_the_generated_parts_are_up_to_date():
    assert list(stale()) == [], "run python -m benchmarks.readme"


def test_the_check_says_which_page_is_out_of_date(monkeypatch, tmp_path, capsys):
    page = tmp_path / "README.md"
    page.write_text("<!-- models -->\nold\n<!-- /models -->\n")
    monkeypatch.setattr("benchmarks.harness.pages.pages", lambda: [page])
    monkeypatch.setattr("benchmarks.harness.pages.CHECKOUT", tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["--check"])
    assert left.value.code == 1
    assert capsys.readouterr().out == "README.md is out of date\n"
    assert "old" in page.read_text()
    main([])
    assert "`beta_vae`" in page.read_text()
    main(["--check"])


def test_the_help_writes_nothing(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    assert "--check" in capsys.readouterr().out


def test_readme_is_short():
    assert len(text_of(CHECKOUT / "README.md").splitlines()) <= 200


NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def numbers(text):
    """(value, least step it is given to) of every number in a text: 31,000 is given to thousands, 0.87 to hundredths."""
    for found in NUMBER.findall(text):
        plain = found.strip(",").replace(",", "")
        decimals = len(plain.partition(".")[2])
        zeros = len(plain) - len(plain.rstrip("0")) if not decimals and "," in found else 0
        yield float(plain), 10.0 ** (zeros - decimals)


def test_what_readme_says_was_found_stands_on_the_page_that_it_links():
    section = text_of(CHECKOUT / "README.md").partition("## What was found\n")[2].partition("\n## ")[0]
    bullets = re.split(r"^- ", re.sub(r"<!--.*?-->", "", section, flags=re.DOTALL), flags=re.MULTILINE)[1:]
    assert bullets
    for bullet in bullets:
        targets = [first for first, _ in LINK.findall(bullet)]
        said = [value for target in targets for value, _ in numbers(text_of(CHECKOUT / target))]
        for value, step in numbers(re.sub(r"\(\S+\)", "", bullet)):
            assert any(abs(value - other) <= step / 2 for other in said), f"{value:g} of: {bullet}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.parent.relative_to(CHECKOUT).as_posix())
def test_every_link_leads_somewhere(page):
    text = CODE.sub("", text_of(page))
    targets = [first or second for first, second in LINK.findall(text)]
    for target in targets:
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), f"{target} is not there"
        assert not anchor or anchor in headings(path), f"{target}: no such heading"


def test_every_house_and_every_benchmark_has_a_page():
    have = {page.parent for page in pages()}
    wanted = [CHECKOUT / name for name in HOUSES]
    wanted += [CHECKOUT / "benchmarks" / name for name in ("harness", "metrics")]
    assert [path for path in (*wanted, *(room.folder for room in rooms())) if path not in have] == []


def registered():
    ids = [name for name in gym.registry if name.startswith("disco/")]
    rows = [*envs.WORLDS, *MODELS, *SCORES, *ids]
    return rows + [f"benchmarks.{room.name}" for room in rooms()]


def test_everything_that_is_registered_is_named_on_a_page():
    whole = "\n".join(map(text_of, pages()))
    missing = [name for name in registered() if not re.search(rf"(?<![\w/]){re.escape(name)}(?!\w)", whole)]
    assert missing == []


def commands():
    """Every command of a benchmark that a page shows: those to give, and those that made the results."""
    found = {}
    for page in pages():
        lines = re.findall(r"^python -m benchmarks\..+$", text_of(page), re.MULTILINE)
        for line in lines + re.findall(r"`(python -m benchmarks\.[^`]+)`", text_of(page)):
            words = shlex.split(line, comments=True)[2:]
            if words[0] != "benchmarks.readme" and not words[0].endswith(".longer"):
                found[" ".join(words)] = words
    return [pytest.param(*words[:1], words[1:], id=name) for name, words in found.items()]


@pytest.mark.parametrize(("module", "words"), commands())
def test_every_command_on_a_page_is_understood(module, words, capsys):
    with pytest.raises(SystemExit) as left:
        importlib.import_module(module).main([*words, "--print_config"])
    assert left.value.code in (0, None), capsys.readouterr().err
    assert not [word for word in words if word.startswith(("/", "~"))], "the path is one machine's"


def test_every_picture_that_is_kept_stands_on_a_page():
    for room in rooms():
        text = text_of(room.folder / "README.md")
        pictures = [path for path in (room.folder / "results").glob("*") if path.suffix in (".png", ".gif")]
        for path in pictures:
            assert f"results/{path.name}" in text, f"{path.name} is on no page"


def test_every_result_that_is_kept_stands_on_its_page():
    for room in rooms():
        text = text_of(room.folder / "README.md")
        for path in sorted((room.folder / "results").glob("*.json")):
            command = re.search(r'"command": "((?:[^"\\]|\\.)*)"', path.read_text())[1].replace('\\"', '"')
            assert f"`{command}`" in text, f"{path.name} is not on the page of {room.name}"


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ({"shown": True}, "shown"),
        ({"shown": False}, "**not shown**"),
        ({"shown": "undecided"}, "**undecided**"),
        ({"verdict": "shown"}, "shown"),
        ({"verdict": "not shown", "shown": False}, "**not shown**"),
    ],
)
def test_a_verdict_is_read_in_both_forms(claim, said):
    assert verdict(claim) == said


def test_a_claim_stands_behind_its_command():
    result = {"command": "python -m x", "claims": [{"shown": False, "text": "a above b", "evidence": "1 against 2"}]}
    assert claims_list(result) == "`python -m x`\n\n- **not shown**: a above b (1 against 2)\n"


def test_scores_are_one_table_with_a_row_for_each_set():
    numbers = {"x_success": {"mean": 0.5, "low": 0.25, "high": 0.75}, "y_success": {"mean": 1, "low": 1, "high": 1}}
    found = {"intervals": {"mine": numbers, "other": {"a": numbers["y_success"]}}, "setting": ", noise 1"}
    columns = {"success": ["success %", 0, 100], "held": ["never measured", 0]}
    page = Page(columns=columns, prefixes={"x_": "X", "y_": "Y"}, published=[["p", "X", "9", "-"]])
    table = page.scores({"default": found})
    assert table.columns == ("model", "set", "success %")
    assert table.rows == (("p", "X", "9"), ("mine, noise 1", "X", "50 [25, 75]"), ("mine, noise 1", "Y", "100"))
    assert page.scores({"noise": found}).rows == table.rows[1:]


def test_codes_that_no_learning_made_stand_below_the_default_run():
    found = {
        "intervals": {"mine": {"mig": {"mean": 0.1, "low": 0.1, "high": 0.1}}},
        "baselines": {"random": {"mig": 0.0}},
    }
    page = Page(columns={"mig": ["MIG", 1]})
    assert page.scores({"default": found}).rows == (("mine", "0.1"), ("noise", "0.0"))
    assert page.scores({"other": found}).rows == (("mine", "0.1"),)


def test_a_headline_is_read_from_its_place_and_refused_without(tmp_path, monkeypatch):
    monkeypatch.setattr(Room, "folder", property(lambda self: tmp_path))
    (tmp_path / "results").mkdir()
    table = '{"columns": ["method", "rate"], "rows": [["mine", "87.1 [85.7, 88.1]"]]}'
    (tmp_path / "results" / "default.json").write_text(f'{{"scores": {{"a": 0.256}}, "tables": [{table}]}}')
    room = Room("x", "", "", "")
    assert Headline("a", "", "", at=["scores", "a"], scale=100, digits=1).ours(room) == "25.6"
    assert Headline("a", "", "", row="mine", column="rate").ours(room) == "87.1"
    with pytest.raises(ValueError, match="no 'b' on the way"):
        Headline("a", "", "", at=["scores", "b"]).ours(room)
    with pytest.raises(ValueError, match="no row 'yours'"):
        Headline("a", "", "", row="yours", column="rate").ours(room)


@pytest.mark.parametrize("text", ["<!-- models -->\n", "<!-- models -->\n<!-- worlds -->\n<!-- /models -->\n"])
def test_a_part_without_an_end_is_refused(text, tmp_path):
    page = tmp_path / "README.md"
    page.write_text(text)
    with pytest.raises(ValueError, match="needs its <!-- /name --> behind it"):
        filled(page)


def test_a_cell_with_a_bar_stays_one_cell():
    assert Table("", ("a", "b"), (("|x|", "1"),)).markdown().splitlines()[2] == r"| \|x\| | 1 |"


def test_a_part_that_is_not_known_is_refused(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("<!-- tables -->\n<!-- /tables -->\n")
    with pytest.raises(ValueError, match="unknown part 'tables'; the parts are results"):
        filled(Path(page))
