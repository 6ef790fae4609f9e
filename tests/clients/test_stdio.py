"""The Python SDK over stdio."""

import pytest
from example import PROGRAM, Example
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client

# The shell is there to tell with which code the server ended.
SERVER = StdioServerParameters(command="sh", args=["-c", '"$0" --emulator; echo "exit code $?" >&2', PROGRAM])


class StdioServer:
    def __init__(self, log):
        self.file = log

    def transport(self):
        return stdio_client(SERVER, errlog=self.file)

    def log(self):
        self.file.seek(0)
        log = self.file.read()
        assert "exit code 0" in log.splitlines()
        return log


class TestStdio(Example):
    @pytest.fixture
    def server(self, tmp_path):
        with open(tmp_path / "log", "w+") as log:
            yield StdioServer(log)
