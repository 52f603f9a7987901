"""pix2pix: its networks count and see what the paper says, its noise is z, its objectives train what they name."""

import math
from dataclasses import replace

import numpy as np
import pytest
import sample_trees
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from smislib import claims, data, papers, presets, results, runs, schedules, viz
from smislib.config import DataSpec
from smislib.data import aligned, views
from smislib.errors import SmisError
from smislib.evaluate import evaluate, reader
from smislib.losses import vanilla_d, vanilla_g
from smislib.metrics import Measurement, colour, segformer, segmentation
from smislib.models import MODELS, pix2pix
from smislib.models.pix2pix import PATCHES, BatchNorm, Networks, PatchGAN, Pix2Pix, Pix2PixObjective, Schedule, receptive_field
from smislib.sample import Noise, draw, generate, generator
from smislib.train import train

SMALL = {"C": 3, "height": 32, "width": 32, "channels": (4, 8, 8), "dropout": 2, "patch": 16, "d_channels": 4}


def networks(seed: int = 0, **changes) -> Networks:
    torch.manual_seed(seed)
    return Networks(Schedule(**(SMALL | changes)))


def a_batch(n: int = 3, C: int = 3) -> dict[str, Tensor]:
    rng = generator("batch")
    return {"labels": torch.rand(n, C, 32, 32, generator=rng) * 2 - 1, "image": torch.rand(n, 3, 32, 32, generator=rng) * 2 - 1}


def moved(module: nn.Module, loss: Tensor) -> bool:
    found = torch.autograd.grad(loss, list(module.parameters()), allow_unused=True, retain_graph=True)
    return any(g is not None and bool(g.any()) for g in found)


# --- networks ---------------------------------------------------------------------------------------------------------


