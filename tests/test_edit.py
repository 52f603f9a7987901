"""Edits of label maps: what they change and what they leave, instances that come along, errors that say what is missing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smislib import data, presets
from smislib.data import edit, rooms, streets
from smislib.data.street_appearance import CAR, PERSON, ROAD, SIDEWALK
from smislib.errors import SmisError

GROUND, THING, FRONT, FREE = 0, 1, 2, 3  # classes of the small maps; FREE occurs in none


@st.composite
def scenes(draw):
    """A random object of class THING on GROUND: (sample, its region, a step (dy, dx) that keeps it in the frame)."""
    H, W = draw(st.integers(6, 14)), draw(st.integers(6, 14))
    h, w = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    top, left = draw(st.integers(0, H - h)), draw(st.integers(0, W - w))
    mask = torch.zeros(H, W, dtype=torch.bool)
    seed = draw(st.integers(0, 999))
    mask[top : top + h, left : left + w] = torch.rand(h, w, generator=torch.Generator().manual_seed(seed)) < 0.7
    mask[top, left] = mask[top + h - 1, left + w - 1] = True  # the box is h x w
    dy, dx = draw(st.integers(-top, H - h - top)), draw(st.integers(-left, W - w - left))
    label_map = torch.where(mask, THING, GROUND)
    instance_map = torch.where(mask, 1000 * THING + 4, GROUND)
    return {"label_map": label_map, "instance_map": instance_map, "name": "scene"}, mask, (dy, dx)


def shifted(mask: torch.Tensor, dy: int, dx: int) -> torch.Tensor:
    return mask.roll((dy, dx), (0, 1))  # nothing wraps around: the steps of `scenes` stay in the frame


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a if key.endswith("map"))


# --- moving -----------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(scenes())
def test_a_moved_object_keeps_its_shape_and_leaves_what_was_told(scene):
    sample, mask, (dy, dx) = scene
    before = {key: value.clone() for key, value in sample.items() if key.endswith("map")}
    moved = edit.move(sample, mask, dy, dx, fill=[GROUND])
    target = shifted(mask, dy, dx)
    assert torch.equal(moved["label_map"] == THING, target)
    assert torch.equal(moved["instance_map"] != GROUND, target)  # the instance came along
    assert (moved["instance_map"][target] // 1000 == THING).all() and moved["instance_map"][target].unique().numel() == 1
    assert moved["label_map"].sum() == sample["label_map"].sum()  # of classes 0 and 1: as many pixels of each
    assert all(torch.equal(sample[key], before[key]) for key in before) and moved["name"] == "scene"


@settings(max_examples=25)
@given(scenes())
def test_there_and_back_is_the_identity_where_nothing_was_covered(scene):
    sample, mask, (dy, dx) = scene
    there = edit.move(sample, mask, dy, dx, fill=[GROUND])
    back = edit.move(there, shifted(mask, dy, dx), -dy, -dx, fill=edit.NEAREST)
    assert torch.equal(back["label_map"], sample["label_map"])
    assert torch.equal(back["instance_map"] == GROUND, sample["instance_map"] == GROUND)


@settings(max_examples=25)
@given(scenes(), st.integers(0, 999))
def test_outside_old_and_new_place_nothing_changes(scene, seed):
    sample, mask, (dy, dx) = scene
    noise = torch.randint(5, 9, mask.shape, generator=torch.Generator().manual_seed(seed))  # any other ground
    sample = {key: torch.where(mask, sample[key], noise) for key in ("label_map", "instance_map")}
    moved = edit.move(sample, mask, dy, dx, fill=edit.NEAREST)
    changed = (moved["label_map"] != sample["label_map"]) | (moved["instance_map"] != sample["instance_map"])
    assert not (changed & ~mask & ~shifted(mask, dy, dx)).any()


def test_what_is_in_front_stays_in_front():
    sample = {"label_map": torch.tensor([[THING, GROUND, FRONT, GROUND, GROUND]])}
    wide = edit.cut({"label_map": torch.full((1, 3), THING)}, torch.ones(1, 3, dtype=torch.bool))
    put = edit.insert(sample, wide, foot=(0, 3), behind=[FRONT])
    assert put["label_map"].tolist() == [[THING, GROUND, FRONT, THING, THING]]
    assert edit.insert(sample, wide, foot=(0, 3))["label_map"].tolist() == [[THING, GROUND, THING, THING, THING]]


# --- filling ----------------------------------------------------------------------------------------------------------


def test_a_hole_is_filled_by_the_nearest_pixel_that_may_flow_in():
    sample = {"label_map": torch.tensor([[5, 5, 1, 1, 1, 2, 7, 7]])}
    hole = edit.region(sample, 1)
    assert edit.remove(sample, hole, fill=edit.NEAREST)["label_map"].tolist() == [[5, 5, 5, 5, 2, 2, 7, 7]]
    assert edit.remove(sample, hole, fill=[5, 7])["label_map"].tolist() == [[5, 5, 5, 5, 7, 2, 7, 7]]
    assert edit.remove(sample, hole, fill=[7])["label_map"].tolist() == [[5, 5, 7, 7, 7, 2, 7, 7]]


def test_a_named_fill_that_is_not_there_is_an_error():
    sample = {"label_map": torch.tensor([[0, 1, 1]]), "name": "test/3"}
    with pytest.raises(SmisError, match=r"'test/3': outside the region there is no pixel of \[3\]"):
        edit.remove(sample, edit.region(sample, THING), fill=[FREE])
    with pytest.raises(SmisError, match="no pixel of nearest"):
        edit.remove(sample, torch.ones(1, 3, dtype=torch.bool), fill=edit.NEAREST)


@settings(max_examples=25)
@given(scenes())
def test_removed_is_gone(scene):
    sample, mask, _ = scene
    emptied = edit.remove(sample, mask, fill=edit.NEAREST)
    assert not (emptied["label_map"] == THING).any() and not (emptied["instance_map"] >= 1000).any()


# --- shapes -----------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(scenes())
def test_a_shape_put_back_where_it_was_cut_changes_no_class(scene):
    sample, mask, _ = scene
    shape = edit.cut(sample, mask)
    assert torch.equal(edit.insert(sample, shape)["label_map"], sample["label_map"])
    assert torch.equal(edit.swap(sample, mask, shape, fill=[GROUND])["label_map"], sample["label_map"])
    twice = shape.mirrored().mirrored()
    assert torch.equal(twice.mask, shape.mask) and torch.equal(twice.label_map, shape.label_map) and twice.foot == shape.foot
    doubled = shape.scaled(2)
    assert doubled.mask.sum() == 4 * shape.mask.sum() and torch.equal(doubled.scaled(0.5).mask, shape.mask)


def test_a_swapped_object_stands_on_the_same_foot():
    sample = {"label_map": torch.zeros(6, 9, dtype=torch.long)}
    sample["label_map"][3:5, 3:6] = THING
    tall = edit.Shape(torch.full((4, 1), FRONT), torch.ones(4, 1, dtype=torch.bool), foot=(0, 0))
    swapped = edit.swap(sample, edit.region(sample, THING), tall, fill=[GROUND])["label_map"]
    assert (swapped == FRONT).nonzero().tolist() == [[1, 4], [2, 4], [3, 4], [4, 4]] and not (swapped == THING).any()


def test_a_shape_never_leaves_the_frame():
    sample = {"label_map": torch.zeros(6, 9, dtype=torch.long)}
    shape = edit.Shape(torch.ones(2, 4, dtype=torch.long), torch.ones(2, 4, dtype=torch.bool), foot=(1, 1))
    for foot in ((1, 1), (5, 1), (1, 6), (5, 6)):  # the corners of what is allowed
        assert edit.insert(sample, shape, foot)["label_map"].sum() == 8
    for foot in ((0, 1), (6, 1), (1, 0), (1, 7)):
        with pytest.raises(SmisError, match="the foot must be in rows 1 to 5 and columns 1 to 6"):
            edit.insert(sample, shape, foot)
    with pytest.raises(SmisError, match="it is larger: `scaled` shrinks it"):
        edit.insert(sample, shape.scaled(4), (5, 4))
    with pytest.raises(SmisError, match="has none left"):
        shape.scaled(0.1)


def test_growing_stays_within_and_takes_that_many_steps():
    where, within = torch.tensor([[1, 0, 0, 0, 0, 0]]).bool(), torch.tensor([[0, 1, 1, 1, 0, 1]]).bool()
    assert edit.grown(where, within, 2).tolist() == [[True, True, True, False, False, False]]
    assert edit.grown(where, within, 9).tolist() == [[True, True, True, True, False, False]]
    with pytest.raises(SmisError, match="found 0"):
        edit.grown(where, within, 0)


# --- regions ----------------------------------------------------------------------------------------------------------


def test_a_region_that_is_not_there_is_an_error_that_says_what_is():
    sample = {"label_map": torch.tensor([[0, 2]]), "name": "test/3"}
    with pytest.raises(SmisError, match="class 1 or 3 is not in 'test/3', which has 0, 2"):
        edit.region(sample, 1, 3)
    with pytest.raises(SmisError, match="no instance_map"):
        edit.region(sample, instance=1000)
    with pytest.raises(SmisError, match="classes or an instance"):
        edit.region(sample)
    with pytest.raises(SmisError, match="region is empty"):
        edit.recast(sample, torch.zeros(1, 2, dtype=torch.bool), 1)
    with pytest.raises(SmisError, match=r"region is torch.bool \(2, 2\), expected bool of the label map's size, \(1, 2\)"):
        edit.cut(sample, torch.ones(2, 2, dtype=torch.bool))


# --- real scenes ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def street():
    picture = streets.RENDERER.render(0, "test", 29, 64)
    return {key: torch.from_numpy(picture[key]).long() for key in ("label_map", "instance_map")}


def edges(sample: dict) -> torch.Tensor:
    return data.instance_edge(sample["instance_map"][None])[0, 0] > 0


def test_an_inserted_instance_gets_a_number_and_an_edge_of_its_own(street):
    number = edit.instances(street, PERSON)[0]
    person = edit.region(street, instance=number)
    assert (street["label_map"][person] == PERSON).all()
    shape = edit.cut(street, person)
    beside = edit.insert(street, shape, (shape.foot[0], shape.foot[1] + 2))  # it covers part of the first
    assert len(edit.instances(beside, PERSON)) == len(edit.instances(street, PERSON)) + 1
    fresh = (set(edit.instances(beside, PERSON)) - set(edit.instances(street, PERSON))).pop()
    assert fresh // 1000 == PERSON and edit.new_instance(street, PERSON) == fresh
    between = (beside["instance_map"] == number) & edges(beside) & ~edges(street)
    assert between.any()  # one class, yet an edge between the two


def test_a_removed_car_leaves_road_and_no_edge(street):
    car = edit.region(street, instance=edit.instances(street, CAR)[0])
    emptied = edit.remove(street, car, fill=[ROAD, SIDEWALK])
    assert torch.isin(emptied["label_map"][car], torch.tensor([ROAD, SIDEWALK])).all()
    assert torch.equal(emptied["label_map"][car], emptied["instance_map"][car])  # no instance: its number is the class
    inside = car & ~edges({"instance_map": car.long()})
    assert (edges(emptied) & inside).sum() < (edges(street) & car).sum()


def test_recast_pixels_are_an_instance_only_when_told(street):
    person = edit.region(street, instance=edit.instances(street, PERSON)[0])
    assert (edit.recast(street, person, ROAD)["instance_map"][person] == ROAD).all()
    told = edit.recast(street, person, CAR, instance=edit.new_instance(street, CAR))
    assert len(edit.instances(told, CAR)) == len(edit.instances(street, CAR)) + 1


def test_a_shape_without_instances_does_not_enter_a_scene_with_them(street):
    room = {"label_map": torch.from_numpy(rooms.RENDERER.render(0, "test", 0, 32)["label_map"]).long()}
    with pytest.raises(SmisError, match="has an instance_map, the shape has none"):
        edit.insert(street, edit.cut(room, edit.region(room, 0)), foot=(40, 60))


def test_an_edited_sample_becomes_a_batch_with_its_edges(street):
    classes = data.classes(presets.data_spec("streets", "demo"))
    number = edit.instances(street, PERSON)[0]
    moved = edit.move(street, edit.region(street, instance=number), 0, 5, fill=[ROAD])
    batch = data.labelled([street, moved], classes)
    assert batch["labels"].shape == (2, len(classes) + 1, 64, 128)
    assert torch.equal(batch["labels"][1, -1] > 0, edges(moved)) and not torch.equal(edges(moved), edges(street))
