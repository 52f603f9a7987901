"""An experiment is a value: its hash, its JSON form and its changes."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as configured
from hypothesis import strategies as st

from smislib import config, presets
from smislib.config import DataSpec, EvalSpec, Experiment, TrainSpec, from_dict, to_dict
from smislib.errors import SmisError
from smislib.losses import VaeGan
from smislib.models.groupdnet import Schedule
from smislib.results import Record

FIXED = Experiment(
    model="groupdnet",
    preset="smoke",
    seed=3,
    data=DataSpec("mannequins", 32, 48, n_train=10, n_test=5),
    network=Schedule(
        C=2, height=32, width=48, channels=(8, 4), groups=(2, 1), hidden=(4, 4), shared_groups=(2, 1),
        affine_groups=(2, 1), encoder_channels=(8,), encoder_groups=2,
    ),
    loss=VaeGan(),
    train=TrainSpec(steps=7, batch=2),
    evaluation=EvalSpec(n_fid=4, n_maps=2, m_pairs=3),
)  # fmt: skip


# --- the hash ---------------------------------------------------------------------------------------------------------


def test_the_hash_of_a_value_never_changes():
    """It names folders that users keep: key order, Python and platform must not matter."""
    assert config.content_hash({"b": [1, 2.5, None], "a": "é"}) == config.content_hash({"a": "é", "b": (1, 2.5, None)})
    assert config.content_hash({"b": [1, 2.5, None], "a": "é"}) == "84afbf1d4853005f"
    assert config.content_hash(to_dict(FIXED.data)) == "c1f6bb39819ac9eb"


def test_a_field_that_was_added_changes_no_older_hash_until_it_is_used():
    network, more = FIXED.network, dataclasses.replace(FIXED.network, unused_channels=4)
    assert "unused_channels" not in to_dict(network) and to_dict(more)["unused_channels"] == 4
    assert from_dict(Schedule, to_dict(network)) == network and from_dict(Schedule, to_dict(more)) == more
    assert dataclasses.replace(FIXED, network=more).hash != FIXED.hash


def leaves(spec: Any, path: str = "") -> list[tuple[str, Any]]:
    found = []
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        inner = f"{path}{field.name}"
        found += leaves(value, f"{inner}.") if dataclasses.is_dataclass(value) else [(inner, value)]
    return found


def changed(spec: Any, path: str) -> Any:
    """`spec` with one leaf changed, around the checks of its class: only the hash is of interest."""
    head, _, rest = path.partition(".")
    value = getattr(spec, head)
    if rest:
        new = changed(value, rest)
    elif isinstance(value, bool):
        new = not value
    elif isinstance(value, int | float):
        new = value + 1
    elif isinstance(value, tuple):
        new = (*value, "more")
    else:
        new = f"{value}x"
    twin = object.__new__(type(spec))
    for field in dataclasses.fields(spec):
        object.__setattr__(twin, field.name, new if field.name == head else getattr(spec, field.name))
    return twin


@pytest.mark.parametrize("path", [path for path, _ in leaves(FIXED)])
def test_the_hash_tells_every_value_that_training_depends_on(path):
    other = changed(FIXED, path)
    assert other != FIXED
    same = other.hash == FIXED.hash
    assert same == (path == "preset" or path.startswith("evaluation."))


def test_a_run_is_named_by_what_it_is():
    assert FIXED.name == f"mannequins-groupdnet-smoke-s3-{FIXED.hash[:8]}"
    assert len(FIXED.hash) == 16
    assert int(FIXED.hash, 16) >= 0


# --- to_dict, from_dict -----------------------------------------------------------------------------------------------

finite = st.floats(0, 0.99, allow_nan=False)
train_specs = st.builds(
    TrainSpec,
    steps=st.integers(1, 10**6),
    batch=st.integers(1, 512),
    lr_g=finite,
    beta1=finite,
    ema=finite,
    constant=finite,
    reuse_fake=st.booleans(),
    precision=st.sampled_from(config.PRECISIONS),
    threads=st.none() | st.integers(1, 64),
)
data_specs = st.builds(
    DataSpec,
    name=st.text(max_size=9),
    height=st.integers(1, 512),
    width=st.integers(1, 512),
    n_train=st.none() | st.integers(1, 10**5),
    root=st.none() | st.text(max_size=20),
    flip=st.booleans(),
)


@configured(max_examples=60)
@given(spec=train_specs | data_specs)
def test_a_spec_survives_json(spec):
    assert from_dict(type(spec), to_dict(spec)) == spec


@pytest.mark.parametrize("model", presets.TABLE_1)
@pytest.mark.parametrize("preset", presets.PRESETS)
def test_the_presets_survive_json(model, preset):
    experiment = presets.experiment(model, preset=preset)
    body = to_dict(experiment)
    for part in ("network", "loss"):
        assert from_dict(type(getattr(experiment, part)), body[part]) == getattr(experiment, part)
    assert from_dict(Experiment, body | {"network": experiment.network, "loss": experiment.loss}) == experiment


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": 5}, "unknown TrainSpec key 'step'. Did you mean 'steps'"),
        ({"steps": "5"}, "TrainSpec.steps must be int, found '5'"),
        ({"steps": 5.0}, "TrainSpec.steps must be int, found 5.0"),
        ({"steps": True}, "TrainSpec.steps must be int, found True"),
        ({"reuse_fake": 1}, "TrainSpec.reuse_fake must be bool, found 1"),
        ({"threads": "two"}, "TrainSpec.threads must be int, found 'two'"),
    ],
)
def test_a_dict_that_is_no_spec_says_where(changes, message):
    with pytest.raises(SmisError, match=message):
        from_dict(TrainSpec, {"steps": 3, "batch": 2} | changes)


def test_a_missing_value_is_named():
    with pytest.raises(SmisError, match="TrainSpec lacks steps, batch"):
        from_dict(TrainSpec, {"ema": 0.5})


def test_a_value_that_a_factory_makes_may_be_absent():
    record = Record("FID", 1.0, {}, "groupdnet", "mannequins", "smoke", 0, "1a", "2b")
    assert from_dict(Record, {k: v for k, v in to_dict(record).items() if k != "versions"}) == record


# --- replace ----------------------------------------------------------------------------------------------------------


def test_text_becomes_the_type_of_the_field():
    spec = config.replace(
        FIXED,
        {
            "train.steps": "12",
            "train.lr_g": "1",
            "train.lr_d": "2e-3",
            "train.threads": "null",
            "train.reuse_fake": "true",
            "network.groups": "[1, 1]",
            "data.root": "some/folder",
            "seed": "4",
        },
    )
    assert (spec.train.steps, spec.train.lr_g, spec.train.lr_d, spec.train.threads) == (12, 1.0, 2e-3, None)
    assert isinstance(spec.train.lr_g, float)
    assert spec.train.reuse_fake is True
    assert spec.network.groups == (1, 1)
    assert spec.data.root == "some/folder"
    assert spec.seed == 4
    assert config.replace(spec, {}) is spec
    both = ("train.batch", "3"), ("train.accumulate", "3")  # neither of which fits without the other
    assert config.replace(FIXED, dict(both)) == config.replace(FIXED, dict(reversed(both)))
    assert FIXED.train.steps == 7


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("train.stps", "1", "unknown TrainSpec key 'stps'. Did you mean 'steps'"),
        ("trian.steps", "1", "unknown Experiment key 'trian'. Did you mean 'train'"),
        ("loss.percept", "1", "unknown VaeGan key 'percept'. Did you mean 'perceptual'"),
        ("train.steps.more", "1", "steps is a single value, it has no 'more'"),
        ("train.steps", "many", "steps must be int, found 'many'"),
        ("train.steps", "1.5", "steps must be int, found 1.5"),
        ("train.reuse_fake", "yes", "reuse_fake must be bool, found 'yes'"),
        ("network.groups", "3", "groups must be a list, found 3"),
        ("network.groups", '[1, "a"]', "groups must be int, found 'a'"),
        ("train", "3", "train is a group of values; change one of train.steps, train.batch,"),
        ("network", "3", "network is a group of values; change one of network.C,"),
        ("train.steps", "0", "TrainSpec.steps must be at least 1, found 0"),
        ("train.batch", "-2", "TrainSpec.batch must be at least 1, found -2"),
        ("train.lr_g", "NaN", "train.lr_g must be finite, found NaN"),
        ("train.ema", "1.0", r"TrainSpec.ema must be in \[0, 1\), found 1.0"),
        ("train.constant", "1.5", r"constant is a share of the steps, in \[0, 1\]; found 1.5"),
        ("train.precision", "bf16", "unknown precision 'bf16'. Did you mean 'bf16-mixed'"),
        ("train.threads", "0", "TrainSpec.threads must be at least 1, found 0"),
        ("evaluation.n_maps", "-1", "EvalSpec.n_maps must be at least 0, found -1"),
        ("evaluation.backbone", "papr", "Did you mean 'paper'"),
    ],
)
def test_an_assignment_that_cannot_be_made_says_why(path, text, message):
    with pytest.raises(SmisError, match=message):
        config.replace(FIXED, {path: text})
