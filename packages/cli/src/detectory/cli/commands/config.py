"""`detectory config`: display, comparison and conversion of configs."""

from pathlib import Path

import click

from detectory.cli.options import json_option, overwrite_option, recipe_argument


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
@click.option("--python", "as_python", is_flag=True, help="Print Python assignments with interpolations resolved.")
@json_option("the config")
def show(name: str, keys: tuple[str, ...], as_python: bool, as_json: bool) -> None:
    """Print a config or a part of it.

    NAME is a zoo name, a recipe's .py or .yaml file, a run folder, or a Detectron2 YAML config. KEY is the dotted path
    of the part to print; KEY=VALUE overrides a value first.

    \b
    Examples:
      detectory config show COCO-Detection/fcos_R_50_FPN_1x.py model.head
      detectory config show COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml MODEL.RPN
      detectory config show run/ --python
      detectory config show my_recipe.py optimizer.lr=0.01 --json
    """
    from detectory.cli.configs.config import Config
    from detectory.cli.json_output import print_json

    parts = [key for key in keys if "=" not in key and not key.startswith("~")]
    if len(parts) > 1:
        click.get_current_context().fail(f"expected at most one KEY, got {' and '.join(parts)}")
    config = Config.load(name, [key for key in keys if key not in parts])
    key = parts[0] if parts else None
    if as_json:
        print_json(config.part(key))
    else:
        click.echo(config.python(key) if as_python else config.yaml(key), nl=False)


@command.command("diff")
@recipe_argument("a")
@recipe_argument("b")
@json_option("an object of key: [A's value, B's value]")
def diff(a: str, b: str, as_json: bool) -> None:
    """Print the differences between two configs.

    A and B are named as in `detectory config show`. A YAML config is converted before it is compared with a recipe.
    Omitted arguments count as their defaults. Lines that start with - show A's values, lines that start with + show
    B's. The exit code is 1 if the configs differ.

    \b
    Examples:
      detectory config diff COCO-Detection/retinanet_R_50_FPN_1x.py my_recipe.py
      detectory config diff run1/ run2/ --json
      detectory config diff COCO-Detection/retinanet_R_50_FPN_1x.yaml COCO-Detection/retinanet_R_50_FPN_1x.py
    """
    from detectory.cli.configs.config import Config
    from detectory.cli.configs.differences import find_differences
    from detectory.cli.json_output import print_json

    differences = find_differences(Config.load(a), Config.load(b))
    if as_json:
        print_json({difference.key: [difference.before, difference.after] for difference in differences})
    else:
        for difference in differences:
            click.echo(str(difference))
    if differences:
        raise click.exceptions.Exit(1)


@command.command("convert")
@recipe_argument("name")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The recipe file to write; - for standard output (default: NAME with .py, in the current folder).",
)
@overwrite_option
def convert(name: str, overrides: tuple[str, ...], output: Path | None, overwrite: bool) -> None:
    """Convert a Detectron2 YAML config to a Python recipe.

    NAME is a YAML file or a YAML name of Detectron2's zoo. The recipe builds the same model, with the same parameter
    names and shapes, and the same data loaders, optimizer and schedule.

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
        raise ValueError(f"{name}: not a Detectron2 YAML config (a .yaml file with upper-case keys such as MODEL)")
    cfg = detectron2_configs.load(name, overrides, keep_device=True)
    target = output or Path(f"{Path(name).stem}.py")
    if str(target) != "-" and target.exists() and not overwrite:
        raise FileExistsError(f"{target}: file exists. Pass --overwrite to replace it, or --output for another file")
    text = recipe_text(cfg, name)
    if str(target) == "-":
        click.echo(text, nl=False)
        return
    with atomic_write(target) as file:
        file.write(text.encode())
    click.echo(f"Wrote {target}. To train it: detectory train {target}")
