"""`detectory config`: shows, compares and converts recipes and Detectron2's YAML configs."""

from pathlib import Path

import click

from detectory.cli.options import json_option, recipe_argument


@click.group("config")
def command() -> None:
    """Show, compare and convert configs.

    \b
    Examples:
      detectory config show COCO-Detection/retinanet_R_50_FPN_1x.py model.head
      detectory config diff COCO-Detection/retinanet_R_50_FPN_1x.py my_recipe.py
      detectory config convert old_project/config.yaml
    """


@command.command("show")
@recipe_argument("name")
@click.argument("keys", nargs=-1, metavar="[KEY] [KEY=VALUE]...")
@click.option("--python", "as_python", is_flag=True, help="As Python assignments, interpolations resolved.")
@json_option("the config")
def show(name: str, keys: tuple[str, ...], as_python: bool, as_json: bool) -> None:
    """Print a config, or one part of it.

    NAME is a name in the zoo, a recipe's .py or .yaml file, the folder of a run, or a Detectron2 YAML config. KEY is
    the dotted path of a part, KEY=VALUE changes a leaf before.

    \b
    Examples:
      detectory config show COCO-Detection/fcos_R_50_FPN_1x.py model.head
      detectory config show COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml MODEL.RPN
      detectory config show run/ --python
      detectory config show my_recipe.py optimizer.lr=0.01 --json
    """
    from detectory.cli.configs.config import Config
    from detectory.cli.json_output import print_json

    wanted = [key for key in keys if "=" not in key and not key.startswith("~")]
    if len(wanted) > 1:
        click.get_current_context().fail(f"one KEY at a time, got {' and '.join(wanted)}")
    config = Config.load(name, [key for key in keys if key not in wanted])
    key = wanted[0] if wanted else None
    if as_json:
        print_json(config.part(key))
    else:
        click.echo(config.python(key) if as_python else config.yaml(key), nl=False)


@command.command("diff")
@recipe_argument("a")
@recipe_argument("b")
@json_option("an object of key: [A's value, B's value]")
def diff(a: str, b: str, as_json: bool) -> None:
    """Print what differs between two configs.

    A and B are named as for `detectory config show`; a YAML config and a recipe are compared as recipes. An argument
    that is left out counts as its default. Lines that start with - hold A's values, lines that start with + hold B's.
    Exits with 1 where the two differ.

    \b
    Examples:
      detectory config diff COCO-Detection/retinanet_R_50_FPN_1x.py my_recipe.py
      detectory config diff run1/ run2/ --json
      detectory config diff COCO-Detection/retinanet_R_50_FPN_1x.yaml COCO-Detection/retinanet_R_50_FPN_1x.py
    """
    from detectory.cli.configs.config import Config, differences
    from detectory.cli.json_output import print_json

    found = differences(Config.load(a), Config.load(b))
    if as_json:
        print_json({change.key: [change.before, change.after] for change in found})
    else:
        for change in found:
            click.echo(str(change))
    if found:
        raise click.exceptions.Exit(1)


@command.command("convert")
@recipe_argument("name")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--output", type=click.Path(path_type=Path), help="The recipe's file; - prints it (default: NAME with .py, here)."
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def convert(name: str, overrides: tuple[str, ...], output: Path | None, force: bool) -> None:
    """Turn a Detectron2 YAML config into a Python recipe.

    NAME is a YAML file, or a YAML name of Detectron2's zoo. The recipe builds the same model with the same names and
    shapes of weights, and holds the same loaders, optimizer and schedule.

    \b
    Examples:
      detectory config convert old_project/config.yaml
      detectory config convert COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.yaml --output keypoints.py
      detectory config convert config.yaml MODEL.ROI_HEADS.NUM_CLASSES=3 --output -
    """
    from detectory.cli.configs.conversion import recipe_text
    from detectory.cli.lookup import detectron2_configs
    from detectory.core.storage import atomic_write

    if not detectron2_configs.is_detectron2_config(name):
        raise ValueError(f"{name}: expected a Detectron2 YAML config, with upper-case keys such as MODEL")
    cfg = detectron2_configs.load(name, overrides, keep_device=True)
    target = output or Path(f"{Path(name).stem}.py")
    if str(target) != "-" and target.exists() and not force:
        raise FileExistsError(f"{target}: is there already; --force replaces it, --output names another")
    text = recipe_text(cfg, name)
    if str(target) == "-":
        click.echo(text, nl=False)
        return
    with atomic_write(target) as file:
        file.write(text.encode())
    click.echo(f"{target}: detectory train {target} trains it")
