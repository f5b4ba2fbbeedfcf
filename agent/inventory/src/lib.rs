//! Who is who: the workload behind a cgroup, the secret behind a mount, the names that the runtime knows.
//!
//! Decisions are pure ([`cgroup_path`], [`mounts`], [`volumes`]); reading `/proc`, a
//! runtime's state or its socket stands at the edges.
//! No value of a secret or of an environment variable is kept anywhere in this crate.

#![forbid(unsafe_code)]

pub mod cgroup_path;
pub mod cri;
pub mod environment;
pub mod first_reads;
pub mod hierarchy;
pub mod json;
pub mod mounts;
pub mod names;
pub mod oci_config;
pub mod processes;
pub mod procfs;
pub mod runc_state;
pub mod runtime_state;
pub mod volume_files;
pub mod volumes;
pub mod workloads;
