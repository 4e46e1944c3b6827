"""What broke a connection, told apart by whether the request can have arrived."""

from __future__ import annotations

import itertools
import ssl
from typing import cast

import aiohttp
import anyio
import httpx2
import openai
import pytest

from aicg import Secret
from aicg_openai import OpenAISettings
from aicg_openai.settings import find_endpoint
from aicg_openai.transport import Transport, _breaks, _explain, _Pool

SENT = httpx2.Request("POST", "http://127.0.0.1/")


def adapted(cause: Exception) -> Exception:
    """Return what the SDK's adapter makes of any error of aiohttp's: a timeout of the connect."""
    return chained(openai.APITimeoutError(SENT), httpx2.ConnectTimeout("adapted"), cause)


def native(*causes: Exception) -> Exception:
    return chained(openai.APIConnectionError(request=SENT), *causes)


def chained(*errors: Exception) -> Exception:
    for outer, inner in itertools.pairwise(errors):
        outer.__cause__ = inner
    return errors[0]


BREAKS = {
    "aiohttp: connect timed out": (adapted(aiohttp.ConnectionTimeoutError("slow")), False, True),
    "aiohttp: bad address": (adapted(aiohttp.InvalidUrlClientError("x")), False, False),
    "aiohttp: read timed out": (adapted(aiohttp.SocketTimeoutError("slow")), True, True),
    "aiohttp: disconnected": (adapted(aiohttp.ServerDisconnectedError()), True, False),
    "aiohttp: reset": (adapted(aiohttp.ClientOSError(104, "reset")), True, False),
    "connect timed out": (native(httpx2.ConnectTimeout("slow"), TimeoutError()), False, True),
    "no connection free": (native(httpx2.PoolTimeout("full")), False, True),
    "refused": (native(httpx2.ConnectError("refused"), OSError("refused")), False, False),
    "read timed out": (native(httpx2.ReadTimeout("slow")), True, True),
    "cut": (native(httpx2.RemoteProtocolError("cut")), True, False),
    "ended": (native(anyio.EndOfStream()), True, False),
    "bare": (ssl.SSLError("record"), True, False),
}


@pytest.mark.parametrize(("error", "sent", "timed_out"), BREAKS.values(), ids=BREAKS)
def test_what_cannot_have_arrived_is_known(error: Exception, sent: bool, timed_out: bool) -> None:
    told = _explain(error)

    assert isinstance(error, _breaks())
    assert (told.sent, told.timed_out) == (sent, timed_out)
    assert str(told)


@pytest.mark.anyio
async def test_a_pool_that_does_not_close_keeps_none_of_the_others_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[str] = []

    class Client:
        def __init__(self, name: str) -> None:
            self.name = name

        async def close(self) -> None:
            closed.append(self.name)
            raise OSError(f"{self.name} is stuck")

    settings = OpenAISettings(api_key=Secret("key"))
    transport = Transport(find_endpoint("openai", settings, {}), settings)
    pools = [_Pool(cast("openai.AsyncOpenAI", Client(name))) for name in ("first", "second")]
    monkeypatch.setattr(transport, "_pools", pools)

    with pytest.raises(OSError, match="is stuck"):
        await transport.aclose()

    assert sorted(closed) == ["first", "second"]
