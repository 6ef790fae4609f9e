"""What a release is made of, made from the program that CI built: is it valid where it will be published, and does it run?"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import pytest
from example import PROGRAM, connect, resume
from jsonschema import Draft7Validator
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client

CLIENTS = Path(__file__).parent
ROOT = CLIENTS.parents[1]
TOOLS = CLIENTS / "node_modules/.bin"
CRATE = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
VERSION, REPOSITORY = CRATE["version"], CRATE["repository"]
TARGETS = json.loads((ROOT / "packaging/targets.json").read_text())
WORKFLOWS = ROOT / ".github/workflows"


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def read_json(path):
    return json.loads(path.read_text())


def program_name(target):
    return "verifa-mcp.exe" if target["os"] == "win32" else "verifa-mcp"


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packaging")
    for target in TARGETS:
        program = folder / "programs" / target["rust"] / program_name(target)
        program.parent.mkdir(parents=True)
        if target["node"] == "linux-x64":
            run("strip", "-o", program, PROGRAM)  # debug information is most of it
        else:
            program.write_text("a stand-in for what is built elsewhere")
    run(sys.executable, ROOT / "packaging/pack.py", folder / "programs", folder / "packed", "--all")
    return folder / "packed"


@pytest.fixture(scope="session")
def bundle(packed, tmp_path_factory):
    """The bundle for this platform, unpacked by the tool that packed it."""
    folder = tmp_path_factory.mktemp("bundle")
    run(TOOLS / "mcpb", "unpack", packed / f"release/verifa-mcp-{VERSION}-linux-x64.mcpb", folder)
    return folder


@pytest.fixture(scope="session")
def installed(packed, tmp_path_factory):
    """A folder in which the npm packages for this platform are installed, from their files alone."""
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text('{ "private": true }')
    packages = [packed / f"npm/verifa-mcp-{part}{VERSION}.tgz" for part in ["", "linux-x64-"]]
    npm(folder, "npm", "install", "--no-audit", "--no-fund", *packages)
    return folder


def npm(folder, *command, **environment):
    environment = {"npm_config_offline": "true", "npm_config_cache": str(folder / ".cache"), **environment}
    return run(*command, cwd=folder, env=os.environ | environment)


@pytest.fixture
def emulator():
    process = subprocess.Popen([PROGRAM, "emulator", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    yield process.stdout.readline().split()[-1]
    process.kill()
    process.communicate()


@asynccontextmanager
async def started(command, arguments=(), **options):
    parameters = StdioServerParameters(command=str(command), args=list(arguments), **options)
    async with connect(SimpleNamespace(transport=lambda: stdio_client(parameters)), "auto") as client:
        yield client


def host_configuration(bundle, user):
    """How a host starts the bundle's server, by the reference code; none where a required setting is missing."""
    script = f"""
        import {{ getMcpConfigForManifest }} from "@anthropic-ai/mcpb";
        const [manifest, extensionPath, userConfig] = {json.dumps([read_json(bundle / "manifest.json"), str(bundle), user])};
        const config = await getMcpConfigForManifest({{
            manifest, extensionPath, userConfig, systemDirs: {{}}, pathSeparator: "/",
        }});
        console.log(JSON.stringify(config ?? null));
    """
    return json.loads(run("node", "--input-type=module", "--eval", script, cwd=CLIENTS))


class TestBundle:
    def test_has_a_valid_manifest(self, bundle):
        assert "passes" in run(TOOLS / "mcpb", "validate", bundle / "manifest.json")
        assert read_json(bundle / "manifest.json")["version"] == VERSION

    def test_keeps_the_key_where_secrets_are_kept(self, bundle):
        key = read_json(bundle / "manifest.json")["user_config"]["api_key"]
        assert key["sensitive"] is True
        assert key["type"] == "string"

    def test_is_not_started_without_a_key(self, bundle):
        assert host_configuration(bundle, {}) is None

    def test_leaves_no_setting_unexpanded(self, bundle):
        environment = host_configuration(bundle, {"api_key": "vk_sandbox_bundle"})["env"]
        assert not any("${" in value for value in environment.values())
        assert environment["VERIFA_API_KEY"] == "vk_sandbox_bundle"

    @pytest.mark.anyio
    async def test_runs_and_resumes_a_session(self, bundle, emulator):
        config = host_configuration(bundle, {"api_key": "vk_sandbox_bundle"})
        environment = config["env"] | {"VERIFA_API_URL": emulator}
        async with started(config["command"], config["args"], env=environment) as client:
            result = await resume(client, session_id="ses_demo_expired")
        assert result.structured_content["status"] == "pending"

    @pytest.mark.anyio
    async def test_names_the_tools_and_prompts_that_the_server_has(self, bundle):
        manifest = read_json(bundle / "manifest.json")
        async with started(PROGRAM, ["--emulator"]) as client:
            tools = (await client.list_tools()).tools
            has_prompts = client.server_capabilities.prompts is not None
            prompts = (await client.list_prompts()).prompts if has_prompts else []
        assert [tool["name"] for tool in manifest["tools"]] == [tool.name for tool in tools]
        assert [prompt["name"] for prompt in manifest.get("prompts", [])] == [prompt.name for prompt in prompts]

    @pytest.mark.anyio
    async def test_can_be_made_read_only(self, bundle, emulator):
        config = host_configuration(bundle, {"api_key": "vk_sandbox_bundle", "read_only": True})
        async with started(config["command"], env=config["env"] | {"VERIFA_API_URL": emulator}) as client:
            tools = (await client.list_tools()).tools
        assert all(tool.annotations.read_only_hint for tool in tools)


