"""`detectory completion`: shell completion scripts."""

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a completion script for SHELL.

    The script completes commands, options, zoo names and files. Source it in the shell's startup file.

    \b
    Examples:
      detectory completion bash > ~/.detectory.bash; echo '. ~/.detectory.bash' >> ~/.bashrc
      detectory completion zsh > ~/.detectory.zsh; echo '. ~/.detectory.zsh' >> ~/.zshrc
      detectory completion fish > ~/.config/fish/completions/detectory.fish
    """
    from detectory.cli.app import main

    completion = get_completion_class(shell)
    if completion is None:
        raise RuntimeError(f"completion: this version of click does not support {shell}")
    script = completion(main, {}, "detectory", "_DETECTORY_COMPLETE")
    # script.source() would also check the version of the bash on this machine, which may not be the target shell.
    click.echo(script.source_template % script.source_vars())
