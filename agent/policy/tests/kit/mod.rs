//! One workload under some policies, and requests to it as the kernel would decide them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use cofferdam_abi::decide::{self, Actor, Decision};
use cofferdam_abi::event::verdict;
use cofferdam_abi::key::InodeKey;
use cofferdam_abi::policy::{KEY_NAME_LEN, address_of_socket, key_of_name};
use cofferdam_abi::process::{facts, flags};
use cofferdam_model::{
    BootTime, CgroupId, Clock, ContainerId, Runtime, SecretKind, SecretRef, WallTime, Workload, WorkloadId,
    WorkloadKind, glob,
};
use cofferdam_policy::{
    Acceptance, Binary, CompileError, Compiled, HostTables, Input, Object, Order, Policy, Refused, Tier,
    compile, parse,
};

pub const GENERATION: u32 = 7;
/// The wall clock at boot.
pub const BOOTED: &str = "2026-11-22T00:00:00Z";
/// The moment of compiling.
pub const NOW: BootTime = minutes(10);

/// A moment since boot. An exception that expires at 01:00 ends at minute 60.
pub const fn minutes(minutes: u64) -> BootTime {
    BootTime::from_nanos(minutes * 60_000_000_000)
}

pub fn wall(text: &str) -> WallTime {
    text.parse().unwrap()
}

/// The policies of a file.
pub fn parsed(text: &str) -> Result<Vec<Policy>, Refused> {
    let first = BTreeMap::new();
    parse(Path::new("p.yaml"), text, Acceptance { now: wall(BOOTED), first: &first })
}

/// A policy by its rules, in flow style: `secrets: {...}, exec: {...}`.
pub fn policy(name: &str, rules: &str) -> Policy {
    let text = format!(
        "apiVersion: cofferdam.dev/v1alpha1\nkind: ContainmentPolicy\nmetadata: {{ name: {name} }}\n\
         spec: {{ selector: {{ workload: '*' }}, {rules} }}\n"
    );
    parsed(&text).unwrap_or_else(|refused| panic!("{refused}\n{text}")).remove(0)
}

/// A container of Docker.
pub fn container(name: &str) -> Workload {
    Workload {
        id: WorkloadId(100),
        cgroup: CgroupId(100),
        cgroup_path: format!("/system.slice/docker-{name}.scope"),
        kind: WorkloadKind::Container {
            container_id: name.parse::<ContainerId>().unwrap(),
            runtime_namespace: None,
            runtime: Runtime::Docker,
        },
        namespace: None,
        pod: None,
        container: Some(name.to_owned()),
        sandbox: false,
        labels: BTreeMap::new(),
        image: None,
        credential_variables: Vec::new(),
        since: BootTime::from_nanos(0),
        until: None,
    }
}

/// A secret that was configured by this name.
pub fn secret(name: &str) -> Object {
    let kind = SecretKind::Configured;
    let of = SecretRef {
        kind,
        namespace: None,
        name: name.to_owned(),
        pod_uid: None,
        uid: None,
        key: None,
        owner: None,
    };
    Object { id: object(name), refs: vec![of], path: Path::new("/srv/secrets").join(name) }
}

pub fn object(name: &str) -> u64 {
    number(name) | 1 << 63
}

fn number(text: &str) -> u64 {
    text.bytes().fold(5_381, |hash: u64, byte| hash.wrapping_mul(33) ^ u64::from(byte))
}

/// The file at a path of the container.
pub fn file(path: &str) -> InodeKey {
    InodeKey { ino: number(path), ..InodeKey::default() }
}

/// A process by its binary, of the image.
pub fn process(path: &str) -> Actor {
    let facts = facts::OVERLAY | facts::ON_WORKLOAD_ROOT | facts::ROOT_KNOWN;
    Actor { generation: GENERATION, flags: 0, facts, binary: file(path) }
}

/// The same binary, written after the container was made.
pub fn written(path: &str) -> Actor {
    let it = process(path);
    Actor { facts: it.facts | facts::OVERLAY_UPPER, ..it }
}

/// The runtime that sets a container up.
pub fn runtime() -> Actor {
    Actor { flags: flags::RUNTIME, ..process("/usr/bin/runc") }
}

/// What the compiler is given.
#[derive(Debug)]
pub struct Case {
    pub generation: u32,
    pub workload: Workload,
    pub policies: Vec<Policy>,
    pub others: Vec<Policy>,
    pub objects: Vec<Object>,
    pub paths: Vec<&'static str>,
    pub flat: Vec<&'static str>,
    pub multi_call: Vec<&'static str>,
    pub names: BTreeMap<String, Vec<IpAddr>>,
    pub sockets: BTreeMap<String, [u8; 16]>,
    pub resolvers: Vec<IpAddr>,
    pub orders: Vec<Order>,
    pub read: BTreeSet<u64>,
    pub tier: Tier,
}

impl Case {
    pub fn of(policies: Vec<Policy>) -> Self {
        Self {
            generation: GENERATION,
            workload: container("web"),
            policies,
            others: Vec::new(),
            objects: ["db-password", "api-key", "token"].map(secret).into(),
            paths: vec!["/app/server", "/app/migrate", "/bin/sh", "/bin/bash", "/usr/bin/curl"],
            flat: Vec::new(),
            multi_call: Vec::new(),
            names: BTreeMap::new(),
            sockets: BTreeMap::new(),
            resolvers: Vec::new(),
            orders: Vec::new(),
            read: BTreeSet::new(),
            tier: Tier::Lsm,
        }
    }

