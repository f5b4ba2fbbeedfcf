//! Hooks and their counters by number.

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[repr(u16)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant = $number),+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in output and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// From its number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

numbered! {
    /// What is hooked. One concern may have different programs on different tiers.
    Hook {
        /// A process executed a file.
        Exec = 0 "exec",
        /// A process was forked.
        Fork = 1 "fork",
        /// A process ended.
        Exit = 2 "exit",
        /// A file was opened.
        Open = 3 "open",
        /// A descriptor was received.
        Receive = 4 "receive",
        /// A file was mapped.
        Mmap = 5 "mmap",
        /// Another process's memory was asked for.
        Ptrace = 6 "ptrace",
        /// connect().
        Connect = 7 "connect",
        /// An unconnected send.
        Send = 8 "send",
        /// A cgroup was made or removed.
        Cgroup = 9 "cgroup",
        /// A process changed cgroups.
        Attach = 10 "attach",
        /// Asked by user space: files and processes that were there before.
        Query = 11 "query",
        /// A packet left a socket.
        Packet = 12 "packet",
        /// A socket was made, or one of another workload was reached.
        Socket = 13 "socket",
        /// Something was done to the agent, or to the kernel's programs.
        Protect = 14 "protect",
    }
}

numbered! {
    /// Why an event was not sent, or a table could not be written.
    Reason {
        /// The ring was full.
        RingFull = 0 "ring_full",
        /// The process table was full: what the process does is told without it.
        ProcessTableFull = 1 "process_table_full",
        /// The access or connection table was full: repeats are sent one by one.
        CountTableFull = 2 "count_table_full",
        /// The workload table was full: the workload is resolved in user space.
        WorkloadTableFull = 3 "workload_table_full",
        /// A process was met that is not in the process table.
        UnknownProcess = 4 "unknown_process",
        /// A watched device number belongs to another file system now.
        StaleFilesystem = 5 "stale_filesystem",
        /// A kernel structure could not be read.
        ReadFailed = 6 "read_failed",
        /// The workload's budget was used up.
        OverBudget = 7 "over_budget",
        /// What exceeded a budget found no room in the table either: nothing but this counter knows of it.
        NotCounted = 8 "not_counted",
    }
}

/// Hooks, for sizing the counter array.
pub const HOOKS: u32 = 15;
/// Reasons, for sizing the counter array.
pub const REASONS: u32 = 9;

const _: () = assert!(Hook::ALL.len() == HOOKS as usize);
const _: () = assert!(Reason::ALL.len() == REASONS as usize);
