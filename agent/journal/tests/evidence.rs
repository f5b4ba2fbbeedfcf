//! Evidence says what the rows say, without their words.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;

use cofferdam_journal::Evidence;
use cofferdam_model::*;
use common::*;
use proptest::prelude::*;

fn evidence(dir: &std::path::Path, filter: &Filter) -> Evidence {
    reader(dir).evidence(filter).unwrap()
}

fn since(seconds: u64) -> Filter {
    Filter { since: Some(moment(seconds)), ..Filter::default() }
}

#[test]
fn names_stand_for_numbers() {
    let dir = quick_dir();
    let mut journal = open(dir.path());
    let records = [
        Record::Workload(container(7, "web")),
        Record::Process(program(100, 7, "/app/server")),
        Record::Access(access(1, 7, 100, volume("creds", "password"))),
        Record::Access(access(2, 99, 100, volume("creds", "password"))),
    ];
    append(&mut journal, &records);
    let evidence = evidence(dir.path(), &Filter::default());
    let accesses = evidence.accesses();
    let known = evidence.known();
    assert_eq!(known.workloads, [container(7, "web")], "all that policies select by");
    let named = accesses.iter().find(|it| it.workload.is_some()).unwrap();
    assert_eq!(known.secrets[named.secret as usize].of, volume("creds", "password"));
    let program = &known.programs[named.program.unwrap() as usize];
    assert_eq!(program.executable.path.as_deref(), Some("/app/server"));
    assert_eq!(accesses.iter().filter(|it| it.workload.is_none()).count(), 1, "a workload without a name");
    assert_eq!(evidence.executions()[0].from, Executor::Unknown, "its parent is not in the journal");
}

#[test]
fn what_happened_before_the_range_is_told_apart() {
    let dir = quick_dir();
    let mut journal = open(dir.path());
    let late = Access { last: at(40), total: 3, ..access(5, 7, 101, volume("creds", "password")) };
    append(
        &mut journal,
        &[
            Record::Workload(container(7, "web")),
            Record::Access(access(1, 7, 100, volume("creds", "password"))),
            Record::Access(late),
            Record::Connection(connection(1, 7, 100, "10.0.0.1")),
        ],
    );
    let evidence = evidence(dir.path(), &since(30));
    let told: BTreeMap<bool, u64> =
        evidence.accesses().iter().map(|it| (it.earlier, it.span.count)).collect();
    assert_eq!(told, [(true, 1), (false, 3)].into());
    assert!(evidence.connections(&[]).0.is_empty(), "of connections nobody asks what was before");
}

#[test]
fn connections_are_not_put_together_over_a_moment() {
    let dir = quick_dir();
    let mut journal = open(dir.path());
    let long = |n: u64, last: u64, total: u64| Connection {
        last: at(last),
        total,
        ..connection(n, 7, 100, "10.0.0.1")
    };
    append(
        &mut journal,
        &[
            Record::Workload(container(7, "web")),
            Record::Connection(long(1, 20, 1)),
            Record::Connection(long(2, 40, 10)),
            Record::Connection(Connection { first: at(35), ..long(3, 50, 4) }),
        ],
    );
    let evidence = evidence(dir.path(), &Filter::default());
    let told = |moments: &[Vec<WallTime>]| {
        let (rows, _) = evidence.connections(moments);
        let mut told: Vec<(u64, u64)> = rows.iter().map(|it| (it.span.count, it.span.latest)).collect();
        told.sort_unstable();
        told
    };
    assert_eq!(told(&[]), [(15, 15)]);
    assert_eq!(
        told(&[vec![moment(30)]]),
        [(1, 1), (4, 4), (10, 1)],
        "of those on both sides the last is known"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_those_of_the_answers(
        rows in prop::collection::vec((7u64..10, 100u32..103, 0u64..3, 1u64..9, any::<bool>()), 1..16),
        wanted in prop::option::of(prop::sample::select(&["shop/web-0/web", "shop/db-0/db"][..])),
    ) {
        let dir = quick_dir();
        let mut journal = open(dir.path());
        append(&mut journal, &[Record::Workload(container(7, "web")), Record::Workload(container(8, "db"))]);
        for (n, (workload, pid, secret, total, roll)) in rows.iter().enumerate() {
            let of = Access {
                total: *total,
                ..access(n as u64, *workload, *pid, volume(&format!("s{secret}"), "password"))
            };
            append(&mut journal, &[Record::Access(of.clone())]);
            if *roll {
                set_now(at(100 + n as u64));
                journal.roll().unwrap();
                // The same again: the next segment counts only what is more.
                append(&mut journal, &[Record::Access(Access { total: total + 2, ..of })]);
            }
        }
        let filter = Filter { workload: wanted.map(str::to_owned), ..Filter::default() };
        let evidence = evidence(dir.path(), &filter);
        let mut told: BTreeMap<(Option<String>, String), u64> = BTreeMap::new();
        for seen in evidence.accesses() {
            let workload = seen.workload.map(|it| evidence.known().workloads[it as usize].name().to_string());
            let secret = evidence.known().secrets[seen.secret as usize].of.display_name();
            *told.entry((workload, secret)).or_default() += seen.span.count;
        }
        let mut expected: BTreeMap<(Option<String>, String), u64> = BTreeMap::new();
        for row in reader(dir.path()).accesses(&filter).unwrap().rows {
            *expected.entry((row.workload, row.secret)).or_default() += row.count;
        }
        prop_assert_eq!(told, expected);
    }
}
