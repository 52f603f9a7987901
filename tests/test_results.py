"""Records and the tables that join them: nothing is mixed, nothing is guessed."""

import dataclasses
import json
import subprocess

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as configured
from hypothesis import strategies as st
from matplotlib.figure import Figure

from smislib import config, paths, presets, publish, results, runs, versions, viz
from smislib.errors import SmisError
from smislib.results import Cell, Record, cells, significant

PROTOCOL = {"backbone": "embedded", "n": 32, "m": 2}


def record(model: str = "groupdnet", value: float = 1.0, seed: int = 0, **changes) -> Record:
    values = dict(metric="FID[embedded]", value=value, protocol=PROTOCOL, model=model, data="mannequins", preset="smoke",
                  seed=seed, experiment=f"{model}{seed}", weights="w")  # fmt: skip
    return Record(**(values | changes))


def test_a_records_code_is_uncommitted_where_the_library_has_changes_alone(tmp_path, monkeypatch):
    def git(*command):
        author = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(["git", *author, *command], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    package = tmp_path / "smislib"
    package.mkdir()
    for name in ("smislib/a.py", "figure.csv", ".gitignore"):
        (tmp_path / name).write_text("*.pyc\n")
    git("init"), git("add", "."), git("commit", "-m", "all")
    monkeypatch.setattr(paths, "PACKAGE", package)
    commit = git("rev-parse", "--short", "HEAD")
    (tmp_path / "figure.csv").write_text("made again")
    (package / "a.pyc").touch()
    assert versions.code() == commit
    found = set()
    for changed in (package / "new.py", package / "a.py"):
        for text in "xy":
            changed.write_text(text)
            found.add(versions.code())
        git("stash", "--include-untracked")
    assert len(found) == 4 and all(v.startswith(f"{commit}+") and v.endswith(versions.UNCOMMITTED) for v in found)
    assert versions.code() == commit


def test_records_of_code_that_nobody_has_are_not_published(home, tmp_path, small, monkeypatch):
    committed = tmp_path / "committed"
    monkeypatch.setattr(paths, "COMMITTED_RECORDS", committed)
    monkeypatch.setattr(presets, "as_it_stands", lambda experiment: True)
    run = runs.open_run(small())
    run.weights.touch()
    results.write(run.records, [record(versions={"code": "0f02243", "trained by": "0f02243-dirty"})], "quality")
    with pytest.raises(SmisError, match=rf"{run.folder} was trained or measured by code with changes that are in no commit"):
        publish.publish("smoke")
    assert not committed.exists()
    results.write(run.records, [record(versions={"code": "0f02243"})], "quality")
    with pytest.raises(SmisError, match="was not executed"):  # the notebooks are what comes next
        publish.publish("smoke")
    assert (committed / run.experiment.name / "quality.json").exists()


# --- records ----------------------------------------------------------------------------------------------------------

numbers = st.floats(allow_nan=False)


@configured(max_examples=40)
@given(
    value=numbers,
    interval=st.none() | st.tuples(numbers, numbers),
    spread=st.none() | numbers,
    protocol=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=3)),
)
def test_a_record_survives_its_file(value, interval, spread, protocol, tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    written = [record(value=value, interval=interval, spread=spread, protocol=protocol), record("vspade")]
    results.write(folder, written, "quality")
    assert results.read(folder) == written


def test_a_damaged_file_of_records_is_named(tmp_path):
    faults = {"[{": "is not a file of records", "[1]": "is not a file of records", '[{"metrc": 1}]': "Did you mean 'metric'"}
    for text, part in faults.items():
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(SmisError, match=f"{tmp_path / 'a.json'}") as raised:
            results.read(tmp_path)
        assert part in str(raised.value)


def test_a_record_that_was_edited_is_named(tmp_path):
    results.write(tmp_path, [record(value=1.25)], "quality")
    path = tmp_path / "quality.json"
    path.write_text(path.read_text().replace("1.25", "1.5"))
    with pytest.raises(SmisError, match=rf"{path} is not a file of records \(damaged or edited: its check sum is \w+, not \w+"):
        results.read(tmp_path)


def test_a_caption_counts_images_and_pairs_of_codes(printed):
    records = [record(protocol={"n": 32}), record(metric="LPIPS[embedded]", protocol={"n": 16, "m": 2})]
    caption = results.comparison(records, ["groupdnet"], {"FID[embedded]": "FID", "LPIPS[embedded]": None}, printed)[1]
    assert "FID: over 32 images. LPIPS: over 16 label maps, 2 pairs of codes each. " in caption


def test_only_runs_of_the_preset_as_it_stands_enter_its_tables(home):
    """A run that `--set` changed keeps the preset's name, but not its values."""
    for changes in ({}, {"train.steps": "7"}):
        run = runs.open_run(presets.experiment("groupdnet", preset="smoke", assignments=changes))
        results.write(run.records, [record(experiment=run.experiment.hash)], "quality")
    (found,) = results.of_runs("mannequins", "smoke")
    assert found.experiment == presets.experiment("groupdnet", preset="smoke").hash
    assert results.of_runs("mannequins", "demo") == results.of_runs("photos", "smoke") == []


def test_committed_records_stand_in_for_experiments_that_this_machine_has_not_measured(home, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "COMMITTED_RECORDS", tmp_path / "committed")
    now = {seed: presets.experiment("groupdnet", preset="smoke", seed=seed).hash for seed in (0, 1)}
    kept = [record(value=2.0, experiment=now[0]), record(value=3.0, seed=1, experiment=now[1])]
    others = [record(value=4.0, experiment="of other values"), record("unheard_of"), record(value=5.0, data="rooms")]
    results.write(tmp_path / "committed", kept + others, "quality")
    found, said = results.with_committed([], "mannequins", "smoke")
    assert found == kept
    assert said == "Of 2 trainings 0 are in this run store, 2 are committed records of another machine's."
    mine = record(value=7.0, experiment=now[0])
    found, said = results.with_committed([mine], "mannequins", "smoke")
    assert found == [mine, kept[1]]  # the store's own, once
    assert "1 are in this run store, 1 are committed" in said


# --- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"protocol": PROTOCOL | {"n": 400}}, r"different protocol: .*differ in n \(32 \| 400\)"),
        ({"protocol": PROTOCOL | {"resize": "none"}}, r"differ in resize \(None \| none\)"),
        ({"preset": "demo"}, "different preset: .*mannequins/smoke and mannequins/demo"),
        ({"data": "photos"}, "different data: .*mannequins/smoke and photos/smoke"),
    ],
)
def test_a_column_that_would_mix_what_cannot_be_compared_is_refused(other, message):
    records = [record(), record("vspade", **other)]
    with pytest.raises(SmisError, match=message):
        cells(records, ["groupdnet", "vspade"], ["FID[embedded]"])
    assert len(cells(records, ["groupdnet"], ["FID[embedded]"])) == 1  # a model that is not asked for does no harm


