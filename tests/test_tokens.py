"""The pictures of `tokens`: one thing each, of the class that its geometry draws, upright, and varied inside a class."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from smislib.data import tokens

N = 240


@pytest.fixture(scope="module")
def pictures() -> list[dict]:
    return [tokens.RENDERER.render(0, "train", i, 32) for i in range(N)]


def thing(picture: dict) -> int:
    return int(picture["label_map"].max())


def test_each_picture_has_one_thing_and_every_thing_comes(pictures):
    for picture in pictures:
        assert set(np.unique(picture["label_map"])) == {tokens.SCENE, thing(picture)}
        assert 0.02 < (picture["label_map"] > 0).mean() < 0.6
    counts = np.bincount([thing(picture) for picture in pictures], minlength=25)
    assert counts[0] == 0
    assert (counts[1:] > 0).all()
    assert counts.max() < 3 * N / 24  # drawn alike


def test_a_picture_is_a_function_of_its_index(pictures):
    again = tokens.RENDERER.render(0, "train", 3, 32)
    assert all(np.array_equal(again[key], pictures[3][key]) for key in again)
    assert not np.array_equal(tokens.RENDERER.render(0, "test", 3, 32)["image"], again["image"])
    assert not np.array_equal(tokens.RENDERER.render(1, "train", 3, 32)["image"], again["image"])


def test_up_is_up(pictures):
    """Every thing is low in the frame but whole, a fish and a balloon in the air; the ground is darker than the sky."""
    rows = np.arange(32)[:, None]
    for picture in pictures:
        inside = picture["label_map"] > 0
        assert rows.repeat(32, 1)[inside].max() >= 18, tokens.NAMES[thing(picture) - 1]
        assert not inside[-1].any()
        scene = np.where(inside[..., None], np.nan, picture["image"].astype(float)).mean(-1)
        assert np.nanmean(scene[:4]) > np.nanmean(scene[-4:])


def test_a_class_varies_in_shape_and_colour(pictures):
    for c in range(1, 25):
        mine = [picture for picture in pictures if thing(picture) == c]
        for a, b in pairwise(mine):
            assert not np.array_equal(a["label_map"], b["label_map"])
            assert not np.allclose(a["factors"][c], b["factors"][c])


def test_other_colours_leave_the_shape(pictures):
    repainted = tokens.RENDERER.render(0, "train", 3, 32, appearance_seed={thing(pictures[3]): 9})
    assert np.array_equal(repainted["label_map"], pictures[3]["label_map"])
    away = ndimage.binary_erosion(pictures[3]["label_map"] == 0, np.ones((3, 3)))  # a pixel at the edge is of both
    assert away.mean() > 0.3
    assert np.array_equal(repainted["image"][away], pictures[3]["image"][away])
    assert not np.array_equal(repainted["image"], pictures[3]["image"])
