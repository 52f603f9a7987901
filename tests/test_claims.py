"""Verdicts follow from the records: an interval on the right side decides, an overlap or a gap does not."""

import pytest

from smislib import claims
from smislib.errors import SmisError
from smislib.publish import fill
from smislib.results import Cell, Record


def cell(value, low=None, high=None):
    interval = None if low is None else (low, high)
    record = Record("FID", value, {}, "groupdnet", "mannequins", "smoke", 0, "experiment", "weights", interval)
    return Cell(value, (record,))


def table(**rows):
    return {tuple(key.split("__")): cell(*values) for key, values in rows.items()}


def test_an_estimate_is_above_a_bound_only_with_its_whole_interval():
    found = claims.Estimate(5.0, 4.0, 6.0)
    assert found.above(3.9) is True
    assert found.above(6.1) is False
    assert found.above(5.0) is None  # although the value equals the bound, the interval decides


def test_exceeds_compares_ends_of_intervals():
    cells = table(groupdnet__FID=(10, 9, 11), vspade__FID=(30, 28, 32), mulnet__FID=(11, 10, 12))
    assert claims.exceeds(cells, "FID", "vspade", "groupdnet", 2) is True  # 28 / 11 > 2
    assert claims.exceeds(cells, "FID", "vspade", "groupdnet", 3) is None  # between 28 / 11 and 32 / 9
    assert claims.exceeds(cells, "FID", "vspade", "groupdnet", 4) is False  # 32 / 9 < 4
    assert claims.exceeds(cells, "FID", "mulnet", "groupdnet") is None
    assert claims.exceeds(cells, "FID", "groupnet", "groupdnet") is None  # nobody measured it


@pytest.mark.parametrize(
    ("truths", "every", "some"),
    [
        ([True, True], True, True),
        ([True, None], None, True),
        ([False, None], False, None),
        ([False, False], False, False),
        ([None], None, None),
    ],
)
def test_kleene_logic(truths, every, some):
    assert claims.every(truths) is every
    assert claims.some(truths) is some


def test_verdicts_change_with_the_records():
    low, high = (0.01, 0.009, 0.011), (0.1, 0.09, 0.11)
    rows = dict.fromkeys(("mulnet", "groupnet", "groupenc", "groupdnet"), low) | dict.fromkeys(("groupdec", "vspade"), high)
    cells = {(model, "mOCD"): cell(*values) for model, values in rows.items()}
    place = next(i for i, (reading, _) in enumerate(claims.SMIS_TABLE_1) if reading.startswith("mOCD of both above"))
    assert claims.smis_table_1(cells)["verdict"].tolist()[place] == "reproduced"
    cells["vspade", "mOCD"] = cell(*low)
    assert claims.smis_table_1(cells)["verdict"].tolist()[place] == "not decidable"
    cells["vspade", "mOCD"] = cell(0.001, 0.0009, 0.0011)
    assert claims.smis_table_1(cells)["verdict"].tolist()[place] == "not reproduced"
    assert set(claims.smis_table_1({})["verdict"]) == {"not decidable"}


def test_the_readme_table_goes_between_its_marks_and_nowhere_else():
    text = "a\n<!-- t -->\nold\n<!-- /t -->\nb\n"
    assert fill(text, "t", "new") == "a\n<!-- t -->\nnew\n<!-- /t -->\nb\n"
    with pytest.raises(SmisError, match="<!-- other -->"):
        fill(text, "other", "new")
