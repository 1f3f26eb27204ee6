"""Help texts, error messages, exit codes and shell completion of all commands."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from detectory.cli import app, main
from detectory.cli.errors import describe_error
from detectory.cli.lookup.zoo_names import zoo_names
from detectory.zoo.recipes import recipe_names


def _tree(command, path):
    yield path, command
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            yield from _tree(command.get_command(ctx, name), f"{path} {name}")


TREE = dict(_tree(main, "detectory"))
LEAVES = {path: command for path, command in TREE.items() if not isinstance(command, click.Group)}


def _run(*arguments, **options):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], **options)


@pytest.fixture
def failing(monkeypatch):
    """Return a function that makes `detectory env` raise an error."""

    def install(error):
        def callback(**options):
            raise error

        monkeypatch.setattr(LEAVES["detectory env"], "callback", callback)

    return install


@pytest.mark.parametrize("path", TREE)
def test_help_has_examples_of_the_command(path):
    text = _run(*path.split()[1:], "--help").output
    examples = text.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    assert examples
    assert all(line.strip().startswith(path) for line in examples)


@pytest.mark.parametrize("path", TREE)
def test_every_option_has_a_help_text(path):
    options = [item for item in TREE[path].params if isinstance(item, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("path", TREE)
def test_short_help_fits_into_80_columns(path):
    short = TREE[path].get_short_help_str(limit=62)
    assert short
    assert not short.endswith("...")


@pytest.mark.parametrize("path", [path for path in LEAVES if not path.startswith("detectory data prepare ")])
def test_command_is_listed_in_the_documentation(path):
    assert f"`{path}" in (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text()


def test_help_does_not_import_torch():
    call = "from detectory.cli import main; main(['--help'], standalone_mode=False)"
    code = f"import sys; {call}; print('torch', 'torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch False" in shown.stdout


def test_version_is_printed():
    result = _run("--version")
    assert (result.exit_code, result.output.split()[-1].count(".")) == (0, 2)


def test_unknown_command_suggests_the_nearest_name():
    result = _run("predct")
    assert result.exit_code == 2
    assert result.stderr == ("Error: no such command 'predct': did you mean 'predict'? (see 'detectory --help')\n")


def test_unknown_option_is_a_usage_error_in_one_line():
    result = _run("env", "--jsn")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "see 'detectory env --help'" in result.stderr


def test_missing_command_prints_the_help_and_exits_with_2():
    result = _run()
    assert result.exit_code == 2
    assert "Exit codes:" in result.stderr


def test_expected_error_is_one_line_with_exit_code_1(failing):
    failing(OSError("cannot get a.pkl from any address:\n  https://a: gone\n  https://b: gone"))
    result = _run("env")
    assert result.exit_code == 1
    assert result.stderr == "Error: cannot get a.pkl from any address: https://a: gone; https://b: gone\n"


def test_unexpected_error_is_an_internal_error_with_exit_code_70(failing):
    failing(AssertionError("levels disagree"))
    result = _run("env")
    assert result.exit_code == 70
    assert result.stderr.startswith("Error: internal error, please report it")
    assert "AssertionError: levels disagree" in result.stderr


@pytest.mark.parametrize("arguments", [("--debug", "env"), ("env", "--debug")], ids=["before", "after"])
def test_debug_prints_the_traceback_in_any_position(failing, arguments):
    failing(ValueError("wrong"))
    result = _run(*arguments)
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("Error: wrong\n")


def test_interruption_exits_with_130(failing):
    failing(KeyboardInterrupt())
    assert _run("env").exit_code == 130


def test_exit_code_of_a_terminated_training_is_kept(failing):
    failing(SystemExit(143))
    assert _run("env").exit_code == 143


def test_closed_pipe_prints_no_error():
    command = f"{sys.executable} -m detectory.cli completion bash | true"
    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert shown.stderr == ""


def test_long_message_is_truncated_with_a_hint():
    line, code = describe_error(ValueError("x" * 5000))
    assert (len(line) < 700, code) == (True, 1)
    assert line.endswith("(--debug prints the full message)")


def test_key_error_is_printed_without_quotes():
    assert describe_error(KeyError("no recipe 'a'")) == ("no recipe 'a'", 1)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_calls_the_command(shell):
    result = _run("completion", shell)
    assert result.exit_code == 0
    assert f"_DETECTORY_COMPLETE={shell}_complete" in result.output


def _completed(words):
    environment = os.environ | {"_DETECTORY_COMPLETE": "bash_complete", "COMP_WORDS": words}
    environment["COMP_CWORD"] = str(len(words.split(" ")) - 1)
    command = [sys.executable, "-c", "from detectory.cli import main; main(prog_name='detectory')"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout.splitlines()


def test_shell_completes_commands():
    assert _completed("detectory pred") == ["plain,predict"]


def test_shell_completes_recipes_and_files():
    completions = _completed("detectory train COCO-Detection/fcos")
    assert "plain,COCO-Detection/fcos_R_50_FPN_1x" in completions
    assert any(line.startswith("file,") for line in completions)


def test_every_listed_command_exists():
    ctx = click.Context(main)
    assert all(main.get_command(ctx, name) is not None for name in app._COMMANDS)


def test_completed_recipes_exist_in_the_zoo():
    names = set(zoo_names())
    assert names <= set(recipe_names())
    assert len(names) > 90
