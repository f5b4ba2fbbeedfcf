//! What is said over the control socket: one line of JSON there, one line back.

use serde::{Deserialize, Serialize};

use super::{Done, Refused};

/// What a container's main process is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// Take a step in this very process.
    Do {
        /// Its name.
        step: String,
        /// Its arguments.
        args: Vec<String>,
    },
    /// Execute a program in a child and wait for its end.
    Run {
        /// The program's path.
        program: String,
        /// Its arguments.
        args: Vec<String>,
    },
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// It went through.
    pub ok: bool,
    /// What the system said if it did not.
    pub errno: Option<i32>,
    /// Of a success what was found out, of a failure what was being done; for programs what they wrote.
    pub output: String,
}

impl From<Done> for Reply {
    fn from(done: Done) -> Self {
        match done {
            Ok(output) => Self { ok: true, errno: None, output },
            Err(Refused { doing, errno }) => Self { ok: false, errno: Some(errno as i32), output: doing },
        }
    }
}

impl Reply {
    /// One line, without its end.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self)
            .unwrap_or_else(|_| r#"{"ok":false,"errno":22,"output":"no reply"}"#.to_owned())
    }

    /// Finds the reply of an actor that ran as a program: the last line that is one.
    pub fn in_output(text: &str) -> Option<Self> {
        text.lines().rev().find_map(|line| serde_json::from_str(line).ok())
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn a_refusal_carries_its_errno() {
        let refused = Refused { doing: "opening /x".to_owned(), errno: Errno::EPERM };
        assert_eq!(Reply::from(Err(refused)).to_line(), r#"{"ok":false,"errno":1,"output":"opening /x"}"#);
    }

    #[test]
    fn a_reply_is_found_among_other_lines() {
        let reply = Reply::from(Ok("3".to_owned()));
        let text = format!("something else\n{}\n", reply.to_line());
        assert_eq!(Reply::in_output(&text), Some(reply));
        assert_eq!(Reply::in_output("nothing"), None);
    }
}
