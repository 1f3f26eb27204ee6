"""`detectory completion`: what a shell needs to complete commands, options and names of the zoo."""

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print what makes SHELL complete this command.

    Load the script where the shell starts.

    \b
    Examples:
      detectory completion bash > ~/.detectory.bash; echo '. ~/.detectory.bash' >> ~/.bashrc
      detectory completion zsh > ~/.detectory.zsh; echo '. ~/.detectory.zsh' >> ~/.zshrc
      detectory completion fish > ~/.config/fish/completions/detectory.fish
    """
    from detectory.cli.app import main

    completion = get_completion_class(shell)
    if completion is None:
        raise RuntimeError(f"completion: this version of click knows no {shell}")
    script = completion(main, {}, "detectory", "_DETECTORY_COMPLETE")
    # Not script.source(): that asks the bash of this machine for its version, which may not be the one it is for.
    click.echo(script.source_template % script.source_vars())