def test_the_released_networks_have_the_published_number_of_parameters():
    with torch.device("meta"):
        nets = Networks(Schedule(C=3, height=256, width=256))
        at_paper = Networks(schedules.schedule("pix2pix", "paper", 256, 256, 3))
    for found in (nets, at_paper):
        assert sum(p.numel() for p in found.G.parameters() if p.requires_grad) == 54_413_955
        assert sum(p.numel() for p in found.D.parameters()) == 2_768_705
    biased = [name for name, p in nets.G.named_parameters() if "conv" in name or name.endswith(".bias")]
    convs = [m for m in nets.G.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert [conv.bias is not None for conv in convs].count(True) == 1, biased  # the image's own: batch norm has the others


@pytest.mark.parametrize("patch", [1, 16, 70])
def test_a_logit_depends_on_so_many_rows_as_the_patch_says(patch):
    D = PatchGAN(6, patch, width=2, statistics="batch")
    for module in D.modules():
        if isinstance(module, BatchNorm):  # its statistics would reach everywhere
            module.forward = lambda x: x
    pixels = torch.zeros(1, 6, 128, 128, requires_grad=True)
    logits = D(pixels)[0][-1]
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    seen = pixels.grad[0].abs().sum(0)
    assert [len(seen.sum(axis).nonzero()) for axis in (0, 1)] == [patch, patch]


def test_receptive_fields_are_as_named():
    assert [receptive_field(PatchGAN(6, patch, 2, "image")) for patch in (1, *PATCHES)] == [1, *PATCHES]
    # by hand, from the last layer back: a field of r outputs is (r - 1) * stride + kernel inputs
    field = 1
    for kernel, stride in reversed([(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)]):
        field = (field - 1) * stride + kernel
    assert field == receptive_field(PatchGAN(6, 70, 2, "image")) == 70
    assert {m: schedules.schedule(m, "paper", 256, 256, 3).patch for m in papers.pix2pix.PATCHES} == {
        m: int(row.split("x")[0]) for m, row in papers.pix2pix.PATCHES.items()
    }


def test_the_noise_is_z_and_nothing_else():
    """One input has many images; the same z gives the same one, in training and in eval mode, whatever else is drawn."""
    nets, labels = networks(), a_batch(1)["labels"]
    z = torch.randn(2, *nets.schedule.z_shape, generator=generator(0))
    with torch.no_grad():
        torch.manual_seed(1)
        training = nets.train().G(labels, z)
        torch.manual_seed(2)
        evaluated = nets.eval().G(labels, z)
    assert torch.equal(training, evaluated)
    assert (evaluated[0] - evaluated[1]).abs().max() > 1e-4
    drawn = draw(nets, 3, generator(4))
    assert torch.equal(generate(nets, labels, drawn), generate(nets, labels, draw(nets, 3, generator(4))))


def test_a_unit_that_stays_counts_for_those_that_drop():
    """At the level above the lowest, whose features are what is convolved: zero where z is low, else 1 / (1 - rate) as large."""
    nets, seen = networks(dropout=1, rate=0.2, skips=False).eval(), {}
    nets.G.norm_up[1].register_forward_hook(lambda module, inputs, y: seen.update(normed=y))
    nets.G.up[1].register_forward_pre_hook(lambda module, inputs: seen.update(convolved=inputs[0]))
    z = torch.randn(3, *nets.schedule.z_shape, generator=generator(0))
    with torch.no_grad():
        nets.G(a_batch()["labels"], z)
    low = torch.special.ndtr(z).view_as(seen["normed"]) < 0.2
    expected = torch.where(low, 0.0, seen["normed"] / 0.8).relu()
    assert 0.1 < low.float().mean() < 0.3
    torch.testing.assert_close(seen["convolved"], expected)


def test_z_drops_half_of_the_units_and_keeps_their_mean():
    nets = networks()
    z = torch.randn(64, *nets.schedule.z_shape, generator=generator(0))
    keeps = nets.G._keeps(a_batch()["labels"], z)
    assert [keep.shape[1:] for keep in keeps] == nets.schedule.noise_at(32, 32)
    for keep in keeps:
        assert keep.float().mean() == pytest.approx(0.5, abs=0.02)
    fewer = networks(rate=0.1)
    assert fewer.G._keeps(a_batch()["labels"], z)[0].float().mean() == pytest.approx(0.9, abs=0.02)
    everything = torch.full((1, *nets.schedule.z_shape), 9.0)  # nothing drops: twice what stands on average
    assert all(keep.all() for keep in nets.G._keeps(a_batch()["labels"], everything))


def test_statistics_are_of_the_image_or_of_the_batch_never_averaged():
    batch = a_batch(4)
    for statistics, alone in (("image", True), ("batch", False)):
        nets = networks(statistics=statistics).eval()
        z = torch.randn(4, *nets.schedule.z_shape, generator=generator(0))
        with torch.no_grad():
            together, first = nets.G(batch["labels"], z), nets.G(batch["labels"][:1], z[:1])
        assert torch.allclose(together[:1], first, atol=1e-5) == alone
        assert not list(nets.buffers())
    norm, x = BatchNorm(5, "batch"), torch.randn(1, 5, 4, 4)
    torch.testing.assert_close(norm(x), BatchNorm(5, "image")(x))  # a batch of one image
    torch.testing.assert_close(norm(x), nn.BatchNorm2d(5).train()(x))


def test_skips_are_what_carries_detail():
    """Without them every output pixel hangs on the lowest level alone."""
    for skips in (True, False):
        G = networks(skips=skips, dropout=0).G
        G.norm_up[0].weight.data.zero_()  # shuts the way through the lower levels
        G.norm_up[0].bias.data.zero_()
        with torch.no_grad():
            images = G(a_batch(2)["labels"], None)
        assert bool((images[0] - images[1]).abs().max() > 1e-6) == skips


def test_the_generators_are_those_of_the_appendix():
    """Appendix 6.1.1: leaky ReLU of 0.2 on the way down and ReLU on the way up, batch norm but on the first features, on the
    lowest level and on the image, which a tanh ends; the U-Net has what went down beside what comes up."""
    labels = a_batch()["labels"].double()
    for skips in (True, False):
        G = networks(skips=skips, dropout=0).double().G
        for norm in (*G.norm_down, *G.norm_up):
            norm.weight.data.uniform_(0.5, 2)
            norm.bias.data.normal_()
        with torch.no_grad():
            levels = [G.down[0](labels)]
            levels.append(G.norm_down[0](G.down[1](F.leaky_relu(levels[0], 0.2))))
            x = G.norm_up[1](G.up[2](G.down[2](F.leaky_relu(levels[1], 0.2)).relu()))
            x = torch.cat([x, levels[1]], 1) if skips else x
            x = G.norm_up[0](G.up[1](x.relu()))
            x = torch.cat([x, levels[0]], 1) if skips else x
            torch.testing.assert_close(G(labels, None), G.up[0](x.relu()).tanh())


@pytest.mark.parametrize("patch", [1, *PATCHES[1:]])
def test_the_discriminators_are_those_of_the_appendix(patch):
    """Appendix 6.1.2: Ck layers of these widths, each with leaky ReLU of 0.2, all but the first with batch norm."""
    widths = {1: "64-128", 16: "64-128", 34: "64-128-256", 70: "64-128-256-512", 142: "64-128-256-512-512",
              286: "64-128-256-512-512-512"}[patch]  # fmt: skip
    D = PatchGAN(6, patch, 64, "batch")
    *stages, last = D
    assert "-".join(str(stage[0].out_channels) for stage in stages) == widths
    for i, stage in enumerate(stages):
        conv, *norm, relu = stage
        assert [n.statistics for n in norm] == ["batch"] * (i > 0) and relu.negative_slope == 0.2
        assert (conv.bias is None) == (i > 0)
    assert isinstance(last, nn.Conv2d) and last.out_channels == 1


def test_weights_are_drawn_as_in_section_3_3():
    """N(0, 0.02); the scales of batch norm from N(1, 0.02), as released; biases are 0."""
    nets = networks(channels=(64, 64, 64), d_channels=64)
    for module in nets.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | BatchNorm):
            mean = 1.0 if isinstance(module, BatchNorm) else 0.0
            assert abs(module.weight.mean() - mean) < 0.01
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.4 if module.weight.numel() < 1000 else 0.1)
            assert module.bias is None or not module.bias.any()


