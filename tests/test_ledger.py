"""The ledger: every claim is a sentence with a test, every verdict follows from records, another record is another verdict."""

import dataclasses
import json
import shutil
import warnings

import pandas as pd
import pytest

from smislib import papers, paths, presets, report, results
from smislib.claims import ledger, logic
from smislib.claims.logic import BETTER, LEVEL, VERDICTS, Claim, comparing
from smislib.claims.reasons import REASONS
from smislib.errors import SmisError
from smislib.models import MODELS
from smislib.results import Record

BETTER_FID = Claim("smis", "Table 1", "VSPADE has a better FID than DSCGAN", "mannequins",
                   *comparing(("vspade", BETTER, "dscgan"), metrics=("FID",)))  # fmt: skip


def fid(model, low, high, seed=0, **changes):
    r = Record("FID", (low + high) / 2, {"n": 9}, model, "mannequins", "demo", seed, f"{model}{seed}", "w", (low, high))
    return dataclasses.replace(r, **changes)


@pytest.fixture
def committed(tmp_path, monkeypatch, home):
    """A copy of the committed records of one training, in the place of all; and an empty store."""
    folder = tmp_path / "records"
    name = "mannequins-groupdnet-demo-s0-*"
    for source in paths.COMMITTED_RECORDS.glob(name):
        shutil.copytree(source, folder / source.name)
    monkeypatch.setattr(paths, "COMMITTED_RECORDS", folder)
    return folder


def test_there_are_45_claims_or_more_and_each_is_one_sentence_of_its_own():
    claims = ledger.claims()
    assert len(claims) >= 45
    sentences = [(c.paper, c.sentence) for c in claims]
    assert len(set(sentences)) == len(sentences)
    for c in claims:
        assert c.sentence[0].isupper() or c.sentence[0].isdigit() or c.sentence.startswith("[")
        assert c.sentence.endswith(".") and ". " not in c.sentence and "\n" not in c.sentence
        assert c.where and c.tested_as and c.paper in papers.CITED and c.data in presets.DATA_SPECS
    assert {c.paper for c in claims} == set(papers.CITED)


@pytest.mark.parametrize("claim", ledger.claims(), ids=lambda c: f"{c.paper}: {c.text[:40]}")
def test_without_a_record_no_claim_is_decided_and_all_that_it_looks_up_exists(claim):
    finding = ledger.check(claim, [], suffix="[embedded]")
    assert finding.verdict == "not decidable"
    assert finding.cells and not finding.measured and finding.seeds == "–"
    assert {model for model, _ in finding.cells} <= set(MODELS)
    planned = {(m, name) for part in papers.of("s3gan").values() for m, name in part}
    planned |= {(m, "mannequins") for m in (*presets.TABLE_1, *presets.table_3("demo"), *presets.table_3("paper"))}
    planned |= {(m, name) for m in presets.TABLE_2 for name in presets.STANDS_FOR}
    assert {(model, claim.data) for model, _ in finding.cells} <= planned  # `make reproduce` can decide it


def test_another_record_is_another_verdict():
    theirs = fid("dscgan", 30, 34)
    for (low, high), verdict in (((20, 24), "reproduced"), ((26, 32), "not decidable"), ((40, 44), "not reproduced")):
        finding = ledger.check(BETTER_FID, [fid("vspade", low, high), theirs])
        assert finding.verdict == verdict
        assert finding.found == f"FID: DSCGAN 32.0 [30.0, 34.0], VSPADE {(low + high) / 2:.1f} [{low:.1f}, {high:.1f}]"
    finding = ledger.check(BETTER_FID, [theirs])
    assert (finding.verdict, "VSPADE not run" in finding.found) == ("not decidable", True)
    without = ledger.check(BETTER_FID, [fid("vspade", 20, 24, interval=None), theirs])
    assert (without.verdict, "VSPADE 22.0 (no interval)" in without.found) == ("not decidable", True)


