//! Reads the audit log after a soak and checks that every start has its end.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    event: String,
    call: String,
    session_id: String,
    outcome: Option<String>,
}

/// Counts of the log's lines.
#[derive(Default)]
pub(crate) struct Summary {
    pub(crate) starts: usize,
    pub(crate) ends: usize,
    /// Starts without an end, ends without a start, and pairs that name two different sessions.
    pub(crate) unpaired: usize,
    pub(crate) outcomes: BTreeMap<String, usize>,
}

impl Summary {
    pub(crate) fn outcome(&self, name: &str) -> usize {
        self.outcomes.get(name).copied().unwrap_or_default()
    }
}

pub(crate) fn read(path: &Path) -> Summary {
    let mut summary = Summary::default();
    let mut open = HashMap::new();
    for line in BufReader::new(File::open(path).unwrap()).lines() {
        let line: Line = serde_json::from_str(&line.unwrap()).unwrap();
        if line.event == "start" {
            summary.starts += 1;
            open.insert(line.call, line.session_id);
        } else {
            summary.ends += 1;
            *summary.outcomes.entry(line.outcome.unwrap_or_default()).or_default() += 1;
            if open.remove(&line.call) != Some(line.session_id) {
                summary.unpaired += 1;
            }
        }
    }
    summary.unpaired += open.len();
    summary
}
