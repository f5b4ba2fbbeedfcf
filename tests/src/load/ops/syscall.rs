//! A system call that is none of our business.

use std::hint::black_box;

use anyhow::Result;
use nix::unistd::getppid;

use super::Operation;

/// The cheapest one that the C library does not answer by itself.
pub(crate) struct AnySystemCall;

impl Operation for AnySystemCall {
    fn run(&mut self, times: u32) -> Result<()> {
        for _ in 0..times {
            black_box(getppid());
        }
        Ok(())
    }
}
