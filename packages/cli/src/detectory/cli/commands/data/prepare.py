"""`detectory data prepare`: files derived from the official releases of built-in datasets."""

from pathlib import Path

import click

from detectory.cli.commands.data.progress import progress_bar
from detectory.cli.options import overwrite_option

_ROOT = click.option(
    "--root",
    type=click.Path(path_type=Path),
    help="Root folder of the built-in datasets [default: $DETECTORY_DATASETS, $DETECTRON2_DATASETS or datasets].",
)


@click.group("prepare")
def command() -> None:
    """Write derived files of built-in datasets.

    Existing files with the same content are kept. Files with other content are only replaced with --overwrite.

    \b
    Examples:
      detectory data prepare panoptic-fpn --root datasets/
      detectory data prepare cityscapes
    """


def _folder(root: Path | None, name: str) -> Path:
    """Return the folder of a dataset below the root folder."""
    from detectory.data.builtin import datasets_root

    folder = (Path(datasets_root()) if root is None else root) / name
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder. Set --root or $DETECTORY_DATASETS to its parent folder")
    return folder


@command.command("panoptic-fpn")
@_ROOT
@overwrite_option
def panoptic_fpn(root: Path | None, overwrite: bool) -> None:
    """COCO: semantic label images for Panoptic FPN.

    Writes coco/panoptic_stuff_{train,val}2017/ from coco/annotations/panoptic_{train,val}2017.json and the PNG files in
    coco/panoptic_{train,val}2017/.

    \b
    Examples:
      detectory data prepare panoptic-fpn --root datasets/
    """
    from detectory.data.builtin.prepare import separate_coco_semantic_from_panoptic

    coco = _folder(root, "coco")
    files = sorted((coco / "annotations").glob("panoptic_*2017*.json"))
    if not files:
        raise FileNotFoundError(f"{coco / 'annotations'}: expected panoptic_train2017.json or panoptic_val2017.json")
    for file in files:
        split = file.stem.removeprefix("panoptic_")
        target = coco / f"panoptic_stuff_{split}"
        target.mkdir(exist_ok=True)
        with progress_bar(split) as advance:
            count = separate_coco_semantic_from_panoptic(
                file, coco / f"panoptic_{split}", target, None, advance, overwrite
            )
        click.echo(f"{target}: {count} label images")


@command.command("ade20k")
@_ROOT
@overwrite_option
def ade20k(root: Path | None, overwrite: bool) -> None:
    """ADE20K: label images with contiguous classes.

    Writes ADEChallengeData2016/annotations_detectron2/ from annotations/: class ids start at 0, and the label "other"
    becomes 255.

    \b
    Examples:
      detectory data prepare ade20k --root datasets/
    """
    from detectory.data.builtin.prepare import convert_ade20k_labels

    folder = _folder(root, "ADEChallengeData2016")
    with progress_bar("ade20k") as advance:
        count = convert_ade20k_labels(folder, advance, overwrite)
    click.echo(f"{folder / 'annotations_detectron2'}: {count} label images")


@command.command("cocofied-lvis")
@_ROOT
@overwrite_option
def cocofied_lvis(root: Path | None, overwrite: bool) -> None:
    """LVIS v0.5: annotations with the COCO classes.

    Writes lvis/lvis_v0.5_{train,val}_cocofied.json.

    \b
    Examples:
      detectory data prepare cocofied-lvis --root datasets/
    """
    from detectory.data.builtin.prepare import cocofy_lvis

    folder = _folder(root, "lvis")
    files = [folder / f"lvis_v0.5_{split}.json" for split in ("train", "val")]
    existing = [file for file in files if file.is_file()]
    if not existing:
        raise FileNotFoundError(f"{folder}: expected {files[0].name} or {files[1].name}")
    for file in existing:
        target = file.with_name(f"{file.stem}_cocofied.json")
        click.echo(f"{target}: {cocofy_lvis(file, target, overwrite)} annotations")


@command.command("cityscapes")
@_ROOT
@overwrite_option
@click.option("--no-panoptic", is_flag=True, help="Write the labelTrainIds.png files only.")
def cityscapes(root: Path | None, overwrite: bool, no_panoptic: bool) -> None:
    """Cityscapes: training labels and panoptic segments.

    Writes a labelTrainIds.png next to each labelIds.png, and gtFine/cityscapes_panoptic_{train,val,test} with a JSON
    file each.

    \b
    Examples:
      detectory data prepare cityscapes --root datasets/
      detectory data prepare cityscapes --no-panoptic
    """
    from detectory.data.builtin.prepare import create_cityscapes_panoptic, create_cityscapes_train_ids

    folder = _folder(root, "cityscapes")
    with progress_bar("labels") as advance:
        count = create_cityscapes_train_ids(folder, advance, overwrite)
    click.echo(f"{folder / 'gtFine'}: {count} labelTrainIds.png files")
    splits = [split for split in ("train", "val", "test") if (folder / "gtFine" / split).is_dir()]
    for split in [] if no_panoptic else splits:
        with progress_bar(split) as advance:
            count = create_cityscapes_panoptic(folder, split, advance, overwrite)
        click.echo(f"{folder / 'gtFine' / f'cityscapes_panoptic_{split}'}: {count} panoptic images")
