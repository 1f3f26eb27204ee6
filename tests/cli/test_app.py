"""What holds for every command: its help, its errors, its exit codes, its completion."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from detectory.cli import app, main, options
from detectory.cli.errors import explain
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
def test_every_help_has_examples_of_its_own_command(path):
    text = _run(*path.split()[1:], "--help").output
    examples = text.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    assert examples
    assert all(line.strip().startswith(path) for line in examples)


@pytest.mark.parametrize("path", TREE)
def test_every_option_says_what_it_does(path):
    options = [item for item in TREE[path].params if isinstance(item, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("path", TREE)
def test_the_list_of_commands_cuts_no_sentence_at_80_columns(path):
    short = TREE[path].get_short_help_str(limit=62)
    assert short
    assert not short.endswith("...")


@pytest.mark.parametrize("path", [path for path in LEAVES if not path.startswith("detectory data prepare ")])
def test_the_page_of_commands_has_it(path):
    assert f"`{path}" in (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text()


def test_help_does_not_wait_for_torch():
    call = "from detectory.cli import main; main(['--help'], standalone_mode=False)"
    code = f"import sys; {call}; print('torch', 'torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch False" in shown.stdout


def test_the_version_is_that_of_the_wheel():
    result = _run("--version")
    assert (result.exit_code, result.output.split()[-1].count(".")) == (0, 2)


def test_an_unknown_command_is_answered_with_the_nearest():
    result = _run("predct")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: no such command 'predct': did you mean 'predict'? ('detectory --help' shows how)\n"
    )


def test_a_wrong_option_is_one_line_and_exit_code_2():
    result = _run("env", "--jsn")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "'detectory env --help' shows how" in result.stderr


def test_no_command_shows_the_help_and_leaves_with_2():
    result = _run()
    assert result.exit_code == 2
    assert "Exit codes:" in result.stderr


def test_an_explained_error_is_one_line_and_exit_code_1(failing):
    failing(OSError("cannot get a.pkl from any address:\n  https://a: gone\n  https://b: gone"))
    result = _run("env")
    assert result.exit_code == 1
    assert result.stderr == "Error: cannot get a.pkl from any address: https://a: gone; https://b: gone\n"


def test_a_fault_of_our_own_is_named_as_such_with_exit_code_70(failing):
    failing(AssertionError("levels disagree"))
    result = _run("env")
    assert result.exit_code == 70
    assert "AssertionError: levels disagree" in result.stderr


@pytest.mark.parametrize("arguments", [("--debug", "env"), ("env", "--debug")], ids=["before", "behind"])
def test_debug_shows_the_trace_wherever_it_stands(failing, arguments):
    failing(ValueError("wrong"))
    result = _run(*arguments)
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("Error: wrong\n")


def test_an_interruption_leaves_with_130(failing):
    failing(KeyboardInterrupt())
    assert _run("env").exit_code == 130


def test_a_terminated_training_keeps_its_exit_code(failing):
    failing(SystemExit(143))
    assert _run("env").exit_code == 143


def test_a_reader_that_left_causes_no_message():
    command = f"{sys.executable} -m detectory.cli completion bash | true"
    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert shown.stderr == ""


def test_a_very_long_message_is_cut_and_says_how_to_see_all():
    line, code = explain(ValueError("x" * 5000))
    assert (len(line) < 700, code) == (True, 1)
    assert line.endswith("(--debug shows all of it)")


def test_a_key_error_is_told_without_quotes():
    assert explain(KeyError("no recipe 'a'")) == ("no recipe 'a'", 1)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_asks_the_command(shell):
    result = _run("completion", shell)
    assert result.exit_code == 0
    assert f"_DETECTORY_COMPLETE={shell}_complete" in result.output


def _completed(words):
    environment = os.environ | {"_DETECTORY_COMPLETE": "bash_complete", "COMP_WORDS": words}
    environment["COMP_CWORD"] = str(len(words.split(" ")) - 1)
    command = [sys.executable, "-c", "from detectory.cli import main; main(prog_name='detectory')"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout.splitlines()


def test_a_shell_completes_commands():
    assert _completed("detectory pred") == ["plain,predict"]


def test_a_shell_completes_recipes_and_files():
    found = _completed("detectory train COCO-Detection/fcos")
    assert "plain,COCO-Detection/fcos_R_50_FPN_1x" in found
    assert any(line.startswith("file,") for line in found)


def test_every_command_that_is_listed_exists():
    ctx = click.Context(main)
    assert all(main.get_command(ctx, name) is not None for name in app._COMMANDS)


def test_a_shell_completes_only_what_the_zoo_has():
    names = set(options.zoo_names())
    assert names <= set(recipe_names())
    assert len(names) > 90