def test_a_network_is_applied_at_twice_its_size():
    nets = networks().eval()
    labels = torch.rand(1, 3, 64, 96)
    z = torch.randn(2, nets.schedule.units_at(64, 96))
    assert generate(nets, labels, z).shape == (2, 3, 64, 96)
    with pytest.raises(SmisError, match=r"z is \(2, 1536\), expected \(N,9216\)"):
        nets.G(labels, torch.randn(2, *nets.schedule.z_shape))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 36}, "36x32 does not fit a generator of 3 levels: height and width must be multiples of 8"),
        ({"patch": 71}, "patch=71 is no receptive field"),
        ({"patch": 142}, "too small for a PatchGAN of receptive field 142"),
        ({"dropout": 3}, "expected 0 .. 2 levels"),
        ({"discriminator": "unconditionel"}, "unconditional"),
    ],
)
def test_a_schedule_that_cannot_be_built_is_refused(changes, message):
    with pytest.raises(SmisError, match=message):
        Schedule(**(SMALL | changes))


def test_inputs_of_the_wrong_shape_are_refused():
    G, z = networks().G, torch.zeros(1, 1536)
    with pytest.raises(SmisError, match="the input has 1 channels, this generator takes 3"):
        G(torch.zeros(1, 1, 32, 32), z)
    with pytest.raises(SmisError, match="30x32 does not fit"):
        G(torch.zeros(1, 3, 30, 32), z)
    with pytest.raises(SmisError, match=r"z is None, expected \(N,1536\)"):
        G(torch.zeros(1, 3, 32, 32), None)


# --- objectives -------------------------------------------------------------------------------------------------------


def test_vanilla_gan_is_cross_entropy():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    ones, zeros = torch.ones(2), torch.zeros(2)
    bce = F.binary_cross_entropy_with_logits
    assert vanilla_d(real, fake).item() == pytest.approx((bce(real, ones) + bce(fake, zeros)).item())
    assert vanilla_g(fake).item() == pytest.approx(bce(fake, ones).item())