def test_seeds_are_counted_and_widen_the_interval():
    apart = [fid("vspade", 19, 21), fid("vspade", 31, 33, seed=1), fid("dscgan", 33, 35)]
    one = ledger.check(BETTER_FID, [apart[0], apart[2]])
    both = ledger.check(BETTER_FID, apart)
    assert (one.seeds, one.verdict) == ("1", "reproduced")
    assert (both.seeds, both.verdict) == ("1 to 2", "not decidable")


def test_a_training_that_diverged_widens_the_interval_and_not_below_what_can_be():
    runs = [fid("vspade", 19, 21), fid("vspade", 20, 22, seed=1), fid("vspade", 7000, 9000, seed=2)]
    low, high = logic.interval_of(runs)
    assert (low, high > 5000) == (0.0, True)
    with warnings.catch_warnings(action="error"):
        assert ledger.check(BETTER_FID, [*runs, fid("dscgan", 30, 34)]).verdict == "not decidable"
        assert ledger.check(BETTER_FID, [fid("vspade", 20, 24), *(dataclasses.replace(r, model="dscgan") for r in runs)]).verdict


def test_records_of_two_protocols_are_not_compared():
    other = fid("dscgan", 30, 34, protocol={"n": 10})
    with pytest.raises(SmisError, match="column FID would mix records of different protocol"):
        ledger.check(BETTER_FID, [fid("vspade", 20, 24), other])


def test_all_comparisons_and_all_metrics_of_a_claim_count():
    comparisons = ("vspade", BETTER, "dscgan"), ("vspade", LEVEL, "spade")
    claim = dataclasses.replace(BETTER_FID, test=comparing(*comparisons, metrics=["FID"])[1])
    good = [fid("vspade", 22, 23), fid("dscgan", 30, 34), fid("spade", 21.5, 23)]
    assert ledger.check(claim, good).verdict == "reproduced"
    assert ledger.check(claim, good[:2]).verdict == "not decidable"
    assert ledger.check(claim, [*good[:2], fid("spade", 26, 28)]).verdict == "not reproduced"


def test_it_reads_the_committed_records_and_a_changed_one_changes_the_verdict(committed):
    before = ledger.ledger("demo")
    control = next(f for f in before if f.claim.where == "section 1, Figure 1" and f.claim.paper == "smis")
    assert (control.verdict, control.seeds) == ("reproduced", "1")
    (file,) = committed.glob("*/diversity-*.json")
    body = json.loads(file.read_text())
    for r in body:
        if r["metric"] == "mCSD/mOCD[embedded]":
            r |= {"value": 0.5, "interval": [0.4, 0.6]}
    file.write_text(json.dumps(body))
    after = next(f for f in ledger.ledger("demo") if f.claim.text == control.claim.text)
    assert after.verdict == "not reproduced"
    assert "0.500 [0.400, 0.600]" in after.found
    file.unlink()
    assert next(f for f in ledger.ledger("demo") if f.claim.text == control.claim.text).verdict == "not decidable"


def test_at_a_preset_without_records_nothing_is_decided(committed):
    assert {f.verdict for f in ledger.ledger("smoke")} == {"not decidable"}


def test_the_summary_counts_and_takes_the_share_of_the_decided():
    yes, no = (ledger.check(BETTER_FID, [fid("vspade", *ends), fid("dscgan", 30, 34)]) for ends in ((20, 24), (40, 44)))
    open_ = ledger.check(BETTER_FID, [])
    summary = ledger.summary([yes, yes, no, open_])
    assert summary.loc["SMIS"].tolist() == [4, 2, 1, 1, "2 of 3 (67%)"]
    assert summary.loc["all"].tolist() == [4, 2, 1, 1, "2 of 3 (67%)"]
    assert summary.loc["OASIS"].tolist() == [0, 0, 0, 0, "–"]
    assert list(summary.columns[1:4]) == list(VERDICTS.values())


