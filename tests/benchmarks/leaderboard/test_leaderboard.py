import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.harness.options import Sweep
from benchmarks.harness.table import Claim
from benchmarks.leaderboard import score_code
from benchmarks.leaderboard.board import Board, board
from benchmarks.leaderboard.figures import scatter
from benchmarks.leaderboard.measures import reconstruction, shape
from benchmarks.leaderboard.page import TILE, write_page
from benchmarks.leaderboard.pictures import Pictures
from benchmarks.leaderboard.report import (
    correlates_table,
    hypothesis,
    intraclass,
    repeat_table,
    rotation_table,
)
from benchmarks.leaderboard.rows import HONESTY, LEARNERS, PIXELS, turned
from benchmarks.leaderboard.run import Options, encoder, jobs, ledger, main
from benchmarks.leaderboard.straight import straight_axes
from benchmarks.leaderboard.transfer import transfer_table
from benchmarks.metrics.control import Bench, Sizes, make_task
from representations import make, save

torch.set_num_threads(1)

SMALL = Sizes(episodes=10, length=6, transitions=200, sparse=(50,), labels=60)
QUICK = ["--preset=quick", "--tasks=blobs", "--workers=1", "--consumers=[sparse]", "--rotated=[]"]


def test_settings_are_drawn_by_number_and_are_distinct():
    for learner in LEARNERS.values():
        drawn = [learner.settings(number) for number in range(30)]
        assert drawn[3] == learner.settings(3)
        assert len({json.dumps(d) for d in drawn}) == (30 if learner.searched else 1)
    found = jobs(Sweep(seeds=1), Options(tasks="planar", numbers=3, consumers=["sparse"]))
    assert len({(job.model, json.dumps(job.settings)) for job in found}) == 3 * 14 + 1 + len(HONESTY)
    more = jobs(Sweep(seeds=1), Options(tasks="planar", numbers=2, consumers=["policy"], repeated=["vae", "rce"]))
    assert [(job.model, job.number, job.seed) for job in more if job.seed] == [
        ("vae", 0, 1),
        ("rce", 0, 1),
        ("vae", 0, 2),
        ("rce", 0, 2),
    ]
    assert PIXELS in {job.model for job in more}
    assert PIXELS not in {job.model for job in found}  # it has nothing but a policy
    with pytest.raises(ValueError, match="unknown consumer 'sparce'"):
        jobs(Sweep(), Options(consumers=["sparce"]))


def test_what_is_known_of_honest_codes():
    task = make_task("blobs")
    states = task.sample(500, torch.Generator().manual_seed(0))
    see = Pictures(task, states)
    code = {name: make_row(see, states, 0)(states) for name, make_row in HONESTY.items()}
    assert code["constant"].std() == 0
    aligned, rotated = code["aligned oracle"], code["rotated oracle"]
    assert torch.allclose(torch.cdist(aligned, aligned), torch.cdist(rotated, rotated), atol=1e-6)
    assert shape(aligned.numpy())["active"] == 2
    told = reconstruction(task, aligned.numpy(), states)
    assert told > 0.1 > reconstruction(task, code["noise"].numpy(), states)
    correlation = np.corrcoef(code["supervised factors"].numpy().T, aligned.numpy().T)[:2, 2:]
    assert abs(np.diag(correlation)).min() > 0.8


def test_a_turned_code_tells_the_same():
    code = torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    again = turned(lambda states: states, 4, 0)(code)
    assert torch.allclose(again.norm(dim=1), code.norm(dim=1))
    assert not torch.allclose(again, code)


def test_a_function_of_ones_own_is_scored_in_one_call():
    task = make_task("blobs")
    good = score_code(lambda s: s / 30, task, consumers=["placebo"], rotated=["placebo"], sizes=SMALL)
    assert good["dci_lasso"] > 0.9
    assert good["informativeness"] > 0.7
    assert good["rotated"]["placebo_ilqr"] == pytest.approx(good["control"]["placebo_ilqr"], abs=1e-4)
    blind = score_code(lambda s: torch.zeros(len(s), 3, dtype=torch.float64), task, consumers=["placebo"], sizes=SMALL)
    assert blind["informativeness"] == 0
    assert blind["control"]["placebo_ilqr"] < 0.5 < good["control"]["placebo_ilqr"]


