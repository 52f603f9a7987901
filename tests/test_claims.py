"""Verdicts follow from the records: an interval on the right side decides, an overlap or a gap does not."""

import numpy as np
import pytest

from smislib.claims import logic, oasis, smis
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
    found = logic.Estimate(5.0, 4.0, 6.0)
    assert found.above(3.9) is True
    assert found.above(6.1) is False
    assert found.above(5.0) is None  # although the value equals the bound, the interval decides


def test_exceeds_compares_the_interval_of_the_quotient():
    cells = table(groupdnet__FID=(10, 9, 11), vspade__FID=(30, 28, 32), mulnet__FID=(11, 10, 12))
    found = logic.quotient(cells, "FID", "vspade", "groupdnet")
    assert found.value == 3
    for end in (found.low, found.high):  # Fieller: where vspade - end * groupdnet is half its interval from 0
        assert abs(30 - end * 10) == pytest.approx((2**2 + end**2 * 1**2) ** 0.5, rel=1e-6)
    assert logic.exceeds(cells, "FID", "vspade", "groupdnet", 2.6) is True
    assert logic.exceeds(cells, "FID", "vspade", "groupdnet", 3) is None
    assert logic.exceeds(cells, "FID", "vspade", "groupdnet", 3.5) is False
    assert logic.exceeds(cells, "FID", "mulnet", "groupdnet") is None
    assert logic.exceeds(cells, "FID", "groupnet", "groupdnet") is None  # nobody measured it


def test_a_quotient_by_what_may_be_zero_has_no_upper_end():
    cells = table(groupdnet__FID=(1, 0.0, 2.0), vspade__FID=(30, 28, 32), mulnet__FID=(0, 0, 0))
    found = logic.quotient(cells, "FID", "vspade", "groupdnet")
    assert (found.low > 10, found.high) == (True, float("inf"))
    assert logic.exceeds(cells, "FID", "groupdnet", "vspade") is False
    assert logic.exceeds(cells, "FID", "vspade", "mulnet") is True  # which is zero for sure
    assert logic.exceeds(cells, "FID", "mulnet", "mulnet") is None


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
    assert logic.every(truths) is every
    assert logic.some(truths) is some


def test_verdicts_change_with_the_records():
    low, high = (0.01, 0.009, 0.011), (0.1, 0.09, 0.11)
    rows = dict.fromkeys(("mulnet", "groupnet", "groupenc", "groupdnet"), low) | dict.fromkeys(("groupdec", "vspade"), high)
    cells = {(model, "mOCD"): cell(*values) for model, values in rows.items()}
    place = next(i for i, (reading, _) in enumerate(smis.TABLE_1) if reading.startswith("mOCD of both above"))
    assert smis.table_1(cells)["verdict"].tolist()[place] == "reproduced"
    cells["vspade", "mOCD"] = cell(*low)
    assert smis.table_1(cells)["verdict"].tolist()[place] == "not decidable"
    cells["vspade", "mOCD"] = cell(0.001, 0.0009, 0.0011)
    assert smis.table_1(cells)["verdict"].tolist()[place] == "not reproduced"
    assert set(smis.table_1({})["verdict"]) == {"not decidable"}


def test_the_readme_table_goes_between_its_marks_and_nowhere_else():
    text = "a\n<!-- t -->\nold\n<!-- /t -->\nb\n"
    assert fill(text, "t", "new") == "a\n<!-- t -->\nnew\n<!-- /t -->\nb\n"
    with pytest.raises(SmisError, match="<!-- other -->"):
        fill(text, "other", "new")


def seeds(*values, half=None):
    """A cell of several seeds of one model; each with the interval value ± half, or without one."""
    interval = [None if half is None else (v - half, v + half) for v in values]
    made = tuple(
        Record("FID", v, {}, "groupdnet", "mannequins", "smoke", seed, f"e{seed}", "w", interval[seed])
        for seed, v in enumerate(values)
    )
    return Cell(sum(values) / len(values), made)


def test_the_interval_of_one_seed_is_over_images_and_of_several_over_seeds_and_images():
    assert logic.interval_of(seeds(10.0, half=2.0).records) == (8.0, 12.0)
    assert logic.interval_of(seeds(10.0).records) is None
    three = logic.interval_of(seeds(9.0, 10.0, 11.0).records)
    assert three == pytest.approx((10 - 4.303 / 3**0.5, 10 + 4.303 / 3**0.5), abs=1e-3)  # Student's t, 2 degrees of freedom
    assert logic.interval_of(seeds(10.0, 10.0, half=2.0).records) == pytest.approx((8, 12))  # the same images for each seed
    both = logic.interval_of(seeds(9.0, 10.0, 11.0, half=2.0).records)
    assert both[0] < three[0] and both[1] > three[1]
    many = logic.interval_of(seeds(*([9.0, 10.0, 11.0] * 4)).records)
    assert many[1] - many[0] < (three[1] - three[0]) / 3  # more seeds, less doubt


