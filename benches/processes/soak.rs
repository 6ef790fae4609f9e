//! Makes hundreds of thousands of calls, some with injected errors. Every call must get its own response, and the server
//! must not leak memory or descriptors.

mod audit;
mod calls;
mod slots;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::sleep;

use self::{
    calls::{Kind, Outcome},
    slots::Slots,
};
use crate::{
    report::{figure, grouped},
    server::{Program, Server, Transport, exited_cleanly},
    upstream::Upstream,
};

/// Calls in flight at any time.
const OUTSTANDING: usize = 256;
/// Interval between two readings of the server's memory.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(200);
/// Time for a server to become idle.
const SETTLE_TIME: Duration = Duration::from_secs(3);
/// Maximum ratio of the memory in the last quarter of the time to that in the second.
const MAX_MEMORY_GROWTH: f64 = 1.05;
/// Short enough for calls that must fail to fail soon, long enough for the others to succeed on a busy machine.
const SETTINGS: [(&str, &str); 2] = [("VERIFA_MCP_RETRY_BUDGET", "3s"), ("VERIFA_MCP_ATTEMPT_TIMEOUT", "1s")];

pub(crate) async fn run(program: &Program, calls: usize) -> String {
    let mut text = String::new();
    let mut failures = Vec::new();
    for transport in [Transport::Pipes, Transport::Http] {
        let folder = tempfile::tempdir().unwrap();
        let audit = folder.path().join("audit");
        let soak = soak(program, transport, calls, &audit).await;
        text += &format!("### {} calls over {}\n\n{}\n", grouped(calls as u64), transport.name(), soak.report());
        failures.extend(soak.failures());
    }
    if failures.is_empty() { text } else { panic!("{text}\n{}", failures.join("\n")) }
}

struct Soak {
    calls: usize,
    time: Duration,
    outcomes: BTreeMap<(Kind, Outcome), usize>,
    wrong: Vec<String>,
    /// Memory in MB during the calls, at regular intervals.
    memory: Vec<f64>,
    memory_after: f64,
    /// Open descriptors before, at the peak and after.
    descriptors: (usize, usize, usize),
    audit: audit::Summary,
    exited_cleanly: bool,
}

