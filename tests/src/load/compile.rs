//! The macro workload: unpack a small source tree and compile it.
//!
//! With a C compiler on the machine that is what happens. In a guest, which has none, a pipeline of busybox's tools
//! stands in for one: each unit is preprocessed, translated and assembled by programs of their own, like a compiler's
//! driver does it, but with fewer instructions in each of them: the agent's share is rather larger than in truth.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::clock::Reading;
use crate::measure::{Cost, Costs};

/// Source files, and headers that each includes.
const UNITS: usize = 12;
const HEADERS: usize = 8;
/// Functions in each of them.
const FUNCTIONS: usize = 40;

/// Compiles each unit, links, and runs what came out.
const WITH_CC: &str = "set -e
for unit in *.c; do cc -O1 -c -o \"${unit%.c}.o\" \"$unit\"; done
cc -o program *.o
./program
";

/// The same steps with busybox's tools.
const WITH_BUSYBOX: &str = "set -e
for unit in *.c; do
  cat *.h \"$unit\" | sed -e 's,//.*,,' -e '/^#/d' > \"$unit.i\"
  awk '{ gsub(/[^A-Za-z0-9_]+/, \" \"); n = split($0, w, \" \"); for (i = 1; i <= n; i++) seen[w[i]]++ }
       END { for (word in seen) print word, seen[word] }' \"$unit.i\" > \"$unit.s\"
  gzip -9 < \"$unit.i\" > \"${unit%.c}.o\"
  sha256sum \"$unit.s\" >> \"${unit%.c}.o\"
done
tar -cf program *.o
sha256sum program
";

/// The source tree, packed, and how to compile it.
pub(crate) struct Compilation {
    archive: PathBuf,
    into: PathBuf,
}

/// Whether this machine has a C compiler.
pub(crate) fn has_compiler() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("cc").exists())
}

impl Compilation {
    /// Writes the source tree and packs it.
    pub(crate) fn prepare(scratch: &Path) -> Result<Self> {
        let source = scratch.join("source");
        fs::create_dir_all(&source).with_context(|| format!("creating {}", source.display()))?;
        for (name, text) in sources() {
            let path = source.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        let script = if has_compiler() { WITH_CC } else { WITH_BUSYBOX };
        fs::write(source.join("build.sh"), script).context("writing the build script")?;
        let archive = scratch.join("source.tar.gz");
        run(Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(&source).arg("."))?;
        Ok(Self { archive, into: scratch.join("build") })
    }

    /// Does it.
    pub(crate) fn measure(&self) -> Result<Costs> {
        fs::create_dir_all(&self.into).with_context(|| format!("creating {}", self.into.display()))?;
        let before = Reading::now()?;
        run(Command::new("tar").arg("-xzf").arg(&self.archive).arg("-C").arg(&self.into))?;
        run(Command::new("sh").arg("build.sh").current_dir(&self.into))?;
        let passed = Reading::now()? - before;
        fs::remove_dir_all(&self.into).with_context(|| format!("removing {}", self.into.display()))?;
        let cost = Cost { own: passed.own as f64, wall: passed.wall as f64 };
        Ok(Costs::from([("compile".to_owned(), cost)]))
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("starting {:?}", command.get_program()))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Names and texts of the source files, always the same.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut includes = String::from("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n");
    for header in 0..HEADERS {
        let text = functions(&format!("h{header}"), "static inline");
        files.push((format!("h{header}.h"), format!("#pragma once\n{text}")));
        let _ = writeln!(includes, "#include \"h{header}.h\"");
    }
    let mut main = String::new();
    for unit in 0..UNITS {
        let text = functions(&format!("u{unit}"), "");
        files.push((format!("u{unit}.c"), format!("{includes}{text}")));
        let _ = writeln!(main, "int u{unit}_0(int x);");
    }
    main.push_str("int main(void) {\n  int sum = 0;\n");
    for unit in 0..UNITS {
        let _ = writeln!(main, "  sum += u{unit}_0({unit});");
    }
    main.push_str("  return sum == -1;\n}\n");
    files.push(("main.c".to_owned(), main));
    files
}

/// Functions that a compiler has something to do with.
fn functions(prefix: &str, storage: &str) -> String {
    let mut text = String::new();
    for number in 0..FUNCTIONS {
        let _ = writeln!(
            text,
            "{storage} int {prefix}_{number}(int x) {{\n  // sums of products, {number}\n  unsigned a[16], s = {number};\n  \
             for (int i = 0; i < 16; i++) a[i] = (unsigned)(x + i) * {}u;\n  \
             for (int i = 0; i < 16; i++) s += a[i] ^ (a[(i + {}) % 16] >> 3);\n  return (int)(s & 0xffff);\n}}",
            number + 7,
            number % 16
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_called_by_the_program() {
        let files = sources();
        assert_eq!(files.len(), HEADERS + UNITS + 1);
        let main = &files.last().unwrap().1;
        assert_eq!(main.matches("sum += ").count(), UNITS);
    }
}