    pub fn one(rules: &str) -> Self {
        Self::of(vec![policy("one", rules)])
    }

    pub fn two(one: &str, two: &str) -> Self {
        Self::of(vec![policy("one", one), policy("two", two)])
    }

    fn binaries(&self) -> BTreeMap<String, Vec<Binary>> {
        let of = |pattern: &str| {
            let paths = self.paths.iter().filter(|path| glob(pattern, path));
            let binary = |path: &&str| Binary {
                file: file(path),
                path: (*path).to_owned(),
                layered: !self.flat.contains(path),
                multi_call: self.multi_call.contains(path),
            };
            paths.map(binary).collect()
        };
        let patterns = self.policies.iter().flat_map(Policy::binaries);
        patterns.map(|pattern| (pattern.to_owned(), of(pattern))).collect()
    }

    pub fn compile_at(&self, now: BootTime) -> Result<Compiled, CompileError> {
        compile(&Input {
            generation: self.generation,
            workload: &self.workload,
            policies: &self.policies.iter().collect::<Vec<_>>(),
            others: &self.others.iter().collect::<Vec<_>>(),
            objects: &self.objects,
            binaries: &self.binaries(),
            sockets: &self.sockets,
            names: &self.names,
            resolvers: &self.resolvers,
            orders: &self.orders,
            clock: Clock { booted: wall(BOOTED) },
            now,
            tier: self.tier,
        })
        .map(|mut compiled| {
            compiled.bind(&self.read);
            compiled
        })
    }

    pub fn compile(&self) -> Result<Compiled, CompileError> {
        self.compile_at(NOW)
    }

    pub fn world(&self) -> World {
        let compiled = self.compile().unwrap();
        let mut tables = HostTables::default();
        tables.add(&compiled);
        tables.set_time(NOW);
        World { compiled, tables }
    }
}

/// What stands for a unix socket: its folder is told by its path.
pub fn socket(path: &str) -> [u8; 16] {
    let (folder, name) = path.rsplit_once('/').unwrap();
    let mut bytes = [0; KEY_NAME_LEN];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    address_of_socket(file(folder), key_of_name(&bytes))
}

/// A verdict in words, with the rule that made it.
pub type Told = String;

/// A generation in its tables.
pub struct World {
    pub compiled: Compiled,
    pub tables: HostTables,
}

impl World {
    pub fn at(&self, now: BootTime) -> &Self {
        self.tables.set_time(now);
        self
    }

    /// `denied one/db`, `allowed`, `exception one/db`.
    pub fn told(&self, decision: Decision) -> Told {
        let word = match decision.verdict() {
            verdict::DENIED => "denied",
            verdict::WOULD_DENY => "would-deny",
            _ if decision.is_exception() => "exception",
            _ => return "allowed".to_owned(),
        };
        let name = self.compiled.rule(decision.rule()).unwrap();
        assert_eq!(name.exception, decision.is_exception());
        let names = std::iter::once(&name.id).chain(&name.also);
        let names: Vec<String> = names.map(|it| format!("{}/{}", it.policy, it.rule)).collect();
        format!("{word} {}", names.join(" "))
    }

    pub fn read(&self, actor: &Actor, name: &str, key: &str) -> Decision {
        let mut bytes = [0; KEY_NAME_LEN];
        bytes[..key.len()].copy_from_slice(key.as_bytes());
        let generation = self.compiled.generation;
        match decide::rule_of_secret(&self.tables, generation, object(name), key_of_name(&bytes)) {
            Some(rule) => decide::secret(&self.tables, actor, rule),
            None => Decision::ALLOWED,
        }
    }

    pub fn reads(&self, actor: &Actor, name: &str) -> Told {
        self.told(self.read(actor, name, "password"))
    }

    /// Reads it, and is bound.
    pub fn begins(&mut self, name: &str) {
        let generation = self.compiled.generation;
        let rule = decide::rule_of_secret(&self.tables, generation, object(name), 1).copied();
        self.tables.bind(generation, &rule.unwrap());
    }

    pub fn executes(&self, actor: &Actor, path: &str, facts: u32) -> Told {
        self.told(decide::execute(&self.tables, actor, file(path), facts))
    }

    pub fn sees(&self, actor: &Actor, target: u32, own: bool) -> Told {
        self.told(decide::environment(&self.tables, actor, target, own))
    }

    pub fn attaches(&self, actor: &Actor, target: u32) -> Told {
        self.told(decide::memory(&self.tables, actor, target))
    }

    pub fn send(&self, address: &str, protocol: u8, port: u16) -> Decision {
        let octets = match address.parse().unwrap() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        decide::egress(&self.tables, &process("/app/server"), &octets, protocol, port)
    }

    /// To a unix socket of another workload: one of [`socket`], or `None` for one without a name in a folder.
    pub fn sends_to_socket(&self, path: Option<&str>) -> Told {
        let address = path.map(socket).unwrap_or_default();
        self.told(decide::unix(&self.tables, &process("/app/server"), &address))
    }

    /// By TCP.
    pub fn sends(&self, address: &str, port: u16) -> Told {
        self.told(self.send(address, 6, port))
    }
}
