//! `struct task_struct` and what hangs on it.

use super::{Cgroup, Dentry, File, Inode, Probed, Read, file, inside, offset, probe};

/// `TS_COMPAT`, arch/x86/include/asm/thread_info.h: the task is in a 32-bit system call.
const TS_COMPAT: u32 = 2;

/// A task. All its fields are read through helpers: none of them is on a miss path.
#[derive(Clone, Copy)]
pub struct Task(*const u8);

impl Task {
    #[inline(always)]
    pub fn new(at: *const u8) -> Self {
        Self(at)
    }

    /// The calling task.
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: the helper has no preconditions.
        Self(unsafe { aya_ebpf::helpers::bpf_get_current_task() } as *const u8)
    }

    /// The task that a procfs inode stands for.
    #[inline(always)]
    pub fn of_proc<R: Read>(inode: Inode<R>) -> Option<Self> {
        Self::of_pid(inode.proc_pid())
    }

    /// The task of a `struct pid`, while it lives.
    #[inline(always)]
    pub fn of_pid(pid: *const u8) -> Option<Self> {
        let at = file::task_of_pid(pid);
        (!at.is_null()).then_some(Self(at))
    }

    #[inline(always)]
    fn read<T: Copy>(self, offset: super::Offset) -> T {
        // SAFETY: `self` is a task by construction; types are checked against BTF before load; cannot fault.
        unsafe { Probed::read(self.0, offset) }
    }

    /// Thread-group id in the initial pid namespace.
    #[inline(always)]
    pub fn tgid(self) -> u32 {
        self.read(offset::TASK_TGID)
    }

    /// Whether it leads its thread group, by number (at a fork also before the leader pointer matters).
    #[inline(always)]
    pub fn is_leader(self) -> bool {
        self.read::<u32>(offset::TASK_PID) == self.read::<u32>(offset::TASK_TGID)
    }

    #[inline(always)]
    fn leader(self) -> Self {
        Self(self.read(offset::TASK_LEADER))
    }

    /// Birth of the thread group, boot clock, ns.
    #[inline(always)]
    pub fn start(self) -> u64 {
        self.leader().read(offset::TASK_START)
    }

    /// The parent's thread-group id.
    #[inline(always)]
    pub fn ppid(self) -> u32 {
        Self(self.read(offset::TASK_REAL_PARENT)).tgid()
    }

    /// Real user id in the initial user namespace.
    #[inline(always)]
    pub fn uid(self) -> u32 {
        probe(inside(self.read(offset::TASK_CRED), offset::CRED_UID))
    }

    /// Whether no thread of its group is alive any more.
    #[inline(always)]
    pub fn group_is_dead(self) -> bool {
        // signal_struct.live is an atomic_t: a struct around an int.
        probe::<i32>(inside(self.read(offset::TASK_SIGNAL), offset::SIGNAL_LIVE)) == 0
    }

    /// Its cgroup in the v2 hierarchy.
    #[inline(always)]
    pub fn cgroup(self) -> Cgroup {
        // SAFETY: `cgroups` is a css_set; cannot fault.
        Cgroup::new(unsafe { Probed::read(self.read(offset::TASK_CGROUPS), offset::CSET_DFL) })
    }

    /// The root folder that it sees.
    #[inline(always)]
    pub fn root(self) -> Dentry {
        // SAFETY: `fs` is an fs_struct; cannot fault.
        Dentry::new(unsafe { Probed::read(self.read(offset::TASK_FS), offset::FS_ROOT_DENTRY) })
    }

    /// Address of its mount namespace; only for comparison with that of a process that lives.
    #[inline(always)]
    pub fn mount_namespace(self) -> u64 {
        // SAFETY: `nsproxy` is an nsproxy; cannot fault.
        unsafe { Probed::read(self.read(offset::TASK_NSPROXY), offset::NSPROXY_MNT) }
    }

    /// The file that it executes; `None` for kernel threads.
    #[inline(always)]
    pub fn executable(self) -> Option<File<Probed>> {
        // SAFETY: `mm` is an mm_struct or null; cannot fault.
        let file: *const u8 = unsafe { Probed::read(self.read(offset::TASK_MM), offset::MM_EXE_FILE) };
        (!file.is_null()).then(|| File::new(file))
    }

    /// The file behind one of its descriptors.
    #[inline(always)]
    pub fn descriptor(self, descriptor: u64) -> Option<File<Probed>> {
        file::of_descriptor(self.read(offset::TASK_FILES), descriptor)
    }

    /// Whether it is in a system call of the 32-bit table (x86: int 0x80 and ia32 programs).
    #[inline(always)]
    pub fn in_compat_syscall(self) -> bool {
        offset::TASK_STATUS.exists() && self.read::<u32>(offset::TASK_STATUS) & TS_COMPAT != 0
    }
}

/// Number of the system call whose saved registers these are.
#[inline(always)]
pub fn syscall_number(regs: *const u8) -> i32 {
    // SAFETY: `regs` is the tracepoint's pt_regs argument; the number is its low half on x86 and all of it on arm64.
    unsafe { super::Typed::read::<i32>(regs, offset::REGS_NR) }
}
