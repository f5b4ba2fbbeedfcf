//! The agent's interface: what it answers on its unix socket, as protocol, server and client.
//!
//! The daemon implements [`Backend`] and [`Containment`] and calls [`Socket::bind`] and [`serve`]; the command line calls
//! [`Client::connect`]. Both see model rows, never protocol messages. Nothing here listens on a network, and no
//! message has a place for a secret's value.

#![forbid(unsafe_code)]

mod answer;
mod backend;
mod client;
mod containment;
mod doctor;
mod event;
mod live;
mod matcher;
mod orders;
mod peer;
mod policy;
mod server;
mod service;
mod socket;
mod status;
mod wire;
mod words;

pub use answer::{Ending, Timeline};
pub use backend::{Backend, BackendError, Rows, Stopped, TimelineParts};
pub use client::{Client, ClientError, ConnectError, Replies, Watch, WatchBatch};
pub use cofferdam_model::Peer;
pub use containment::Containment;
pub use doctor::{BlindSpot, Check, CheckResult, Doctor, HookReport, HookState, Tier};
pub use event::Event;
pub use live::{Live, Subscription};
pub use matcher::Matcher;
pub use orders::{OrderRequest, OrderRow, OrderScope};
pub use policy::{
    AcceptedException, ApplyOptions, ExceptionStatus, Explanation, FailOpen, MAX_POLICY_BYTES, PolicyMode,
    PolicyOrigin, PolicyRow, PolicyStatus, PolicyText, PolicyTexts, RefusedFile, RuleKind, RuleStatus,
    TextInForce,
};
pub use server::{ServeError, serve};
pub use socket::{BindError, DEFAULT_SOCKET, Socket};
pub use status::{
    Counter, DetectionRule, HookEvents, JournalStatus, Memory, Program, Ring, Source, Status, TableFill,
    WorkloadCount,
};
pub use wire::{Malformed, Problem};

/// The protocol as generated from `proto/*.proto`.
mod proto {
    #![expect(unreachable_pub, clippy::allow_attributes, reason = "generated; the .proto file documents it")]
    tonic::include_proto!("cofferdam.v1");
}
