"""The Python SDK over streamable HTTP and over classic HTTP+SSE, with and without a key of the caller's own."""

import os
import re
import subprocess
from contextlib import ExitStack, asynccontextmanager

import pytest
from example import PROGRAM, Example, connect
from httpx2 import HTTPStatusError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

KEY = {"Authorization": "Bearer vk_sandbox_foreignclients"}


@asynccontextmanager
async def streamable_http(base, headers):
    async with create_mcp_http_client(headers) as http, streamable_http_client(f"{base}/mcp", http_client=http) as streams:
        yield streams


def classic_sse(base, headers):
    return sse_client(f"{base}/sse", headers)


class HttpServer:
    def __init__(self, log, *arguments, reach=None, headers=None, **environment):
        self.file, self.reach, self.headers = log, reach, headers or {}
        command = [PROGRAM, *arguments, "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
        # The address is the first line's last word.
        self.base = self.process.stdout.readline().split()[-1].removesuffix("/mcp")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def transport(self):
        return self.reach(self.base, self.headers)

    def log(self):
        self.process.terminate()
        assert self.process.wait(10) == 0
        self.file.seek(0)
        return self.file.read()


@pytest.fixture
def start(tmp_path):
    """Starts servers that end with the test."""
    with ExitStack() as stack:

        def start(name, *arguments, **options):
            log = stack.enter_context(open(tmp_path / name, "w+"))
            return stack.enter_context(HttpServer(log, *arguments, **options))

        yield start


@pytest.fixture
def start_for_callers_with_keys(start):
    def start_for_callers_with_keys(**options):
        emulator = start("emulator", "emulator")
        # A quarter of the latter is one caller's share.
        return start("http", "http", VERIFA_API_URL=emulator.base, VERIFA_MCP_MAX_UPSTREAM="160", **options)

    return start_for_callers_with_keys


@pytest.fixture(params=[streamable_http, classic_sse], ids=["http", "sse"])
def reach(request):
    return request.param


class TestWithoutAuthentication(Example):
    @pytest.fixture
    def server(self, start, reach):
        return start("http", "http", "--emulator", reach=reach)


class TestWithTheCallersKey(Example):
    @pytest.fixture
    def server(self, start_for_callers_with_keys, reach):
        return start_for_callers_with_keys(reach=reach, headers=KEY)


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_is_told_that_the_key_is_missing(start_for_callers_with_keys, reach, mode):
    server = start_for_callers_with_keys(reach=reach)
    with pytest.raises((ExceptionGroup, HTTPStatusError)):
        async with connect(server, mode):
            pass
    answers = re.findall(r'path="(\S+)" status=(\d+)', server.log())
    assert {status for _, status in answers} == {"401"}
    assert len({path for path, _ in answers}) == 1, "no search for a place to log in"
