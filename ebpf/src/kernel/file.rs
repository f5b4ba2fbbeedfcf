//! `struct file`, `struct inode`, `struct super_block`, `struct dentry`.

use core::marker::PhantomData;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use cofferdam_abi::event::NAMES_LEN;
use cofferdam_abi::key::{FilesystemKey, InodeKey};
use cofferdam_abi::policy::KEY_NAME_LEN;
use cofferdam_abi::process::facts;

use super::{Probed, Read, container_of, inside, offset, probe};

/// `PROC_SUPER_MAGIC`, include/uapi/linux/magic.h.
const PROC_MAGIC: u64 = 0x9fa0;
/// `OVERLAYFS_SUPER_MAGIC`.
const OVERLAY_MAGIC: u64 = 0x794c_7630;
/// `TMPFS_MAGIC`.
const TMPFS_MAGIC: u64 = 0x0102_1994;
/// `HUGETLBFS_MAGIC`.
const HUGETLBFS_MAGIC: u64 = 0x9584_58f6;
/// `CGROUP2_SUPER_MAGIC`.
const CGROUP2_MAGIC: u64 = 0x6367_7270;
/// `BPF_FS_MAGIC`.
const BPF_MAGIC: u64 = 0xcafe_4a11;
/// `SB_KERNMOUNT`, include/linux/fs.h: an internal mount, as memfd's.
const SB_KERNMOUNT: u64 = 1 << 22;
/// `S_IFMT` and `S_IFREG`.
const S_IFMT: u16 = 0o170_000;
const S_IFREG: u16 = 0o100_000;
/// `S_IFDIR`.
const S_IFDIR: u16 = 0o040_000;
/// `S_IFSOCK`.
const S_IFSOCK: u16 = 0o140_000;
/// `FMODE_READ`, `FMODE_WRITE`, include/linux/fs.h.
const FMODE_READ: u32 = 1;
const FMODE_WRITE: u32 = 2;
/// `FMODE_PATH`.
const FMODE_PATH: u32 = 1 << 14;
/// Bytes kept of one name.
const NAME_LEN: usize = 64;
/// Names kept of a path.
const NAMES: usize = 8;

/// An open file.
#[derive(Clone, Copy)]
pub struct File<R>(*const u8, PhantomData<R>);

/// An inode.
#[derive(Clone, Copy)]
pub struct Inode<R>(*const u8, PhantomData<R>);

/// A superblock.
#[derive(Clone, Copy)]
pub struct SuperBlock<R>(*const u8, PhantomData<R>);

/// A file system whose files are looked at otherwise than those of all others.
pub enum Special {
    /// procfs.
    Proc,
    /// The cgroup v2 hierarchy.
    Cgroup,
}

/// A directory entry.
#[derive(Clone, Copy)]
pub struct Dentry<R = Probed>(*const u8, PhantomData<R>);

impl<R: Read> File<R> {
    #[inline(always)]
    pub fn new(at: *const u8) -> Self {
        Self(at, PhantomData)
    }

    #[inline(always)]
    pub fn inode(self) -> Inode<R> {
        // SAFETY: `self` is a file by construction; the field is a pointer (checked against BTF before load).
        Inode(unsafe { R::read(self.0, offset::FILE_INODE) }, PhantomData)
    }

    /// Bits of [`cofferdam_abi::event::mode`].
    #[inline(always)]
    pub fn mode(self) -> u8 {
        // SAFETY: as above; the field is a 4-byte integer.
        let mode: u32 = unsafe { R::read(self.0, offset::FILE_MODE) };
        (mode & (FMODE_READ | FMODE_WRITE)) as u8
    }

    /// Whether it was opened with O_PATH.
    #[inline(always)]
    pub fn is_place(self) -> bool {
        // SAFETY: as above.
        let mode: u32 = unsafe { R::read(self.0, offset::FILE_MODE) };
        mode & FMODE_PATH != 0
    }

    /// Id of the map that a descriptor of a map stands for.
    #[inline(always)]
    pub fn map_id(self) -> u32 {
        // SAFETY: as above; the field is a pointer. Of another file what is read there is no id of ours but by chance.
        super::id_of_map(unsafe { R::read(self.0, offset::FILE_PRIVATE) })
    }

