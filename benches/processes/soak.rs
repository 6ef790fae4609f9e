//! Very many calls with faults mixed in. Every call must get its own answer, and the server must be at the end what it
//! was at the beginning.

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
    server::{Program, Server, Transport, ended_well},
    upstream::Upstream,
};

/// Calls at once.
const OUTSTANDING: usize = 256;
/// Between two looks at the server's memory.
const SAMPLE: Duration = Duration::from_millis(200);
/// A pause in which a server comes to rest.
const REST: Duration = Duration::from_secs(3);
/// How much the memory of the last quarter may exceed that of the second.
const GROWTH: f64 = 1.05;
/// So that calls that must fail do so soon, and others never, even on a busy machine.
const SETTINGS: [(&str, &str); 2] = [("VERIFA_MCP_RETRY_BUDGET", "3s"), ("VERIFA_MCP_ATTEMPT_TIMEOUT", "1s")];

pub(crate) async fn run(program: &Program, calls: usize) -> String {
    let mut text = String::new();
    let mut faults = Vec::new();
    for transport in [Transport::Pipes, Transport::Http] {
        let folder = tempfile::tempdir().unwrap();
        let audit = folder.path().join("audit");
        let soak = soak(program, transport, calls, &audit).await;
        text += &format!("### {} calls over {}\n\n{}\n", grouped(calls as u64), transport.name(), soak.report());
        faults.extend(soak.faults());
    }
    if faults.is_empty() { text } else { panic!("{text}\n{}", faults.join("\n")) }
}

struct Soak {
    calls: usize,
    time: Duration,
    outcomes: BTreeMap<(Kind, Outcome), usize>,
    wrong: Vec<String>,
    /// Memory while the calls ran, at even distances.
    memory: Vec<f64>,
    memory_after: f64,
    descriptors: (usize, usize, usize),
    audit: audit::Summary,
    ended_well: bool,
}

async fn soak(program: &Program, transport: Transport, calls: usize, audit: &Path) -> Soak {
    let upstream = Upstream::new();
    let api = format!("http://{}", upstream.serve().await);
    let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let audit_log = ("VERIFA_MCP_AUDIT_LOG".to_owned(), audit.to_str().unwrap().to_owned());
    let program = program.of_api(&api).with(settings).with([audit_log]);
    let mut server = Server::start(&program, transport);
    let slots = Slots::connect(&mut server).await;
    sleep(REST).await;
    let before = server.descriptors();

    let (next, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::new(Mutex::new((BTreeMap::new(), Vec::new())));
    let started = Instant::now();
    let workers: Vec<_> = (0..OUTSTANDING)
        .map(|_| {
            let (mut slot, next, done, seen) = (slots.slot(), next.clone(), done.clone(), seen.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= calls {
                        return;
                    }
                    let call = calls::Call::number(number);
                    let answer = slot.exchange(&call).await;
                    let outcome = call.check(answer);
                    let mut seen = seen.lock().unwrap();
                    match outcome {
                        Ok(outcome) => *seen.0.entry((call.kind, outcome)).or_default() += 1,
                        Err(wrong) => seen.1.push(wrong),
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let (mut memory, mut most) = (Vec::new(), before);
    let mut tenth = 0;
    while done.load(Ordering::Relaxed) < calls {
        sleep(SAMPLE).await;
        memory.push(server.memory() as f64 / 1e6);
        most = most.max(server.descriptors());
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
    sleep(REST).await;
    let (memory_after, after) = (server.memory() as f64 / 1e6, server.descriptors());
    let (status, stderr) = server.end();
    if !ended_well(status) {
        eprintln!("{stderr}");
    }
    let (outcomes, mut wrong) = std::mem::take(&mut *seen.lock().unwrap());
    wrong.extend(unexpected);
    Soak {
        calls,
        time,
        outcomes,
        wrong,
        memory,
        memory_after,
        descriptors: (before, most, after),
        audit: audit::read(audit),
        ended_well: ended_well(status),
    }
}

impl Soak {
    fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.iter().filter(|((_, it), _)| *it == outcome).map(|(_, count)| count).sum()
    }

    /// The mean memory of each quarter of the time.
    fn quarters(&self) -> [f64; 4] {
        let quarter = (self.memory.len() / 4).max(1);
        std::array::from_fn(|index| {
            let samples: Vec<_> = self.memory.iter().skip(index * quarter).take(quarter).collect();
            samples.iter().copied().sum::<f64>() / samples.len().max(1) as f64
        })
    }

    fn faults(&self) -> Vec<String> {
        let mut faults: Vec<_> = self.wrong.iter().take(10).cloned().collect();
        let mut check = |holds: bool, fault: &str| {
            if !holds {
                faults.push(fault.to_owned());
            }
        };
        let (before, _, after) = self.descriptors;
        let [_, second, _, last] = self.quarters();
        let cancelled = self.count(Outcome::Cancelled);
        check(self.outcomes.values().sum::<usize>() == self.calls, "calls were lost");
        check(last <= second * GROWTH, "memory grew");
        check(after <= before, "descriptors were left open");
        check(
            self.audit.starts == self.audit.ends && self.audit.unpaired == 0,
            "the audit log has lines without a partner",
        );
        check(self.audit.starts + cancelled >= self.calls, "the audit log lacks calls");
        check(self.audit.outcome("resumed") == self.count(Outcome::Link), "the audit log and the answers disagree");
        check(self.ended_well, "the server did not end well");
        faults
    }

    fn report(&self) -> String {
        let mut text =
            "| calls whose upstream … | calls | a link | an error | cancelled |\n| --- | --: | --: | --: | --: |\n"
                .to_owned();
        for kind in Kind::ALL {
            let count = |outcome| self.outcomes.get(&(kind, outcome)).copied().unwrap_or_default() as u64;
            let [link, error, cancelled] = [Outcome::Link, Outcome::Error, Outcome::Cancelled].map(count);
            let [all, link, error, cancelled] = [link + error + cancelled, link, error, cancelled].map(grouped);
            text += &format!("| {} | {all} | {link} | {error} | {cancelled} |\n", kind.label());
        }
        let (before, most, after) = self.descriptors;
        let [first, second, third, last] = self.quarters().map(|value| figure(value, ""));
        let audit = self.audit.outcomes.iter().map(|(name, count)| format!("{} {name}", grouped(*count as u64)));
        text += &format!(
            "\n- {:.0} s, {} calls per second, {OUTSTANDING} outstanding; lost or wrong: {}\n\
             - memory (MB, mean of each quarter of the time): {first}, {second}, {third}, {last}; at rest: {}\n\
             - descriptors: {before} before, at most {most}, {after} at rest\n\
             - audit log: {} starts, {} ends, each with its partner: {}\n",
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
