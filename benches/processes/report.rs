//! Formats results as Markdown and writes them into a document.

use std::{fs, path::Path, process::Command};

/// A table row: one figure of both programs.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) floor: f64,
    pub(crate) verifa_mcp: f64,
    pub(crate) with_audit: Option<f64>,
    pub(crate) goal: Option<Goal>,
}

/// The required ratio of `verifa-mcp` to the floor.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

pub(crate) fn table(rows: &[Row]) -> String {
    let mut text =
        "| | floor | verifa-mcp | ratio | goal | | with audit |\n| --- | --: | --: | --: | --: | --- | --: |\n"
            .to_owned();
    for Row { name, unit, floor, verifa_mcp, with_audit, goal } in rows {
        let ratio = verifa_mcp / floor;
        let (goal, verdict) = match goal {
            Some(Goal::AtMost(maximum)) => (format!("≤ {maximum:.1}"), verdict(ratio <= *maximum)),
            Some(Goal::AtLeast(minimum)) => (format!("≥ {minimum:.1}"), verdict(ratio >= *minimum)),
            None => (String::new(), ""),
        };
        let (floor, verifa_mcp) = (figure(*floor, unit), figure(*verifa_mcp, unit));
        let with_audit = with_audit.map(|value| figure(value, unit)).unwrap_or_default();
        text += &format!("| {name} | {floor} | {verifa_mcp} | {ratio:.2} | {goal} | {verdict} | {with_audit} |\n");
    }
    text
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

pub(crate) fn figure(value: f64, unit: &str) -> String {
    let digits = if value < 100.0 { format!("{value:.2}") } else { grouped(value.round() as u64) };
    format!("{digits} {unit}").trim_end().to_owned()
}

/// Formats a number with commas as thousands separators.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

/// Says when, on which commit and on which machine the figures were measured.
pub(crate) fn environment() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": an unknown processor");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: Vec<_> = kernel.split('.').take(2).collect();
    let commit = Command::new("git").args(["describe", "--always", "--dirty"]).output().map(|output| output.stdout);
    let commit = String::from_utf8(commit.unwrap_or_default()).unwrap_or_default();
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    format!(
        "Measured on {}, commit {}, on {} ({cores} cores), Linux {}.",
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        commit.trim(),
        model.trim_start_matches([' ', '\t', ':']),
        kernel.join("."),
    )
}

/// Replaces the text between `<!-- name: results -->` and `<!-- name: end -->`.
pub(crate) fn write_into(document: &Path, name: &str, results: &str) {
    let text = fs::read_to_string(document).expect("the document");
    let (begin, end) = (format!("<!-- {name}: results -->\n"), format!("<!-- {name}: end -->"));
    let (before, rest) = text.split_once(&begin).expect("the start of the block");
    let (_, after) = rest.split_once(&end).expect("the end of the block");
    fs::write(document, format!("{before}{begin}\n{}\n\n{end}{after}", results.trim())).unwrap();
}
