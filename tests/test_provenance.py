"""From any number of a table to its records, and from those to run, weights, code and command: `smis why`."""

import dataclasses
import json
import shutil
import sys

import pandas as pd
import pytest

from smislib import paths, presets, provenance, results, why
from smislib.claims import logic
from smislib.cli import main
from smislib.errors import SmisError

ROWS = ("mulnet", "vspade", "groupdnet")
FID, MOCD = "FID[embedded]", "mOCD[embedded]"


@pytest.fixture
def saved(tmp_path, monkeypatch, home):
    """A small Table 1 and a table of statements, made from a copy of the committed records; the folder of the copy."""
    folder = tmp_path / "records"
    for model in ROWS:
        for source in paths.COMMITTED_RECORDS.glob(f"mannequins-{model}-demo-s0-*"):
            shutil.copytree(source, folder / source.name)
    monkeypatch.setattr(paths, "COMMITTED_RECORDS", folder)
    monkeypatch.setattr(paths, "SHIPPED_RECORDS", tmp_path / "none")
    monkeypatch.setattr(provenance, "_noted", {})
    records = results.in_reading(results.read(folder), "masked")
    printed = {"columns": ["FID"], "rows": {"MulNet": [1.5]}, "confidence": "read twice"}
    table, caption = results.comparison(records, ROWS, {FID: "FID", MOCD: None, "Params": None}, printed)
    table["parts"] = ["1", "2", "3"]
    results.save_table(table, f"Table 1. {caption}", "table01_multimodality", "demo")
    cells = results.cells(records, ROWS, [FID])
    said = pd.DataFrame({"statement": ["VSPADE beats MulNet"], "found": [logic.found(cells, FID, "vspade", "mulnet")],
                         "verdict": ["not decidable"]})  # fmt: skip
    results.save_table(said, "Statements.", "table01_claims", "demo")
    return folder


def answer(*arguments: str) -> str:
    return "\n".join(why.why(*arguments))


def behind(home, name: str) -> dict:
    return json.loads((home / "figures" / f"{name}.records.json").read_text())


def test_every_number_that_comes_from_records_has_them_beside_its_table(saved, home):
    left = behind(home, "table01_multimodality")
    columns = ["FID ↓, reproduced as FID[embedded]", "mOCD[embedded] ↓, reproduced as mOCD[embedded]",
               "Params, reproduced as Params"]  # fmt: skip
    for number, model in enumerate(ROWS):
        assert list(left["cells"][str(number)]) == columns  # neither what the paper prints nor the counted parts
        for places in left["cells"][str(number)].values():
            assert [left["records"][place]["model"] for place in places] == [model]
    shown = behind(home, "table01_claims")
    assert [r["model"] for r in shown["records"]] == ["vspade", "mulnet"]
    assert shown["cells"] == {"0": {"found": [0, 1]}}


def test_numbers_that_are_printed_alike_are_told_apart_by_row_and_column(home, monkeypatch):
    monkeypatch.setattr(provenance, "_noted", {})

    def record(model: str, metric: str) -> results.Record:
        return results.Record(metric, 0.5, {}, model, "mannequins", "demo", 0, model, "w")

    records = [record(model, metric) for model in ("mulnet", "vspade") for metric in ("LPIPS", "mIoU")]
    cells = results.cells(records, ["mulnet", "vspade"], ["LPIPS", "mIoU"])
    models = {"MulNet": "mulnet", "VSPADE": "vspade"}
    table = pd.DataFrame({m: {title: str(cells[row, m]) for title, row in models.items()} for m in ("LPIPS", "mIoU")})
    results.save_table(table, "Alike.", "alike", "demo")
    left = behind(home, "alike")
    for number, model in enumerate(("mulnet", "vspade")):
        for column, places in left["cells"][str(number)].items():
            assert [(left["records"][p]["model"], left["records"][p]["metric"]) for p in places] == [(model, column)]


def test_a_number_inside_another_is_not_taken_for_it(monkeypatch):
    monkeypatch.setattr(provenance, "_noted", {})
    record = results.Record("FID", 1.5, {}, "mulnet", "mannequins", "demo", 0, "e", "w")
    provenance.note("1.5", [record])
    for text, found in (("1.5", 1), ("a 1.5 | b", 1), ("21.5", 0), ("1.55", 0), ("1.5 [1, 2]", 0), ("1.5 ± 1", 0), ("1.5%", 0)):
        assert len(provenance.behind(pd.DataFrame({"c": [text]}), str)["records"]) == found, text


