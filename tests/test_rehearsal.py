"""`smis train --dry-run`: what it counts is what a training has, and nothing stays behind."""

import dataclasses

import pytest

from smislib import paths, presets, rehearsal, runs
from smislib.errors import SmisError


@pytest.fixture(scope="module")
def plan() -> rehearsal.Plan:
    return rehearsal.rehearse(presets.experiment("groupdnet", preset="smoke"), accelerator="cpu")


def test_it_counts_every_player_and_measures_real_steps(plan, home):
    networks = presets.build("groupdnet", preset="smoke")
    assert plan.parameters == {name: sum(p.numel() for p in getattr(networks, name).parameters()) for name in "EGD"}
    assert plan.batch == plan.per_device == 4
    assert 0 < plan.step_seconds == plan.seconds_per_step < 30
    halved = dataclasses.replace(plan, batch=2)
    assert halved.step_seconds == 2 * plan.seconds_per_step
    assert "times 2 for 4 images" in str(halved)


def test_memory_grows_with_the_batch_and_the_average(plan):
    train = plan.experiment.train
    state, activations = plan.bytes
    assert state == 16 * sum(plan.parameters.values())  # weights, gradients, Adam's two moments
    N, pixels = train.batch, 32 * 32
    assert activations > N * pixels * 4 * 50  # more than fifty maps at full resolution
    double = dataclasses.replace(plan, per_device=2 * plan.per_device)
    averaged = dataclasses.replace(train, ema=0.9)
    assert double.bytes == (state, 2 * activations)
    with_average = dataclasses.replace(plan, experiment=dataclasses.replace(plan.experiment, train=averaged))
    assert with_average.bytes[0] == 20 * sum(plan.parameters.values())


def test_the_data_and_the_papers_weights_need_not_be_here(home, monkeypatch):
    monkeypatch.setenv("SMIS_WEIGHTS", str(home / "nothing"))
    monkeypatch.setenv("TORCH_HOME", str(home / "nothing"))
    sizes = {"data.height": "16", "data.width": "16", "loss.backbone": "vgg19"}
    plan = rehearsal.rehearse(presets.experiment("groupdnet", "ade20k", "smoke", assignments=sizes), accelerator="cpu")
    assert "vgg19-dcbb9e9d.pth" in plan.missing
    assert "curl" in str(plan)
    assert "ade20k-groupdnet-smoke" in str(plan)
    assert runs.list_runs() == []
    assert not paths.runs().exists() or not [p for p in paths.runs().iterdir() if not p.name.startswith(".")]


def test_a_data_set_with_instances_is_rehearsed_with_their_edges(home):
    experiment = presets.experiment("groupdnet", "streets", "smoke", assignments={"train.batch": "1"})
    plan = rehearsal.rehearse(experiment, accelerator="cpu")
    assert experiment.network.instance_edge
    assert plan.saved_bytes > 0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"devices": 3}, r"train.batch=4 .* found 3 device\(s\)"),
        ({"devices": 0}, r"found 0 device\(s\)"),
        ({"accelerator": "gpux"}, "this machine cannot work with accelerator=gpux"),
    ],
)
def test_what_a_training_refuses_is_refused(asked, words):
    with pytest.raises(SmisError, match=words):
        rehearsal.rehearse(presets.experiment("groupdnet", preset="smoke"), **asked)


def test_a_model_that_halves_a_batch_gets_two_images_where_one_fills_the_cpu(home, monkeypatch):
    experiment = presets.experiment("bicyclegan", "streets", "smoke")
    monkeypatch.setattr(rehearsal, "CPU_PIXELS", 32 * 64)  # as Cityscapes at `paper`
    assert rehearsal.rehearse(experiment, accelerator="cpu").batch == 2
    assert rehearsal.rehearse(presets.experiment("dscgan", "streets", "smoke"), accelerator="cpu").batch == 1