def test_it_is_saved_as_other_tables_are_with_a_page_by_paper(home):
    findings = [ledger.check(BETTER_FID, [fid("vspade", 20, 24), fid("dscgan", 30, 34)]), ledger.check(BETTER_FID, [])]
    names = [path.name for path in ledger.save(findings, "claims", "demo")]
    assert names == [f"{stem}.{suffix}" for stem in ("claims", "claims_by_paper") for suffix in ("csv", "md", "tex")]
    page = (home / "figures" / "claims.md").read_text()
    assert page.startswith("# The claims of the papers, preset demo\n\n2 claims, on records of 2 trainings.")
    assert all(f"## {short}" in page for short, _, _ in papers.CITED.values())
    rows = [line for line in page.splitlines() if line.startswith("| smis-0")]
    assert [row.split("|")[3].strip() for row in rows] == ["reproduced", "not decidable"]
    assert "22.0 [20.0, 24.0]" in rows[0] and "demo" in rows[0]
    assert (home / "figures" / "claims.records.json").exists()


def test_a_reason_is_shown_where_its_claim_fails_and_is_tested_on_records_too(committed, home, monkeypatch):
    """Met where records bear it out; "not known" where nobody has said why."""
    reason = Claim(
        "smis",
        "Table 1",
        "FID is no mCSD",
        "mannequins",
        "GroupDNet's FID above 1",
        lambda t, m: t["groupdnet", m("FID")].value > 1 if ("groupdnet", m("FID")) in t else None,
    )
    yes, no, other = (
        dataclasses.replace(ledger.check(BETTER_FID, [fid("vspade", *ends), fid("dscgan", 30, 34)]), claim=claim)
        for ends, claim in (((20, 24), BETTER_FID), ((40, 44), BETTER_FID), ((40, 44), ledger.claims()[0]))
    )
    monkeypatch.setattr(ledger, "REASONS", {(BETTER_FID.paper, BETTER_FID.text): reason})
    unmet = ledger.unmet([yes, no, other], "demo")
    assert list(unmet.index) == ["smis-02", "smis-03"]
    assert unmet["because"].tolist() == ["FID is no mCSD.", "not known"]
    assert unmet["outcome"].tolist() == ["met", "not decidable"]
    assert unmet["found"].iloc[0].startswith("FID[embedded]: GroupDNet ")
    names = [path.name for path in ledger.save([yes, no], "claims", "demo")]
    assert "claims_reasons.csv" in names
    assert "FID is no mCSD." in (home / "figures" / "claims.md").read_text().partition("## Not reproduced, and why")[2]
    monkeypatch.setattr(paths, "COMMITTED_RECORDS", home / "none")
    assert ledger.unmet([no], "demo")["outcome"].tolist() == ["not decidable"]


def test_each_reason_is_of_a_claim_and_looks_up_what_can_be_measured():
    claims = {(claim.paper, claim.text) for claim in ledger.claims()}
    assert set(REASONS) <= claims
    for reason in REASONS.values():
        finding = ledger.check(reason, [], suffix="[embedded]")
        assert finding.verdict == "not decidable"
        assert finding.cells or "no record" in reason.tested_as
        assert {model for model, _ in finding.cells} <= set(MODELS)
        assert reason.sentence.endswith(".") and ". " not in reason.sentence and "\n" not in reason.sentence


def test_of_every_claim_that_the_committed_records_do_not_bear_out_it_is_said_why(home):
    unmet = ledger.unmet(ledger.ledger("demo"), "demo")
    assert len(unmet) and not (unmet["because"] == "not known").any()
    assert not (unmet["outcome"] == "not met").any()  # a reason that the records contradict is none


def test_the_report_counts_the_ledger_where_there_is_one(home, tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    for name, line in (("05_t", 'results.save_table(t, "c", "table_claims", p)'), ("17_c", 'ledger.save(f, "claims", p)')):
        (tmp_path / "notebooks" / f"{name}.py").write_text(line + "\n")
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "notebooks")
    statements = pd.DataFrame({"statement": list("abc"), "verdict": ["reproduced"] * 3})
    results.save_table(statements, "Statements.", "table_claims", "demo")
    before = {chapter.key: chapter for chapter in report.collect("demo")}
    assert before["smis"].verdicts["reproduced"] == 3
    ledger.save([ledger.check(BETTER_FID, [])], "claims", "demo")
    after = {chapter.key: chapter for chapter in report.collect("demo")}
    assert after["smis"].verdicts == {"reproduced": 0, "not reproduced": 0, "not decidable": 1}
    assert [table.name for table in after[""].claims] == ["claims"]