def test_terms_are_weighted_and_those_of_d_halved():
    nets, batch = networks(), a_batch()
    objective = Pix2PixObjective(Pix2Pix(), None)
    terms, fake = objective.generator(nets, batch, Noise(generator(0)), 0.0)
    assert set(terms) == {"gan", "l1"}
    assert terms["l1"].item() == pytest.approx(100 * (fake - batch["image"]).abs().mean().item())
    real, made = (nets.D(torch.cat([batch["labels"], image], 1))[0][-1] for image in (batch["image"], fake))
    found = objective.discriminator(nets, batch, fake.detach(), Noise(generator(0)))
    assert found["gan"].item() == pytest.approx(0.5 * vanilla_d(real, made).item())
    assert set(Pix2PixObjective(Pix2Pix(l1=0), None).generator(nets, batch, Noise(generator(0)), 0.0)[0]) == {"gan"}


def test_only_a_conditional_d_sees_the_input():
    batch = a_batch()
    other = batch | {"labels": -batch["labels"]}
    for kind, channels in (("conditional", 6), ("unconditional", 3)):
        nets, objective = networks(discriminator=kind), Pix2PixObjective(Pix2Pix(), None)
        assert nets.D[0][0].in_channels == channels
        a, b = (objective.discriminator(nets, of, batch["image"].flip(0), Noise(generator(0)))["gan"] for of in (batch, other))
        assert (a == b) == (kind == "unconditional")


def test_l1_alone_has_no_discriminator_and_trains(home):
    e = presets.experiment("pix2pix_l1", "streets_from_labels", "smoke", assignments={"data.n_train": "4", "data.n_test": "2"})
    run = train(e, progress=False)
    nets = runs.load(run.weights)
    assert nets.D is None
    assert [key for key in run.history()[-1] if key.startswith(("g_", "d_"))] == ["g_l1"]
    nets, batch = networks(discriminator="none"), a_batch()
    terms, _ = Pix2PixObjective(Pix2Pix(), None).generator(nets, batch, Noise(generator(0)), 0.0)
    assert set(terms) == {"l1"}
    assert moved(nets.G, terms["l1"])


def test_each_row_differs_in_what_its_table_varies():
    for model in papers.pix2pix.CHANGES:
        e, own = (presets.experiment(m, "streets_from_labels", "demo") for m in ("pix2pix", model))
        assert (e.train, e.data) == (own.train, own.data)
        fields = {f for f in vars(e.network) if getattr(e.network, f) != getattr(own.network, f)}
        assert fields <= {"skips", "patch", "discriminator"}
        assert (own.loss.l1 == 0) == (model in ("pix2pix_gan", "pix2pix_cgan"))


@pytest.mark.parametrize("name", [*(name for name in views.VIEWS if views.source(name) != "custom" and "photos" not in name),
                                  *aligned.PUBLISHED])  # fmt: skip
def test_the_paper_preset_measures_what_a_test_split_has(name):
    e = presets.assemble("pix2pix", "paper", 0, presets.data_spec(name, "paper"))
    assert (e.evaluation.n_fid, e.evaluation.n_maps) == (e.data.n_test, 0)
    assert (e.train.batch, e.train.lr_g, e.train.steps) == (1, 2e-4, 200 * e.data.n_train)


# --- data -------------------------------------------------------------------------------------------------------------


def view(name: str, split: str = "test", n: int = 2) -> tuple[dict, data.Classes]:
    spec = presets.data_spec(name, "smoke")
    spec = DataSpec(name, spec.height, spec.width, n_train=4, n_test=n)
    images = data.open_split(spec, split)
    return data.labelled([images[i] for i in range(n)], data.classes(spec)), data.classes(spec)


@pytest.mark.parametrize("name", [name for name in views.VIEWS if name.startswith("streets")])
def test_a_view_gives_input_and_image(home, name):
    batch, classes = view(name)
    K = views.VIEWS[name].channels
    assert classes.inputs == K
    assert batch["labels"] is batch["input"]
    assert batch["input"].shape == (2, K, 32, 64)
    for key in ("input", "image"):
        assert batch[key].dtype == torch.float32
        assert -1 <= batch[key].min() < batch[key].max() <= 1
    assert viz.condition(batch, classes).shape == (2, 3, 32, 64)
    assert presets.experiment("pix2pix", name, "smoke").network.label_channels == K


