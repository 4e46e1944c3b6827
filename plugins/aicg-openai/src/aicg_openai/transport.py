"""Bytes to and from a server, through the client of OpenAI's SDK; what they mean is not known here.

The SDK signs in, keeps the connections, and is asked for the raw answer: building its models costs
more than all else that it does. Its retries are off, so that every attempt is seen by the ledger.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import anyio
import sniffio

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator, Mapping

    import httpx2
    import openai

    from aicg_openai.settings import Endpoint, OpenAISettings

# A pool of httpx2 searches all of its connections for each request, so many small ones are faster.
# The pool of aiohttp, which runs on asyncio only, is one for all.
_POOL_SIZE: Final = 100
# How long the end of a stream that says it is done may take, so that the connection can be reused.
_DRAIN_S: Final = 0.1


class TransportError(Exception):
    """Raised when no whole answer came.

    Attributes:
        sent: Whether a part of the request may have reached the server.
        timed_out: Whether it was given up after a wait.
    """

    def __init__(self, message: str, *, sent: bool, timed_out: bool) -> None:
        super().__init__(message)
        self.sent = sent
        self.timed_out = timed_out


class Answer(NamedTuple):
    """An HTTP answer; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Flow:
    """An HTTP answer whose body is still to come.

    Attributes:
        status: The HTTP status.
        headers: The headers, their names in lower case.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.headers = _headers(response)
        self._response = response

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it comes.

        Raises:
            TransportError: It broke off.
        """
        pieces = self._response.aiter_bytes()
        try:
            with _told():
                async for piece in pieces:
                    yield piece
        finally:
            with anyio.CancelScope(shield=True):
                await self._response.aclose()
                # Left half read, the iterators within are not closed with this one, at which trio
                # complains. On a closed connection they end by themselves.
                with suppress(*_breaks()):
                    async for _ in pieces:
                        pass

    async def read(self) -> bytes:
        """Return the whole body.

        Raises:
            TransportError: It broke off.
        """
        with _told():
            return await self._response.aread()


class _Pool:
    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self.client = client
        self.in_flight = 0