def a_record(**changes) -> results.Record:
    whole = {"metric": "FID", "value": 0.5, "protocol": {}, "model": "mulnet", "data": "rooms", "preset": "demo", "seed": 0}
    return results.Record(**whole | {"experiment": "e", "weights": "w"} | changes)


def seen(table: pd.DataFrame) -> dict[str, list[dict]]:
    """Of each column of a table of one row, what stands behind it."""
    left = provenance.behind(table, str)
    cells = left["cells"].get("0", {})
    return {column: [left["records"][place] for place in places] for column, places in cells.items()}


def test_data_sets_tell_apart_what_is_printed_alike_and_so_does_the_share_of_records_that_fit(monkeypatch):
    monkeypatch.setattr(provenance, "_noted", {})
    for data in ("rooms", "streets"):
        provenance.note("0.5", [a_record(data=data)])
    for column, records in seen(pd.DataFrame({"rooms": ["0.5"], "streets": ["0.5"]})).items():
        assert [r["data"] for r in records] == [column]
    provenance.note("2.5", [a_record()])
    provenance.note("2.5", [a_record(model="vspade"), a_record(model="groupdnet")])  # several that fit half count less
    assert [r["model"] for r in seen(pd.DataFrame({"FID": ["2.5"]}, index=["mulnet"]))["FID"]] == ["mulnet"]


def test_a_text_of_several_numbers_has_the_records_of_each_once_in_its_order(monkeypatch):
    monkeypatch.setattr(provenance, "_noted", {})
    mulnet, vspade, spade = (a_record(model=model) for model in ("mulnet", "vspade", "spade"))
    noted = {"0.5 [0.4, 0.6]": [mulnet], "0.6": [vspade], "0.3": [mulnet, spade], "5": [spade], "–": []}
    for text, records in noted.items():
        provenance.note(text, records)
    for text, models in {
        "is 0.5 [0.4, 0.6]": ["mulnet"],  # 0.6 is its interval's
        "0.6 | 0.5 [0.4, 0.6]": ["vspade", "mulnet"],
        "0.5 [0.4, 0.6] | 0.3": ["mulnet", "spade"],
        "5 of": ["spade"],
        "5.5 of": [],
        "0.5 of": [],
        "–": [],
    }.items():
        assert [r["model"] for r in seen(pd.DataFrame({"c": [text]})).get("c", [])] == models, text


def test_what_was_noted_first_is_forgotten_first(monkeypatch):
    monkeypatch.setattr(provenance, "_noted", {})
    monkeypatch.setattr(provenance, "KEPT", 2)
    for text in ("1.5", "2.5", "3.5"):
        provenance.note(text, [a_record()])
    assert list(provenance._noted) == ["2.5", "3.5"]


def test_an_answer_has_record_run_experiment_weights_code_protocol_and_command(saved, home):
    said = answer(
        str(home / "figures" / "table01.csv"), "MulNet", "FID"
    )  # one of the two tables that begin so has that row and column
    (record,) = (r for r in results.read(saved) if (r.model, r.metric) == ("mulnet", FID))
    assert said.startswith("table01_multimodality: MulNet, FID ↓, reproduced as FID[embedded]: 18.5 [")
    run = presets.experiment("mulnet", "mannequins", "demo", 0).name
    for line in (
        f"{FID} of mulnet on mannequins, seed 0: {record.value:.6g}",
        f"{run}/quality-",
        f"  run         {run}: not in the store of this machine",
        f"config.txt: model mulnet, data mannequins, preset demo, seed 0, hash {record.experiment}",
        f"  weights     {record.weights}; the file is not here",
        f"  code        {record.versions['code']}; torch {record.versions['torch']}",
        f"  protocol    backbone: {record.protocol['backbone']}; ",
        f"  measured    {record.date}, {record.device}",
        "  again       smis train mulnet --data mannequins --preset demo --seed 0 --eval",
    ):
        assert line in said, line
    assert "\n  again       smis train vspade" in answer("table01_claims", "0", "found")
    assert answer("table01_claims", "VSPADE beats MulNet", "found") == answer("table01_claims", "0", "found")