    /// The same of a link.
    #[inline(always)]
    pub fn link_id(self) -> u32 {
        // SAFETY: as above.
        super::probe(super::inside(unsafe { R::read(self.0, offset::FILE_PRIVATE) }, offset::LINK_ID))
    }

    /// The `struct socket` that it stands for, if it does.
    #[inline(always)]
    pub fn socket(self) -> Option<*const u8> {
        // SAFETY: as above; the field is a pointer, of a socket's file to its socket (`sock_alloc_file`, net/socket.c).
        self.inode().is_socket().then(|| unsafe { R::read(self.0, offset::FILE_PRIVATE) })
    }

    #[inline(always)]
    pub fn dentry(self) -> Dentry<R> {
        // SAFETY: as above; the field is a pointer.
        Dentry(unsafe { R::read(self.0, offset::FILE_DENTRY) }, PhantomData)
    }

    /// The file's entry in the file system that it lies in, where that is not the one that it was opened by: up to Linux
    /// 6.6 an overlay opens the file below by its own entry (`open_with_fake_path`, fs/file_table.c).
    #[inline(always)]
    pub fn entry_below(self) -> Option<Dentry> {
        let inode = self.inode();
        if self.dentry().inode().0 == inode.0 { None } else { inode.alias() }
    }
}

impl<R: Read> Inode<R> {
    #[inline(always)]
    pub fn new(at: *const u8) -> Self {
        Self(at, PhantomData)
    }

    #[inline(always)]
    pub fn superblock(self) -> SuperBlock<R> {
        // SAFETY: `self` is an inode by construction; the field is a pointer.
        SuperBlock(unsafe { R::read(self.0, offset::INODE_SB) }, PhantomData)
    }

    #[inline(always)]
    pub fn is_regular(self) -> bool {
        // SAFETY: as above; the field is a 2-byte integer.
        let mode: u16 = unsafe { R::read(self.0, offset::INODE_MODE) };
        mode & S_IFMT == S_IFREG
    }

    #[inline(always)]
    pub fn is_folder(self) -> bool {
        // SAFETY: as above.
        let mode: u16 = unsafe { R::read(self.0, offset::INODE_MODE) };
        mode & S_IFMT == S_IFDIR
    }

    #[inline(always)]
    pub fn is_socket(self) -> bool {
        // SAFETY: as above.
        let mode: u16 = unsafe { R::read(self.0, offset::INODE_MODE) };
        mode & S_IFMT == S_IFSOCK
    }

    /// Its number.
    #[inline(always)]
    pub fn ino(self) -> u64 {
        // SAFETY: as above; the field is an 8-byte integer.
        unsafe { R::read(self.0, offset::INODE_INO) }
    }

    /// The first of the entries that name it; `None` if none is known. An overlay holds the one that it found it by.
    #[inline(always)]
    fn alias(self) -> Option<Dentry> {
        // SAFETY: as above; the field is a pointer to the node inside a dentry; cannot fault.
        let node: *const u8 = unsafe { Probed::read(self.0, offset::INODE_ALIASES) };
        (!node.is_null()).then(|| Dentry::new(container_of(node, offset::DENTRY_ALIAS)))
    }

    /// The same, for code that reads it as any address.
    #[inline(always)]
    pub fn probed(self) -> Inode<Probed> {
        Inode(self.0, PhantomData)
    }

    /// The key, given the key of its superblock.
    #[inline(always)]
    pub fn key(self, filesystem: FilesystemKey) -> InodeKey {
        // SAFETY: as above; the fields are integers of these sizes.
        let (ino, generation) =
            unsafe { (R::read(self.0, offset::INODE_INO), R::read(self.0, offset::INODE_GENERATION)) };
        InodeKey { ino, filesystem, generation, reserved: 0 }
    }

