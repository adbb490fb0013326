"""One line an event, in the fields that machines expect."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from ripieno.observability import logs


@pytest.fixture(autouse=True)
def _the_root_logger_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_line_is_json_with_the_usual_fields(capsys: pytest.CaptureFixture[str]):
    logs.configure("info", "json")
    logging.getLogger("x").warning("giving the run back", extra={"run_id": "run_1"})
    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "warning",
        "service": "ripieno",
        "trace_id": None,
        "message": "giving the run back",
        "metadata": {"run_id": "run_1"},
    }


def test_bound_values_and_exceptions_are_in_the_line(capsys: pytest.CaptureFixture[str]):
    logs.configure("info", "json")
    with structlog.contextvars.bound_contextvars(trace_id="t1"):
        try:
            int("broken")
        except ValueError:
            logging.getLogger("x").exception("a defect")
    line = json.loads(capsys.readouterr().err)
    assert line["trace_id"] == "t1"
    assert "ValueError: invalid literal" in line["metadata"]["exception"]


def test_levels_are_kept_and_chatty_libraries_are_quiet(capsys: pytest.CaptureFixture[str]):
    logs.configure("info", "json")
    logging.getLogger("x").debug("no")
    logging.getLogger("httpx2").info("no")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("style", ["text", "auto"])
def test_text_is_for_people(capsys: pytest.CaptureFixture[str], style: str):
    logs.configure("info", style)
    logging.getLogger("x").info("hello")
    line = capsys.readouterr().err
    assert "hello" in line
    assert line.startswith("{") == (style == "auto")


def test_secret_values_are_taken_out_of_every_line(capsys: pytest.CaptureFixture[str]):
    logs.configure("info", "json")
    logs.scrub_with(lambda line: line.replace("hunter2", "[secret:db]"))
    logging.getLogger("x").warning("with hunter2", extra={"url": "db://hunter2@host"})
    line = capsys.readouterr().err
    assert "hunter2" not in line
    assert json.loads(line)["metadata"] == {"url": "db://[secret:db]@host"}
