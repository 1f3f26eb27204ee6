"""`detectory zoo`: available models, their published metrics and weights."""

import click

from detectory.cli.options import json_option, overwrite_option, recipe_argument


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
@click.option("--trained", is_flag=True, help="List only models with published weights.")
@json_option("an array of models")
def list_(pattern: str, trained: bool, as_json: bool) -> None:
    """List models and their published metrics.

    PATTERN is a substring of the name or a shell pattern. The metrics are in percent, as published, on the dataset in
    the name.

    \b
    Examples:
      detectory zoo list
      detectory zoo list retinanet --trained
      detectory zoo list 'COCO-*/mask_rcnn_*' --json
    """
    from detectory.cli.json_output import print_json
    from detectory.cli.lookup.zoo_models import find_models

    models = [model for model in find_models(pattern) if not trained or model.published is not None]
    if not models:
        raise LookupError(f"zoo list: no model matches '{pattern}'" + (" with published weights" if trained else ""))
    if as_json:
        print_json([model.as_dict() for model in models])
        return
    width = max(len(model.name) for model in models)
    for model in models:
        click.echo(f"{model.name:<{width}}  {model.format_metrics()}".rstrip())
    with_weights = sum(model.published is not None for model in models)
    count = "1 model" if len(models) == 1 else f"{len(models)} models"
    click.echo(f"{count}, {with_weights} with published weights", err=True)


@command.command("info")
@recipe_argument("name")
@json_option("the description")
def info(name: str, as_json: bool) -> None:
    """Show details of a model and its weights.

    Unpublished details, such as the licence, are shown as unknown. Weights without a published hash are unverified
    until the first download, which records the hash for later downloads.

    \b
    Examples:
      detectory zoo info COCO-Detection/retinanet_R_50_FPN_1x
      detectory zoo info COCO-Keypoints/keypoint_rcnn_R_50_FPN_3x --json
    """
    from detectory.cli.json_output import print_json
    from detectory.cli.lookup.zoo_models import get_model

    rows = get_model(name).describe()
    if as_json:
        print_json(rows)
        return
    width = max(map(len, rows))
    for key, value in rows.items():
        missing = "no published weights" if key == "weights" else "unknown"
        click.echo(f"{key:<{width}}  {missing if value is None else value}")


@command.command("download")
@recipe_argument("names", nargs=-1, required=True)
@overwrite_option
@json_option("an array of name, path and sha256")
def download(names: tuple[str, ...], overwrite: bool, as_json: bool) -> None:
    """Download published weights into the cache.

    Interrupted downloads are resumed, and cached files are not downloaded again. A cached file with
    another hash is only replaced with --overwrite. `detectory env` shows the cache folder; set DETECTORY_CACHE to
    change it.

    \b
    Examples:
      detectory zoo download COCO-Detection/retinanet_R_50_FPN_1x
      detectory zoo download COCO-Detection/retinanet_R_50_FPN_{1x,3x} --json
    """
    from detectory.cli.json_output import print_json
    from detectory.cli.lookup.zoo_models import get_model

    files = [get_model(name).download(overwrite) for name in names]
    if as_json:
        print_json(files)
        return
    for file in files:
        click.echo(f"{file['path']}  SHA-256 {file['sha256'][:12]}…, verified by: {file['verification']}")
