"""Applications of the codes (SMIS figure 6): mixing, morphing, and images whose label map was edited, and their numbers."""

import pytest
import torch

from smislib import applications, data, presets
from smislib.data import edit, synthetic
from smislib.errors import SmisError
from smislib.sample import class_slice, draw, encode, generate, generator, interpolate, manipulate, mix, reconstruct

HAIR, UPPER, ARMS = 1, 4, 5  # any three classes


@pytest.fixture(scope="module")
def nets():
    return presets.build("groupdnet", preset="smoke").eval().requires_grad_(False)


@pytest.fixture(scope="module")
def scene():
    """Three images of four of the eight classes, with labels."""
    rng = generator("scene")
    cells = torch.randint(0, 4, (3, 4, 4), generator=rng)
    cells[:, 0] = torch.arange(4)
    label_map = cells.repeat_interleave(8, 1).repeat_interleave(8, 2)
    return torch.rand(3, 3, 32, 32, generator=rng) * 2 - 1, label_map, data.one_hot(label_map, classes())


def classes() -> data.Classes:
    return data.classes(presets.data_spec("mannequins", "smoke"))


def with_class(label_map: torch.Tensor, c: int, columns: int = 8) -> torch.Tensor:
    """Labels of the map with class c in its upper right corner."""
    edited = label_map.clone()
    edited[..., :8, -columns:] = c
    return data.one_hot(edited, classes())


# --- codes ------------------------------------------------------------------------------------------------------------


def test_a_mixture_takes_each_class_from_its_source(nets):
    base, a, b = draw(nets, 3, generator(1)).split(1)
    before, mixed = base.clone(), mix(nets, base, {HAIR: a, UPPER: b})
    for c in range(len(classes())):
        own, source = class_slice(nets, c), {HAIR: a, UPPER: b}.get(c, base)
        assert torch.equal(mixed[:, own], source[:, own])
    assert torch.equal(base, before)


def test_a_morph_of_some_classes_leaves_the_others_at_the_start(nets):
    a, b = draw(nets, 2, generator(2)).split(1)
    t = torch.tensor([0.0, 0.25, 1.0])
    line, part = interpolate(nets, a, b, t), interpolate(nets, a, b, t, classes=[HAIR, ARMS])
    torch.testing.assert_close(line, torch.cat([a, 0.75 * a + 0.25 * b, b]))
    for c in range(len(classes())):
        own = class_slice(nets, c)
        assert torch.equal(part[:, own], line[:, own] if c in (HAIR, ARMS) else a[:, own].expand(3, -1, -1, -1))


# --- manipulation -----------------------------------------------------------------------------------------------------


def test_without_an_edit_manipulation_is_reconstruction(nets, scene):
    image, _, labels = scene
    torch.testing.assert_close(manipulate(nets, image, labels, labels), reconstruct(nets, image, labels))


def test_an_edited_image_keeps_the_codes_of_the_original(nets, scene):
    image, label_map, labels = scene
    edited = with_class(label_map, 2, columns=16)
    torch.testing.assert_close(manipulate(nets, image, labels, edited), generate(nets, edited, encode(nets, image, labels)))
    one = manipulate(nets, image[:1], labels[:1], edited)  # one image, three edits
    torch.testing.assert_close(one, generate(nets, edited, encode(nets, image[:1], labels[:1])))
    with pytest.raises(SmisError, match="2 images cannot take 3 edited label maps"):
        manipulate(nets, image[:2], labels[:2], edited)


def test_a_class_that_is_new_is_drawn_or_given(nets, scene):
    image, label_map, labels = scene
    edited = labels.clone()
    edited[1] = with_class(label_map[1:2], UPPER)[0]  # in the second image alone
    with pytest.raises(SmisError, match=f"has no class {UPPER}: give its code in `parts`"):
        manipulate(nets, image, labels, edited)
    z, own = encode(nets, image, labels).clone(), class_slice(nets, UPPER)
    z[1, own] = draw(nets, 3, generator(3))[1, own]
    torch.testing.assert_close(manipulate(nets, image, labels, edited, rng=generator(3)), generate(nets, edited, z))
    source = draw(nets, 1, generator(4))
    given = manipulate(nets, image, labels, edited, parts={UPPER: source})
    torch.testing.assert_close(given, generate(nets, edited, mix(nets, z, {UPPER: source})))
    assert (given[1] - manipulate(nets, image, labels, edited, rng=generator(3))[1]).abs().max() > 1e-3


def test_a_model_without_class_codes_keeps_its_whole_code(scene):
    nets = presets.build("vspade", preset="smoke").eval().requires_grad_(False)
    image, label_map, labels = scene
    edited = with_class(label_map, UPPER)
    torch.testing.assert_close(manipulate(nets, image, labels, edited), generate(nets, edited, encode(nets, image, labels)))