class Transport:
    """Sends requests to one endpoint. Its clients are made at the first of them."""

    def __init__(self, endpoint: Endpoint, settings: OpenAISettings) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._pools: list[_Pool] = []
        self._pool_size = 0
        self._tls: ssl.SSLContext | None = None

    async def get(self, path: str) -> Answer:
        """Return the answer to a GET.

        Raises:
            TransportError: No whole answer came.
        """
        import httpx2

        with self._client() as client, _told():
            return await _answer(client.get(path, cast_to=httpx2.Response))

    async def post(self, path: str, body: bytes) -> Answer:
        """Return the answer to a POST of JSON.

        Raises:
            TransportError: No whole answer came.
        """
        import httpx2

        with self._client() as client, _told():
            return await _answer(client.post(path, cast_to=httpx2.Response, content=body))

    @asynccontextmanager
    async def stream(self, path: str, body: bytes) -> AsyncIterator[Flow]:
        """Return the answer to a POST of JSON while its body is still coming.

        Raises:
            TransportError: No answer came.
        """
        with self._client() as client:
            with _told():
                response = await _open_stream(client, path, body)
            try:
                yield Flow(response)
            finally:
                with anyio.CancelScope(shield=True):
                    await response.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        pools, self._pools = self._pools, []
        async with AsyncExitStack() as stack:
            # Whatever one of them raises, the others are closed too.
            for pool in pools:
                stack.push_async_callback(pool.client.close)

    @contextmanager
    def _client(self) -> Iterator[openai.AsyncOpenAI]:
        pool = self._pick_pool()
        pool.in_flight += 1
        try:
            yield pool.client
        finally:
            pool.in_flight -= 1

    def _pick_pool(self) -> _Pool:
        for pool in self._pools:
            if pool.in_flight < self._pool_size:
                return pool
        if self._pool_size * len(self._pools) < self._settings.max_connections:
            self._pools.append(_Pool(self._new_client()))
            return self._pools[-1]
        return min(self._pools, key=lambda pool: pool.in_flight)

    def _new_client(self) -> openai.AsyncOpenAI:
        import httpx2
        import openai

        endpoint, settings = self._endpoint, self._settings
        is_asyncio = sniffio.current_async_library() == "asyncio"
        count = 1 if is_asyncio else -(-settings.max_connections // _POOL_SIZE)
        self._pool_size = -(-settings.max_connections // count)
        http_client = openai.DefaultAioHttpClient if is_asyncio else openai.DefaultAsyncHttpxClient
        # Reading the certificates takes longer than all the rest, so the pools share them.
        self._tls = self._tls or httpx2.create_ssl_context()
        timeout = httpx2.Timeout(settings.read_timeout_s, connect=settings.connect_timeout_s)
        client = openai.AsyncOpenAI(
            api_key=endpoint.key.reveal(),
            base_url=endpoint.url,
            timeout=timeout,
            max_retries=0,
            default_headers=self._default_headers(),
            http_client=http_client(
                verify=self._tls,
                timeout=timeout,
                limits=httpx2.Limits(
                    max_connections=self._pool_size, max_keepalive_connections=self._pool_size
                ),
            ),
        )
        # The client takes these from the environment, whatever server it is for.
        client.organization, client.project = endpoint.organization, endpoint.project
        return client

    def _default_headers(self) -> dict[str, str]:
        # Said aloud, for the client takes one from OPENAI_CUSTOM_HEADERS otherwise.
        headers = {"authorization": f"Bearer {self._endpoint.key.reveal()}"}
        return headers | {
            name.lower(): value for name, value in self._settings.default_headers.items()
        }


async def drain(pieces: AsyncIterator[bytes]) -> None:
    """Read what little is left of a stream that said it is done."""
    with suppress(TransportError), anyio.move_on_after(_DRAIN_S):
        async for _ in pieces:
            pass


async def _answer(sending: Awaitable[httpx2.Response]) -> Answer:
    import openai

    try:
        response = await sending
    except openai.APIStatusError as error:
        response = error.response
    return Answer(response.status_code, _headers(response), response.content)


async def _open_stream(client: openai.AsyncOpenAI, path: str, body: bytes) -> httpx2.Response:
    import httpx2
    import openai

    try:
        stream = await client.post(
            path,
            cast_to=httpx2.Response,
            content=body,
            stream=True,
            stream_cls=openai.AsyncStream[Any],
        )
    except openai.APIStatusError as error:
        return error.response
    # Asked for a raw response, the SDK returns it in place of a stream.
    return cast("httpx2.Response", stream)


def _headers(response: httpx2.Response) -> dict[str, str]:
    # Cookies are of no use to anybody here, and not for logs.
    return {name: value for name, value in response.headers.items() if name != "set-cookie"}


@contextmanager
def _told() -> Iterator[None]:
    """Turn whatever breaks a connection into one error."""
    try:
        yield
    except _breaks() as error:
        raise _explain(error) from error


def _breaks() -> tuple[type[Exception], ...]:
    import aiohttp
    import httpx2
    import openai

    return (
        openai.APIConnectionError,
        httpx2.HTTPError,
        httpx2.InvalidURL,
        httpx2.StreamError,
        aiohttp.ClientError,
        anyio.BrokenResourceError,
        anyio.ClosedResourceError,
        anyio.EndOfStream,
        OSError,
    )


def _explain(error: Exception) -> TransportError:
    import aiohttp
    import httpx2

    causes: list[BaseException] = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    # The SDK's adapter takes every broken connection of aiohttp's for one that was not made in
    # time: what aiohttp itself says counts.
    told = _first(aiohttp.ClientError, causes) or _first(httpx2.HTTPError, causes) or error
    unsent = (
        aiohttp.ClientConnectorError,
        aiohttp.ClientHttpProxyError,
        aiohttp.ConnectionTimeoutError,
        aiohttp.InvalidURL,
        httpx2.ConnectError,
        httpx2.ConnectTimeout,
        httpx2.PoolTimeout,
        httpx2.ProxyError,
        httpx2.UnsupportedProtocol,
    )
    timed_out = isinstance(told, TimeoutError | httpx2.TimeoutException)
    # What aiohttp says of a body that is cut begins with a status that nobody has sent.
    said = getattr(causes[-1], "message", "") or str(causes[-1]) or str(told)
    text = " ".join(said.split())
    return TransportError(
        f"{type(told).__name__}: {text}" if text else type(told).__name__,
        sent=not isinstance(told, unsent),
        timed_out=timed_out,
    )


def _first(kind: type[Exception], causes: list[BaseException]) -> BaseException | None:
    return next((cause for cause in causes if isinstance(cause, kind)), None)
