"""What an encoder sees of each class, against a plain loop over images and classes."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import settings as configured
from hypothesis import strategies as st
from torch import Tensor

from smislib import class_view
from smislib.bench import class_views_one_by_one
from smislib.class_view import crop_by_class, split_by_class


def one_hot(label_map: Tensor, C: int) -> Tensor:
    return torch.stack([label_map == c for c in range(C)], 1).float()


def agree(image: Tensor, labels: Tensor) -> None:
    """Bit by bit, up to the sign of 0."""
    for crop in (False, True):
        views, regions = class_views_one_by_one(image, labels, crop)
        found = crop_by_class(image, labels) if crop else (split_by_class(image, labels), labels)
        assert torch.equal(found[0], views)
        assert torch.equal(found[1], regions)


@st.composite
def scenes(draw):
    """Label maps with few classes present, some in one pixel, so that boxes of every size and absent classes occur.

    -1 is a pixel without a label; the pixels have few values, so that sums over a row or a column cancel.
    """
    C, height, width = draw(st.integers(1, 5)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    size = 2 * height * width
    label_map = torch.tensor(draw(st.lists(st.integers(-1, C - 1), min_size=size, max_size=size))).view(2, height, width)
    label_map[1] = label_map[1].where(label_map[1] < 2, 0)
    values = torch.tensor(draw(st.sampled_from([(-1.0, 0.0, 0.5, 1.0), tuple(torch.randn(50).tolist())])))
    return values[torch.randint(len(values), (2, 3, height, width))], one_hot(label_map, C)


@configured(max_examples=100)
@given(scene=scenes())
def test_views_are_those_of_a_loop_over_images_and_classes(scene):
    agree(*scene)


def boxes(C: int, height: int, width: int, **where: tuple[slice, slice]) -> Tensor:
    labels = torch.zeros(1, C, height, width)
    for name, (rows, columns) in where.items():
        labels[0, int(name[1:]), rows, columns] = 1
    return labels


ALL = slice(None)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(boxes(4, 16, 16), id="no pixel has a label"),
        pytest.param(boxes(4, 16, 16, c2=(ALL, ALL)), id="one class fills the frame"),
        pytest.param(boxes(3, 16, 16, c0=(slice(5, 6), slice(9, 10))), id="one pixel"),
        pytest.param(boxes(3, 16, 16, c0=(slice(0, 1), slice(0, 1)), c2=(slice(15, 16), slice(15, 16))), id="corners"),
        pytest.param(boxes(2, 8, 16, c0=(slice(0, 3), ALL), c1=(slice(3, 8), slice(4, 16))), id="at the frame, 1:2"),
        pytest.param(boxes(2, 24, 10, c1=(slice(20, 24), slice(3, 4))), id="not square, no power of two"),
        pytest.param(boxes(2, 1, 7, c1=(ALL, slice(2, 7))), id="one row"),
    ],
)
def test_views_at_the_edges_of_what_there_is(labels):
    agree(torch.rand(1, 3, *labels.shape[2:]) * 2 - 1, labels)


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_views_keep_the_kind_of_number(kind):
    image, labels = torch.rand(1, 3, 8, 8).to(kind), boxes(3, 8, 8, c1=(slice(2, 5), slice(1, 7))).to(kind)
    assert crop_by_class(image, labels)[0].dtype == kind
    agree(image, labels)


@pytest.mark.parametrize("piece", [1, 100, 2**19])
def test_views_made_in_pieces_or_all_at_once_are_the_same(monkeypatch, piece):
    """A GPU would have to be waited for to know the classes that are present: it makes the views of all of them."""
    monkeypatch.setattr(class_view, "PIECE", piece)
    image, labels = torch.rand(2, 3, 8, 8), one_hot(torch.randint(-1, 3, (2, 8, 8)), 6)
    agree(image, labels)
    few, every = (sum(len(n) for n, _ in class_view._pieces(labels, at_once)) for at_once in (False, True))
    assert few == (labels.amax((2, 3)) > 0).sum() < every == 12
    expected = split_by_class(image, labels), *crop_by_class(image, labels)
    asked = labels.clone().requires_grad_()
    monkeypatch.setattr(Tensor, "nonzero", None)  # nor may it ask
    for a, b in zip(expected, (split_by_class(image, asked), *crop_by_class(image, asked)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("view", [split_by_class, lambda image, labels: crop_by_class(image, labels)[0]])
def test_gradients_reach_the_image_and_the_labels_of_absent_classes(view):
    image, labels = torch.rand(1, 3, 8, 8), boxes(3, 8, 8, c1=(slice(2, 5), slice(1, 7)))
    weight = torch.rand(1, 9, 8, 8)
    one_by_one = class_views_one_by_one
    reference = lambda image, labels: one_by_one(image, labels, view is not split_by_class)[0]  # noqa: E731
    gradients = []
    for function in (view, reference):
        a, b = image.clone().requires_grad_(), labels.clone().requires_grad_()
        (function(a, b) * weight).sum().backward()
        gradients.append((a.grad, b.grad))
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected)
    assert gradients[0][1][0, 2].any()


def test_the_crop_is_torchs_nearest_resize():
    """As the released encoder resizes; at a power of two no rounding can differ."""
    image, labels = torch.randn(1, 3, 16, 16), torch.zeros(1, 2, 16, 16)
    labels[:, 1, 3:8, 2:13] = 1
    expected = F.interpolate(image[:, :, 3:8, 2:13], (16, 16), mode="nearest")
    found, _ = crop_by_class(image, labels)
    assert torch.equal(found[:, 3:], expected)
    assert not found[:, :3].any()  # class 0 is absent


def test_the_box_of_a_crop_is_that_of_the_sums_as_released():
    """Rows and columns whose pixels sum to 0 are no part of the box; a class without any column sum stays as it is."""
    image, labels = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    labels[:, 0, 2:6, 1:7], labels[:, 1, 6:8] = 1, 1
    image[:, :, 2:6, 2:6] = torch.rand(3, 4, 4) + 0.5
    image[:, 0, 2, 1], image[:, 1, 3, 1] = 0.5, -0.5  # column 1 cancels, 6 is mid-grey: the box is that of columns 2 to 5
    image[:, 0, 6], image[:, 2, 7] = 0.25, -0.25  # every column cancels, though no row does
    found, _ = crop_by_class(image, labels)
    assert torch.equal(found[:, :3], F.interpolate(image[:, :, 2:6, 2:6], (8, 8), mode="nearest"))
    assert torch.equal(found[:, 3:6], image * labels[:, 1:2])
    assert not found[:, 6:].any()