def test_moved_instances_enter_by_their_edges():
    nets = presets.build("groupdnet", "streets", "smoke").eval().requires_grad_(False)
    spec = presets.data_spec("streets", "smoke")
    names = data.classes(spec).names
    label_map = torch.full((32, 64), names.index("road"))
    label_map[10:16, 8:20] = names.index("car")
    sample = {"label_map": label_map, "instance_map": torch.where(label_map == names.index("car"), 10_000, label_map)}
    two = sample | {"instance_map": sample["instance_map"] + (torch.arange(64) > 13) * (label_map == names.index("car"))}
    batch = data.labelled(
        [sample, two, edit.move(sample, edit.region(sample, instance=10_000), 3, 9, fill=[4])], data.classes(spec)
    )
    image = torch.rand(1, 3, 32, 64, generator=generator(5)) * 2 - 1
    made = manipulate(nets, image, batch["labels"][:1], batch["labels"])
    assert made.shape == (3, 3, 32, 64)
    assert (made[0] - made[1]).abs().max() > 1e-6  # the same label map: only the edge between the two cars differs


# --- applications -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mannequins(nets):
    """Networks that know their data set, as loaded ones do, and two of its samples."""
    nets.experiment = presets.experiment("groupdnet", preset="smoke")
    pictures = [synthetic.RENDERERS["mannequins"].render(0, "test", i, 32) for i in (5, 7)]
    return nets, [
        {
            "image": torch.from_numpy(p["image"]).movedim(-1, 0) / 127.5 - 1,
            "label_map": torch.from_numpy(p["label_map"]).long(),
            "name": f"{i}",
        }
        for i, p in enumerate(pictures)
    ]


def test_a_mixture_of_samples_is_that_of_their_codes(mannequins):
    nets, (base, source) = mannequins
    rebuilt, mixed = applications.mixture(nets, base, {"hair": source})
    batch = data.labelled([base, source], classes())
    z = encode(nets, batch["image"], batch["labels"])
    torch.testing.assert_close(rebuilt[None], generate(nets, batch["labels"][:1], z[:1]))
    c = classes().names.index("hair")
    torch.testing.assert_close(mixed[None], generate(nets, batch["labels"][:1], mix(nets, z[:1], {c: z[1:]})))
    assert applications.appearance(nets, source, "hair")[c].equal(encode(nets, batch["image"][1:], batch["labels"][1:]))
    with pytest.raises(SmisError, match=r"unknown class 'hairs'\. Did you mean 'hair'"):
        applications.mixture(nets, base, {"hairs": source})


def test_changes_are_measured_inside_and_outside_the_edit(mannequins):
    nets, (base, _) = mannequins
    bald = edit.recast(base, applications.where(nets, base, ["hair"]), 0)
    found = applications.manipulations(nets, base, {"none": base, "bald": bald})
    assert found.images.shape == (4, 3, 32, 32) and torch.equal(found.images[0], base["image"])
    assert torch.equal(found.regions[3], applications.where(nets, base, ["hair"])) and not found.regions[:3].any()
    regions = torch.zeros(3, 2, 2, dtype=torch.bool)
    regions[2, 0] = True
    images = torch.zeros(3, 3, 2, 2)
    images[0], images[2, :, 0, 0], images[2, :, 1] = 9.0, 0.5, 0.1  # image 0 is the original: it does not count
    measured = applications.change(applications.Edited(images, images, regions))
    assert measured["share"] == [0.5] and measured["inside"] == [0.25] and measured["outside"] == [pytest.approx(0.1)]


def test_the_way_of_a_morph_adds_up_its_steps():
    frames = torch.zeros(5, 3, 1, 2)
    frames[2, :, 0, 0], frames[3, :, 0, 0], frames[3, :, 0, 1] = 1.0, 0.5, 0.25  # there and half back; outside: a quarter
    frames[0], frames[4] = 7.0, -7.0  # the two images themselves are no part of it
    found = applications.path(applications.Morph(frames, torch.tensor([[True, False]])))
    assert found == pytest.approx({"inside": 1.5, "outside": 0.25, "straight": 1 / 3})


def test_a_morph_of_one_class_starts_and_ends_at_its_codes(mannequins):
    nets, (first, last) = mannequins
    found = applications.morph(nets, first, last, ["hair"], frames=3)
    rebuilt, mixed = applications.mixture(nets, first, {"hair": last})
    torch.testing.assert_close(found.images[1], rebuilt)
    torch.testing.assert_close(found.images[3], mixed)
    hair = applications.where(nets, first, ["hair"])
    assert torch.equal(found.region, hair) and torch.equal(found.images[0][:, hair], first["image"][:, hair])
    assert not torch.equal(found.images[0][:, ~hair], first["image"][:, ~hair])  # greyed out
    whole = applications.morph(nets, first, last, frames=2)
    assert whole.region.all() and torch.equal(whole.images[0], first["image"]) and torch.equal(whole.images[3], last["image"])
