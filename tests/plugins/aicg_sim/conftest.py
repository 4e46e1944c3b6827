"""What the tests of aicg-sim share."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aicg_sim import SimServer
from aicg_sim.draws import Draw
from aicg_sim.material import Material
from aicg_sim.prompts import read_brief
from aicg_sim.schemas import Filler


@pytest.fixture(scope="session")
def material() -> Callable[..., Material]:
    """Return what makes the material for a prompt."""

    def make(prompt: str, seed: int = 7) -> Material:
        draw = Draw(seed)
        return Material(read_brief("", [prompt], draw), draw)

    return make


@pytest.fixture(scope="session")
def fill(material: Callable[..., Material]) -> Callable[..., Any]:
    """Return what fills a schema, as a client would read the answer."""

    def fill_schema(
        schema: Any, prompt: str = "Write about lists in Python.", seed: int = 7
    ) -> Any:
        return json.loads(json.dumps(Filler(schema, material(prompt, seed)).fill()))

    return fill_schema


@pytest.fixture
def server() -> Iterator[SimServer]:
    with SimServer() as running:
        yield running


class Reply:
    """A reply of the server, read whole."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of the events of a stream."""
        lines = [line for line in self.body.decode().split("\n") if line.startswith("data: ")]
        data = [line.removeprefix("data: ") for line in lines]
        return [one if one == "[DONE]" else json.loads(one) for one in data]


Ask = Callable[..., Reply]


@pytest.fixture
def ask() -> Ask:
    """Return what sends one request to a server, with a key."""

    def send(
        server: SimServer, path: str, body: Any = None, method: str = "POST", **headers: str
    ) -> Reply:
        address = server.url.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=10)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, data, {"authorization": "Bearer any", **headers})
            return Reply(connection.getresponse())
        finally:
            connection.close()

    return send
