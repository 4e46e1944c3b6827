"""What faults look like on the wire, and what a vendor would bill for them."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from aicg_sim import FaultPlan, SimServer, SimSettings

Ask = Callable[..., Any]

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
BODY = {
    "model": "tutor",
    "messages": [{"role": "user", "content": "Explain loops in Python."}],
    "max_tokens": 1000,
}
STREAM = {**BODY, "stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize("status", [400, 401, 402, 429, 500, 503, 529])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_status_comes_in_the_vendor_s_form_and_costs_nothing(
    server: SimServer, ask: Ask, path: str, status: int
) -> None:
    reply = ask(server, path, BODY, x_sim_fault=str(status))

    assert reply.status == status
    assert "fault plan" in reply.json["error"]["message"]
    assert server.bill_usd == 0
    assert server.stats()["faults"] == {str(status): 1}


def test_a_429_says_how_long_to_wait(ask: Ask) -> None:
    with SimServer(plan=FaultPlan(script=("429",), retry_after_s=1.2)) as server:
        limited = ask(server, CHAT, BODY)
        after = ask(server, CHAT, BODY)

    assert limited.headers["retry-after"] == "2"
    assert limited.headers["retry-after-ms"] == "1200"
    assert after.status == 200


def test_the_plan_of_the_settings_is_followed(ask: Ask) -> None:
    with SimServer(SimSettings(faults="500, ok, 529")) as server:
        statuses = [ask(server, CHAT, BODY).status for _ in range(4)]

    assert statuses == [500, 200, 529, 200]


def test_an_unknown_fault_in_the_header_is_refused(server: SimServer, ask: Ask) -> None:
    reply = ask(server, CHAT, BODY, x_sim_fault="flood")

    assert reply.status == 400
    assert "flood" in reply.json["error"]["message"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("reset", ConnectionError),
        ("close", http.client.IncompleteRead),
        ("cut", http.client.IncompleteRead),
    ],
)
@pytest.mark.parametrize("body", [BODY, STREAM], ids=["plain", "stream"])
def test_a_broken_connection_is_billed(
    server: SimServer, ask: Ask, body: Any, fault: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        ask(server, CHAT, body, x_sim_fault=fault)

    assert server.bill_usd > 0


@pytest.mark.parametrize("body", [BODY, STREAM], ids=["plain", "stream"])
def test_a_hanging_request_has_no_answer_and_costs_nothing(server: SimServer, body: Any) -> None:
    with asking(server, body, "hang") as connection:
        assert received(connection) == b""

    assert server.requests == 1
    assert server.bill_usd == 0


def test_a_silent_reply_stops_after_its_head(server: SimServer) -> None:
    with asking(server, BODY, "silent") as connection:
        head = connection.recv(65536)
        rest = received(connection)

    assert head.startswith(b"HTTP/1.1 200 OK")
    assert head.endswith(b"\r\n\r\n")
    assert rest == b""
    assert server.bill_usd > 0


def test_a_silent_stream_stops_in_its_middle(server: SimServer, ask: Ask) -> None:
    whole = ask(server, CHAT, STREAM)

    with asking(server, STREAM, "silent") as connection:
        got = connection.recv(65536) + received(connection)

    assert 5 < got.count(b"data: ") < len(whole.events) - 5
    assert b'finish_reason":"stop' not in got


def asking(server: SimServer, body: Any, fault: str) -> socket.socket:
    """Return a connection on which a request was sent."""
    host, port = server.url.removeprefix("http://").split(":")
    data = json.dumps(body).encode()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nauthorization: Bearer k\r\nx-sim-fault: {fault}\r\n"
        f"content-length: {len(data)}\r\n\r\n"
    )
    connection = socket.create_connection((host, int(port)), timeout=10)
    connection.sendall(head.encode() + data)
    return connection


def received(connection: socket.socket) -> bytes:
    """Return what comes until nothing comes for a tenth of a second."""
    connection.settimeout(0.1)
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except TimeoutError:
        return got
    raise AssertionError("the server closed the connection")


def test_html_and_other_json_come_with_status_200(server: SimServer, ask: Ask) -> None:
    html = ask(server, CHAT, STREAM, x_sim_fault="html")
    shape = ask(server, CHAT, BODY, x_sim_fault="shape")
    junk = ask(server, CHAT, BODY, x_sim_fault="junk")

    assert html.status == shape.status == junk.status == 200
    assert html.headers["content-type"].startswith("text/html")
    assert html.body.startswith(b"<!DOCTYPE html>")
    assert "choices" not in shape.json
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        _ = junk.json


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_stream_may_hold_an_error(server: SimServer, ask: Ask, path: str) -> None:
    events = ask(server, path, STREAM, x_sim_fault="error-event").events

    assert len(events) > 10
    assert "fault plan" in events[-1]["error"]["message"]
    assert server.bill_usd > 0


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_model_that_fails_before_it_answers_bills_nothing(
    server: SimServer, ask: Ask, path: str
) -> None:
    reply = ask(server, path, BODY, x_sim_fault="error-event")

    assert reply.status == 500
    assert server.stats()["statuses"] == {"500": 1}
    assert server.bill_usd == 0


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_stream_may_hold_junk(server: SimServer, ask: Ask, path: str) -> None:
    reply = ask(server, path, STREAM, x_sim_fault="junk")

    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        _ = reply.events


def test_a_stream_may_hold_other_json(server: SimServer, ask: Ask) -> None:
    assert ask(server, CHAT, STREAM, x_sim_fault="shape").events[-1] == {"status": "done"}


def test_a_finish_reason_may_be_missing(server: SimServer, ask: Ask) -> None:
    chunks = ask(server, CHAT, STREAM, x_sim_fault="no-finish").events
    plain = ask(server, CHAT, BODY, x_sim_fault="no-finish").json
    events = ask(server, MESSAGES, STREAM, x_sim_fault="no-finish").events
    message = ask(server, MESSAGES, BODY, x_sim_fault="no-finish").json

    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks)
    assert plain["choices"][0]["finish_reason"] is None
    assert events[-1]["type"] == "content_block_stop"
    assert message["stop_reason"] is None


def test_the_usage_may_be_missing(server: SimServer, ask: Ask) -> None:
    chunks = ask(server, CHAT, STREAM, x_sim_fault="no-usage").events
    plain = ask(server, CHAT, BODY, x_sim_fault="no-usage").json
    events = ask(server, MESSAGES, STREAM, x_sim_fault="no-usage").events
    message = ask(server, MESSAGES, BODY, x_sim_fault="no-usage").json

    assert chunks[-1] == "[DONE]"
    assert all("usage" not in chunk for chunk in chunks[:-1])
    assert "usage" not in plain
    assert all("usage" not in event for event in events)
    assert "usage" not in message


def test_a_slow_answer_comes_all_the_same(ask: Ask) -> None:
    with SimServer(plan=FaultPlan(script=("slow",), slow_s=0.01)) as server:
        assert ask(server, CHAT, BODY).status == 200


def test_a_stream_is_written_at_its_speed(ask: Ask) -> None:
    with SimServer(SimSettings(tokens_per_s=10_000.0)) as server:
        streamed = ask(server, CHAT, {**STREAM, "max_tokens": 10})
        plain = ask(server, CHAT, {**BODY, "max_tokens": 10})

    assert len(streamed.events) == 10 + 4
    assert plain.json["usage"]["completion_tokens"] == 10
