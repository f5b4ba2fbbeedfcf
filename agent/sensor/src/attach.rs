//! Attach points as data: which program goes where on which tier, what it sees, what is lost without it.

use cofferdam_abi::hook::Hook;

/// How the node's kernel lets us see and deny. Found by trying, never by version number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// BPF LSM programs attach.
    Lsm,
    /// Only tracepoints and cgroup programs do.
    Tracepoint,
}

impl Tier {
    /// Its name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lsm => "lsm",
            Self::Tracepoint => "tracepoint",
        }
    }
}

/// How a program is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachTo {
    /// To an LSM hook.
    Lsm(&'static str),
    /// To an LSM hook, on kernels that have the field of this symbol alone: the others ask another one.
    LsmWith(&'static str, &'static str),
    /// To a tracepoint, with typed arguments.
    Tracepoint(&'static str),
    /// To the root cgroup v2.
    RootCgroup(&'static str),
    /// Nowhere: it is run on demand.
    Query,
}

impl AttachTo {
    /// Kind and place, as `doctor` shows it.
    pub fn describe(self) -> String {
        match self {
            Self::Lsm(hook) | Self::LsmWith(hook, _) => format!("lsm/{hook}"),
            Self::Tracepoint(name) => format!("tp_btf/{name}"),
            Self::RootCgroup(kind) => format!("cgroup/{kind}"),
            Self::Query => "on demand".to_owned(),
        }
    }
}

/// One program and where it goes.
#[derive(Debug, Clone, Copy)]
pub struct AttachPoint {
    /// Name of the program in the object.
    pub program: &'static str,
    /// What it reports as.
    pub hook: Hook,
    /// Where it goes.
    pub to: AttachTo,
    /// The tiers on which it is wanted.
    pub tiers: &'static [Tier],
    /// The agent does not start without it.
    pub required: bool,
    /// What it sees.
    pub sees: &'static str,
    /// What is lost without it.
    pub without: &'static str,
}

const BOTH: &[Tier] = &[Tier::Lsm, Tier::Tracepoint];
const LSM: &[Tier] = &[Tier::Lsm];
const TRACEPOINT: &[Tier] = &[Tier::Tracepoint];

/// Every attach point, in the order in which they are attached: who is who first, then what they do.
pub const ATTACH_POINTS: &[AttachPoint] = &[
    AttachPoint {
        program: "query",
        hook: Hook::Query,
        to: AttachTo::Query,
        tiers: BOTH,
        required: true,
        sees: "kernel identity of files and of processes that ran before the agent",
        without: "nothing that was there before the agent can be identified",
    },
    AttachPoint {
        program: "cgroup_made",
        hook: Hook::Cgroup,
        to: AttachTo::Tracepoint("cgroup_mkdir"),
        tiers: BOTH,
        required: true,
        sees: "new workloads, before anything runs in them",
        without: "processes of new containers have no workload",
    },
    AttachPoint {
        program: "cgroup_removed",
        hook: Hook::Cgroup,
        to: AttachTo::Tracepoint("cgroup_rmdir"),
        tiers: BOTH,
        required: true,
        sees: "workloads that ended",
        without: "ended workloads are shown as running",
    },
    AttachPoint {
        program: "cgroup_attach",
        hook: Hook::Attach,
        to: AttachTo::Tracepoint("cgroup_attach_task"),
        tiers: BOTH,
        required: true,
        sees: "processes that enter a workload: its start, exec sessions, migration",
        without: "exec sessions are not told from the workload's own processes",
    },
    AttachPoint {
        program: "process_fork",
        hook: Hook::Fork,
        to: AttachTo::Tracepoint("sched_process_fork"),
        tiers: BOTH,
        required: true,
        sees: "new processes",
        without: "no process tree",
    },
    AttachPoint {
        program: "exec_check",
        hook: Hook::Exec,
        to: AttachTo::Lsm("bprm_check_security"),
        tiers: LSM,
        required: false,
        sees: "the file of a script, by inode, before its interpreter takes over",
        without: "a script is known by its path alone; its interpreter still by inode",
    },
    AttachPoint {
        program: "process_exec",
        hook: Hook::Exec,
        to: AttachTo::Tracepoint("sched_process_exec"),
        tiers: TRACEPOINT,
        required: true,
        sees: "executed files by inode, and where they come from",
        without: "no binary can be named",
    },
    // The kernel may leave a tracepoint's program out where it runs already on that processor; never one of LSM.
    AttachPoint {
        program: "exec_done",
        hook: Hook::Exec,
        to: AttachTo::Lsm("bprm_committed_creds"),
        tiers: LSM,
        required: true,
        sees: "executed files by inode, and where they come from",
        without: "no binary can be named",
    },
    AttachPoint {
        program: "process_exit",
        hook: Hook::Exit,
        to: AttachTo::Tracepoint("sched_process_exit"),
        tiers: BOTH,
        required: true,
        sees: "ended processes",
        without: "the process table fills up",
    },
    AttachPoint {
        program: "file_open",
        hook: Hook::Open,
        to: AttachTo::Lsm("file_open"),
        tiers: LSM,
        required: true,
        sees: "opens of secrets and environments by any system call, io_uring included",
        without: "opens of secrets are not seen",
    },
    AttachPoint {
        program: "syscall_exit",
        hook: Hook::Open,
        to: AttachTo::Tracepoint("sys_exit"),
        tiers: TRACEPOINT,
        required: true,
        sees: "opens of secrets and environments by open, creat, openat, openat2, open_by_handle_at, 64 and 32 bit",
        without: "opens of secrets are not seen",
    },
    AttachPoint {
        program: "guard",
        hook: Hook::Open,
        to: AttachTo::Query,
        tiers: TRACEPOINT,
        required: false,
        sees: "opens that the kernel holds back (fanotify) until the guard has asked the rules",
        without: "opens of secrets are seen, not denied",
    },
    AttachPoint {
        program: "file_receive",
        hook: Hook::Receive,
        to: AttachTo::Lsm("file_receive"),
        tiers: LSM,
        required: false,
        sees: "descriptors of secrets received over a unix socket",
        without: "a descriptor of a secret handed to another process is not seen; its first open was",
    },
    AttachPoint {
        program: "file_mmap",
        hook: Hook::Mmap,
        to: AttachTo::Lsm("mmap_file"),
        tiers: LSM,
        required: false,
        sees: "secrets mapped into memory",
        without: "a mapping of an inherited descriptor is not seen; its first open was",
    },
    AttachPoint {
        program: "ptrace_access",
        hook: Hook::Ptrace,
        to: AttachTo::Lsm("ptrace_access_check"),
        tiers: LSM,
        required: false,
        sees: "access to another process's memory: ptrace, /proc/<pid>/mem, process_vm_readv, pidfd_getfd",
        without: "reads of another process's memory are not seen; opens of its environ file are",
    },
    AttachPoint {
        program: "ptrace_offer",
        hook: Hook::Ptrace,
        to: AttachTo::Lsm("ptrace_traceme"),
        tiers: LSM,
        required: false,
        sees: "processes that let their parent trace them",
        without: "a process can start another one under its own control (PTRACE_TRACEME)",
    },
    AttachPoint {
        program: "connect4",
        hook: Hook::Connect,
        to: AttachTo::RootCgroup("connect4"),
        tiers: BOTH,
        required: true,
        sees: "outbound connects over IPv4, TCP fast open included",
        without: "outbound IPv4 connections are not seen",
    },
    AttachPoint {
        program: "connect6",
        hook: Hook::Connect,
        to: AttachTo::RootCgroup("connect6"),
        tiers: BOTH,
        required: true,
        sees: "outbound connects over IPv6",
        without: "outbound IPv6 connections are not seen",
    },
    AttachPoint {
        program: "sendmsg4",
        hook: Hook::Send,
        to: AttachTo::RootCgroup("sendmsg4"),
        tiers: BOTH,
        required: true,
        sees: "unconnected UDP sends over IPv4",
        without: "unconnected IPv4 sends are not seen",
    },
    AttachPoint {
        program: "sendmsg6",
        hook: Hook::Send,
        to: AttachTo::RootCgroup("sendmsg6"),
        tiers: BOTH,
        required: true,
        sees: "unconnected UDP sends over IPv6",
        without: "unconnected IPv6 sends are not seen",
    },
    AttachPoint {
        program: "socket_create",
        hook: Hook::Socket,
        to: AttachTo::Lsm("socket_create"),
        tiers: LSM,
        required: false,
        sees: "sockets of families without destinations that could be decided on: packet, vsock, ...",
        without: "a workload whose egress is limited can still send through packet and vsock sockets",
    },
    AttachPoint {
        program: "unix_connect",
        hook: Hook::Socket,
        to: AttachTo::Lsm("unix_stream_connect"),
        tiers: LSM,
        required: false,
        sees: "connects to unix sockets of other workloads",
        without: "a workload whose egress is limited can send through a process that listens on a unix socket",
    },
    AttachPoint {
        program: "unix_send",
        hook: Hook::Socket,
        to: AttachTo::Lsm("unix_may_send"),
        tiers: LSM,
        required: false,
        sees: "datagrams to unix sockets of other workloads",
        without: "a workload whose egress is limited can send datagrams to a process that reads from a unix socket",
    },
    AttachPoint {
        program: "socket_send",
        hook: Hook::Socket,
        to: AttachTo::Lsm("socket_sendmsg"),
        tiers: LSM,
        required: false,
        sees: "sends on connections to unix sockets that were opened before a secret was read",
        without: "connections to unix sockets that were opened before a secret was read stay open",
    },
    AttachPoint {
        program: "socket_splice",
        hook: Hook::Socket,
        to: AttachTo::LsmWith("file_permission", "PROTO_SENDPAGE"),
        tiers: LSM,
        required: false,
        sees: "sendfile and splice to unix sockets, where the kernel hands pages on without asking what sends ask",
        without: "sendfile reaches unix sockets that were connected before a secret was read",
    },
    AttachPoint {
        program: "packet_out",
        hook: Hook::Packet,
        to: AttachTo::RootCgroup("skb/egress"),
        tiers: BOTH,
        required: true,
        sees: "packets of workloads whose egress is limited: connections from before, raw sockets, SCTP",
        without: "connections that were opened before a secret was read stay open",
    },
    AttachPoint {
        program: "packet_in",
        hook: Hook::Packet,
        to: AttachTo::RootCgroup("skb/ingress"),
        tiers: BOTH,
        required: true,
        sees: "packets to workloads that are cut off",
        without: "a workload that is cut off can still be reached",
    },
    AttachPoint {
        program: "socket_event",
        hook: Hook::Packet,
        to: AttachTo::RootCgroup("sock_ops"),
        tiers: BOTH,
        required: true,
        sees: "connections that others open to sockets here: replies on them pass",
        without: "replies of a workload whose egress is limited are taken for its own connections",
    },
    AttachPoint {
        program: "task_kill",
        hook: Hook::Protect,
        to: AttachTo::Lsm("task_kill"),
        tiers: LSM,
        required: false,
        sees: "signals to the agent",
        without: "a container that shares the host's process ids can stop the agent; rules stay",
    },
    AttachPoint {
        program: "task_setrlimit",
        hook: Hook::Protect,
        to: AttachTo::Lsm("task_setrlimit"),
        tiers: LSM,
        required: false,
        sees: "resource limits that are set for the agent",
        without: "a container that shares the host's process ids can have the kernel kill the agent by a limit; rules stay",
    },
    AttachPoint {
        program: "task_setscheduler",
        hook: Hook::Protect,
        to: AttachTo::Lsm("task_setscheduler"),
        tiers: LSM,
        required: false,
        sees: "changes of the agent's scheduling, and of the processors that it runs on",
        without: "a container that shares the host's process ids and has CAP_SYS_NICE can starve the agent; rules stay",
    },
    AttachPoint {
        program: "task_setnice",
        hook: Hook::Protect,
        to: AttachTo::Lsm("task_setnice"),
        tiers: LSM,
        required: false,
        sees: "changes of the agent's nice value",
        without: "a container that shares the host's process ids and has CAP_SYS_NICE can slow the agent",
    },
    AttachPoint {
        program: "task_setioprio",
        hook: Hook::Protect,
        to: AttachTo::Lsm("task_setioprio"),
        tiers: LSM,
        required: false,
        sees: "changes of the priority of the agent's input and output",
        without: "a container that shares the host's process ids and has CAP_SYS_NICE can slow the agent's journal",
    },
    AttachPoint {
        program: "bpf_call",
        hook: Hook::Protect,
        to: AttachTo::Lsm("bpf"),
        tiers: LSM,
        required: false,
        sees: "use of bpf(2) by workloads that a policy speaks of, and changes of the agent's tables by containers",
        without: "a privileged container can load programs",
    },
    AttachPoint {
        program: "bpf_map",
        hook: Hook::Protect,
        to: AttachTo::Lsm("bpf_map"),
        tiers: LSM,
        required: false,
        sees: "containers that open the agent's tables, by their pin or their number",
        without: "a privileged container can have a program of its own write to the agent's tables",
    },
    AttachPoint {
        program: "inode_unlink",
        hook: Hook::Protect,
        to: AttachTo::Lsm("inode_unlink"),
        tiers: LSM,
        required: false,
        sees: "removal of the agent's pins",
        without: "a container with the host's bpffs can detach the programs",
    },
    AttachPoint {
        program: "inode_rmdir",
        hook: Hook::Protect,
        to: AttachTo::Lsm("inode_rmdir"),
        tiers: LSM,
        required: false,
        sees: "removal of the agent's folders of pins",
        without: "a container with the host's bpffs can remove empty folders of pins",
    },
    AttachPoint {
        program: "inode_rename",
        hook: Hook::Protect,
        to: AttachTo::Lsm("inode_rename"),
        tiers: LSM,
        required: false,
        sees: "renaming of secrets, and of the agent's pins",
        without: "secrets can be moved out of a configured folder to where they are not known, and pins to where no agent \
                  finds them",
    },
    AttachPoint {
        program: "inode_link",
        hook: Hook::Open,
        to: AttachTo::Lsm("inode_link"),
        tiers: LSM,
        required: false,
        sees: "hard links to secrets",
        without: "secrets can be linked out of a configured folder to where they are not known",
    },
    AttachPoint {
        program: "sb_umount",
        hook: Hook::Protect,
        to: AttachTo::Lsm("sb_umount"),
        tiers: LSM,
        required: false,
        sees: "containers that unmount what is the host's",
        without: "a container in the host's mount namespace can unmount what the agent needs",
    },
];

/// What became of an attach point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachState {
    /// It is attached (or, for queries, loaded).
    Attached,
    /// This tier has another way to see it.
    NotOnThisTier,
    /// This kernel asks another hook.
    NotOnThisKernel,
    /// The kernel refused.
    Refused(String),
}

/// An attach point and what became of it.
#[derive(Debug, Clone)]
pub struct HookReport {
    /// The attach point.
    pub point: &'static AttachPoint,
    /// Its state.
    pub state: AttachState,
}

/// A way to a secret that a tier cannot see at all, hook or not. `doctor` names them.
#[derive(Debug, Clone, Copy)]
pub struct BlindSpot {
    /// The tier.
    pub tier: Tier,
    /// What is not seen.
    pub what: &'static str,
    /// What is seen of it all the same.
    pub instead: &'static str,
}

/// What no hook of a tier sees.
pub const BLIND_SPOTS: &[BlindSpot] = &[
    BlindSpot {
        tier: Tier::Tracepoint,
        what: "opens through io_uring",
        instead: "nothing: the tracepoint tier sees system calls, and io_uring makes none",
    },
    BlindSpot {
        tier: Tier::Tracepoint,
        what: "a secret opened through an overlay that a process has mounted over it",
        instead: "nothing: the descriptor means the overlay's file, and the one below is opened by the kernel",
    },
    BlindSpot {
        tier: Tier::Tracepoint,
        what: "an open whose descriptor another thread replaces before the system call returns",
        instead: "nothing of that open: the descriptor is looked up when the call returns",
    },
    BlindSpot {
        tier: Tier::Tracepoint,
        what: "opens that the kernel refused",
        instead: "nothing: only successful opens return a descriptor",
    },
    BlindSpot {
        tier: Tier::Tracepoint,
        what: "files more than sixteen folders below a configured directory tree",
        instead: "those that were there when the tree was first watched, up to 16,384",
    },
    BlindSpot {
        tier: Tier::Lsm,
        what: "files more than sixteen folders below a configured directory tree",
        instead: "those that were there when the tree was first watched, up to 16,384",
    },
    BlindSpot {
        tier: Tier::Lsm,
        what: "opens refused by file permissions or by an LSM before ours",
        instead: "nothing: they never reach this hook",
    },
    BlindSpot {
        tier: Tier::Lsm,
        what: "whether the ptrace rules then refuse the opener of an environment",
        instead: "the attempt is reported as allowed: the open comes before that check",
    },
    BlindSpot {
        tier: Tier::Lsm,
        what: "memory and environment in a core dump that a process was made to write",
        instead: "nothing: the kernel writes the file",
    },
    BlindSpot {
        tier: Tier::Tracepoint,
        what: "memory and environment in a core dump that a process was made to write",
        instead: "nothing: the kernel writes the file",
    },
    BlindSpot {
        tier: Tier::Lsm,
        what: "who opens a cgroup link of the agent by its pin, in a container that has them mounted, and detaches it",
        instead: "it is attached again within a second or so, and `policy status` counts it (`detached`)",
    },
    BlindSpot {
        tier: Tier::Tracepoint,
        what: "who opens a cgroup link of the agent by its pin, in a container that has them mounted, and detaches it",
        instead: "it is attached again within a second or so, and `policy status` counts it (`detached`)",
    },
];