def test_views_look_at_the_same_pictures(home):
    forward, back = view("streets_from_labels")[0], view("streets_to_labels")[0]
    assert torch.equal(forward["input"], back["image"])
    assert torch.equal(forward["image"], back["input"])
    assert torch.equal(view("streets_from_grey")[0]["image"], forward["image"])
    night = view("streets_to_night")[0]
    assert night["image"].mean() < night["input"].mean() - 0.3
    edges = view("streets_from_edges")[0]["input"]
    assert set(edges.unique().tolist()) == {-1.0, 1.0}


def test_edges_are_where_the_picture_changes():
    image = torch.full((3, 32, 32), -1.0)
    image[:, :, 16:] = 1
    columns = (views.edges(image)[0] < 0).nonzero()[:, 1]
    assert set(columns.tolist()) <= {15, 16}
    assert len(columns) > 20
    assert views.lightness(image)[0, 0, [0, 31]].tolist() == pytest.approx([-1, 1], abs=1e-4)


def test_mirroring_mirrors_the_input_too(home):
    spec = replace(presets.data_spec("streets_from_labels", "smoke"), flip=True, n_train=4)
    images = data.open_split(spec, "train")
    for key in ("input", "image", "label_map"):
        assert torch.equal(images[4][key], images[0][key].flip(-1))


def test_label_colours_are_read_back(home):
    batch, classes = view("streets_to_labels")
    found = segmentation.NearestColour(classes)(batch["image"])
    assert torch.equal(found, batch["label_map"])
    noisy = segmentation.NearestColour(classes)(batch["image"] + 0.01)
    assert torch.equal(noisy, batch["label_map"])
    e = presets.experiment("pix2pix", "streets_to_labels", "smoke")
    assert isinstance(reader(e)("cpu"), segmentation.NearestColour)


def test_of_classes_of_one_colour_the_first_is_read_and_the_others_count_nowhere():
    classes = data.Classes(("void", "ego", "road"), ((0, 0, 0), (0, 0, 0), (128, 64, 128)))
    label_map = torch.tensor([[[0, 1], [2, 2]]] * 2)
    read = segmentation.NearestColour(classes)
    assert read.predicts == (0, 2)
    found = segmentation.measure(read, [(data.colour(label_map, classes), label_map)], classes)
    assert {m.metric: m.value for m in found} == {"mIoU": 1, "Acc": 1, "Acc (all pixels)": 0.75}


def test_a_view_of_real_streets_is_measured_as_they_are(tmp_path, home):
    root = sample_trees.make("cityscapes", tmp_path, n=8)
    counts = {"data.n_train": "8", "data.n_test": "8"}
    e = presets.experiment("pix2pix", "cityscapes_from_labels", "paper", root=str(root), assignments=counts)
    assert reader(e).func is segformer.Segformer and reader(e).args == ("cityscapes",)
    assert e.data.margin and data.open_split(e.data, "train")[0]["input"].shape == (3, 256, 512)
    changes = {"evaluation.n_fid": "8", "train.steps": "2"}
    for name, read in (("cityscapes_from_labels", set()), ("cityscapes_to_labels", {"mIoU", "Acc", "Class acc"})):
        run = train(presets.experiment("pix2pix", name, "smoke", root=str(root), assignments=changes), progress=False)
        found = {record.metric for record in evaluate(run, progress=False)}
        assert {"FID[embedded]", "Sharpness"} | read <= found
        assert read or not any("Acc" in metric or "mIoU" in metric for metric in found)


