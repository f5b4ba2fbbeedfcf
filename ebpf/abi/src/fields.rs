//! The kernel fields that the programs read: one list, from which the programs get their globals and the sensor
//! the names to look up in the running kernel's BTF.

/// What a field must be, checked against BTF before load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A pointer.
    Pointer,
    /// An integer or enumeration of this many bytes.
    Int(u32),
    /// A structure, union or array: only its place matters.
    Place,
}

/// One field: the global that carries its offset, and where to find it.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Symbol of the global in the object.
    pub symbol: &'static str,
    /// The structure.
    pub structure: &'static str,
    /// Alternatives of member paths (dots for nested members; anonymous ones are looked through), first found wins.
    pub paths: &'static [&'static str],
    /// What it must be.
    pub kind: FieldKind,
    /// Where to look.
    pub source: FieldSource,
}

/// Where a structure is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldSource {
    /// The kernel image; without it the object cannot work.
    Kernel,
    /// The kernel image, of some architectures or versions only: the offset stays [`ABSENT`] elsewhere.
    Some,
    /// A module, which may be absent: the offset stays [`ABSENT`] then.
    Module(&'static str),
}

/// Offset of a field that this kernel does not have.
pub const ABSENT: u64 = u64::MAX;

/// Calls `$with!` with the list `SYMBOL: structure [paths] kind source;`.
#[macro_export]
macro_rules! kernel_fields {
    ($with:ident) => {
        $with! {
            FILE_INODE: "file" ["f_inode"] Pointer Kernel;
            FILE_MODE: "file" ["f_mode"] Int(4) Kernel;
            FILE_PRIVATE: "file" ["private_data"] Pointer Kernel;
            FILE_DENTRY: "file" ["f_path.dentry"] Pointer Kernel;
            INODE_SB: "inode" ["i_sb"] Pointer Kernel;
            INODE_INO: "inode" ["i_ino"] Int(8) Kernel;
            INODE_MODE: "inode" ["i_mode"] Int(2) Kernel;
            INODE_NLINK: "inode" ["i_nlink", "__i_nlink"] Int(4) Kernel;
            INODE_ALIASES: "inode" ["i_dentry.first"] Pointer Kernel;
            INODE_GENERATION: "inode" ["i_generation"] Int(4) Kernel;
            SB_DEV: "super_block" ["s_dev"] Int(4) Kernel;
            SB_MAGIC: "super_block" ["s_magic"] Int(8) Kernel;
            SB_FLAGS: "super_block" ["s_flags"] Int(8) Kernel;
            SB_ROOT: "super_block" ["s_root"] Pointer Kernel;
            DENTRY_INODE: "dentry" ["d_inode"] Pointer Kernel;
            DENTRY_ALIAS: "dentry" ["d_u.d_alias", "d_alias"] Place Kernel;
            DENTRY_PARENT: "dentry" ["d_parent"] Pointer Kernel;
            DENTRY_NAME: "dentry" ["d_name.name", "__d_name.name"] Pointer Kernel;
            TASK_TGID: "task_struct" ["tgid"] Int(4) Kernel;
            TASK_PID: "task_struct" ["pid"] Int(4) Kernel;
            TASK_LEADER: "task_struct" ["group_leader"] Pointer Kernel;
            TASK_REAL_PARENT: "task_struct" ["real_parent"] Pointer Kernel;
            TASK_START: "task_struct" ["start_boottime", "real_start_time"] Int(8) Kernel;
            TASK_CRED: "task_struct" ["real_cred"] Pointer Kernel;
            TASK_SIGNAL: "task_struct" ["signal"] Pointer Kernel;
            TASK_FILES: "task_struct" ["files"] Pointer Kernel;
            TASK_FS: "task_struct" ["fs"] Pointer Kernel;
            TASK_MM: "task_struct" ["mm"] Pointer Kernel;
            TASK_NSPROXY: "task_struct" ["nsproxy"] Pointer Kernel;
            TASK_CGROUPS: "task_struct" ["cgroups"] Pointer Kernel;
            TASK_PID_LINKS: "task_struct" ["pid_links"] Place Kernel;
            TASK_STATUS: "task_struct" ["thread_info.status"] Int(4) Some;
            CRED_UID: "cred" ["uid"] Place Kernel;
            SIGNAL_LIVE: "signal_struct" ["live"] Place Kernel;
            FILES_FDT: "files_struct" ["fdt"] Pointer Kernel;
            FDT_MAX: "fdtable" ["max_fds"] Int(4) Kernel;
            FDT_FD: "fdtable" ["fd"] Pointer Kernel;
            FS_ROOT_DENTRY: "fs_struct" ["root.dentry"] Pointer Kernel;
            MM_EXE_FILE: "mm_struct" ["exe_file"] Pointer Kernel;
            NSPROXY_MNT: "nsproxy" ["mnt_ns"] Pointer Kernel;
            CSET_DFL: "css_set" ["dfl_cgrp"] Pointer Kernel;
            CGROUP_KN: "cgroup" ["kn"] Pointer Kernel;
            CGROUP_ROOT: "cgroup" ["root"] Pointer Kernel;
            CGROUP_PARENT_CSS: "cgroup" ["self.parent"] Pointer Kernel;
            CSS_CGROUP: "cgroup_subsys_state" ["cgroup"] Pointer Kernel;
            CGROUP_LEVEL: "cgroup" ["level"] Int(4) Kernel;
            CGROUP_ANCESTORS: "cgroup" ["ancestors"] Place Kernel;
            CGROUP_ROOT_HIERARCHY: "cgroup_root" ["hierarchy_id"] Int(4) Kernel;
            KN_ID: "kernfs_node" ["id"] Int(8) Kernel;
            KN_NAME: "kernfs_node" ["name"] Pointer Kernel;
            BPRM_FILE: "linux_binprm" ["file"] Pointer Kernel;
            BPRM_FILENAME: "linux_binprm" ["filename"] Pointer Kernel;
            BPRM_INTERP: "linux_binprm" ["interp"] Pointer Kernel;
            BPRM_BUF: "linux_binprm" ["buf"] Place Kernel;
            PROC_PID: "proc_inode" ["pid"] Pointer Kernel;
            PROC_VFS_INODE: "proc_inode" ["vfs_inode"] Place Kernel;
            PID_TASKS: "pid" ["tasks"] Place Kernel;
            SOCKET_SK: "socket" ["sk"] Pointer Kernel;
            SOCK_FAMILY: "sock" ["__sk_common.skc_family"] Int(2) Kernel;
            SOCK_CGROUP: "sock" ["sk_cgrp_data.cgroup", "sk_cgrp_data.val"] Place Kernel;
            SOCK_TYPE: "sock" ["sk_type"] Int(2) Kernel;
            SOCK_PEER_PID: "sock" ["sk_peer_pid"] Pointer Kernel;
            PROTO_SENDPAGE: "proto_ops" ["sendpage"] Pointer Some;
            UNIX_PEER: "unix_sock" ["peer"] Pointer Kernel;
            UNIX_ADDRESS: "unix_sock" ["addr"] Pointer Kernel;
            UNIX_DENTRY: "unix_sock" ["path.dentry"] Pointer Kernel;
            UNIX_ADDRESS_USERS: "unix_address" ["refcnt"] Place Kernel;
            UNIX_ADDRESS_NAME: "unix_address" ["name"] Place Kernel;
            MAP_ID: "bpf_map" ["id"] Int(4) Kernel;
            LINK_ID: "bpf_link" ["id"] Int(4) Kernel;
            REGS_NR: "pt_regs" ["orig_ax", "syscallno"] Place Kernel;
            OVL_VFS_INODE: "ovl_inode" ["vfs_inode"] Place Module("overlay");
            OVL_UPPER: "ovl_inode" ["__upperdentry"] Pointer Module("overlay");
        }
    };
}

macro_rules! table {
    ($($symbol:ident: $structure:literal [$($path:literal),+] $kind:ident $(($size:literal))? $source:ident $(($module:literal))?;)+) => {
        /// Every field, in the order of the list.
        pub const FIELDS: &[Field] = &[$(Field {
            symbol: stringify!($symbol),
            structure: $structure,
            paths: &[$($path),+],
            kind: FieldKind::$kind $(($size))?,
            source: FieldSource::$source $(($module))?,
        }),+];
    };
}

kernel_fields!(table);
