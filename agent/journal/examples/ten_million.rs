//! Fills a journal with millions of accesses and measures writing and asking. Prints one line of JSON.
//!
//! `ten_million [--rows N] [--rows-per-workload N] [--dir DIR] [--keep]`; without `--dir` a temporary directory on the working directory's disk.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use cofferdam_journal::{Config, Journal, Reader};
use cofferdam_model::{
    Access, AccessKind, AccessMode, Answer, BinaryOrigin, BootId, BootTime, CgroupId, Clock, EnforcedBy,
    EventId, Executable, Filter, Process, ProcessKey, Record, Runtime, SecretKind, SecretRef, Verdict,
    WallTime, Workload, WorkloadId, WorkloadKind,
};

const BATCH: u64 = 5_000;
const SECRETS: u64 = 50;
/// One access in this many starts a process of its own.
const ACCESSES_PER_PROCESS: u64 = 10;

fn main() -> anyhow::Result<()> {
    let options = Options::parse()?;
    let temporary = tempfile::tempdir_in(".").context("make a temporary directory here")?;
    let dir = options.dir.unwrap_or_else(|| temporary.path().join("journal"));
    let (workloads, written) = fill(&dir, options.rows, options.rows_per_workload)?;
    let begun = Instant::now();
    let mut journal = Journal::open(&dir, config())?;
    let reopened = begun.elapsed();
    let begun = Instant::now();
    journal.roll()?;
    let rolled = begun.elapsed();
    drop(journal);
    let reader = Reader::open(&dir)?;

    let middle = name(workloads / 2);
    let one = Filter { workload: Some(middle.clone()), ..Filter::default() };
    let (rows, first, best) = ask(|| complete(reader.accesses(&one)?))?;
    anyhow::ensure!(
        rows as u64 == options.rows.min(options.rows_per_workload),
        "found {rows} rows of {middle}"
    );
    let glob = Filter { workload: Some(format!("bench/pod-{}/*", workloads / 2)), ..Filter::default() };
    let (_, _, by_glob) = ask(|| complete(reader.accesses(&glob)?))?;
    let latest = Filter { limit: Some(100), ..Filter::default() };
    let (_, _, tail) = ask(|| complete(reader.accesses(&latest)?))?;
    let refused = Filter { verdict: Some(Verdict::Denied), ..Filter::default() };
    let (refusals, _, denied) = ask(|| complete(reader.accesses(&refused)?))?;
    let (_, _, timeline) = ask(|| complete(reader.timeline(&one)?.accesses))?;
    let (_, _, secrets) = ask(|| complete(reader.secrets(&Filter::default())?))?;

    println!(
        "{{\"rows\":{},\"workloads\":{workloads},\"bytes\":{},\"segments\":{},\"seconds_to_write\":{:.1},\
         \"rows_per_second\":{:.0},\"slowest_batch_ms\":{:.1},\"p99_batch_ms\":{:.1},\"reopen_ms\":{:.1},\"roll_ms\":{:.1},\"one_workload_first_ms\":{:.1},\
         \"one_workload_ms\":{:.1},\"by_glob_ms\":{:.1},\"latest_100_ms\":{:.1},\"denied_rows\":{refusals},\
         \"denied_ms\":{:.1},\"timeline_ms\":{:.1},\"secrets_ms\":{:.1}}}",
        options.rows,
        written.bytes,
        written.segments,
        written.time.as_secs_f64(),
        written.records as f64 / written.time.as_secs_f64(),
        ms(written.slowest),
        ms(written.p99),
        ms(reopened),
        ms(rolled),
        ms(first),
        ms(best),
        ms(by_glob),
        ms(tail),
        ms(denied),
        ms(timeline),
        ms(secrets),
    );
    if options.keep {
        eprintln!("kept in {}", dir.display());
        std::mem::forget(temporary);
    }
    Ok(())
}

struct Options {
    rows: u64,
    rows_per_workload: u64,
    dir: Option<PathBuf>,
    keep: bool,
}

impl Options {
    fn parse() -> anyhow::Result<Self> {
        let mut options = Self { rows: 10_000_000, rows_per_workload: 1_000, dir: None, keep: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--rows" => options.rows = value()?.replace('_', "").parse().context("--rows")?,
                "--rows-per-workload" => {
                    options.rows_per_workload =
                        value()?.replace('_', "").parse().context("--rows-per-workload")?;
                }
                "--dir" => options.dir = Some(value()?.into()),
                "--keep" => options.keep = true,
                other => bail!("unknown argument {other}: see the head of examples/ten_million.rs"),
            }
        }
        Ok(options)
    }
}

struct Written {
    time: Duration,
    slowest: Duration,
    p99: Duration,
    records: u64,
    bytes: u64,
    segments: usize,
}

fn config() -> Config {
    Config { max_size: 32 << 30, ..Config::default() }
}