def test_the_two_readings_of_mcsd_are_never_in_one_column():
    """They have one name: a table takes one reading, beside all that have none."""
    masked = record(metric="mCSD[embedded]", protocol=PROTOCOL | {"reading": "masked"})
    spatial = record(metric="mCSD[embedded]", protocol=PROTOCOL | {"reading": "spatial"}, value=9.0)
    with pytest.raises(SmisError, match=r"differ in reading \(masked \| spatial\)"):
        cells([masked, spatial], ["groupdnet"], ["mCSD[embedded]"])
    assert results.in_reading([masked, spatial, record()], "spatial") == [spatial, record()]
    assert cells(results.in_reading([masked, spatial], "masked"), ["groupdnet"], ["mCSD[embedded]"])
    plain = record(metric="mCSD[embedded]")  # e.g. the LPIPS of `diversity` beside that of `variation`
    assert results.in_reading([masked, plain, record()], "masked") == [masked, record()]
    assert results.in_reading([masked, plain, record()], "image") == [plain, record()]


def test_what_describes_the_model_may_differ():
    records = [record(protocol=PROTOCOL | {"counted": "G, E"}), record("vspade", protocol=PROTOCOL | {"counted": "G"})]
    assert len(cells(records, ["groupdnet", "vspade"], ["FID[embedded]"])) == 2


def test_two_records_of_one_seed_are_refused():
    records = [record(experiment="aa"), record(experiment="bb", value=2.0)]
    with pytest.raises(SmisError, match=r"several records of groupdnet with one seed \(experiments aa, bb\)"):
        cells(records, ["groupdnet"], ["FID[embedded]"])


def test_a_cell_is_the_mean_and_standard_deviation_over_seeds():
    records = [record(value=v, seed=i) for i, v in enumerate((1.0, 2.0, 6.0))]
    cell = cells(records, ["groupdnet"], ["FID[embedded]"])["groupdnet", "FID[embedded]"]
    assert (cell.value, cell.seeds) == (3.0, 3)
    sd = 7**0.5  # of 1, 2, 6 with n - 1
    assert cell.interval == pytest.approx((3 - sd, 3 + sd))
    assert str(cell) == "3.00 ± 2.6"


