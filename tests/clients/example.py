"""What the Python SDK does over every transport. It checks structured results against the output schema by itself."""

import base64
import io
import os
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
import zxingcpp
from mcp import Client, MCPError
from PIL import Image

PROGRAM = os.environ.get("VERIFA_MCP") or str(Path(__file__).parents[2] / "target/debug/verifa-mcp")


@asynccontextmanager
async def connect(server, mode):
    with anyio.fail_after(15):
        async with Client(server.transport(), mode=mode) as client:
            yield client


async def resume(client, **arguments):
    return await client.call_tool("resume_session", arguments)


@pytest.mark.anyio
@pytest.mark.parametrize("mode, speaks", [("auto", "2026-07-28"), ("legacy", "2025-11-25")], ids=["auto", "legacy"])
class Example:
    """
    A subclass has the fixture `server`: its `transport()` leads to the server, and `log()` is what that wrote, once it
    has ended in order.
    """

    async def test_lists_the_tools(self, server, mode, speaks):
        async with connect(server, mode) as client:
            assert client.protocol_version == speaks
            assert client.server_info.name == "verifa-mcp"
            tools = (await client.list_tools()).tools
        tool = next(tool for tool in tools if tool.name == "resume_session")
        assert tool.input_schema["required"] == ["session_id"]
        assert tool.output_schema["type"] == "object"
        assert tool.annotations.read_only_hint is False

    @pytest.mark.parametrize("session_id", ["ses_demo_expired", "ses_demo_null_qr"])
    async def test_resumes_a_session(self, server, mode, speaks, session_id):
        async with connect(server, mode) as client:
            result = await resume(client, session_id=session_id)

        assert not result.is_error
        assert result.structured_content["id"] == session_id
        assert result.structured_content["status"] == "pending"
        link = result.structured_content["capture_url"]
        text, image = result.content
        assert link in text.text.splitlines()
        assert image.mime_type == "image/png"
        with Image.open(io.BytesIO(base64.b64decode(image.data, validate=True))) as picture:
            assert picture.format == "PNG"
            assert [code.text for code in zxingcpp.read_barcodes(picture)] == [link]

        assert urlsplit(link).path not in server.log()

    async def test_reads_why_a_session_cannot_be_resumed(self, server, mode, speaks):
        async with connect(server, mode) as client:
            result = await resume(client, session_id="ses_demo_completed")
        assert result.is_error
        assert result.structured_content is None
        assert "400" in result.content[0].text

    @pytest.mark.parametrize("arguments", [{}, {"session_id": 7}, {"session_id": "../keys"}], ids=["none", "type", "path"])
    async def test_reads_what_is_wrong_with_its_arguments(self, server, mode, speaks, arguments):
        async with connect(server, mode) as client:
            result = await resume(client, **arguments)
        assert result.is_error
        assert "session_id" in result.content[0].text

    async def test_is_refused_a_tool_that_does_not_exist(self, server, mode, speaks):
        async with connect(server, mode) as client:
            with pytest.raises(MCPError):
                await client.call_tool("resume_everything", {})

    async def test_gets_an_answer_to_each_of_many_calls_at_once(self, server, mode, speaks):
        ids = ["ses_demo_expired", "ses_demo_capturing", "ses_demo_null_qr"] * 10
        answers = [None] * len(ids)

        async def ask(n):
            answers[n] = (await resume(client, session_id=ids[n])).structured_content

        async with connect(server, mode) as client, anyio.create_task_group() as tasks:
            for n in range(len(ids)):
                tasks.start_soon(ask, n)
        assert [answer["id"] for answer in answers] == ids
        assert len({answer["capture_url"] for answer in answers}) == len(ids)
