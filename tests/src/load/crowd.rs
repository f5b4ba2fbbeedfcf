//! Many processes in containers of their own that open secrets: the load behind the exactness of the counts.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use cofferdam_tests::bench::{Mounted, Place};

use crate::opener::{self, Opener};

/// A cgroup that is named as the kubelet and a container runtime name a container's.
pub(crate) struct Container {
    /// The runtime's id of it.
    pub(crate) id: String,
    /// Its folder.
    pub(crate) cgroup: PathBuf,
}

impl Container {
    /// Makes the cgroup of the container with this number; it goes with the place.
    pub(crate) fn make(place: &Place, number: usize) -> Result<Self> {
        let id = format!("{number:08x}{}", "be".repeat(28));
        let pod = format!("pod{}", pod_uid(number));
        let cgroup = place.cgroup_folder()?.join("kubepods/besteffort").join(pod).join(&id);
        fs::create_dir_all(&cgroup).with_context(|| format!("creating {}", cgroup.display()))?;
        Ok(Self { id, cgroup })
    }
}

/// UID of the pod of this number.
pub(crate) fn pod_uid(number: usize) -> String {
    format!("0000be0c-0000-4000-8000-{number:012x}")
}

/// A file system in memory with so many secrets on it.
pub(crate) fn secrets(at: &Path, count: u32) -> Result<Mounted> {
    let mounted = Mounted::tmpfs(at)?;
    for number in 0..count {
        let path = opener::secret(at, number);
        fs::write(&path, "as secret as the others").with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(mounted)
}

/// One opener, seen from outside.
struct Member {
    child: Child,
    words: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Openers that begin together.
pub(crate) struct Crowd(Vec<Member>);

impl Crowd {
    /// Starts them; when this returns, all are in their cgroups.
    pub(crate) fn start(openers: impl IntoIterator<Item = Opener>) -> Result<Self> {
        let mut crowd = Self(Vec::new());
        for opener in openers {
            let mut child = Command::new("/proc/self/exe")
                .args(opener.arguments())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .context("starting an opener")?;
            let words = child.stdin.take().context("an opener has no standard input")?;
            let answers = BufReader::new(child.stdout.take().context("an opener has no standard output")?);
            crowd.0.push(Member { child, words, answers });
        }
        for member in &mut crowd.0 {
            ensure!(member.hear()? == "here", "an opener does not come");
        }
        Ok(crowd)
    }

    /// Gives them the word.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.0.iter_mut().try_for_each(|member| writeln!(member.words).context("giving the word"))
    }

    /// Waits until all have opened everything; the longest time that one took, in seconds.
    pub(crate) fn wait(&mut self) -> Result<f64> {
        let mut longest = 0.0f64;
        for member in &mut self.0 {
            longest = longest.max(member.hear()?.parse().context("an opener that does not tell its time")?);
        }
        Ok(longest)
    }

    /// Lets them end.
    pub(crate) fn end(self) -> Result<()> {
        for Member { mut child, words, .. } in self.0 {
            drop(words);
            let status = child.wait().context("waiting for an opener's end")?;
            ensure!(status.success(), "an opener ended with {status}");
        }
        Ok(())
    }
}

impl Member {
    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line).context("listening to an opener")?;
        ensure!(read > 0, "an opener has ended: {}", self.child.wait().context("waiting for its end")?);
        Ok(line.trim().to_owned())
    }
}