def test_a_cell_of_one_seed_shows_the_interval_of_its_measurement():
    assert str(Cell(1.5, (record(interval=(1.25, 2.0)),))) == "1.50 [1.25, 2.00]"
    assert str(Cell(1.5, (record(),))) == "1.50"


# --- numbers as text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.012345, "0.0123"),
        (0.1, "0.100"),
        (1.0, "1.00"),
        (12.345, "12.3"),
        (123.45, "123"),
        (-2.5, "-2.50"),
        (12345.6, "12346"),
        (96_324_451, "96.3 M"),
        (0.0000012, "1.20e-06"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
    ],
)
def test_three_significant_digits(value, text):
    assert significant(value) == text


@configured(max_examples=100)
@given(value=st.floats(1e-4, 1e5, exclude_max=True), digits=st.integers(2, 5))
def test_significant_digits_are_right_to_half_a_unit(value, digits):
    assert abs(float(significant(value, digits)) - value) <= 0.5 * 10.0 ** -(digits - 1) * value * 10


# --- published | reproduced -------------------------------------------------------------------------------------------


@pytest.fixture
def printed(tmp_path, monkeypatch):
    table = {"columns": ["FID", "LPIPS"], "rows": {"GroupDNet": [9.5, None]}, "source": "table 1", "confidence": "read twice"}
    path = tmp_path / "published.json"
    path.write_text(json.dumps({"smis": {"table1": table}}))
    monkeypatch.setattr(paths, "PUBLISHED", path)
    return results.published("smis", "table1")


def test_what_no_source_gives_is_not_available(printed):
    assert results.published_cell(printed, "GroupDNet", "FID") == "9.5"
    assert results.published_cell(printed, "GroupDNet", "LPIPS") == "not available"
    assert results.published_cell(printed, "VSPADE", "FID") == "not available"
    printed["rows"]["VSPADE"] = [0.0, 0]
    zeros = [results.published_cell(printed, "VSPADE", name) for name in printed["columns"]]
    assert zeros == ["0.0", "0"]  # printed, so not missing


def test_a_last_zero_that_a_paper_prints_is_not_lost(printed):
    printed["rows"] |= {"pix2pix": [0.25, 1], "U-Net": [0.3, "0.20"]}
    assert [results.published_cell(printed, row, "FID") for row in printed["rows"]] == ["9.50", "0.25", "0.30"]
    assert [results.published_cell(printed, row, "LPIPS") for row in printed["rows"]] == ["not available", "1", "0.20"]


def test_a_table_says_what_is_published_what_is_reproduced_and_how(printed):
    records = [record(value=20.0, interval=(18.0, 22.0)), record("vspade", 30.0)]
    columns = {"FID[embedded]": "FID", "LPIPS[embedded]": "LPIPS", "Params": None}
    table, caption = results.comparison(records, ["groupdnet", "vspade"], columns, printed)
    assert table["FID ↓"].values.tolist() == [["9.5", "20.0 [18.0, 22.0]"], ["not available", "30.0"]]
    assert table["LPIPS ↑"].values.tolist() == [["not available", "not run"], ["not available", "not run"]]
    assert list(table["Params"].columns) == ["reproduced as Params"]
    assert list(table.index) == ["GroupDNet", "VSPADE"]
    for part in ("preset smoke", "data mannequins", "1 seed(s) (0)", "not the papers' metrics", "read twice"):
        assert part in caption


def test_a_model_without_a_code_has_a_dash_where_codes_are_drawn(printed):
    columns = {"LPIPS[embedded]": None, "mCSD/mOCD[embedded]": None, "FID[embedded]": None}
    table, _ = results.comparison([record()], ["groupdnet", "spade", "dscgan"], columns, printed)
    assert table.loc["SPADE"].tolist() == ["–", "–", "not run"]
    assert table.loc["DSCGAN"].tolist() == ["not run"] * 3


def test_the_human_study_is_a_column_of_records_or_no_study(printed):
    table, _ = results.comparison([record(metric="SHE", value=70.0)], ["groupdnet", "vspade"], {"SHE": None}, printed)
    assert table["SHE ↑", "reproduced as SHE"].tolist() == ["70.0", "no study"]