    /// The process that a procfs inode stands for, as `struct pid`'s address.
    #[inline(always)]
    pub fn proc_pid(self) -> *const u8 {
        let proc_inode = container_of(self.0, offset::PROC_VFS_INODE);
        // SAFETY: on procfs every inode is embedded in a proc_inode; read through a helper that cannot fault.
        unsafe { Probed::read(proc_inode, offset::PROC_PID) }
    }
}

impl Inode<Probed> {
    #[inline(always)]
    fn links(self) -> u32 {
        // SAFETY: as above; the field is a 4-byte integer.
        unsafe { Probed::read(self.0, offset::INODE_NLINK) }
    }

    #[inline(always)]
    fn has_upper(self) -> bool {
        let ovl_inode = container_of(self.0, offset::OVL_VFS_INODE);
        // SAFETY: on overlayfs every inode is embedded in an ovl_inode; read through a helper that cannot fault.
        let upper: *const u8 = unsafe { Probed::read(ovl_inode, offset::OVL_UPPER) };
        !upper.is_null()
    }

    /// Its key and what its superblock and links tell: bits of [`facts`].
    #[inline(always)]
    pub fn identify(self) -> (InodeKey, u32) {
        let superblock = self.superblock();
        let key = self.key(superblock.key());
        let magic = superblock.magic();
        let mut bits = 0;
        if magic == OVERLAY_MAGIC && offset::OVL_UPPER.exists() && offset::OVL_VFS_INODE.exists() {
            bits |= facts::OVERLAY;
            if self.has_upper() {
                bits |= facts::OVERLAY_UPPER;
            }
        }
        let in_memory = magic == TMPFS_MAGIC || magic == HUGETLBFS_MAGIC;
        if in_memory && superblock.flags() & SB_KERNMOUNT != 0 {
            bits |= facts::MEMFD;
        }
        if self.links() == 0 {
            bits |= facts::UNLINKED;
        }
        (key, bits)
    }
}

impl<R: Read> SuperBlock<R> {
    #[inline(always)]
    pub fn device(self) -> u32 {
        // SAFETY: `self` is a superblock by construction; the field is a 4-byte integer.
        unsafe { R::read(self.0, offset::SB_DEV) }
    }

    #[inline(always)]
    pub fn magic(self) -> u64 {
        // SAFETY: as above; the field is an 8-byte integer.
        unsafe { R::read(self.0, offset::SB_MAGIC) }
    }

    /// What it is, if it is none of the many.
    #[inline(always)]
    pub fn special(self) -> Option<Special> {
        match self.magic() {
            PROC_MAGIC => Some(Special::Proc),
            CGROUP2_MAGIC => Some(Special::Cgroup),
            _ => None,
        }
    }

    #[inline(always)]
    pub fn is_proc(self) -> bool {
        self.magic() == PROC_MAGIC
    }

    #[inline(always)]
    pub fn is_bpf(self) -> bool {
        self.magic() == BPF_MAGIC
    }

    #[inline(always)]
    fn flags(self) -> u64 {
        // SAFETY: as above; the field is an 8-byte integer.
        unsafe { R::read(self.0, offset::SB_FLAGS) }
    }

    /// Generation of the root inode: tells file systems apart that had the same device number.
    #[inline(always)]
    pub fn generation(self) -> u32 {
        // SAFETY: as above; s_root is a pointer to a dentry, whose d_inode is a pointer to an inode.
        unsafe {
            let root: *const u8 = R::read(self.0, offset::SB_ROOT);
            let inode: *const u8 = R::read(root, offset::DENTRY_INODE);
            R::read(inode, offset::INODE_GENERATION)
        }
    }

    #[inline(always)]
    pub fn key(self) -> FilesystemKey {
        FilesystemKey { device: self.device(), generation: self.generation() }
    }
}

impl<R: Read> Dentry<R> {
    /// Its parent; itself at the root.
    #[inline(always)]
    pub fn parent(self) -> Self {
        // SAFETY: `self` is a dentry by construction; the field is a pointer.
        Self(unsafe { R::read(self.0, offset::DENTRY_PARENT) }, PhantomData)
    }

    #[inline(always)]
    pub fn inode(self) -> Inode<R> {
        // SAFETY: as above; the field is a pointer.
        Inode(unsafe { R::read(self.0, offset::DENTRY_INODE) }, PhantomData)
    }

