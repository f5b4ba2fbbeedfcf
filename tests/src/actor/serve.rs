//! A container's main process: does what it is told over a socket, until it is killed.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::{Hands, Reply, Request, take};

/// The longest request that is listened to.
const REQUEST_MAX: u64 = 1 << 20;

/// Answers requests one after the other. Each comes over a connection of its own.
///
/// # Errors
/// If the socket cannot be made.
pub fn serve(socket: &Path) -> std::io::Result<()> {
    // A bound socket that does not accept yet would only make callers wait; one under another name is not found yet.
    let hidden = socket.with_extension("making");
    let listener = UnixListener::bind(&hidden)?;
    fs::rename(&hidden, socket)?;
    let mut hands = Hands::default();
    for stream in listener.incoming() {
        // A caller that went away is no reason to stop; the next may wait already.
        let _ = stream.and_then(|stream| answer(&stream, &mut hands));
        reap();
    }
    Ok(())
}

fn answer(stream: &UnixStream, hands: &mut Hands) -> std::io::Result<()> {
    let mut line = String::new();
    BufReader::new(stream.take(REQUEST_MAX)).read_line(&mut line)?;
    let reply = match serde_json::from_str(&line) {
        Ok(Request::Do { step, args }) => take(&step, &args, hands),
        Ok(Request::Run { program, args }) => run(&program, &args),
        Err(_) => refused("reading the request", Errno::EINVAL),
    };
    let mut stream = stream;
    stream.write_all((reply.to_line() + "\n").as_bytes())
}

fn run(program: &str, args: &[String]) -> Reply {
    let child = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = match child {
        Ok(output) => output,
        Err(error) => {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EINVAL));
            return refused(&format!("executing {program}"), errno);
        }
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if let Some(reply) = Reply::in_output(&text) {
        return reply;
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    match (output.status.code(), output.status.signal()) {
        (Some(0), _) => Reply { ok: true, errno: None, output: text },
        (_, Some(signal)) => Reply { ok: false, errno: None, output: format!("killed by signal {signal}") },
        (code, _) => Reply { ok: false, errno: None, output: format!("exit {code:?}: {}", complaint.trim()) },
    }
}

fn refused(doing: &str, errno: Errno) -> Reply {
    Reply { ok: false, errno: Some(errno as i32), output: doing.to_owned() }
}

/// The first process of a container inherits orphans and must see them off.
fn reap() {
    while matches!(waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)), Ok(status) if status.pid().is_some()) {}
}