def test_a_caption_says_what_its_bars_are(printed):
    def cell(*seeds, model="groupdnet"):
        return [dataclasses.replace(record(value=20.0 + n), model=model, seed=n, interval=(18.0, 23.0)) for n in seeds]

    def of(*records):
        return results.cells(records, ["groupdnet", "vspade"], ["FID[embedded]"]).values()

    one, three = cell(0), cell(0, 1, 2, model="vspade")
    assert results.bars(of(*one)) == "95 % over test images, seed 0"
    assert results.bars(of(*three)) == "sd over seeds 0, 1, 2"
    assert results.bars(of(*one, *three)) == "sd over seeds 0, 1, 2, of one seed 95 % over test images"
    caption = results.comparison([*one, *three], ["groupdnet", "vspade"], {"FID[embedded]": "FID"}, printed)[1]
    assert "3 seed(s) (0, 1, 2); mean ± sd over seeds, brackets where a row has one seed: 95 %" in caption


def test_a_table_of_statements_says_of_which_seeds_its_brackets_are():
    def of(*seeds):
        records = [dataclasses.replace(record(value=20.0 + n), seed=n, interval=(18.0, 23.0)) for n in seeds]
        return results.cells(records, ["groupdnet"], ["FID[embedded]"]).values()

    assert results.brackets(of(1)) == "Seed 1; brackets: 95 % interval over test images."
    assert results.brackets(of(2, 0, 1)) == "Seeds 0, 1, 2; brackets: 95 % interval over seeds and test images."
    assert results.brackets(of()) == "No records."


def test_rounded_numbers_of_a_column_have_as_many_decimals_each(home):
    table = pd.DataFrame({"k": [6, 12], "NMI": [0.052, 0.15], "whole": [2.0, 3.0], "raw": [1 / 3, 0.5], "text": ["0.5", "1"]})
    written, *_ = results.save_table(table.set_index("k"), "c.", "table01", "smoke")
    assert written.read_text().splitlines()[2:] == [f"6,0.052,2.0,{1 / 3},0.5", "12,0.150,3.0,0.5,1"]
    assert results.save_table(table.iloc[:0], "c.", "table02", "smoke")[0].read_text().splitlines()[1] == ",k,NMI,whole,raw,text"


def test_a_table_is_written_three_ways_with_its_caption(printed, home):
    table, caption = results.comparison([record(value=20.0)], ["groupdnet"], {"FID[embedded]": "FID"}, printed)
    written = results.save_table(table, caption, "table01", "smoke")
    assert [path.relative_to(home).as_posix() for path in written] == [f"figures/smoke/table01.{s}" for s in ("csv", "md", "tex")]
    for path in written:
        text = path.read_text()
        assert all(part in text for part in ("20.0", "9.5", "preset smoke"))
    header, _, row, *_ = written[1].read_text().splitlines()
    columns = ["model", "FID ↓, published", "FID ↓, reproduced as FID[embedded]"]
    assert [cell.strip() for cell in header.split("|")[1:-1]] == columns
    assert [cell.strip() for cell in row.split("|")[1:-1]] == ["GroupDNet", "9.5", "20.0"]


def test_the_hash_of_a_protocol_ignores_order_and_sees_every_value():
    a, b = record(protocol={"x": 1, "y": [2]}), record(protocol={"y": [2], "x": 1})
    assert a.protocol_hash == b.protocol_hash
    assert a.protocol_hash != dataclasses.replace(a, protocol={"x": 1, "y": [3]}).protocol_hash
    assert config.from_dict(Record, config.to_dict(a)) == a


# --- figures of records -----------------------------------------------------------------------------------------------


def test_dots_have_the_interval_of_each_axis_along_it_and_lines_of_equal_ratio():
    def cell(value: float, low: float, high: float) -> Cell:
        return Cell(value, (Record("m", value, {}, "a", "rooms", "demo", 0, "e", "w", interval=(low, high)),))

    ax = viz.dots({"a": (cell(1, 0.5, 4), cell(10, 9, 30))}, Figure().add_subplot(), ratios=(0.1,))
    along_x, along_y = (bars.get_segments()[0].tolist() for bars in ax.containers[0][2])
    assert (along_x, along_y) == ([[0.5, 10], [4, 10]], [[1, 9], [1, 30]])
    x, y = ax.lines[-1].get_data()
    assert [a / b for a, b in zip(x, y, strict=True)] == pytest.approx([0.1, 0.1])


def test_a_smoothed_curve_is_the_mean_of_the_entries_up_to_each_step():
    ax = viz.curves([{"step": s, "a": float(s)} for s in range(1, 8)], ["a"], smooth=3, ax=Figure().add_subplot())
    steps, means = ax.lines[0].get_data()
    assert list(steps) == [3, 4, 5, 6, 7] and list(means) == pytest.approx([2, 3, 4, 5, 6])