def test_a_saved_model_gets_a_row_and_finished_jobs_are_lines_of_the_ledger(tmp_path):
    save(make("pca", shape=(1, 64, 64), code_size=4), tmp_path / "mine")
    kept = tmp_path / "new" / "ledger.jsonl"
    words = [*QUICK, "--model=noise", f"--own={tmp_path / 'mine'}", f"--ledger={kept}"]
    told = main([*words, f"--out={tmp_path / 'one'}"])
    assert {"noise", "own: mine"} == told["intervals"].keys()
    lines = kept.read_text().splitlines()
    assert len(lines) == 2
    main([*words, f"--out={tmp_path / 'two'}"])  # another folder: everything is in the ledger
    assert kept.read_text().splitlines() == lines
    assert (tmp_path / "two" / "result.json").exists()
    assert ledger(str(kept)) == kept


def test_saved_models_of_one_name_have_rows_of_their_own():
    own = Options(tasks="blobs", own="a/vae/model,b/vae/model,b/pca", consumers=["sparse"], honesty=False)
    todo = [job for job in jobs(Sweep(model="pca", seeds=1), own) if job.model == "own"]
    found = board(todo, [{"scores": {"control": {"sparse_50": 0.1 * k}}} for k in range(3)])
    assert [row["row"] for row in found.rows] == ["own: a/vae/model", "own: b/vae/model", "own: pca"]


def test_a_board_of_agents_where_they_were_not_trained_is_reported(tmp_path):
    """Where none of the scores that the mean of control is made of was asked for, there is no hypothesis, but a table."""
    asked = {"transfer_block_ridge": 0.1, "transfer_block_ridge_seen": 0.2}
    rows = [{k: v for k, v in (row | asked).items() if k != "control"} for row in rows_of(0, worlds=2)]
    assert len(Board(rows).stratum("pictures")["w0"]) == 30
    assert Board(rows).controlled("pictures") == {}
    assert hypothesis(Board(rows), "pictures")[0].shown is None
    assert correlates_table(Board(rows)) is None
    assert repeat_table(Board(rows)) is None
    assert scatter(rows).axes
    write_page(tmp_path / "board.html", rows, [], [])
    assert "new combinations, ridge" in (tmp_path / "board.html").read_text()


def test_learners_of_every_kind_are_trained_and_read_the_boards_pictures(tmp_path):
    words = [*QUICK, "--steps=4", "--pictures=60", "--honesty=false", "--ledger=", "--tasks=planar"]
    told = main([*words, "--model=factor_vae,icf,dyn_content", f"--out={tmp_path / 'run'}"])
    assert told["intervals"].keys() == {"factor_vae 0", "icf 0", "dyn_content 0"}
    scores = json.loads(next((tmp_path / "run").rglob("*factor_vae*/result.json")).read_text())["scores"]
    assert len(scores["traversal"]) == 5
    assert 0 <= scores["interventions"] <= 1


def test_a_policy_on_pixels_has_a_curve_and_no_code(tmp_path):
    words = [*QUICK[:3], "--consumers=[policy]", "--rotated=[]", "--sizes.policy=640", "--sizes.every=640"]
    told = main([*words, f"--model=noise,{PIXELS}", f"--out={tmp_path / 'run'}"])
    found = told["intervals"][PIXELS]
    assert np.isfinite(found["policy_area"]["mean"])
    assert "mig" not in found
    assert next(row for row in told["tables"][0]["rows"] if row[0] == PIXELS)[-1] == "-"


def test_an_encoder_that_is_held_back_never_sees_the_combinations_of_the_transfer(monkeypatch):
    task = make_task("blobs")
    job = jobs(Sweep(seeds=1), Options(tasks="blobs", numbers=1, held=True, pictures=300, sizes={"episodes": 10}))[0]
    drawn = []
    sample = type(task).sample
    monkeypatch.setattr(type(task), "sample", lambda *a: drawn.append(sample(*a)) or drawn[-1])
    encoder(dataclasses.replace(job, model="noise"), task, Path(), False)
    block = task.block(Bench(task, torch.clone, 0).generator(7))
    assert not task.holds(block, drawn[1]).any()
    assert len(drawn[1]) == 300


