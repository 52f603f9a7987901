"""Official checkpoints: every key and shape, what the official networks compute, and what a wrong file is told.

The references below are the official networks' forward passes written down once more, on the keys of their own state dicts.
"""

import hashlib
import json

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smislib import convert, presets, runs, sample
from smislib.cli import main
from smislib.config import DataSpec, replace
from smislib.errors import SmisError
from smislib.models import MODELS, groupdnet, oasis, pix2pixhd, spade

# trainable parameters, and the first digits of the SHA-256 of the state dict's sorted keys and shapes
OFFICIAL = {
    "smis/deepfashion/G": (96_324_451, "b33090d1dc23"),
    "smis/deepfashion/E": (12_835_712, "4ea64222545d"),
    "smis/deepfashion/D": (5_544_066, "7e7319b9a5cd"),
    "smis/cityscapes/G": (76_501_358, "f1c8aa497c9b"),
    "smis/cityscapes/E": (5_768_210, "74bcbc8e3ebe"),
    "smis/cityscapes/D": (5_601_410, "9578fd6a53f2"),
    "smis/ade20k/G": (68_326_847, "e12f270dffcb"),
    "smis/ade20k/E": (4_411_012, "a34e7b5f254d"),
    "smis/ade20k/D": (5_836_930, "88ec01bffe1b"),
    "spade/ade20k/G": (96_492_483, "105e155b794e"),
    "spade/ade20k/D": (5_836_930, "88ec01bffe1b"),
    "spade/cityscapes/G": (93_048_003, "4096904ce79d"),
    "spade_vae/ade20k/G": (111_942_595, "da6b947adf8e"),
    "spade_vae/ade20k/E": (10_463_424, "0386c80cc668"),
    "pix2pixhd/ade20k/G": (182_886_019, "3c8a6ff6320e"),
    "oasis/ade20k/G": (74_314_691, "a55b01789077"),
    "oasis/ade20k/D": (22_258_904, "34aa8f197571"),
}


def shapes_of(network: nn.Module, name: str) -> dict[str, list[int]]:
    return {convert.official_key(key, name): list(value.shape) for key, value in network.state_dict().items()}


@pytest.mark.parametrize("name", OFFICIAL)
def test_every_key_and_shape_of_the_official_networks(name):
    network = getattr(convert._empty(name), name[-1])
    count, digest = OFFICIAL[name]
    assert sum(p.numel() for p in network.parameters()) == count
    shapes = shapes_of(network, name)
    assert len(shapes) == len(network.state_dict())  # no two of our weights have one official name
    assert hashlib.sha256(json.dumps(shapes, sort_keys=True).encode()).hexdigest()[:12] == digest


def test_the_names_are_those_of_the_table():
    assert set(convert.NAMES) == set(OFFICIAL)


# --- what the official networks compute -------------------------------------------------------------------------------


def random_state(network: nn.Module, name: str, seed: int = 0) -> dict[str, Tensor]:
    """A state dict of the official keys whose every value is its own; u and v as after a step of their power iteration."""
    rng = torch.Generator().manual_seed(seed)
    state = {key: torch.randn(shape, generator=rng) for key, shape in shapes_of(network, name).items()}
    state = {key: value / value[0].numel() ** 0.5 if value.dim() > 1 else value for key, value in state.items()}
    for key in list(state):
        value = state[key]
        if key.endswith("running_var"):
            state[key] = value.square() + 0.3
        elif key.endswith("weight_orig"):
            across = 1 if "model.2" in key and name.startswith("pix2pixhd") else 0  # a transposed convolution's outputs
            matrix = value.transpose(0, across).flatten(1)
            state[key.replace("_orig", "_v")] = v = F.normalize(matrix.T @ F.normalize(torch.ones(len(matrix)), dim=0), dim=0)
            state[key.replace("_orig", "_u")] = F.normalize(matrix @ v + 0.3, dim=0)
    counts = [key.replace("running_mean", "num_batches_tracked") for key in state if key.endswith("running_mean")]
    return state | {key: torch.tensor(7) for key in counts}


