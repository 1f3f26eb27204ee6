"""`detectory data prepare`: the files that some built-in datasets need beside those that their authors publish."""

from pathlib import Path

import click

from .progress import progress_bar

_ROOT = click.option(
    "--root",
    type=click.Path(path_type=Path),
    help="The folder of the built-in datasets. [default: $DETECTORY_DATASETS, $DETECTRON2_DATASETS or datasets]",
)


@click.group("prepare")
def command() -> None:
    """Write what built-in datasets need besides their files.

    \b
    Examples:
      detectory data prepare panoptic-fpn --root datasets/
      detectory data prepare cityscapes
    """


def _folder(root: Path | None, name: str) -> Path:
    """The folder of one dataset below the root."""
    from detectory.data.builtin.definitions import datasets_root

    folder = (Path(datasets_root()) if root is None else root) / name
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; set --root or $DETECTORY_DATASETS to the folder above it")
    return folder


@command.command("panoptic-fpn")
@_ROOT
def panoptic_fpn(root: Path | None) -> None:
    """COCO: label images for Panoptic FPN.

    Writes coco/panoptic_stuff_{train,val}2017/ from coco/annotations/panoptic_{train,val}2017.json and the folders of
    PNG files coco/panoptic_{train,val}2017/.

    \b
    Examples:
      detectory data prepare panoptic-fpn --root datasets/
    """
    from detectory.data.builtin.prepare import separate_coco_semantic_from_panoptic

    coco = _folder(root, "coco")
    files = sorted((coco / "annotations").glob("panoptic_*2017*.json"))
    if not files:
        raise FileNotFoundError(f"{coco / 'annotations'}: no panoptic_train2017.json or panoptic_val2017.json")
    for file in files:
        split = file.stem.removeprefix("panoptic_")
        target = coco / f"panoptic_stuff_{split}"
        target.mkdir(exist_ok=True)
        with progress_bar(split) as advance:
            count = separate_coco_semantic_from_panoptic(file, coco / f"panoptic_{split}", target, progress=advance)
        click.echo(f"{target}: {count} label images")


@command.command("ade20k")
@_ROOT
def ade20k(root: Path | None) -> None:
    """ADE20k: labels from 0, and 255 for "other".

    Writes ADEChallengeData2016/annotations_detectron2/ from annotations/.

    \b
    Examples:
      detectory data prepare ade20k --root datasets/
    """
    from detectory.data.builtin.prepare import convert_ade20k_labels

    folder = _folder(root, "ADEChallengeData2016")
    with progress_bar("ade20k") as advance:
        count = convert_ade20k_labels(folder, advance)
    click.echo(f"{folder / 'annotations_detectron2'}: {count} label images")


@command.command("cocofied-lvis")
@_ROOT
def cocofied_lvis(root: Path | None) -> None:
    """LVIS v0.5 with COCO's classes.

    Writes lvis/lvis_v0.5_{train,val}_cocofied.json.

    \b
    Examples:
      detectory data prepare cocofied-lvis --root datasets/
    """
    from detectory.data.builtin.prepare import cocofy_lvis

    folder = _folder(root, "lvis")
    files = [folder / f"lvis_v0.5_{split}.json" for split in ("train", "val")]
    found = [file for file in files if file.is_file()]
    if not found:
        raise FileNotFoundError(f"{folder}: neither {files[0].name} nor {files[1].name} is there")
    for file in found:
        target = file.with_name(f"{file.stem}_cocofied.json")
        click.echo(f"{target}: {cocofy_lvis(file, target)} annotations")


@command.command("cityscapes")
@_ROOT
@click.option("--no-panoptic", is_flag=True, help="Write labelTrainIds.png only.")
def cityscapes(root: Path | None, no_panoptic: bool) -> None:
    """Cityscapes: training ids and panoptic segments.

    Writes labelTrainIds.png beside each labelIds.png, and gtFine/cityscapes_panoptic_{train,val,test} with its JSON.

    \b
    Examples:
      detectory data prepare cityscapes --root datasets/
      detectory data prepare cityscapes --no-panoptic
    """
    from detectory.data.builtin.prepare import create_cityscapes_panoptic, create_cityscapes_train_ids

    folder = _folder(root, "cityscapes")
    with progress_bar("labels") as advance:
        count = create_cityscapes_train_ids(folder, advance)
    click.echo(f"{folder / 'gtFine'}: {count} labelTrainIds.png files")
    splits = [split for split in ("train", "val", "test") if (folder / "gtFine" / split).is_dir()]
    for split in [] if no_panoptic else splits:
        with progress_bar(split) as advance:
            count = create_cityscapes_panoptic(folder, split, advance)
        click.echo(f"{folder / 'gtFine' / f'cityscapes_panoptic_{split}'}: {count} panoptic images")