def made(stratum, task, number, disentangled, control, informativeness, learner="vae"):
    row = {
        "row": f"{learner} {number}",
        "learner": learner,
        "stratum": stratum,
        "task": task,
        "seed": 0,
        "settings": "",
    }
    scores = {"disentangled": disentangled, "control": control, "informativeness": informativeness}
    return row | scores | {"reconstruction": 0.5, "active": 5.0, "dci_lasso": disentangled, "mig": disentangled}


def rows_of(slope, worlds=8, n=30):
    generator = np.random.default_rng(0)
    rows = []
    for task in range(worlds):
        information, x = generator.standard_normal((2, n))
        y = 0.7 * information + slope * x + 0.3 * generator.standard_normal(n)
        for i in range(n):
            rows.append(made("pictures", f"w{task}", i, float(x[i]), float(y[i]), float(information[i]), "abc"[i % 3]))
    return rows


def test_the_third_hypothesis_follows_the_figures():
    assert hypothesis(Board(rows_of(0.8)), "pictures")[0].shown is True
    assert hypothesis(Board(rows_of(-0.8)), "pictures")[0].shown is False
    few, curve = hypothesis(Board(rows_of(0.8, worlds=2, n=6)), "pictures")
    assert few.shown is None
    assert curve is None
    assert "least correlation to be seen" in hypothesis(Board(rows_of(0.0)), "pictures")[0].evidence


def test_the_third_hypothesis_is_open_where_every_learner_has_one_setting():
    rows = [row | {"learner": row["row"]} for row in rows_of(0.8)]
    told = hypothesis(Board(rows), "pictures")[0]
    assert told.shown is None
    assert "nothing to permute" in told.evidence
    assert "permuted 0.0" in hypothesis(Board(rows_of(0.8)), "pictures")[0].evidence


def test_what_goes_with_control_is_told_for_every_score_by_stratum():
    rows = [row | {"interventions": -row["control"], "condition": 1.0} for row in rows_of(0)]
    table = correlates_table(Board(rows))
    cells = dict(table.rows)
    assert table.columns == ("score", "pictures")
    assert cells["intervention matrix"] == "-1.00"
    assert float(cells["informativeness"]) > 0.8
    assert abs(float(cells["disentanglement, rank"])) < 0.2
    assert cells["condition of the actions' effect"] == "-"  # it is the same for all


def test_a_code_is_compared_with_its_own_rotation():
    rows = [
        r | {"sparse": 0.6, "rotated_sparse": 0.3, "factor_axes": 0.5, "rotated_factor_axes": 0.5} for r in rows_of(0)
    ]
    cells = {row[0]: row[-1] for row in rotation_table(Board(rows)).rows}
    assert cells == {"pictures: sparse": "helps", "pictures: factor_axes": "makes no difference"}


def test_whether_straight_axes_are_worth_something_is_told_for_codes_of_ones_own():
    def rows(mig, axes, rotated):
        known = zip(mig, axes, rotated, strict=True)
        return [{"mig": m, "factor_axes": a, "rotated_factor_axes": r} for m, a, r in known]

    mig = np.linspace(0, 0.4, 8)
    by_axis, gain = straight_axes({"dsprites": rows(mig, mig**2, 0 * mig)})
    assert by_axis.shown is True
    assert "+1.00" in by_axis.evidence
    assert by_axis.decided_by("default", 1).shown is True  # eight codes of one world are eight
    assert gain.shown is True
    by_axis, gain = straight_axes({"dsprites": rows(mig, mig, mig)})  # what axes and rotation share is no gain
    assert by_axis.shown is True
    assert gain.shown is None
    assert straight_axes({"dsprites": rows(mig[:5], mig[:5], 0 * mig[:5]), "blobs": []}) == []


def test_what_an_agent_loses_where_it_was_not_trained_is_told_row_by_row():
    rows = rows_of(0, worlds=2, n=2)
    asked = [row | {"policy_block": 0.2 + 0.2 * k, "policy_block_seen": 0.5} for k, row in enumerate(rows)]
    table = transfer_table(asked)
    assert table.columns == ("row", "stratum", "new combinations, PPO")
    assert {row[0]: row[-1] for row in table.rows} == {"a 0": "0.40 (-0.10)", "b 1": "0.60 (+0.10)"}
    assert transfer_table(rows) is None


