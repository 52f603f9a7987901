"""Labels that nobody wrote against the true ones: counts, scores that are known, and what is asked of a generator."""

import pytest
import torch
from torch import nn

from smislib import label_quality, viz
from smislib.s3gan import turned
from smislib.sample import generator


def test_confusion_counts_and_names_the_largest_shares():
    truth, said = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2]), torch.tensor([0, 1, 1, 1, 2, 2, 2, 2, 0])
    matrix = label_quality.confusion(truth, said, 3, 3)
    assert matrix.tolist() == [[1, 2, 0], [0, 1, 1], [1, 0, 3]]
    assert label_quality.most_confused(matrix, 9) == [(0, 1), (1, 2), (2, 0)]  # by share: 2 of 3, 1 of 2, 1 of 4
    assert label_quality.most_confused(matrix, 1) == [(0, 1)]
    assert label_quality.most_confused(torch.eye(3, dtype=torch.int64), 3) == []


def test_purity_and_mutual_information_of_known_clusters():
    truth = torch.tensor([0, 0, 1, 1])
    for clustered, purity, information in (([1, 1, 0, 0], 1, 1), ([0, 0, 0, 0], 0.5, 0), ([0, 1, 0, 1], 0.5, 0)):
        found = torch.tensor(clustered)
        assert label_quality.purity(found, truth) == purity
        assert label_quality.mutual_information(found, truth) == pytest.approx(information, abs=1e-9)
    # 3 + 1 of two classes each: H = ln 2, I = ln 2 - H(1/4)
    clustered, truth = torch.tensor([0, 0, 0, 1, 1, 1, 1, 0]), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    assert label_quality.mutual_information(clustered, truth) == pytest.approx(1 - 0.811278, abs=1e-5)


def test_a_sweep_finds_clusters_that_there_are():
    truth = torch.arange(4).repeat(30)
    features = torch.eye(4)[truth] + 0.01 * torch.randn(120, 4, generator=generator(0))
    table = label_quality.sweep(features, truth, [2, 4], seed=0)
    assert table.loc[4, ["purity", "NMI"]].tolist() == pytest.approx([1, 1])
    assert table.loc[4, ["smallest cluster", "largest cluster"]].tolist() == [30, 30]
    assert table.loc[2, "purity"] == pytest.approx(0.5)
    assert (table["NMI, shuffled"] < 0.2).all()
    assert (table["purity, shuffled"] < table["purity"] - 0.05).all()


class Compass(nn.Module):
    """Knows the turn by the brightest corner of the picture."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, image):
        corners = image[:, 0, [0, -1, -1, 0], [0, 0, -1, -1]]  # counter-clockwise from the upper left
        return corners + self.weight

    def rotation(self, h):
        return h


def test_turns_are_told_in_their_order():
    image = torch.full((3, 3, 8, 8), -1.0)
    image[:, :, 0, 0] = 1
    told = label_quality.turns_told(Compass(), image, batch=2)
    assert told.tolist() == [[k] * 3 for k in range(4)] and turned(image).shape[0] == 12
    assert label_quality.turns_right(told) == [1, 1, 1, 1]
    assert label_quality.turns_right(torch.zeros(4, 3, dtype=torch.int64)) == [1, 0, 0, 0]


@pytest.mark.parametrize("training", [True, False])
def test_a_labeller_reads_in_eval_mode_and_is_left_as_it_was(training):
    E = Compass()
    E.norm = nn.BatchNorm2d(3)
    E.register_forward_pre_hook(lambda module, inputs: (E.norm(inputs[0]),))
    E.norm.running_mean.fill_(0.5)
    image = torch.full((2, 3, 8, 8), -1.0)
    image[:, :, 0, 0] = 1
    image[1] *= -1  # as a batch of its own it would be normalised by itself
    E.train(training)
    state = {key: value.clone() for key, value in E.state_dict().items()}
    told = label_quality.turns_told(E, image)
    assert E.training == E.norm.training == training
    assert all(torch.equal(value, state[key]) for key, value in E.state_dict().items())
    assert torch.equal(told, label_quality.turns_told(E.eval(), image))


def test_class_agreement_is_by_class():
    """A generator that paints the class as a grey, and takes the last for the first."""

    class Painter(nn.Module):
        def __init__(self):
            super().__init__()
            self.schedule = type("Schedule", (), {"C": 3, "z_shape": (2,)})
            self.weight = nn.Parameter(torch.zeros(()))

        def G(self, y, z):  # noqa: N802
            return (y @ torch.tensor([0.0, 0.5, 0.0]))[:, None, None, None].expand(-1, 3, 4, 4)

    class Judge:
        def probabilities(self, images):
            return torch.eye(3)[(images[:, 0, 0, 0] * 2).round().long()]

    assert label_quality.class_agreement(Painter(), Judge(), 5, generator(0)).tolist() == [1, 1, 0]


def test_frames_are_painted_where_they_are_asked_for():
    images = torch.zeros(2, 3, 8, 8)
    framed = viz.framed(images, torch.tensor([False, True]), width=1)
    assert torch.equal(framed[0], images[0]) and torch.equal(framed[1, :, 1:-1, 1:-1], images[1, :, 1:-1, 1:-1])
    assert (framed[1, 0, 0] == 1).all() and (framed[1, 1, :, -1] < 0).all()
