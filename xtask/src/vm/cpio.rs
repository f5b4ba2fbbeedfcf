//! Writing an initramfs: a cpio archive in the "newc" format that the kernel unpacks at boot.

use std::io::{Result, Write};

const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;

/// A name that marks the archive's end.
const TRAILER: &str = "TRAILER!!!";

/// Writes one archive; every file in it belongs to root.
pub(super) struct Writer<W> {
    to: W,
    inode: u32,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, inode: 0 }
    }

    /// A directory; its parents must have been written before.
    pub(super) fn directory(&mut self, path: &str) -> Result<()> {
        self.entry(path, DIRECTORY | 0o755, &[])
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        self.entry(path, REGULAR | mode, bytes)
    }

    pub(super) fn symlink(&mut self, path: &str, to: &str) -> Result<()> {
        self.entry(path, SYMLINK | 0o777, to.as_bytes())
    }

    /// Ends the archive and returns what it was written to.
    pub(super) fn finish(mut self) -> Result<W> {
        self.entry(TRAILER, 0, &[])?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn entry(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        self.inode += 1;
        let too_large = |_| std::io::Error::other(format!("{path} is too large for a cpio archive"));
        let size = u32::try_from(bytes.len()).map_err(too_large)?;
        let name_size = u32::try_from(path.len() + 1).map_err(too_large)?;
        let links = if mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
        // magic, then: inode, mode, uid, gid, links, mtime, size, device (2), rdev (2), name size, checksum
        let fields = [self.inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
        let mut header = String::from("070701");
        for field in fields {
            header.push_str(&format!("{field:08x}"));
        }
        self.to.write_all(header.as_bytes())?;
        self.to.write_all(path.as_bytes())?;
        self.to.write_all(&[0])?;
        self.pad(header.len() + path.len() + 1)?;
        self.to.write_all(bytes)?;
        self.pad(bytes.len())
    }

    /// Header with name, and contents, each end at a multiple of four.
    fn pad(&mut self, written: usize) -> Result<()> {
        self.to.write_all(&[0; 3][..written.next_multiple_of(4) - written])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_aligned_and_the_archive_ends_with_its_trailer() {
        let mut archive = Writer::new(Vec::new());
        archive.directory("etc").unwrap();
        archive.file("etc/motd", 0o644, b"hello").unwrap();
        archive.symlink("bin", "usr/bin").unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let starts: Vec<usize> =
            (0..bytes.len() - 6).filter(|&at| bytes[at..].starts_with(b"070701")).collect();
        assert_eq!(starts.len(), 4);
        assert!(starts.iter().all(|start| start % 4 == 0));
        let motd = &bytes[starts[1]..];
        assert_eq!(&motd[14..22], b"000081a4", "a regular file with mode 644");
        assert_eq!(&motd[54..62], b"00000005", "five bytes long");
        assert_eq!(&motd[110..119], b"etc/motd\0");
        assert_eq!(&motd[120..125], b"hello");
    }
}
