//! The operations whose cost is measured: small things that every program does all day.

mod exec;
mod net;
mod open;
mod syscall;

use anyhow::Result;

pub(crate) use exec::ForkExec;
pub(crate) use net::{Connect, Send};
pub(crate) use open::OpenClose;
pub(crate) use syscall::AnySystemCall;

/// One kind of operation, ready to be done over and over.
pub(crate) trait Operation {
    /// Does it so many times.
    fn run(&mut self, times: u32) -> Result<()>;

    /// Tidies up what piled up, between the timed runs.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }
}