def weight(state: dict, key: str) -> Tensor:
    """A convolution's weight: divided by sigma = u^T W v where there is a spectral norm."""
    if f"{key}.weight" in state:
        return state[f"{key}.weight"]
    w, u, v = (state[f"{key}.weight_{part}"] for part in ("orig", "u", "v"))
    matrix = w.flatten(1) if w.flatten(1).shape == (len(u), len(v)) else w.transpose(0, 1).flatten(1)
    return w / (u @ matrix @ v)


def conv(state: dict, key: str, x: Tensor, **options) -> Tensor:
    w = weight(state, key)
    return F.conv2d(x, w, state.get(f"{key}.bias"), groups=x.shape[1] // w.shape[1], **options)


def cgnorm(state: dict, key: str, x: Tensor, labels: Tensor, norm: str = "param_free_norm") -> Tensor:
    hidden = conv(state, f"{key}.mlp_shared.0", F.interpolate(labels, x.shape[2:]), padding=1).relu()
    mean, var = (state[f"{key}.{norm}.running_{what}"][:, None, None] for what in ("mean", "var"))
    gamma, beta = (conv(state, f"{key}.mlp_{what}", hidden, padding=1) for what in ("gamma", "beta"))
    return (x - mean) / (var + 1e-5).sqrt() * (1 + gamma) + beta


def generator(state: dict, labels: Tensor, x: Tensor, same_size: tuple[str, ...] = ()) -> Tensor:
    """The residual blocks from what `fc` gives, and the output."""
    for block in ("head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3"):
        if f"{block}.conv_0.bias" not in state:
            continue
        if block != "head_0" and block not in same_size:
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        skip, h = x, x
        if f"{block}.conv_s.weight_orig" in state:
            skip = conv(state, f"{block}.conv_s", cgnorm(state, f"{block}.norm_s", x, labels))
        for i in (0, 1):
            h = conv(state, f"{block}.conv_{i}", F.leaky_relu(cgnorm(state, f"{block}.norm_{i}", h, labels), 0.2), padding=1)
        x = skip + h
    return conv(state, "conv_img", F.leaky_relu(x, 0.2), padding=1).tanh()


def encoder(state: dict, x: Tensor) -> Tensor:
    for i in range(1, 7):
        if f"layer{i}.0.weight_orig" in state:
            x = F.leaky_relu(F.instance_norm(conv(state, f"layer{i}.0", x, stride=2, padding=1)), 0.2)
    return x


def scene(C: int, size: int = 32, extra: int = 0) -> tuple[Tensor, Tensor]:
    rng, double = torch.Generator().manual_seed(1), torch.float64
    label_map = torch.randint(C, (2, 4, 4), generator=rng).repeat_interleave(size // 4, 1).repeat_interleave(size // 4, 2)
    edge = torch.rand(2, extra, size, size, generator=rng, dtype=double)
    labels = torch.cat([F.one_hot(label_map, C).movedim(-1, 1).to(double), edge], 1)
    return torch.rand(2, 3, size, size, generator=rng, dtype=double) * 2 - 1, labels


def converted(schedule, model: str, name: str) -> tuple[nn.Module, dict[str, Tensor]]:
    """A converted network of any widths and the state dict that it comes from, both in double precision."""
    networks = MODELS[model].networks(schedule)
    state = random_state(getattr(networks, name[-1]), name)
    return convert.fill(networks, name, state).double(), {key: value.double() for key, value in state.items()}


def close(a: Tensor, b: Tensor) -> None:
    assert a.abs().max() > 1e-3  # something to compare
    torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("edge", [False, True])
def test_groupdnet(edge):
    C = 4
    s = groupdnet.Schedule(
        C=C, height=32, width=32, channels=(16, 16, 8, 8), groups=(4, 4, 2, 1), hidden=(8, 8, 8, 8), shared_groups=(4, 4, 2, 1),
        affine_groups=(4, 4, 2, 1), encoder_channels=(8, 16, 16), encoder_groups=C, instance_edge=edge, class_view="crop",
        unused_channels=4,
    )  # fmt: skip
    (image, labels), z = scene(C, extra=int(edge)), torch.randn(2, 8 * C, 4, 4, dtype=torch.float64)
    G, state = converted(s, "groupdnet", "smis/ade20k/G")
    assert sum(key.startswith("up_4") for key in state) > 10
    seen = labels
    if edge:
        seen = torch.stack([labels[:, i // 2 if i % 2 == 0 else C] for i in range(2 * C)], dim=1)
    with torch.no_grad():
        close(generator(state, seen, conv(state, "fc", z, padding=1)), G(labels, z))
        E, state = converted(s, "groupdnet", "smis/ade20k/E")
        x = encoder(state, groupdnet.crop_by_class(image, labels[:, :C])[0])
        for key, found in zip(("fc_mu", "fc_var"), E(image, labels), strict=True):
            close(conv(state, key, x, padding=1), found)


@pytest.mark.parametrize("same_size", [(), (2,)])
def test_spade_without_its_encoder(same_size):
    s = spade.Schedule(C=5, height=32, width=32, channels=(12, 12, 12, 6), same_size=same_size, hidden=8)
    labels, (G, state) = scene(5)[1], converted(s, "spade", "spade/ade20k/G")
    with torch.no_grad():
        x = conv(state, "fc", F.interpolate(labels, s.grid), padding=1)
        close(generator(state, labels, x, ("G_middle_1",) if same_size else ()), G(labels, None))


def test_spade_with_its_encoder():
    s = spade.Schedule(C=3, height=32, width=32, channels=(12, 12, 6), hidden=8, encoder_channels=(4, 8), z_dim=6)
    (image, labels), (G, state) = scene(3), converted(s, "spade_vae", "spade_vae/ade20k/G")
    with torch.no_grad():
        z = torch.randn(2, 6, dtype=torch.float64)
        x = F.linear(z, state["fc.weight"], state["fc.bias"]).view(2, 12, 8, 8)
        close(generator(state, labels, x), G(labels, z))
        E, state = converted(s, "spade_vae", "spade_vae/ade20k/E")
        x = encoder(state, F.interpolate(image, (16, 16), mode="bilinear")).flatten(1)
        for key, found in zip(("fc_mu", "fc_var"), E(image), strict=True):
            close(F.linear(x, state[f"{key}.weight"], state[f"{key}.bias"]), found)


def test_pix2pixhd():
    s = pix2pixhd.Schedule(C=3, height=32, width=32, channels=4)
    labels, (G, state) = scene(3)[1], converted(s, "pix2pixhd", "pix2pixhd/ade20k/G")

    def padded(key: str, x: Tensor, border: int) -> Tensor:
        return conv(state, key, F.pad(x, (border,) * 4, mode="reflect"))

    with torch.no_grad():
        x = F.instance_norm(padded("model.1.0", labels, 3)).relu()
        for i in (3, 5, 7, 9):
            x = F.instance_norm(conv(state, f"model.{i}.0", x, stride=2, padding=1)).relu()
        for i in range(11, 20):
            h = F.instance_norm(padded(f"model.{i}.conv_block.1.0", x, 1)).relu()
            x = x + F.instance_norm(padded(f"model.{i}.conv_block.4.0", h, 1))
        for i in (20, 22, 24, 26):
            h = F.conv_transpose2d(x, weight(state, f"model.{i}.0"), stride=2, padding=1, output_padding=1)
            x = F.instance_norm(h).relu()
        close(padded("model.29", x, 3).tanh(), G(labels))


def test_discriminator():
    s = spade.Schedule(C=3, height=32, width=32, channels=(8, 8), hidden=8, d_channels=4)
    (image, labels), (D, state) = scene(3), converted(s, "spade", "spade/ade20k/D")
    x = torch.cat([labels, image], 1)
    with torch.no_grad():
        for scale, found in enumerate(D(x)):
            h = x if scale == 0 else F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            for i, (layer, stride) in enumerate((("0", 2), ("1.0", 2), ("2.0", 2), ("3.0", 1), ("4", 1))):
                h = conv(state, f"discriminator_{scale}.model{layer}.0" if i < 4 else f"discriminator_{scale}.model4.0", h,
                         stride=stride, padding=2)  # fmt: skip
                h = F.instance_norm(h) if i in (1, 2, 3) else h
                h = F.leaky_relu(h, 0.2) if i < 4 else h
                close(h, found[i])


@pytest.mark.parametrize("noise", [(2, 5), (2, 5, 32, 32)])
def test_oasis_generator(noise):
    s = oasis.Schedule(C=3, height=32, width=32, channels=(12, 12, 8, 4), z_dim=5, hidden=8, d_channels=(4, 4), d_last=4)
    labels, (G, state) = scene(3)[1], converted(s, "oasis", "oasis/ade20k/G")
    z = torch.randn(noise, dtype=torch.float64)
    condition = torch.cat([z if z.dim() == 4 else z[:, :, None, None].expand(-1, -1, 32, 32), labels], 1)
    with torch.no_grad():
        x = conv(state, "fc", F.interpolate(condition, (4, 4)), padding=1)
        for i in range(4):
            if i:
                x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
            block = f"body.{i}"

            def norm(which: str, x: Tensor, block: str = block) -> Tensor:
                return cgnorm(state, f"{block}.norm_{which}", x, condition, "first_norm")

            skip = conv(state, f"{block}.conv_s", norm("s", x)) if f"{block}.conv_s.weight_orig" in state else x
            h = conv(state, f"{block}.conv_0", F.leaky_relu(norm("0", x), 0.2), padding=1)
            x = skip + conv(state, f"{block}.conv_1", F.leaky_relu(norm("1", h), 0.2), padding=1)
        close(conv(state, "conv_img", F.leaky_relu(x, 0.2), padding=1).tanh(), G(labels, z))


def test_oasis_discriminator():
    """Its shortcuts convolve at the finer grid, as released; ours at the coarser one."""
    s = oasis.Schedule(C=3, height=32, width=32, channels=(8, 8), hidden=8, d_channels=(6, 6, 8, 12), d_last=4)
    (image, _), (D, state) = scene(3), converted(s, "oasis", "oasis/ade20k/D")

    def block(key: str, x: Tensor, layer: int, size: float) -> Tensor:
        def resized(x: Tensor, now: bool) -> Tensor:
            return x if not now else F.avg_pool2d(x, 2) if size < 1 else F.interpolate(x, scale_factor=2)

        h = resized(F.leaky_relu(x, 0.2) if layer else x, size > 1)
        h = conv(state, f"{key}.conv2.1", F.leaky_relu(conv(state, f"{key}.conv1.{layer}", h, padding=1), 0.2), padding=1)
        skip = resized(x, size > 1 or layer == 0)
        skip = conv(state, f"{key}.conv_s", skip) if f"{key}.conv_s.weight_orig" in state else skip
        return resized(skip, size < 1 and layer > 0) + resized(h, size < 1)

    with torch.no_grad():
        x, seen = image, []
        for i in range(4):
            x = block(f"body_down.{i}", x, int(i > 0), 0.5)
            seen.append(x)
        x = block("body_up.0", seen[-1], 2, 2)
        for i in range(1, 4):
            x = block(f"body_up.{i}", torch.cat([seen[-i - 1], x], 1), 2, 2)
        close(conv(state, "layer_up_last", x), D(image))


@pytest.mark.parametrize("make", [lambda: nn.Conv2d(6, 4, 3, groups=2), lambda: nn.ConvTranspose2d(4, 6, 3)])
def test_spectral_norm_is_that_of_torchs_old_form(make):
    """Its stored u and v give the same weight, also long before they have converged."""
    torch.manual_seed(0)
    old = torch.nn.utils.spectral_norm(make()).train()
    new = nn.utils.parametrizations.spectral_norm(make())
    x = torch.randn(1, old.in_channels, 5, 5)
    old(x)  # one step of the power iteration
    renamed = {key: convert.official_key(key, "smis/ade20k/E") for key in new.state_dict()}
    assert sorted(renamed.values()) == sorted(old.state_dict())
    new.load_state_dict({ours: old.state_dict()[theirs] for ours, theirs in renamed.items()})
    torch.testing.assert_close(new.eval()(x), old.eval()(x))


# --- files ------------------------------------------------------------------------------------------------------------


class Small(convert.Checkpoint):
    """A released set of networks that is small."""

    @property
    def experiment(self):
        smoke = presets.assemble(self.model, "smoke", 0, DataSpec(self.data, self.height, self.width))
        return replace(smoke, {"network.encoder_norm": "instance"})  # as the released encoders


@pytest.fixture
def states(monkeypatch, tmp_path) -> dict[str, dict[str, Tensor]]:
    """Official state dicts of "smis/small/{G,E,D}", which lie in the working directory as latest_net_{G,E,D}.pth too."""
    monkeypatch.setitem(convert.OFFICIAL, "smis/small", Small("groupdnet", "deepfashion", 32, 32, 8))
    monkeypatch.setattr(convert, "NAMES", (*convert.NAMES, *(f"smis/small/{player}" for player in "GED")))
    monkeypatch.chdir(tmp_path)
    networks = MODELS["groupdnet"].networks(convert.OFFICIAL["smis/small"].experiment.network)
    states = {player: random_state(getattr(networks, player), f"smis/small/{player}") for player in "GED"}
    for player, state in states.items():
        torch.save(state, f"latest_net_{player}.pth")
    return states


def test_a_file_and_its_state_dict_give_one_network(states):
    image, labels = (x.float() for x in scene(8))
    a = convert.official("smis/small/E", states["E"])
    b = convert.official("smis/small/E", "latest_net_E.pth")
    assert not a.training and not b.training
    with torch.no_grad():
        for x, y in zip(a(image, labels), b(image, labels), strict=True):
            assert torch.equal(x, y)
    a.mu.bias.data.zero_()
    assert states["E"]["fc_mu.bias"].any()  # the caller's tensors stay his own


def test_a_converted_file_is_loaded_without_flags(states):
    networks = runs.load(convert.convert("latest_net_G.pth", "smis/small/G"))
    assert (networks.E, networks.D) == (None, None)
    labels, z = scene(8)[1].float(), torch.randn(2, *networks.schedule.z_shape)
    G = convert.official("smis/small/G", states["G"])
    with torch.no_grad():
        assert torch.equal(sample.generate(networks, labels, z), G(labels, z))
    with pytest.raises(SmisError, match="no encoder"):
        sample.encode(networks, torch.zeros(2, 3, 32, 32), labels)


def test_a_folder_becomes_one_file(states, tmp_path):
    networks = runs.load(convert.convert(tmp_path, "smis/small", tmp_path / "all.safetensors"))
    image, labels = (x.float() for x in scene(8))
    assert sample.reconstruct(networks, image, labels).shape == image.shape
    assert networks.D is not None
    (tmp_path / "80_net_G.pth").touch()
    with pytest.raises(SmisError, match=r"2 files \*_net_G.pth: 80_net_G.pth, latest_net_G.pth"):
        convert.convert(tmp_path, "smis/small")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SmisError, match="has no file"):
        convert.convert(tmp_path / "empty", "smis/small")


def test_a_wrong_state_dict_is_told_what_differs(states):
    state = dict(states["E"])
    state["layer9.0.weight"] = state.pop("fc_mu.bias")
    state["fc_var.bias"] = torch.zeros(3)
    with pytest.raises(SmisError) as error:
        convert.official("smis/small/E", state)
    for part in (
        "the state dict is not smis/small/E: of 13 keys",
        "1 missing: fc_mu.bias [64]",
        "1 unexpected: layer9.0.weight [64]",
        "1 of another shape: fc_var.bias [3] instead of [64]",
        "It fits none of smis/deepfashion/G",
    ):
        assert part in str(error.value)
    with pytest.raises(SmisError, match=r"latest_net_D.pth is not smis/small/E: .* and \d+ more.* It fits smis/small/D\."):
        convert.official("smis/small/E", "latest_net_D.pth")


def test_what_is_no_checkpoint_is_refused(states, tmp_path):
    (tmp_path / "damaged.pth").write_bytes((tmp_path / "latest_net_E.pth").read_bytes()[:5000])
    torch.save({"epoch": 3}, "other.pth")
    for file, message in (
        ("nowhere.pth", "there is no file nowhere.pth"),
        ("damaged.pth", "damaged.pth cannot be read as weights"),
        ("other.pth", "other.pth holds a dict, expected a state dict"),
    ):
        with pytest.raises(SmisError, match=message):
            convert.official("smis/small/E", file)
    with pytest.raises(SmisError, match=r"unknown official network 'smis/deepfashion'.*'smis/deepfashion/"):
        convert.official("smis/deepfashion", {})


def test_the_command(states, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["smis", "convert", "latest_net_E.pth", "smis/small/E", "--out", "e.safetensors"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out == "e.safetensors\n"
    assert runs.load("e.safetensors").G is None
