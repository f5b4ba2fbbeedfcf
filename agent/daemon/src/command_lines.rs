//! Command lines are chosen by whoever starts a process: no one of them may stop the agent.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::process::{Child, Command, Stdio};

use proptest::prelude::*;

use crate::bundle;

/// A process with a command line; ended with this.
struct Process(Child);

impl Process {
    /// A shell that waits for a line which never comes; what stands behind its script means nothing to it.
    fn with(arguments: Vec<Vec<u8>>) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "read -r line"]).args(arguments.into_iter().map(OsString::from_vec));
        Self(shell.stdin(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn argument() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        "--bundle",
        "--bundle=",
        "--bundle=[/a-z.]{0,20}",
        "-b=?",
        "run",
        "create",
        "restore",
        "--"
    ];
    prop_oneof![
        word.prop_map(String::into_bytes),
        "\\PC{1,30}".prop_map(String::into_bytes),
        prop::collection::vec(1..=255u8, 0..30),
        (1..40_000usize).prop_map(|length| vec![b'/'; length]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_command_line_is_understood_or_not(arguments in prop::collection::vec(argument(), 0..8)) {
        let process = Process::with(arguments);
        let _ = bundle::of_process(process.0.id());
    }

    #[test]
    fn any_path_is_that_of_a_runtime_or_not(folder in "(\\PC|/){0,40}", name in "[a-z-]{0,12}") {
        let _ = bundle::is_runtime(&folder);
        let path = format!("{folder}/{name}");
        prop_assert_eq!(bundle::is_runtime(&path), bundle::is_runtime(&name));
    }
}