def write(path, width: int = 64, mode: str = "RGB", height: int = 32) -> None:
    """An A|B file: its left half dark, its right half bright."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (width, height), (20, 40, 60))
    image.paste((200, 220, 240), (width // 2, 0, width, height))
    image.convert(mode).save(path)


def test_an_aligned_folder_gives_both_halves_in_both_directions(tmp_path, home):
    for split in ("train", "val"):
        for i in range(3):
            write(tmp_path / split / f"{i}.png")
    for name, dark in (("aligned", "input"), ("aligned_ba", "image"), ("maps", "input"), ("facades", "image")):
        spec = DataSpec(name, 32, 32, root=str(tmp_path), flip=True)
        images = data.open_split(spec, "train")
        assert len(images) == 6
        sample = images[0]
        assert sample[dark].mean() < -0.5 < 0.5 < sample[{"input": "image", "image": "input"}[dark]].mean()
        assert len(data.open_split(spec, "test")) == 3  # of val, where there is no test
    assert aligned.report(spec).endswith("input B: train 3, test 3\nno faults")
    batch = data.labelled([images[0], images[1]], data.classes(spec))
    assert batch["labels"].shape == (2, 3, 32, 32)


def test_an_aligned_folder_is_trained_and_measured(tmp_path, home):
    for split in ("train", "test"):
        for i in range(6):
            path = tmp_path / split / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(i).integers(0, 256, (32, 64, 3)).astype(np.uint8)
            Image.fromarray(noise).save(path)
    changes = {"evaluation.n_fid": "6", "evaluation.n_maps": "0"}
    e = presets.experiment("pix2pix", "facades", "smoke", root=str(tmp_path), assignments=changes)
    found = {record.metric for record in evaluate(train(e, progress=False), progress=False)}
    assert {"Lab a", "Lab b", "Sharpness", "FID[embedded]"} <= found
    assert not any("mIoU" in metric for metric in found)


@pytest.mark.parametrize("name", ["facades", "cityscapes_from_labels"])
def test_a_size_that_cannot_be_halved_is_refused_before_any_work(name):
    with pytest.raises(SmisError, match=r"31x32 does not fit .* multiples of 2"):
        presets.experiment("pix2pix", name, "smoke", root="elsewhere", assignments={"data.height": "31", "data.width": "32"})


def test_a_picture_of_other_channels_is_refused_with_both_numbers():
    batch, classes = {"input": torch.zeros(1, 3, 8, 8), "name": ["a"]}, replace(aligned.CLASSES, picture=1)
    with pytest.raises(SmisError, match="the input of 'a' has 3 channels, expected 1"):
        data.labels(batch, classes)


def test_faults_of_an_aligned_folder_are_named(tmp_path):
    spec = DataSpec("aligned", 32, 32, root=str(tmp_path))
    with pytest.raises(SmisError, match="has no folder train"):
        data.open_split(spec, "train")
    (tmp_path / "train").mkdir()
    with pytest.raises(SmisError, match="holds no images"):
        data.open_split(spec, "train")
    write(tmp_path / "train" / "odd.png", width=63)
    write(tmp_path / "train" / "grey.png", mode="L")
    (tmp_path / "train" / "broken.png").write_bytes(b"no image")
    with pytest.raises(SmisError) as caught:
        data.open_split(spec, "train")
    message = str(caught.value)
    assert "3 fault(s)" in message
    assert "odd.png is 63x32 (width x height): the width must be even" in message
    assert "grey.png has 1 channel(s) (L), expected 3 (RGB)" in message
    assert "broken.png cannot be decoded" in message
    with pytest.raises(SmisError, match="has no folder test or val"):
        data.open_split(spec, "test")
    with pytest.raises(SmisError, match="needs its folder"):
        data.open_split(DataSpec("facades", 32, 32), "train")


# --- metrics ----------------------------------------------------------------------------------------------------------


def test_equal_images_share_their_whole_distribution():
    images = torch.rand(6, 3, 16, 16, generator=generator(0)) * 2 - 1
    measured, curves = colour.measure([images[:4], images[4:]], [images])
    for m in measured:
        assert m.value == pytest.approx(1)
        assert m.interval == pytest.approx((1, 1))
    for channel, (fake, real) in curves.items():
        assert fake.sum() == pytest.approx(1), channel
        assert np.array_equal(fake, real)


def test_grey_and_blurred_images_are_found_out():
    images = torch.rand(6, 3, 16, 16, generator=generator(0)) * 2 - 1
    grey = images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    found = {m.metric: m.value for m in colour.measure([grey], [images])[0]}
    assert found["Lab a"] < 0.2 > found["Lab b"]
    blurred = F.avg_pool2d(images, 3, stride=1, padding=1)
    found = {m.metric: m.value for m in colour.measure([blurred], [images])[0]}
    assert found["Sharpness"] < 0.5
    with pytest.raises(SmisError, match="5 generated images but 6 real"):
        colour.measure([images[:5]], [images])


def test_colours_are_of_all_images_together_and_so_is_sharpness():
    """Sets that are equal but for their order: one by one their images have nothing in common."""
    rng = generator("pairs")
    dark, light = torch.rand(2, 3, 16, 16, generator=rng) * 0.2 - 1, torch.rand(2, 3, 16, 16, generator=rng) * 2 - 1
    light[1] = 1 - 0.05 * torch.rand(3, 16, 16, generator=rng)
    images = torch.cat([dark, light])
    for m in colour.measure([images.flip(0)], [images])[0]:
        assert m.value == pytest.approx(1), m.metric


def test_sharpness_is_of_rows_and_of_columns_alike():
    L = np.zeros((2, 4, 6, 3))
    L[0, 2:, :, 0] = 30  # one edge of three from row to row, none along a row
    L[1, :, 3:, 0] = 50  # one of five from column to column
    np.testing.assert_allclose(colour.gradient(L), [30 / 3 / 2, 50 / 5 / 2])


def test_histogram_intersection_by_hand():
    assert colour.intersection(np.array([1, 3, 0]), np.array([2, 0, 2])) == pytest.approx(0.25)


def test_class_accuracy_by_hand():
    counts = np.array([[8, 2, 0], [1, 1, 0], [0, 0, 0]])  # class 2 has no pixels
    assert segmentation.accuracy_per_class(counts) == pytest.approx((0.8 + 0.5) / 2)


# --- claims -----------------------------------------------------------------------------------------------------------


def cell(value: float, half: float = 0.01) -> results.Cell:
    m = Measurement("Acc", value, {}, (value - half, value + half))
    record = results.Record(m.metric, m.value, {}, "pix2pix", "streets", "demo", 0, "", "", interval=m.interval)
    return results.Cell(value, (record,))


def test_statements_are_decided_by_the_intervals():
    statements = [s for s in claims.pix2pix.LABELS_TO_PHOTO if "at least as good as 16x16" in s.text]
    for ours, theirs, verdict in ((0.6, 0.5, "reproduced"), (0.6, 0.601, "reproduced"), (0.4, 0.5, "not reproduced")):
        metrics = ("Acc[embedded]", "Class acc[embedded]", "mIoU[embedded]")
        cells = {("pix2pix", m): cell(ours) for m in metrics} | {("pix2pix_patch16", m): cell(theirs) for m in metrics}
        assert set(claims.pix2pix.check(cells, statements, "[embedded]")["verdict"]) == {verdict}
    assert set(claims.pix2pix.table({}, {})["verdict"]) == {"not decidable"}
    best = [s for s in claims.pix2pix.LABELS_TO_PHOTO if "best" in s.text]
    cells = {(m, "Acc"): cell(v) for m, v in zip(papers.pix2pix.OBJECTIVES, (0.5, 0.2, 0.3, 0.55, 0.54), strict=True)}
    assert claims.pix2pix.check(cells, best).loc[0, "verdict"] == "not decidable"


def test_no_effect_on_sharpness_is_not_a_small_one_nor_a_wide_interval():
    (statement,) = [s for s in claims.pix2pix.LABELS_TO_PHOTO if "no effect on sharpness" in s.text]
    for pixel, half, verdict in (
        (0.41, 0.01, "reproduced"),
        (0.48, 0.01, "not reproduced"),
        (0.32, 0.01, "not reproduced"),
        (0.4, 0.1, "not decidable"),
    ):
        cells = {("pix2pix_pixelgan", "Sharpness"): cell(pixel, half), ("pix2pix_l1", "Sharpness"): cell(0.4)}
        assert claims.pix2pix.check(cells, [statement]).loc[0, "verdict"] == verdict


def test_the_registry_has_every_row_of_the_tables():
    rows = {*papers.pix2pix.OBJECTIVES, *papers.pix2pix.GENERATORS, *papers.pix2pix.PATCHES}
    assert rows == {m for m, name in papers.pix2pix.EXPERIMENTS if name == "streets_from_labels"} <= set(MODELS)
    assert math.isclose(pix2pix.Pix2Pix().l1, 100)
