import contextlib
import io
import logging

import pytest

from detectory.core.logging import (
    create_small_table,
    is_log_visible,
    log_every_n,
    log_every_n_seconds,
    log_first_n,
    logged_to_file,
    setup_logger,
)


@pytest.fixture
def messages(caplog):
    caplog.set_level(logging.INFO)
    return lambda: caplog.messages


def test_log_first_n_counts_by_line(messages):
    for index in range(3):
        log_first_n(logging.INFO, f"message {index}", n=2)
    assert messages() == ["message 0", "message 1"]


def test_log_first_n_counts_by_message(messages):
    for index in (0, 1, 1):
        log_first_n(logging.INFO, f"text {index}", key="message")
    assert messages() == ["text 0", "text 1"]


def test_log_first_n_rejects_other_keys():
    with pytest.raises(ValueError, match="key must be 'caller', 'message' or both"):
        log_first_n(logging.INFO, "x", key="line")


def test_log_every_n_logs_the_first_of_each_group(messages):
    for index in range(5):
        log_every_n(logging.INFO, f"{index}", n=2)
    assert messages() == ["0", "2", "4"]


def test_log_every_n_seconds_waits(messages):
    for index in range(3):
        log_every_n_seconds(logging.INFO, f"{index}", n=1000)
    assert messages() == ["0"]


def test_messages_use_the_logger_of_the_calling_module(caplog):
    log_first_n(logging.WARNING, "x")
    assert caplog.records[0].name == __name__


@pytest.mark.parametrize(("output", "file"), [("logs", "logs/log.txt"), ("a.log", "a.log")])
def test_setup_logger_writes_to_a_file(tmp_path, output, file):
    logger = setup_logger(str(tmp_path / output), name=f"test.{output}", abbrev_name="t")
    logger.getChild("part").warning("careful")
    text = (tmp_path / file).read_text()
    assert "t.part]: WARNING careful" in text
    assert "\033" not in text


def test_setup_logger_twice_writes_once(tmp_path, capsys):
    for _ in range(2):
        logger = setup_logger(name="test.twice")
    logger.info("once")
    assert capsys.readouterr().out.count("once") == 1


def test_other_ranks_write_to_their_own_file_and_not_to_the_terminal(tmp_path, capsys):
    setup_logger(str(tmp_path), 2, name="test.rank").info("hello")
    assert (tmp_path / "log.txt.rank2").is_file()
    assert capsys.readouterr().out == ""


def test_small_table_aligns_its_columns():
    assert create_small_table({"AP": 1}).splitlines() == ["| AP    |", "|:-----:|", "| 1.000 |"]


def test_log_file_is_written_while_the_context_is_open(tmp_path):
    logger = logging.getLogger("detectory.test")
    with logged_to_file(tmp_path):
        logger.info("inside")
    logger.warning("outside")
    text = (tmp_path / "log.txt").read_text()
    assert ("inside" in text, "outside" in text) == (True, False)
    assert logging.getLogger("detectory").handlers == []


def test_log_is_visible_only_with_a_terminal_handler(tmp_path, monkeypatch):
    logger = logging.getLogger("visibility")
    monkeypatch.setattr(logger, "propagate", False)
    with logged_to_file(tmp_path, name="visibility"):
        assert not is_log_visible(logger)
    with logged_to_file(tmp_path, name="visibility", terminal=True):
        assert is_log_visible(logger)


def test_terminal_handler_writes_to_the_current_stdout(tmp_path, capsys):
    logger = logging.getLogger("redirected")
    replaced = io.StringIO()
    with logged_to_file(tmp_path, name="redirected", terminal=True), contextlib.redirect_stdout(replaced):
        logger.info("above the bar")
    assert "above the bar" in replaced.getvalue() + capsys.readouterr().out