def test_what_is_not_from_a_record_is_answered_too(saved):
    assert "no record stands behind this cell" in answer("table01_m", "MulNet", "parts")
    printed = answer("table01_m", "MulNet", "FID ↓, published")
    assert "1.5" in printed.splitlines()[0]


def test_the_source_of_what_a_paper_prints(home, monkeypatch):
    monkeypatch.setattr(provenance, "_noted", {})
    printed = results.published("pix2pix_1611.07004", "table_1")
    table = pd.DataFrame({"Class IOU ↑, published": ["0.17"]}, index=pd.Index(["L1+cGAN"], name="model"))
    results.save_table(table, "Printed.", "printed", "demo")
    said = answer("printed", "L1+cGAN", "class iou")
    assert "pix2pix_1611.07004, table_1" in said and f"Confidence: {printed['confidence']}." in said


def test_a_record_that_has_changed_or_is_gone_is_said_to_be(saved):
    (file,) = saved.glob("mannequins-mulnet-*/quality-*.json")
    body = json.loads(file.read_text())
    record = next(r for r in body if r["metric"] == FID)
    record["value"], record["versions"]["trained by"] = 99.0, "0f02243"
    file.write_text(json.dumps(body))
    said = answer("table01_m", "MulNet", "FID")
    assert "  changed     the record now says 99: the table is older" in said
    assert f"  code        {record['versions']['code']} measured it, 0f02243 trained it; torch" in said
    file.unlink()
    assert "  record      gone: neither" in answer("table01_m", "MulNet", "FID")


def test_a_table_from_before_says_that_it_has_no_provenance(saved, home):
    (home / "figures" / "table01_multimodality.records.json").unlink()
    with pytest.raises(SmisError, match=r"saved before tables left.*smis notebooks 05 --preset demo writes it again"):
        answer("table01_m", "MulNet", "FID")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("table02", "MulNet", "FID"), r"unknown table 'table02'. Did you mean 'table01_"),
        (("table01_m", "MulNte", "FID"), r"unknown row of table01_multimodality.csv 'MulNte'. Did you mean 'MulNet'\?"),
        (("table01_m", "MulNet", "FDI"), r"unknown column of table01_multimodality.csv 'FDI'"),
        (("table01_c", "VSPADE beats MulNte", "found"), r"Did you mean 'VSPADE beats MulNet'\?"),
        (("table01_m", "MulNet", "reproduced"), r"'reproduced' fits 3 columns"),
        (("table01", "MulNet", "nothing"), r"none of the tables table01_claims, table01_multimodality have a row 'MulNet'"),
    ],
)
def test_wrong_names_are_named_with_the_nearest(saved, arguments, message):
    with pytest.raises(SmisError, match=message):
        answer(*arguments)


def test_the_command_has_what_differs_from_the_preset_and_says_when_it_cannot_be_had_again():
    assert why.again(presets.experiment("groupdnet")) == "smis train groupdnet --data mannequins --preset demo --seed 0 --eval"
    changed = presets.experiment("groupdnet", seed=3, assignments={"train.steps": "7", "loss.kl": "0.5", "data.n_train": "null"})
    said = why.again(changed)
    assert said.startswith("smis train groupdnet --data mannequins --preset demo --seed 3 --set ")
    assert all(f"--set {part}" in said for part in ("train.steps=7", "loss.kl=0.5", "data.n_train=null"))
    assert said.endswith(" --eval")
    older = dataclasses.replace(changed, made_with=("renderer 0",))
    assert why.again(older).endswith("(with the code named above: what it trains on is another by now)")


def test_the_command_line_answers_and_ends_in_one_sentence_where_it_cannot(saved, monkeypatch, capsys):
    for arguments, status in ((["table01", "MulNet", "FID"], 0), (["table01_m", "MulNte", "FID"], 2)):
        monkeypatch.setattr(sys, "argv", ["smis", "why", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert ended.value.code == status
        assert ("again       smis train mulnet" in out, err.count("\n")) == ((True, 0) if status == 0 else (False, 1))