async fn soak(program: &Program, transport: Transport, calls: usize, audit: &Path) -> Soak {
    let upstream = Upstream::new();
    let api = format!("http://{}", upstream.serve().await);
    let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let audit_log = ("VERIFA_MCP_AUDIT_LOG".to_owned(), audit.to_str().unwrap().to_owned());
    let program = program.with_api(&api).with(settings).with([audit_log]);
    let mut server = Server::start(&program, transport);
    let slots = Slots::connect(&mut server).await;
    sleep(SETTLE_TIME).await;
    let before = server.descriptors();

    let (next, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let results = Arc::new(Mutex::new((BTreeMap::new(), Vec::new())));
    let started = Instant::now();
    let workers: Vec<_> = (0..OUTSTANDING)
        .map(|_| {
            let (mut slot, next, done, results) = (slots.slot(), next.clone(), done.clone(), results.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= calls {
                        return;
                    }
                    let call = calls::Call::number(number);
                    let response = slot.send(&call).await;
                    let outcome = call.check(response);
                    let mut results = results.lock().unwrap();
                    match outcome {
                        Ok(outcome) => *results.0.entry((call.kind, outcome)).or_default() += 1,
                        Err(wrong) => results.1.push(wrong),
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let (mut memory, mut peak) = (Vec::new(), before);
    let mut tenth = 0;
    while done.load(Ordering::Relaxed) < calls {
        sleep(SAMPLE_INTERVAL).await;
        memory.push(server.memory() as f64 / 1e6);
        peak = peak.max(server.descriptors());
        let now = done.load(Ordering::Relaxed) * 10 / calls;
        if now > tenth {
            tenth = now;
            eprintln!("{}: {} %", transport.name(), tenth * 10);
        }
    }
    let time = started.elapsed();
    for worker in workers {
        worker.await.unwrap();
    }
    let unexpected = slots.unexpected();
    upstream.close_connections();
    sleep(SETTLE_TIME).await;
    let (memory_after, after) = (server.memory() as f64 / 1e6, server.descriptors());
    let (status, stderr) = server.stop();
    if !exited_cleanly(status) {
        eprintln!("{stderr}");
    }
    let (outcomes, mut wrong) = std::mem::take(&mut *results.lock().unwrap());
    wrong.extend(unexpected);
    Soak {
        calls,
        time,
        outcomes,
        wrong,
        memory,
        memory_after,
        descriptors: (before, peak, after),
        audit: audit::read(audit),
        exited_cleanly: exited_cleanly(status),
    }
}

impl Soak {
    fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.iter().filter(|((_, it), _)| *it == outcome).map(|(_, count)| count).sum()
    }

    /// Returns the mean memory of each quarter of the time.
    fn quarters(&self) -> [f64; 4] {
        let quarter = (self.memory.len() / 4).max(1);
        std::array::from_fn(|index| {
            let samples: Vec<_> = self.memory.iter().skip(index * quarter).take(quarter).collect();
            samples.iter().copied().sum::<f64>() / samples.len().max(1) as f64
        })
    }

    fn failures(&self) -> Vec<String> {
        let mut failures: Vec<_> = self.wrong.iter().take(10).cloned().collect();
        let mut check = |holds: bool, failure: &str| {
            if !holds {
                failures.push(failure.to_owned());
            }
        };
        let (before, _, after) = self.descriptors;
        let [_, second, _, last] = self.quarters();
        let cancelled = self.count(Outcome::Cancelled);
        check(self.outcomes.values().sum::<usize>() == self.calls, "calls were lost");
        check(last <= second * MAX_MEMORY_GROWTH, "memory grew");
        check(after <= before, "descriptors leaked");
        check(
            self.audit.starts == self.audit.ends && self.audit.unpaired == 0,
            "the audit log has a start without an end, or an end without a start",
        );
        check(self.audit.starts + cancelled >= self.calls, "calls are missing from the audit log");
        check(self.audit.outcome("resumed") == self.count(Outcome::Link), "the audit log and the responses disagree");
        check(self.exited_cleanly, "the server did not exit cleanly");
        failures
    }

    fn report(&self) -> String {
        let mut text = "| upstream | calls | link | error | cancelled |\n| --- | --: | --: | --: | --: |\n".to_owned();
        for kind in Kind::ALL {
            let count = |outcome| self.outcomes.get(&(kind, outcome)).copied().unwrap_or_default() as u64;
            let [link, error, cancelled] = [Outcome::Link, Outcome::Error, Outcome::Cancelled].map(count);
            let [all, link, error, cancelled] = [link + error + cancelled, link, error, cancelled].map(grouped);
            text += &format!("| {} | {all} | {link} | {error} | {cancelled} |\n", kind.label());
        }
        let (before, peak, after) = self.descriptors;
        let [first, second, third, last] = self.quarters().map(|value| figure(value, ""));
        let audit = self.audit.outcomes.iter().map(|(name, count)| format!("{} {name}", grouped(*count as u64)));
        text += &format!(
            "\n- {:.0} s, {} calls per second, {OUTSTANDING} outstanding; lost or wrong responses: {}\n\
             - memory (MB, mean of each quarter of the time): {first}, {second}, {third}, {last}; idle afterwards: {}\n\
             - descriptors: {before} before, {peak} at the peak, {after} afterwards\n\
             - audit log: {} starts, {} ends, all in pairs: {}\n",
            self.time.as_secs_f64(),
            grouped((self.calls as f64 / self.time.as_secs_f64()) as u64),
            self.wrong.len(),
            figure(self.memory_after, ""),
            grouped(self.audit.starts as u64),
            grouped(self.audit.ends as u64),
            audit.collect::<Vec<_>>().join(", "),
        );
        text
    }
}