@pytest.mark.parametrize(("n_a", "n_b"), [(3, 3), (3, 1), (1, 1)])
def test_intervals_have_the_value_and_differences_are_found_where_there_are_none_as_often_as_they_say(n_a, n_b):
    """Trainings of one model, their noise as large as that of images: 95 % of intervals, and at most 5 % (plus chance) wrong."""
    rng, trials, held, differ = np.random.default_rng(0), 600, 0, 0
    for _ in range(trials):
        noise = 0 if 1 in (n_a, n_b) else 1  # of one training nothing tells how another goes: images alone
        a, b = (seeds(*(100 + rng.normal(0, 1) + noise * rng.normal(0, 2, n)), half=1.96) for n in (n_a, n_b))
        low, high = logic.interval_of(a.records)
        held += low <= 100 <= high
        differ += logic.exceeds({("a", "FID"): a, ("b", "FID"): b}, "FID", "a", "b") is not None
    assert held / trials > 0.93
    assert differ / trials < 0.07


def test_better_follows_the_direction_of_its_metric():
    cells = table(
        spade__FID=(10, 9, 11), groupdnet__FID=(30, 28, 32), spade__mIoU=(0.8, 0.79, 0.81), groupdnet__mIoU=(0.5, 0.4, 0.6)
    )
    assert logic.better(cells, "FID", "spade", "groupdnet") is True
    assert logic.better(cells, "mIoU", "spade", "groupdnet") is True
    assert logic.better(cells, "mIoU", "groupdnet", "spade") is False


def test_far_better_is_better_by_half_of_the_value():
    cells = table(
        spade__FID=(10, 9.9, 10.1), groupdnet__FID=(14, 13.9, 14.1), vspade__FID=(16, 15.9, 16.1),
        spade__mIoU=(0.8, 0.79, 0.81), groupdnet__mIoU=(0.6, 0.59, 0.61), vspade__mIoU=(0.5, 0.49, 0.51),
    )  # fmt: skip
    for metric in ("FID", "mIoU"):
        for other, far in (("groupdnet", False), ("vspade", True)):
            assert logic.RELATIONS[logic.BETTER](cells, metric, "spade", other) is True
            assert logic.RELATIONS[logic.FAR_BETTER](cells, metric, "spade", other) is far
            assert logic.RELATIONS[logic.FAR_BETTER](cells, metric, other, "spade") is False


def test_an_interval_ends_at_zero_unless_a_value_is_below():
    assert logic.interval_of(seeds(0.1, 3.0).records)[0] == 0
    assert logic.interval_of(seeds(-0.1, 3.0).records)[0] == -0.1  # KID, which is unbiased


def test_an_interval_that_touches_a_bound_does_not_decide():
    found = logic.Estimate(5.0, 4.0, 6.0)
    assert found.above(4.0) is None is found.above(6.0)


def test_a_quotient_has_the_degrees_of_freedom_of_both_means():
    """Three seeds of one spread each: t of 4 degrees of freedom, not of 2."""
    cells = {("spade", "FID"): seeds(99.0, 100.0, 101.0), ("vspade", "FID"): seeds(199.0, 200.0, 201.0)}
    found, t = logic.quotient(cells, "FID", "vspade", "spade"), 2.7764
    for end in (found.low, found.high):
        assert abs(200 - end * 100) == pytest.approx(t * ((1 + end**2) / 3) ** 0.5, rel=1e-4)


@pytest.mark.parametrize(
    ("spade", "groupdnet", "no_worse", "level"),
    [
        ((10, 9.9, 10.1), (10.2, 10.0, 10.4), True, True),
        ((10, 9.9, 10.1), (5, 4.9, 5.1), True, False),
        ((10, 9.9, 10.1), (10.3, 10.2, 10.4), True, True),  # decided, but by less than counts
        ((10, 9.9, 10.1), (11.3, 11.2, 11.4), False, False),
        ((10, 9.999, 10.001), (11.05, 11.049, 11.051), False, False),  # a tenth of the better value, not of the worse
        ((10, 9.9, 10.1), (10.7, 10.2, 11.2), None, None),  # more than a tenth may be missing
        ((10, 9, 11), (10, 7.5, 12.5), None, None),  # wide intervals make nothing alike
        ((10, 9, 11), (8, 6.5, 9.5), True, None),
    ],
)
def test_no_worse_and_level_are_decided_by_intervals_and_a_margin(spade, groupdnet, no_worse, level):
    cells = table(spade__FID=spade, groupdnet__FID=groupdnet)
    assert logic.no_worse(cells, "FID", "groupdnet", "spade") is no_worse
    assert logic.level(cells, "FID", "groupdnet", "spade") is level is logic.level(cells, "FID", "spade", "groupdnet")
    assert logic.level(table(spade__FID=spade), "FID", "spade", "groupdnet") is None
    upward = table(
        spade__mIoU=tuple(1 / x for x in (spade[0], *spade[:0:-1])),
        groupdnet__mIoU=tuple(1 / x for x in (groupdnet[0], *groupdnet[:0:-1])),
    )
    assert logic.no_worse(upward, "mIoU", "groupdnet", "spade") is no_worse


