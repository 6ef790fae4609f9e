//! The order of the modules: each uses only those before it, as `src/lib.rs` lists them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// In the order of `src/lib.rs`. `lib` and `internals` may use everything.
pub(crate) const ORDER: [&str; 21] = [
    "untrusted",
    "private_file",
    "hosts",
    "qr",
    "telemetry",
    "metrics",
    "app",
    "http_client",
    "verifa",
    "call",
    "audit",
    "tools",
    "prompts",
    "server",
    "tokens",
    "transport",
    "emulator",
    "install",
    "config",
    "cli",
    "lib",
];

/// What each module uses of the others, without unit tests.
pub(crate) fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files(&source) {
        let first = file.strip_prefix(&source).unwrap().iter().next().unwrap().to_str().unwrap();
        let module = first.trim_end_matches(".rs").to_owned();
        if matches!(&*module, "main" | "internals") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let used = code.split("crate::").skip(1).flat_map(names).filter(|name| *name != module);
        uses.entry(module.clone()).or_default().extend(used.filter(|name| ORDER.contains(&name.as_str())));
    }
    uses
}

/// The modules named after a `crate::`: one, or those of a group.
fn names(path: &str) -> Vec<String> {
    let name = |text: &str| text.trim().split(|it: char| !it.is_alphanumeric() && it != '_').next().unwrap().to_owned();
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (index, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name(&group[start..index]));
                start = index + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let nested = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    nested.filter(|path| path.extension().is_some_and(|it| it == "rs")).collect()
}

#[test]
fn each_module_uses_only_those_before_it() {
    let position = |module: &str| ORDER.iter().position(|it| *it == module).unwrap_or_else(|| panic!("{module}"));
    let uses = uses();
    assert!(uses["tools"].contains("verifa") && uses["verifa"].contains("untrusted"), "{uses:?}");
    for (module, used) in uses {
        for other in used {
            assert!(position(&other) < position(&module), "{module} uses {other}, which comes after it");
        }
    }
}

/// The modules as a picture: an arrow for each use that does not follow from others.
pub(crate) fn picture() -> String {
    let uses = uses();
    let mut lines = String::from("```mermaid\nflowchart TD\n");
    for module in ORDER.iter().rev().filter(|it| **it != "lib") {
        let direct = &uses[*module];
        for other in direct {
            if !direct.iter().any(|through| through != other && reaches(&uses, through, other)) {
                lines += &format!("    {module} --> {other}\n");
            }
        }
    }
    lines + "```\n"
}

fn reaches(uses: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    uses[from].iter().any(|it| it == to || reaches(uses, it, to))
}

#[test]
fn no_file_is_longer_than_300_lines() {
    for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 300, "{}: {lines} lines", file.display());
    }
}
