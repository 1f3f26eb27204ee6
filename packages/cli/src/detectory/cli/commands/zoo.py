"""`detectory zoo`: which models there are, what was measured with them, and their files."""

import click

from detectory.cli.options import json_option, recipe_argument


@click.group("zoo")
def command() -> None:
    """List, describe and download models.

    \b
    Examples:
      detectory zoo list '*mask_rcnn*' --trained
      detectory zoo info COCO-Detection/retinanet_R_50_FPN_1x
      detectory zoo download COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x
    """


@command.command("list")
@click.argument("pattern", default="*")
@click.option("--trained", is_flag=True, help="Only models whose weights somebody published.")
@json_option("an array of models")
def list_(pattern: str, trained: bool, as_json: bool) -> None:
    """List models and their published figures.

    PATTERN is a part of the name, or a shell pattern on it. Every listed name builds a native model; a suffix .py
    or .yaml is optional. Metrics are in percent, as published for the dataset in the name.

    \b
    Examples:
      detectory zoo list
      detectory zoo list retinanet --trained
      detectory zoo list 'COCO-*/mask_rcnn_*' --json
    """
    from detectory.cli.json_output import print_json
    from detectory.cli.lookup.zoo_models import entries

    found = [entry for entry in entries(pattern) if not trained or entry.published is not None]
    if not found:
        raise LookupError(f"zoo list: no model matches '{pattern}'" + (" with published weights" if trained else ""))
    if as_json:
        print_json([entry.as_dict() for entry in found])
        return
    width = max(len(entry.name) for entry in found)
    for entry in found:
        click.echo(f"{entry.name:<{width}}  {entry.figures()}".rstrip())
    with_weights = sum(entry.published is not None for entry in found)
    click.echo(f"{len(found)} models, {with_weights} with published weights", err=True)


@command.command("info")
@recipe_argument("name")
@json_option("the description")
def info(name: str, as_json: bool) -> None:
    """Tell what is known of a model and of its weights.

    What nobody published, such as a hash or a licence, is said to be unknown. A file whose hash nobody published is
    "unverified" until the first download records its hash, which later ones must have.

    \b
    Examples:
      detectory zoo info COCO-Detection/retinanet_R_50_FPN_1x
      detectory zoo info COCO-Keypoints/keypoint_rcnn_R_50_FPN_3x --json
    """
    from detectory.cli.json_output import print_json
    from detectory.cli.lookup.zoo_models import entry_of

    described = entry_of(name).described()
    if as_json:
        print_json(described)
        return
    width = max(map(len, described))
    for key, value in described.items():
        click.echo(f"{key:<{width}}  {'unknown' if value is None else value}")


@command.command("download")
@recipe_argument("names", nargs=-1, required=True)
@json_option("an array of name, path, sha256")
def download(names: tuple[str, ...], as_json: bool) -> None:
    """Download published weights into the cache.

    A broken download continues where it stopped; a file that is there is not fetched again. `detectory env` tells where
    the cache is, and DETECTORY_CACHE moves it.

    \b
    Examples:
      detectory zoo download COCO-Detection/retinanet_R_50_FPN_1x
      detectory zoo download COCO-Detection/retinanet_R_50_FPN_{1x,3x} --json
    """
    from detectory.cli.json_output import print_json
    from detectory.cli.lookup.zoo_models import entry_of

    fetched = [entry_of(name).download() for name in names]
    if as_json:
        print_json(fetched)
        return
    for file in fetched:
        click.echo(f"{file['path']}  SHA-256 {file['sha256'][:12]}…, {file['verified']}")