/// Interleaves the accesses of all workloads, as a busy node would.
fn fill(dir: &Path, rows: u64, rows_per_workload: u64) -> anyhow::Result<(u64, Written)> {
    let mut journal = Journal::open(dir, config())?;
    let boot: BootId = "0a1b2c3d-1111-2222-3333-444455556666".parse()?;
    let clock = Clock { booted: WallTime::now().before(Duration::from_hours(24)) };
    let workloads = (rows / rows_per_workload).max(1);
    let named: Vec<Record> = (0..workloads).map(|n| Record::Workload(workload(n))).collect();
    journal.append(&clock, &boot, &named)?;
    journal.begin_coverage(&clock, &boot, BootTime::from_nanos(0), &["file_open".to_owned()])?;
    let mut batches = Vec::new();
    let mut records = 0;
    for start in (0..rows).step_by(usize::try_from(BATCH)?) {
        let mut batch = Vec::new();
        for n in start..rows.min(start + BATCH) {
            let (workload, turn) = (n % workloads, n / workloads);
            if turn % ACCESSES_PER_PROCESS == 0 {
                batch.push(Record::Process(process(workload, turn)));
            }
            batch.push(Record::Access(access(n, workload, turn)));
        }
        let begun = Instant::now();
        journal.append(&clock, &boot, &batch)?;
        batches.push(begun.elapsed());
        records += batch.len() as u64;
    }
    let status = journal.status();
    let time = batches.iter().sum();
    batches.sort();
    let slowest = batches.last().copied().unwrap_or_default();
    let p99 = batches.get(batches.len() * 99 / 100).copied().unwrap_or_default();
    Ok((workloads, Written { time, slowest, p99, records, bytes: status.bytes, segments: status.segments }))
}

/// Asks five times: what it found, how long the first took and the fastest.
fn ask(question: impl Fn() -> anyhow::Result<usize>) -> anyhow::Result<(usize, Duration, Duration)> {
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..5 {
        let begun = Instant::now();
        found = question()?;
        times.push(begun.elapsed());
    }
    let best = times.iter().min().copied().unwrap_or_default();
    Ok((found, times[0], best))
}

/// The number of rows, provided that nothing is missing.
fn complete<Row>(answer: Answer<Row>) -> anyhow::Result<usize> {
    anyhow::ensure!(answer.completeness.complete, "incomplete: {:?}", answer.completeness.reasons);
    Ok(answer.rows.len())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn name(workload: u64) -> String {
    format!("bench/pod-{workload}/app")
}

fn workload(n: u64) -> Workload {
    let id = 1000 + n;
    Workload {
        id: WorkloadId(id),
        cgroup: CgroupId(id),
        cgroup_path: format!("/kubepods.slice/pod{n}.slice/cri-containerd-{n:064x}.scope"),
        kind: WorkloadKind::Container {
            container_id: format!("{n:064x}")
                .parse()
                .unwrap_or_else(|_| unreachable!("hex digits are an id")),
            runtime_namespace: Some("bench".to_owned()),
            runtime: Runtime::Containerd,
        },
        namespace: Some("bench".to_owned()),
        pod: Some(format!("pod-{n}")),
        container: Some(format!("pod-{n}/app")),
        sandbox: false,
        labels: [("app".to_owned(), format!("app-{}", n % 100))].into(),
        image: None,
        credential_variables: Vec::new(),
        since: BootTime::from_nanos(0),
        until: None,
    }
}

fn exec(workload: u64, turn: u64) -> (ProcessKey, EventId) {
    let generation = turn / ACCESSES_PER_PROCESS;
    let start = BootTime::from_nanos(1_000_000_000 + generation * 100_000_000 + workload * 1_000);
    let pid = u32::try_from(1 + (generation * 10_000 + workload) % 4_000_000).unwrap_or(1);
    (ProcessKey { pid, start }, EventId::new(start, 0))
}

fn process(workload: u64, turn: u64) -> Process {
    let (key, exec) = exec(workload, turn);
    Process {
        exec,
        key,
        parent: None,
        parent_exec: None,
        workload: WorkloadId(1000 + workload),
        cgroup: CgroupId(1000 + workload),
        uid: 1000,
        executable: Executable {
            path: Some("/usr/local/bin/app".to_owned()),
            inode: None,
            origin: BinaryOrigin::Image,
            interpreter: None,
            interpreter_inode: None,
        },
        exec_session: Some(false),
        runtime: false,
        adopted: false,
        began: key.start,
    }
}

fn access(n: u64, workload: u64, turn: u64) -> Access {
    let (process, exec) = exec(workload, turn);
    let time = BootTime::from_nanos(2_000_000_000 + n * 8_000);
    Access {
        id: EventId::new(time, 1),
        first: time,
        last: time,
        total: 1,
        workload: WorkloadId(1000 + workload),
        cgroup: CgroupId(1000 + workload),
        cgroup_path: None,
        uid: None,
        process: Some(process),
        exec: Some(exec),
        secret: SecretRef {
            kind: SecretKind::Configured,
            namespace: None,
            name: format!("payments/secret-{}", n % SECRETS),
            pod_uid: None,
            uid: None,
            key: Some("password".to_owned()),
            owner: None,
        },
        inode: None,
        how: AccessKind::Open,
        mode: AccessMode::Read,
        target: None,
        verdict: if n % 100_000 == 7 { Verdict::Denied } else { Verdict::Allowed },
        denied_by: None,
        enforced_by: EnforcedBy::ObserveOnly,
        policy: None,
        rule: None,
        exception: false,
        generation: 0,
        order: Some(turn),
    }
}
