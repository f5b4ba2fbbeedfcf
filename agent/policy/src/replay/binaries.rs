//! Which files the binaries that policies name were in one workload, as far as its programs tell.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cofferdam_abi::key::{FilesystemKey, InodeKey};
use cofferdam_model::{BinaryOrigin, Executable, Known, glob};

use crate::Binary;

/// The files of a workload's programs.
#[derive(Debug, Default)]
pub(super) struct Binaries {
    /// Absolute paths by which each file was executed.
    paths: HashMap<InodeKey, BTreeSet<String>>,
    /// File systems that hold the image.
    images: BTreeSet<u32>,
    /// Origins that were seen of files.
    origins: HashMap<InodeKey, BinaryOrigin>,
}

impl Binaries {
    pub(super) fn of(known: &Known, programs: &[u32]) -> Self {
        let mut out = Self::default();
        for program in programs.iter().filter_map(|number| known.programs.get(*number as usize)) {
            let it = &program.executable;
            if let Some(file) = file_of(it) {
                out.name(file, it.path.as_deref());
                out.origins.insert(file, it.origin);
                if it.origin == BinaryOrigin::Image && it.inode.is_some() {
                    out.images.insert(file.filesystem.device);
                }
            }
            if let Some(file) = interpreter_of(it) {
                out.name(file, it.interpreter.as_deref());
            }
        }
        out
    }

    fn name(&mut self, file: InodeKey, path: Option<&str>) {
        let paths = self.paths.entry(file).or_default();
        paths.extend(path.filter(|path| path.starts_with('/')).map(str::to_owned));
    }

    /// The files behind each of these globs.
    pub(super) fn resolve<'p>(&self, globs: impl Iterator<Item = &'p str>) -> BTreeMap<String, Vec<Binary>> {
        let one = |pattern: &str| {
            let fits = |(file, paths): (&InodeKey, &BTreeSet<String>)| {
                let path = paths.iter().find(|path| is_at(pattern, path))?.clone();
                let layered = self.origins.get(file) != Some(&BinaryOrigin::Unknown);
                Some(Binary { file: *file, path, layered, multi_call: false })
            };
            let mut found: Vec<Binary> = self.paths.iter().filter_map(fits).collect();
            found.sort_by(|a, b| (&a.path, a.file.ino).cmp(&(&b.path, b.file.ino)));
            found
        };
        globs.map(|pattern| (pattern.to_owned(), one(pattern))).collect()
    }

    /// Whether some absolute path of a file is known.
    pub(super) fn is_named(&self, file: InodeKey) -> bool {
        self.paths.get(&file).is_some_and(|paths| !paths.is_empty())
    }

    /// Where a file comes from.
    pub(super) fn origin(&self, file: InodeKey) -> Option<BinaryOrigin> {
        self.origins.get(&file).copied()
    }

    /// Whether a file lies where the image does; `None`: that is not known.
    pub(super) fn is_on_image(&self, file: InodeKey) -> Option<bool> {
        (!self.images.is_empty()).then(|| self.images.contains(&file.filesystem.device))
    }
}

/// As the agent resolves globs: each component by itself.
fn is_at(pattern: &str, path: &str) -> bool {
    let components = |text: &'_ str| text.split('/').filter(|it| !it.is_empty()).map(str::to_owned).collect();
    let (pattern, path): (Vec<String>, Vec<String>) = (components(pattern), components(path));
    pattern.len() == path.len() && pattern.iter().zip(&path).all(|(pattern, name)| glob(pattern, name))
}

/// The file of an executable; of one without an inode what stands for its path.
pub(super) fn file_of(it: &Executable) -> Option<InodeKey> {
    it.inode.map(key).or_else(|| it.path.as_deref().map(stand_in))
}

/// The file of its interpreter.
pub(super) fn interpreter_of(it: &Executable) -> Option<InodeKey> {
    it.interpreter_inode.map(key).or_else(|| it.interpreter.as_deref().map(stand_in))
}

fn key(of: cofferdam_model::InodeKey) -> InodeKey {
    let filesystem = FilesystemKey { device: of.filesystem.device, generation: of.filesystem.generation };
    InodeKey { ino: of.ino, filesystem, generation: of.generation, reserved: 0 }
}

/// On a file system that no kernel has.
fn stand_in(path: &str) -> InodeKey {
    let ino = path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    InodeKey { ino, filesystem: FilesystemKey { device: u32::MAX, generation: 0 }, ..InodeKey::default() }
}