def test_table_2_asks_of_each_data_set_what_the_paper_says_of_it():
    good, bad = (0.8, 0.79, 0.81), (0.5, 0.49, 0.51)
    values = dict.fromkeys(("spade", "groupdnet"), good) | dict.fromkeys(("bicyclegan", "dscgan", "pix2pixhd"), bad)
    cells = {(model, "mIoU"): cell(*value) for model, value in values.items()}
    found = smis.table_2({"mannequins": cells, "rooms": cells}).query("metric == 'mIoU'").set_index(["data", "statement"])
    assert found.loc[("mannequins", "GroupDNet level with SPADE"), "verdict"] == "reproduced"
    assert found.loc[("mannequins", "SPADE better than DSCGAN"), "verdict"] == "reproduced"
    assert found.loc[("rooms", "SPADE better than GroupDNet"), "verdict"] == "not decidable"  # the paper has it below there
    assert found.loc[("rooms", "GroupDNet better than pix2pixHD"), "verdict"] == "reproduced"
    assert set(smis.table_2({"streets": {}})["verdict"]) == {"not decidable"}


def test_table_3_compares_the_row_that_lacks_a_part_with_the_one_that_has_it():
    high, low = (20, 19, 21), (10, 9, 11)
    found = smis.table_3(table(groupdnet_whole__FID=high, groupdnet__FID=low)).set_index(["row", "metric"])
    assert found.loc[("w/o split input", "FID"), "verdict"] == "reproduced"
    maps = "w/o encoder-produced mean/var maps", "FID"
    at_paper = table(groupdnet_vector__FID=high, groupdnet__FID=low)
    assert smis.table_3(at_paper).set_index(["row", "metric"]).loc[maps, "verdict"] == "reproduced"
    at_demo = table(groupdnet_maps__FID=low, groupdnet__FID=high)  # there GroupDNet is the one without
    assert smis.table_3(at_demo).set_index(["row", "metric"]).loc[maps, "verdict"] == "reproduced"


def test_without_spectral_norm_more_than_half_of_mocd_is_to_come_on_top():
    for value, verdict in (((20, 19, 21), "reproduced"), ((12, 11.5, 12.5), "not reproduced"), ((15, 14, 16), "not decidable")):
        found = smis.table_3(table(groupdnet_free__mOCD=value, groupdnet__mOCD=(10, 9.9, 10.1))).set_index(["row", "metric"])
        assert found.loc[("w/o SpecNorm", "mOCD"), ["paper says", "verdict"]].tolist() == ["far higher", verdict]


def test_most_metrics_are_more_than_half_of_them():
    worse = {f"groupdnet_unsynced__{m}": (20, 19, 21) for m in ("FID", "mOCD", "mCSD")}
    reference = {f"groupdnet__{m}": (10, 9, 11) for m in ("FID", "mOCD", "mCSD")}
    most = ("w/o SyncBN", "most of these")

    def verdict(**rows):
        return smis.table_3(table(**rows)).set_index(["row", "metric"]).loc[most, "verdict"]

    assert verdict(**worse, **reference) == "not decidable"  # FID, mOCD worse, mCSD better, LPIPS unknown
    lower = {"groupdnet_unsynced__mCSD": (5, 4, 6)}
    assert verdict(**(worse | lower), **reference) == "reproduced"
    better = {f"groupdnet_unsynced__{m}": (5, 4, 6) for m in ("FID", "mOCD")}
    assert verdict(**(worse | better), **reference) == "not reproduced"


def test_oasis_is_no_worse_where_it_is_better_or_little_can_be_missing():
    cells = table(
        oasis__FID=(20, 19.9, 20.1), oasis_perceptual__FID=(21, 19.9, 23), oasis__mIoU=(0.5, 0.48, 0.52),
        oasis_perceptual__mIoU=(0.4, 0.38, 0.42), oasis__LPIPS=(0.3, 0.2, 0.4), oasis_perceptual__LPIPS=(0.1, 0.05, 0.15),
    )  # fmt: skip
    verdicts = oasis.statements(cells).set_index("statement")
    assert verdicts.verdict["OASIS does not need the perceptual loss"] == "reproduced"
    assert verdicts.verdict["The perceptual loss costs diversity"] == "reproduced"
    more = "OASIS is more diverse than SPADE with a VAE"
    assert verdicts.verdict[more] == "not decidable"
    assert "0.300 [0.200, 0.400] | not run (SPADE with VAE)" in verdicts.found[more]
    control = oasis.class_control(table(groupdnet__mCSD=(0.04, 0.03, 0.05), oasis__mCSD=(0.01, 0.01, 0.01)))
    assert control.iloc[0].tolist() == ["mCSD", "4.00 [3.00, 5.00]", "higher"]
    assert set(control["GroupDNet is"][1:]) == {"not decidable"}
