//! What the kernel programs and user space share: record layouts, map keys and values, kernel field names.
//!
//! Every type is `#[repr(C)]` without implicit padding, its size asserted at compile time; flags are integers, so
//! that any bytes are a valid value. The layout carries [`ABI_VERSION`], which names the folder of the pins.

#![no_std]
#![forbid(unsafe_code)]

pub mod count;
pub mod event;
pub mod fields;
pub mod hook;
pub mod key;
pub mod map;
pub mod process;

/// Version of everything in this crate. Pins of another version are never reused.
pub const ABI_VERSION: u32 = 1;