class TestNpmPackage:
    def test_is_run_by_npx(self, installed):
        assert npm(installed, "npx", "verifa-mcp", "--version") == f"verifa-mcp {VERSION}\n"

    @pytest.mark.anyio
    async def test_resumes_a_session_through_npx(self, installed):
        options = {"cwd": installed, "env": {"npm_config_offline": "true", "npm_config_cache": str(installed / ".cache")}}
        async with started("npx", ["verifa-mcp", "--emulator"], **options) as client:
            assert [tool.name for tool in (await client.list_tools()).tools]
            result = await resume(client, session_id="ses_demo_expired")
        assert result.structured_content["status"] == "pending"

    def test_ends_with_its_input(self, installed):
        run(installed / "node_modules/.bin/verifa-mcp", "--emulator", stdin=subprocess.DEVNULL, timeout=30)

    def test_passes_the_exit_code_on(self, installed):
        command = [installed / "node_modules/.bin/verifa-mcp", "--env", "nowhere"]
        assert subprocess.run(command, stdin=subprocess.DEVNULL, timeout=30).returncode == 2

    @pytest.fixture
    def server(self, installed):
        command = [installed / "node_modules/.bin/verifa-mcp", "http", "--emulator", "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdout.readline()  # it listens
        yield process
        process.kill()
        process.communicate()

    @pytest.mark.parametrize("ask", [signal.SIGTERM, signal.SIGINT], ids=lambda ask: ask.name)
    def test_passes_signals_on(self, server, ask):
        server.send_signal(ask)
        assert server.wait(30) == 0

    def test_ends_by_the_signal_that_ended_the_program(self, server):
        (program,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        os.kill(int(program), signal.SIGKILL)
        assert server.wait(30) == -signal.SIGKILL

    @pytest.mark.parametrize(
        "platform, arch, words",
        [
            ("linux", "arm64", r"@verifa-mcp/linux-arm64, .* is not installed"),
            ("win32", "arm64", r"@verifa-mcp/win32-x64, .* is not installed"),
            ("sunos", "x64", r"no program for sunos on x64\.\n.*cargo install verifa-mcp"),
        ],
    )
    def test_says_what_to_do_where_it_has_no_program(self, installed, tmp_path, platform, arch, words):
        disguise = tmp_path / "disguise.cjs"
        values = {"platform": {"value": platform}, "arch": {"value": arch}}
        disguise.write_text(f"Object.defineProperties(process, {json.dumps(values)});")
        command = ["node", "--require", disguise, installed / "node_modules/verifa-mcp/bin/verifa-mcp.js"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert (result.returncode, result.stdout) == (1, "")
        assert re.search(words, result.stderr)

    def test_asks_for_the_same_version_on_every_platform(self, installed):
        package = read_json(installed / "node_modules/verifa-mcp/package.json")
        wanted = {f"@verifa-mcp/{target['node']}": VERSION for target in TARGETS}
        assert (package["version"], package["optionalDependencies"]) == (VERSION, wanted)


class TestRegistryEntry:
    @pytest.fixture
    def entry(self, packed):
        return read_json(packed / "server.json")

    def test_fits_the_published_schema(self, entry):
        schema = json.loads(files("skillsaw.schemas.mcp_registry.v2025_12_11").joinpath("server.schema.json").read_text())
        assert entry["$schema"] == schema["$id"]
        for candidate in [entry, read_json(ROOT / "server.json")]:
            Draft7Validator(schema).validate(candidate)

    def test_has_the_version_of_the_crate(self, entry):
        assert entry["version"] == VERSION
        for package in entry["packages"]:
            assert VERSION in (package.get("version"), *re.split(r"[:/v]", package["identifier"])), package

    def test_has_one_name_everywhere(self, entry, installed):
        assert read_json(installed / "node_modules/verifa-mcp/package.json")["mcpName"] == entry["name"]
        assert f'io.modelcontextprotocol.server.name="{entry["name"]}"' in (ROOT / "Dockerfile").read_text()
        assert entry["repository"]["url"] == REPOSITORY

    def test_gives_every_bundles_address_and_hash(self, entry, packed):
        bundles = [package for package in entry["packages"] if package["registryType"] == "mcpb"]
        assert len(bundles) == len(TARGETS)
        for package in bundles:
            folder, name = package["identifier"].rsplit("/", 1)
            assert folder == f"{REPOSITORY}/releases/download/v{VERSION}"
            assert f"{package['fileSha256']}  {name}\n" in (packed / "release/SHA256SUMS").read_text()

    def test_asks_for_the_same_settings_in_every_package(self, entry, bundle):
        first, *others = [package["environmentVariables"] for package in entry["packages"]]
        assert all(variables == first for variables in others)
        secrets = [variable["name"] for variable in first if variable.get("isSecret")]
        assert secrets == ["VERIFA_API_KEY"]
        names = {variable["name"] for variable in first}
        assert names == read_json(bundle / "manifest.json")["server"]["mcp_config"]["env"].keys()
        assert all(name in run(PROGRAM, "--help") for name in names)


class TestReleaseFiles:
    def test_match_their_checksums(self, packed):
        run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=packed / "release")

    def test_have_a_program_that_runs_and_its_documents(self, packed, tmp_path):
        name = f"verifa-mcp-{VERSION}-x86_64-unknown-linux-musl"
        with tarfile.open(packed / f"release/{name}.tar.gz") as archive:
            archive.extractall(tmp_path, filter="data")
        folder = tmp_path / name
        assert run(folder / "verifa-mcp", "--version") == f"verifa-mcp {VERSION}\n"
        for document in ["LICENSE", "README.md", "man/verifa-mcp.1", "man/verifa-mcp-resume.1", "completions/_verifa-mcp"]:
            assert (folder / document).stat().st_size > 0, document

    @pytest.mark.parametrize("target", TARGETS, ids=lambda target: target["node"])
    def test_hold_the_program_of_every_platform(self, packed, target):
        program, archive = program_name(target), f"verifa-mcp-{VERSION}-{target['rust']}"
        if target["os"] == "win32":
            names = zipfile.ZipFile(packed / f"release/{archive}.zip").namelist()
        else:
            names = tarfile.open(packed / f"release/{archive}.tar.gz").getnames()
        assert f"{archive}/{program}" in names

        with zipfile.ZipFile(packed / f"release/verifa-mcp-{VERSION}-{target['node']}.mcpb") as bundle:
            manifest = json.loads(bundle.read("manifest.json"))
            assert manifest["server"]["entry_point"] in bundle.namelist()
        config = manifest["server"]["mcp_config"]
        command = config["platform_overrides"].get(target["os"], config)["command"]
        assert command == f"${{__dirname}}/server/{program}"
        assert manifest["compatibility"]["platforms"] == [target["os"]]

        with tarfile.open(packed / f"npm/verifa-mcp-{target['node']}-{VERSION}.tgz") as package:
            described = json.load(package.extractfile("package/package.json"))
            assert f"package/bin/{program}" in package.getnames()
        assert (described["os"], described["cpu"]) == ([target["os"]], target["cpu"])

    def test_are_not_made_while_a_platform_is_missing(self, tmp_path):
        program = tmp_path / "x86_64-unknown-linux-musl/verifa-mcp"
        program.parent.mkdir()
        shutil.copy(shutil.which("true"), program)
        command = [sys.executable, ROOT / "packaging/pack.py", tmp_path, tmp_path / "packed", "--all"]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 2
        assert "no program for aarch64-unknown-linux-musl" in result.stderr
        assert not (tmp_path / "packed").exists()


class TestCrate:
    def test_holds_what_builds_it_and_what_explains_it_and_no_more(self):
        listed = run("cargo", "package", "--list", "--allow-dirty", "--offline", "--locked", cwd=ROOT).split()
        sources = {file for file in listed if file.startswith("src/")}
        assert sources == {str(file.relative_to(ROOT)) for file in (ROOT / "src").rglob("*") if file.is_file()}
        made_by_cargo = {".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml", "Cargo.toml.orig"}
        documents = {"CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md"}
        assert set(listed) - sources - made_by_cargo == documents
        assert "Cargo.lock" in listed


class TestWorkflows:
    def test_fit_the_schema_of_github(self):
        run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS.iterdir(), env=with_this_python())

    def test_are_careful(self):
        run("zizmor", "--offline", "--no-progress", "--strict-collection", ROOT / ".github", env=with_this_python())


def with_this_python():
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