def test_reliability_is_what_two_samples_and_other_seeds_agree_in():
    random = np.random.default_rng(0)
    settings = random.standard_normal((400, 1))
    assert intraclass(settings + 0 * random.standard_normal((400, 3))) == pytest.approx(1)
    assert intraclass(settings + random.standard_normal((400, 3))) == pytest.approx(0.5, abs=0.06)
    assert intraclass(random.standard_normal((400, 3))) == pytest.approx(0, abs=0.06)
    rows = [
        r | {"informativeness_1": r["informativeness"], "informativeness_2": r["informativeness"]} for r in rows_of(0)
    ]
    more = [r | {"seed": 1, "control": -r["control"]} for r in rows if r["row"][-1] == "0"]
    cells = {row[:2]: row[2:] for row in repeat_table(Board(rows + more)).rows}
    assert cells["informativeness", "two samples"] == ("8", "1.00")
    assert float(cells["disentangled", "2 seeds"][1]) == pytest.approx(1)
    assert float(cells["control", "2 seeds"][1]) < 0.5
    assert Board(rows + more).stratum("pictures") == Board(rows).stratum("pictures")  # repeats are no new settings


@pytest.mark.skipif(not (shutil.which("chromium") and shutil.which("chromedriver")), reason="no chromium here")
def test_the_page_is_clicked_through_in_a_browser(tmp_path):
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select, WebDriverWait

    rows = [made("pictures", f"w{i % 2}", i, i / 10, 1 - i / 10, 0.5, "abc"[i % 3]) for i in range(10)]
    shown_states = [[[14.0 + 8 * k, 16.0] for k in range(3)], [[16.0, 14.0 + 8 * k] for k in range(3)]]
    rows.append(made("pictures", "blobs", 10, 0.5, 0.5, 0.5, "d") | {"traversal": shown_states})
    write_page(tmp_path / "board.html", rows, [Claim("H3", None, "too few rows")], ("What it is.",))
    text = (tmp_path / "board.html").read_text()
    assert 'src="http' not in text  # nothing is loaded from elsewhere
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        browser.get((tmp_path / "board.html").as_uri())
        wait = WebDriverWait(browser, 60)
        wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "#charts canvas, #charts svg"))

        def column(k):
            lines = browser.find_elements(By.CSS_SELECTOR, "#board tbody tr")
            return [line.find_elements(By.TAG_NAME, "td")[k].text for line in lines if line.is_displayed()]

        heads = browser.find_elements(By.CSS_SELECTOR, "#board th")
        names = [head.text for head in heads]
        k = next(i for i, name in enumerate(names) if name.startswith("control"))
        heads[k].click()
        assert column(k) == sorted(column(k), reverse=True)
        heads[k].click()
        assert column(k) == sorted(column(k))
        field = browser.find_element(By.ID, "filter")
        field.send_keys("w1 b ")
        shown = [row["row"] for row in rows if row["task"] == "w1" and row["learner"] == "b"]
        assert sorted(column(0)) == sorted(shown)
        menus = [Select(menu) for menu in browser.find_elements(By.CSS_SELECTOR, "#charts select")]
        assert len(menus) == 4
        for menu in menus:
            menu.select_by_index(len(menu.options) - 1)
        assert "undecided" in browser.find_element(By.ID, "verdicts").text
        assert browser.find_element(By.ID, "ladder").size["width"] > 300
        assert browser.execute_script("return document.getElementById('ladder').naturalWidth") > 300
        Select(browser.find_elements(By.CSS_SELECTOR, "#charts select")[2]).select_by_visible_text("blobs")
        Select(browser.find_elements(By.CSS_SELECTOR, "#charts select")[3]).select_by_visible_text("d")
        points = (By.CSS_SELECTOR, "#charts .mark-symbol.role-mark path")
        wait.until(lambda b: len(b.find_elements(*points)) == 1)
        ActionChains(browser).move_to_element(browser.find_element(*points)).perform()
        wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "#vg-tooltip-element.visible img"))
        picture = browser.find_element(By.CSS_SELECTOR, "#vg-tooltip-element img")
        assert browser.execute_script("return arguments[0].naturalWidth", picture) == 3 * (TILE + 1)
        assert "d 10" in browser.find_element(By.ID, "vg-tooltip-element").text
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    finally:
        browser.quit()
