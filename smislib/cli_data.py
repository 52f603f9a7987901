"""`smis data`: look at data sets."""

from typing import Annotated

import typer

from .cli_options import BAD_INPUT, Preset

data_app = typer.Typer(help="Look at data sets.")


@data_app.command("check")
def data_check(
    name: Annotated[
        str,
        typer.Argument(
            help="deepfashion, cityscapes, ade20k, coco_stuff, custom, photos; imagenet, classes; aligned and other A|B folders"
        ),
    ],
    root: Annotated[str | None, typer.Argument(help="folder of the data set")] = None,
    preset: Preset = "demo",
):
    """Expected against found, every fault by file name."""
    from . import presets
    from .data import aligned, class_folders
    from .data.check import check

    spec = presets.data_spec(name, preset, root)
    if spec.name in aligned.INPUT_SIDE:
        print(aligned.report(spec))
        return
    if spec.name in class_folders.SPLITS:
        print(class_folders.report(spec))
        return
    report = check(spec)
    print(report)
    raise typer.Exit(0 if report.ok else BAD_INPUT)


@data_app.command("cache")
def data_cache(
    name: Annotated[str, typer.Argument(help="deepfashion, cityscapes, ade20k, coco_stuff, custom, photos")],
    root: Annotated[str | None, typer.Argument(help="folder of the data set")] = None,
    preset: Preset = "demo",
):
    """Decode and resize a folder once for a preset's size; trainings and measurements then read that."""
    from . import presets
    from .data import presize

    for folder in presize(presets.data_spec(name, preset, root)):
        print(folder)


@data_app.command("crop")
def data_crop(
    folder: Annotated[str, typer.Argument(help="a custom folder: {train,test}/{images,labels}/, classes.json")],
    new: Annotated[str, typer.Argument(help="the folder to write")],
    aspect: Annotated[float, typer.Option(help="width / height")] = 1.0,
):
    """Cut the centre out of pictures of any shape, and out of their labels, so that all have one."""
    from .data.crop import crop

    print(crop(folder, new, aspect))
