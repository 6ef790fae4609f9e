#!/usr/bin/env python3
"""
Makes everything that a release publishes, apart from the crate and the container image, from programs that were built:

    packaging/pack.py PROGRAMS OUT [--all]

PROGRAMS has a folder for each Rust target, with the program in it. The one for x86-64 Linux must be there, since it writes
the completions and manual pages for all. With --all every target of targets.json must be there.

    OUT/release     the release's files: an archive and a bundle (.mcpb) for each target, and SHA256SUMS over all that is there
    OUT/npm         the npm packages: one for each target, and the one that people install
    OUT/server.json the MCP registry's entry, with the bundles' hashes

The name, version, licence and repository come from Cargo.toml and nowhere else. Needs Python 3.11, npm, and `npm ci --prefix tests/clients`, where @anthropic-ai/mcpb is pinned.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MCPB = ROOT / "tests/clients/node_modules/.bin/mcpb"

CRATE = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
TARGETS = json.loads((HERE / "targets.json").read_text())
HOST = TARGETS[0]
NAME, VERSION, REPOSITORY = CRATE["name"], CRATE["version"], CRATE["repository"]
SHELLS = {"bash": NAME, "zsh": f"_{NAME}", "fish": f"{NAME}.fish", "powershell": f"{NAME}.ps1", "elvish": f"{NAME}.elv"}


def program_name(target):
    return f"{NAME}.exe" if target["os"] == "win32" else NAME


def place_program(program, folder):
    """A copy that may be run: what carried the program here may have lost that."""
    folder.mkdir(parents=True)
    copy = Path(shutil.copy(program, folder / program.name))
    copy.chmod(0o755)
    return copy


def read_json(path):
    return json.loads(path.read_text())


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_documents(program, folder):
    """What goes into every archive: the licence and the documents, completions and manual pages."""
    for document in ["LICENSE", "README.md", "CHANGELOG.md"]:
        shutil.copy(ROOT / document, folder)
    for part in ["completions", "man"]:
        (folder / part).mkdir()
    for shell, file in SHELLS.items():
        script = subprocess.run([program, "completions", shell], check=True, stdout=subprocess.PIPE).stdout
        (folder / "completions" / file).write_bytes(script)
    subprocess.run([program, "man", folder / "man"], check=True)


def make_archive(target, program, documents, out, work):
    name = f"{NAME}-{VERSION}-{target['rust']}"
    folder = work / name
    place_program(program, folder)
    shutil.copytree(documents, folder, dirs_exist_ok=True)
    if target["os"] == "win32":
        with zipfile.ZipFile(out / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(file for file in folder.rglob("*") if file.is_file()):
                archive.write(file, file.relative_to(work))
    else:
        with tarfile.open(out / f"{name}.tar.gz", "w:gz", compresslevel=6) as archive:
            archive.add(folder, name, filter=owned_by_nobody)


def owned_by_nobody(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def make_bundle(target, program, out, work):
    folder = work / f"{target['node']}-bundle"
    place_program(program, folder / "server")
    for file in ["LICENSE", "packaging/mcpb/icon.png"]:
        shutil.copy(ROOT / file, folder)
    manifest = read_json(HERE / "mcpb/manifest.json")
    manifest |= {
        "version": VERSION,
        "repository": {"type": "git", "url": f"{REPOSITORY}.git"},
        "homepage": REPOSITORY,
        "documentation": f"{REPOSITORY}#readme",
        "support": f"{REPOSITORY}/issues",
        "compatibility": {"platforms": [target["os"]]},
    }
    manifest["server"]["entry_point"] = f"server/{program_name(target)}"
    write_json(folder / "manifest.json", manifest)
    bundle = out / f"{NAME}-{VERSION}-{target['node']}.mcpb"
    subprocess.run([MCPB, "pack", folder, bundle], check=True)
    return bundle


def platform_package(target):
    return f"@{NAME}/{target['node']}"


def npm_pack(folder, package, out):
    package |= {"version": VERSION, "license": CRATE["license"], "repository": {"type": "git", "url": f"git+{REPOSITORY}.git"}}
    write_json(folder / "package.json", package)
    shutil.copy(ROOT / "LICENSE", folder)
    subprocess.run(["npm", "pack", "--silent", "--pack-destination", out.resolve()], cwd=folder, check=True)


def make_platform_package(target, program, out, work):
    folder = work / target["node"]
    place_program(program, folder / "bin")
    (folder / "README.md").write_text(f"The program of [{NAME}](https://www.npmjs.com/package/{NAME}) for {target['node']}.\n")
    about = f"The program of {NAME} for {target['node']}"
    npm_pack(
        folder,
        {"name": platform_package(target), "description": about, "os": [target["os"]], "cpu": target["cpu"], "files": ["bin"]},
        out,
    )


def make_package(out, work):
    folder = shutil.copytree(HERE / "npm", work / NAME)
    programs = {platform_package(target): VERSION for target in TARGETS}
    npm_pack(folder, read_json(HERE / "npm/package.json") | {"optionalDependencies": programs}, out)


def make_registry_entry(bundles, out):
    entry = read_json(ROOT / "server.json")
    variables = entry["packages"][0]["environmentVariables"]
    entry["packages"] += [
        {
            "registryType": "mcpb",
            "identifier": f"{REPOSITORY}/releases/download/v{VERSION}/{bundle.name}",
            "fileSha256": sha256(bundle),
            "transport": {"type": "stdio"},
            "environmentVariables": variables,
        }
        for bundle in bundles
    ]
    write_json(out, entry)


def sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def write_checksums(folder):
    files = sorted(file for file in folder.iterdir() if file.name != "SHA256SUMS")
    (folder / "SHA256SUMS").write_text("".join(f"{sha256(file)}  {file.name}\n" for file in files))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", metavar="PROGRAMS", type=Path)
    parser.add_argument("out", metavar="OUT", type=Path)
    parser.add_argument("--all", action="store_true", help="refuse to go on without every target")
    arguments = parser.parse_args()

    programs = {target["rust"]: arguments.programs / target["rust"] / program_name(target) for target in TARGETS}
    there = [target for target in TARGETS if programs[target["rust"]].exists()]
    missing = [target["rust"] for target in TARGETS if target not in there]
    if HOST not in there or (arguments.all and missing):
        parser.error(f"no program for {', '.join(missing)} in {arguments.programs}")

    release, npm = arguments.out / "release", arguments.out / "npm"
    for folder in [release, npm]:
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        documents = work / "documents"
        documents.mkdir()
        write_documents(place_program(programs[HOST["rust"]], work / "host"), documents)
        bundles = []
        for target in there:
            program = programs[target["rust"]]
            make_archive(target, program, documents, release, work)
            bundles.append(make_bundle(target, program, release, work))
            make_platform_package(target, program, npm, work)
        make_package(npm, work)
    make_registry_entry(bundles, arguments.out / "server.json")
    write_checksums(release)


if __name__ == "__main__":
    main()
