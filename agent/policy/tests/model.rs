//! For any policies and any request the compiled tables say what the policies say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

#[path = "kit/cases.rs"]
mod cases;
mod kit;
#[path = "kit/naive.rs"]
mod naive;

use std::collections::BTreeSet;

use cases::{ADDRESSES, PATHS, SECRETS, case};
use cofferdam_abi::decide::Actor;
use cofferdam_abi::process::{facts, flags};
use cofferdam_policy::Origin;
use kit::{Case, GENERATION, NOW, World, minutes, process, written};
use naive::{Naive, Verdict, Who};
use proptest::prelude::*;

/// The words for a decision.
fn told(told: &str) -> Verdict {
    match told.split(' ').next() {
        Some("denied") => Verdict::Denied,
        Some("would-deny") => Verdict::WouldDeny,
        Some("exception") => Verdict::Exception,
        _ => Verdict::Allowed,
    }
}

/// Every request with what the tables and what the policies say.
fn answers(world: &World, naive: &Naive<'_>) -> Vec<(String, Verdict, Verdict)> {
    let mut all = Vec::new();
    let mut both =
        |what: String, tables: String, policies: Verdict| all.push((what, told(&tables), policies));
    for path in PATHS {
        let foreign = Actor { flags: flags::FOREIGN_CODE, ..process(path) };
        for (actor, of_image) in [(process(path), true), (written(path), false), (foreign, false)] {
            let who = Who { path, of_image, session: false };
            for secret in SECRETS {
                for key in ["password", "username"] {
                    let tables = world.told(world.read(&actor, secret, key));
                    both(format!("{who:?} {secret}/{key}"), tables, naive.secret(who, secret, key));
                }
            }
            for own in [true, false] {
                both(
                    format!("{who:?} environ {own}"),
                    world.sees(&actor, GENERATION, own),
                    naive.environment(who, own),
                );
            }
            both(format!("{who:?} memory"), world.attaches(&actor, GENERATION), naive.memory(who));
        }
        let image = facts::OVERLAY | facts::ON_WORKLOAD_ROOT | facts::ROOT_KNOWN;
        for (bits, origin) in [
            (image, Origin::Image),
            (image | facts::OVERLAY_UPPER, Origin::Written),
            (facts::MEMFD, Origin::Memfd),
            (0, Origin::Unknown),
        ] {
            for session in [true, false] {
                let flags = if session { flags::EXEC_SESSION } else { 0 };
                let tables = world.executes(&Actor { flags, ..process(path) }, path, bits);
                both(format!("{path} {origin} {session}"), tables, naive.execute(session, path, origin));
            }
        }
    }
    for address in ADDRESSES {
        for (protocol, port) in
            [(6, 443), (6, 80), (6, 445), (17, 53), (6, 53), (17, 22), (132, 443), (132, 9)]
        {
            let tables = world.told(world.send(address, protocol, port));
            let policies = naive.egress(address.parse().unwrap(), protocol, port);
            both(format!("to {address} {protocol} {port}"), tables, policies);
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn the_tables_say_what_the_policies_say(case in case()) {
        let world = case.world();
        let read: BTreeSet<u64> = case.read.clone();
        // In the middle one exception has ended and another has not: there tables may be stricter, never weaker.
        for (at, is_exact) in [(NOW, true), (minutes(30), false), (minutes(50), true)] {
            world.at(at);
            let Case { policies, others, orders, resolvers, .. } = &case;
            let naive = Naive { policies, others, orders, read: &read, resolvers, at };
            for (what, tables, policies) in answers(&world, &naive) {
                let holds = if is_exact { tables == policies } else { tables >= policies };
                prop_assert!(holds, "{what} at {at:?}: tables {tables:?}, policies {policies:?}\n{:#?}", case.policies);
            }
        }
    }
}
