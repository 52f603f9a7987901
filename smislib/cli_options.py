"""What several commands of `smis` take, and the exit statuses."""

from typing import Annotated

import typer

BAD_INPUT, INTERRUPTED = 2, 130  # exit statuses

Model = Annotated[
    str,
    typer.Argument(
        help="groupdnet, groupnet, mulnet, groupenc, groupdec, vspade; bicyclegan, dscgan, pix2pixhd, spade, spade_vae; "
        "pix2pix, and with one thing changed pix2pix_l1, pix2pix_cgan ...; oasis; biggan, s3gan_20 (20 % of the labels) ..."
    ),
]
Data = Annotated[
    str,
    typer.Option(
        "--data",
        help="mannequins, streets, rooms, photos, their views such as streets_from_labels; "
        "of whole images tokens, digits; "
        "with --root: custom, deepfashion, cityscapes, ade20k, coco_stuff, aligned, facades, maps, imagenet, classes",
    ),
]
Preset = Annotated[str, typer.Option(help="smoke, demo or paper")]
Seed = Annotated[int, typer.Option(help="of weights, batches and noise")]
Root = Annotated[str | None, typer.Option(help="folder of a real data set")]
Paper = Annotated[str | None, typer.Option(help="that of one paper alone: smis, pix2pix, spade, oasis, s3gan")]
Set = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="change one value, e.g. train.steps=100")]
Accelerator = Annotated[str, typer.Option(help="auto, cpu, cuda: as Lightning Fabric names them")]
Devices = Annotated[int, typer.Option(help="devices of each machine, a process each; under torchrun leave it out")]
Nodes = Annotated[int, typer.Option(help="machines; under torchrun leave it out")]
