"""The manifests for Kubernetes: valid by its schemas, complete, and with settings that the program has."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "deploy/kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
MANIFESTS = sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")


def settings():
    lines = (FOLDER / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_fits_the_schema(name):
    # It brings the schemas, and needs no network.
    command = [Path(sys.executable).parent / "kubernetes-validate", "--strict", FOLDER / name]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_manifest_is_in_the_kustomization():
    assert sorted(KUSTOMIZATION["resources"]) == MANIFESTS


def test_the_server_starts_with_the_settings():
    from example import PROGRAM

    # Only what depends on the place is another one.
    environment = settings() | {"VERIFA_MCP_LISTEN": "127.0.0.1:0", "VERIFA_MCP_METRICS_LISTEN": "127.0.0.1:0"}
    del environment["VERIFA_API_KEY_FILE"]
    environment["VERIFA_MCP_OAUTH_ISSUER"] = "http://127.0.0.1:1"
    server = subprocess.Popen([PROGRAM, "http", "--emulator"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline().startswith("MCP server listening on ")
    finally:
        server.kill()
        server.communicate()
