//! What the kernel programs and user space share: record layouts, map keys and values, kernel field names.
//!
//! Every type is `#[repr(C)]` without implicit padding, its size asserted at compile time; flags are integers, so
//! that any bytes are a valid value. The layout carries [`ABI_VERSION`], which names the folder of the pins.

#![no_std]
#![cfg_attr(not(feature = "user"), forbid(unsafe_code))]

pub mod count;
pub mod decide;
pub mod event;
pub mod fields;
pub mod hook;
pub mod key;
pub mod map;
pub mod policy;
pub mod process;
mod refusals;

/// Version of everything in this crate. Pins of another version are never reused; what only its tables know is carried
/// over into ours: see [`map::CARRIED`].
pub const ABI_VERSION: u32 = if cfg!(feature = "next") { 3 } else { 2 };

#[cfg(feature = "user")]
mod user {
    macro_rules! pod {
        ($($type:ty),+ $(,)?) => {
            // SAFETY: `#[repr(C)]` integers and arrays of integers without padding (sizes asserted where each type
            // is defined): any bytes are a valid value, and every byte is initialised.
            $(unsafe impl aya::Pod for $type {})+
        };
    }

    pod!(
        crate::count::Count,
        crate::count::LossKey,
        crate::count::WorkloadState,
        crate::event::AccessEvent,
        crate::event::AttemptEvent,
        crate::event::CgroupEvent,
        crate::event::ConnectionEvent,
        crate::event::EntryEvent,
        crate::event::ExecEvent,
        crate::event::ExitEvent,
        crate::event::FilesystemEvent,
        crate::event::ForkEvent,
        crate::event::Header,
        crate::key::AccessKey,
        crate::key::ConnectionKey,
        crate::key::InodeKey,
        crate::map::Answer,
        crate::map::CgroupEntry,
        crate::map::Device,
        crate::map::Mark,
        crate::policy::Assignment,
        crate::policy::Destination,
        crate::policy::DestinationKey,
        crate::policy::Grant,
        crate::policy::GrantKey,
        crate::policy::Policy,
        crate::policy::PrefixKey,
        crate::policy::ReadKey,
        crate::policy::SecretKey,
        crate::policy::SecretRule,
        crate::process::ProcessState,
    );
}