    #[inline(always)]
    pub fn is(self, other: Self) -> bool {
        self.0 == other.0
    }

    /// The same, for code that reads it as any address.
    #[inline(always)]
    pub fn probed(self) -> Dentry {
        Dentry::new(self.0)
    }
}

impl Dentry {
    #[inline(always)]
    pub fn new(at: *const u8) -> Self {
        Self(at, PhantomData)
    }

    #[inline(always)]
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// Address of its name.
    #[inline(always)]
    pub fn name_at(self) -> *const u8 {
        // SAFETY: `self` is a dentry or null; read through a helper that cannot fault.
        unsafe { Probed::read(self.0, offset::DENTRY_NAME) }
    }

    /// The first 16 bytes of its name; what follows the terminating NUL is not meant.
    #[inline(always)]
    pub fn name(self) -> [u8; 16] {
        let mut name = [0u8; 16];
        // SAFETY: the destination is 16 bytes long; the helper validates the source.
        unsafe { bpf_probe_read_kernel_str(name.as_mut_ptr().cast(), 16, self.name_at().cast()) };
        name
    }

    /// Writes the beginning of its name, ended by NUL; what follows stays as it was.
    #[inline(always)]
    pub fn name_into(self, out: &mut [u8; KEY_NAME_LEN]) {
        // SAFETY: the destination is as long as is said; the helper validates the source.
        unsafe {
            bpf_probe_read_kernel_str(out.as_mut_ptr().cast(), KEY_NAME_LEN as u32, self.name_at().cast())
        };
    }

    /// The superblock's key of the inode that this entry names.
    #[inline(always)]
    pub fn filesystem(self) -> FilesystemKey {
        self.inode().superblock().key()
    }

    /// Writes its name, its parent's name, ... up to the root of the file system, each ended by NUL; returns the
    /// number of bytes. Deeper paths are cut at the outer end.
    #[inline(always)]
    pub fn names(self, out: &mut [u8; NAMES_LEN]) -> u16 {
        let mut entry = self;
        let mut used = 0usize;
        for _ in 0..NAMES {
            let parent = entry.parent();
            if parent.is(entry) || used > NAMES_LEN - NAME_LEN {
                break;
            }
            // SAFETY: `used + NAME_LEN <= NAMES_LEN`, checked just above; the helper validates the source.
            let length = unsafe {
                bpf_probe_read_kernel_str(
                    out.as_mut_ptr().add(used).cast(),
                    NAME_LEN as u32,
                    entry.name_at().cast(),
                )
            };
            // Unsigned, so that the verifier sees both bounds in one comparison.
            let length = length as usize;
            if length > NAME_LEN {
                break;
            }
            used += length;
            entry = parent;
        }
        used as u16
    }
}

/// The `struct file` behind a descriptor in a files_struct; `None` if it is closed.
#[inline(always)]
pub fn of_descriptor(files: *const u8, descriptor: u64) -> Option<File<Probed>> {
    // SAFETY: `files` is a files_struct or null; read through helpers that cannot fault.
    let (max, slots): (u32, *const u8) = unsafe {
        let table: *const u8 = Probed::read(files, offset::FILES_FDT);
        (Probed::read(table, offset::FDT_MAX), Probed::read(table, offset::FDT_FD))
    };
    if descriptor >= u64::from(max) {
        return None;
    }
    let file: *const u8 = probe(slots.wrapping_add(descriptor as usize * size_of::<usize>()));
    (!file.is_null()).then(|| File::new(file))
}

/// The first task of a `struct pid`; null if it has none.
#[inline(always)]
pub fn task_of_pid(pid: *const u8) -> *const u8 {
    // tasks[PIDTYPE_PID].first is an hlist_node inside task_struct.pid_links[PIDTYPE_PID].
    let node: *const u8 = probe(inside(pid, offset::PID_TASKS));
    if pid.is_null() || node.is_null() {
        return core::ptr::null();
    }
    container_of(node, offset::TASK_PID_LINKS)
}
