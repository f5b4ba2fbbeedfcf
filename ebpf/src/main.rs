//! Cofferdam's kernel programs: entry points only. What they do stands in `hooks/`, one file a concern.
//!
//! Programs never change with policy; tables do. The licence is what the kernel requires for the helpers used.

#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(
    internal_features,
    reason = "stable atomics need compare-and-swap, which this target lacks; the add alone it has"
)]
#![expect(
    clippy::needless_borrows_for_generic_args,
    reason = "a table entry passed by value is copied, and a program's stack has 512 bytes"
)]

mod emit;
mod hooks;
mod identity;
mod kernel;
mod maps;
mod rules;
mod verifier;

use aya_ebpf::macros::{btf_tracepoint, cgroup_skb, cgroup_sock_addr, lsm, raw_tracepoint, sock_ops};
use aya_ebpf::programs::{
    BtfTracePointContext, LsmContext, RawTracePointContext, SkBuffContext, SockAddrContext, SockOpsContext,
};
use cofferdam_abi::event::{how, limited};
use cofferdam_abi::hook::Hook;
use kernel::Sock;

/// What a refused call returns: `EPERM`.
const REFUSED: i32 = -1;

/// Lets the call go on to the next LSM unless it is refused; a refusal of an earlier one is passed on as it is.
#[inline(always)]
fn after(earlier: i32, refuses: impl FnOnce() -> bool) -> i32 {
    if earlier != 0 {
        return earlier;
    }
    if !refuses() {
        return 0;
    }
    verifier::keep_branch();
    REFUSED
}

// void sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)
#[btf_tracepoint(function = "sched_process_exec")]
fn process_exec(ctx: BtfTracePointContext) -> i32 {
    hooks::exec::executed(ctx.arg(2));
    0
}

// void bprm_committed_creds(const struct linux_binprm *bprm)
#[lsm(hook = "bprm_committed_creds")]
fn exec_done(ctx: LsmContext) -> i32 {
    hooks::exec::executed(ctx.arg(0));
    0
}

// void sched_process_fork(struct task_struct *parent, struct task_struct *child)
#[btf_tracepoint(function = "sched_process_fork")]
fn process_fork(ctx: BtfTracePointContext) -> i32 {
    hooks::exec::forked(ctx.arg(0), ctx.arg(1));
    0
}

// void sched_process_exit(struct task_struct *p)
#[btf_tracepoint(function = "sched_process_exit")]
fn process_exit(ctx: BtfTracePointContext) -> i32 {
    hooks::exec::exited(ctx.arg(0));
    0
}

// int bprm_check_security(struct linux_binprm *bprm)
#[lsm(hook = "bprm_check_security")]
fn exec_check(ctx: LsmContext) -> i32 {
    after(ctx.arg(1), || hooks::exec::checked(ctx.arg(0)))
}

// void cgroup_mkdir(struct cgroup *cgrp, const char *path)
#[btf_tracepoint(function = "cgroup_mkdir")]
fn cgroup_made(ctx: BtfTracePointContext) -> i32 {
    hooks::cgroup::made(ctx.arg(0), ctx.arg(1));
    0
}

// void cgroup_rmdir(struct cgroup *cgrp, const char *path)
#[btf_tracepoint(function = "cgroup_rmdir")]
fn cgroup_removed(ctx: BtfTracePointContext) -> i32 {
    hooks::cgroup::removed(ctx.arg(0), ctx.arg(1));
    0
}

// void cgroup_attach_task(struct cgroup *dst_cgrp, const char *path, struct task_struct *task, bool threadgroup)
#[btf_tracepoint(function = "cgroup_attach_task")]
fn cgroup_attach(ctx: BtfTracePointContext) -> i32 {
    hooks::cgroup::attached(ctx.arg(0), ctx.arg(2), ctx.arg::<u64>(3));
    0
}

// int file_open(struct file *file)
#[lsm(hook = "file_open")]
fn file_open(ctx: LsmContext) -> i32 {
    after(ctx.arg(1), || hooks::file::reached_typed(ctx.arg(0), Hook::Open, how::OPEN))
}

// int file_receive(struct file *file)
#[lsm(hook = "file_receive")]
fn file_receive(ctx: LsmContext) -> i32 {
    after(ctx.arg(1), || hooks::file::reached_typed(ctx.arg(0), Hook::Receive, how::RECEIVE))
}

// int mmap_file(struct file *file, unsigned long reqprot, unsigned long prot, unsigned long flags)
#[lsm(hook = "mmap_file")]
fn file_mmap(ctx: LsmContext) -> i32 {
    after(ctx.arg(4), || hooks::file::mapped(ctx.arg(0), ctx.arg(2)))
}

// int ptrace_access_check(struct task_struct *child, unsigned int mode)
#[lsm(hook = "ptrace_access_check")]
fn ptrace_access(ctx: LsmContext) -> i32 {
    after(ctx.arg(2), || hooks::environ::memory_asked(ctx.arg(0), ctx.arg(1)))
}

// int ptrace_traceme(struct task_struct *parent)
#[lsm(hook = "ptrace_traceme")]
fn ptrace_offer(ctx: LsmContext) -> i32 {
    after(ctx.arg(1), || hooks::environ::trace_offered(ctx.arg(0)))
}

// void sys_exit(struct pt_regs *regs, long ret)
#[btf_tracepoint(function = "sys_exit")]
fn syscall_exit(ctx: BtfTracePointContext) -> i32 {
    hooks::syscalls::returned(ctx.arg(0), ctx.arg(1));
    0
}

// int connect(struct socket *, struct sockaddr_in *): cgroup/connect4, 1 lets it pass, 0 is EPERM
#[cgroup_sock_addr(connect4)]
fn connect4(ctx: SockAddrContext) -> i32 {
    i32::from(!hooks::net::connecting(&ctx, hooks::net::Family::V4, Hook::Connect))
}

// int connect(struct socket *, struct sockaddr_in6 *): cgroup/connect6, 1 lets it pass, 0 is EPERM
#[cgroup_sock_addr(connect6)]
fn connect6(ctx: SockAddrContext) -> i32 {
    i32::from(!hooks::net::connecting(&ctx, hooks::net::Family::V6, Hook::Connect))
}

// unconnected UDP send over IPv4: cgroup/sendmsg4, 1 lets it pass, 0 is EPERM
#[cgroup_sock_addr(sendmsg4)]
fn sendmsg4(ctx: SockAddrContext) -> i32 {
    i32::from(!hooks::net::connecting(&ctx, hooks::net::Family::V4, Hook::Send))
}

// unconnected UDP send over IPv6: cgroup/sendmsg6, 1 lets it pass, 0 is EPERM
#[cgroup_sock_addr(sendmsg6)]
fn sendmsg6(ctx: SockAddrContext) -> i32 {
    i32::from(!hooks::net::connecting(&ctx, hooks::net::Family::V6, Hook::Send))
}

// cgroup_skb/egress: 1 lets the packet pass, 0 drops it
#[cgroup_skb(egress)]
fn packet_out(ctx: SkBuffContext) -> i32 {
    i32::from(!hooks::packet::leaving(&ctx))
}

// cgroup_skb/ingress: 1 lets the packet pass, 0 drops it
#[cgroup_skb(ingress)]
fn packet_in(ctx: SkBuffContext) -> i32 {
    i32::from(!hooks::packet::arriving(&ctx))
}

// sock_ops: the answer is not looked at
#[sock_ops]
fn socket_event(ctx: SockOpsContext) -> u32 {
    hooks::packet::socket_event(&ctx);
    1
}

// int socket_create(int family, int type, int protocol, int kern)
#[lsm(hook = "socket_create")]
fn socket_create(ctx: LsmContext) -> i32 {
    after(ctx.arg(4), || hooks::socket::made(ctx.arg(0), ctx.arg::<i32>(3) != 0))
}

// int unix_stream_connect(struct sock *sock, struct sock *other, struct sock *newsk)
#[lsm(hook = "unix_stream_connect")]
fn unix_connect(ctx: LsmContext) -> i32 {
    after(ctx.arg(3), || hooks::unix::reached(Sock::new(ctx.arg(1))))
}

// int unix_may_send(struct socket *sock, struct socket *other)
#[lsm(hook = "unix_may_send")]
fn unix_send(ctx: LsmContext) -> i32 {
    after(ctx.arg(2), || hooks::unix::reached(Sock::of(ctx.arg(1))))
}

// int socket_sendmsg(struct socket *sock, struct msghdr *msg, int size)
#[lsm(hook = "socket_sendmsg")]
fn socket_send(ctx: LsmContext) -> i32 {
    after(ctx.arg(3), || hooks::unix::sending(ctx.arg(0)))
}

// int file_permission(struct file *file, int mask), attached where pages reach a socket without socket_sendmsg
#[lsm(hook = "file_permission")]
fn socket_splice(ctx: LsmContext) -> i32 {
    after(ctx.arg(2), || hooks::unix::written(ctx.arg(0), ctx.arg(1)))
}

// int task_kill(struct task_struct *p, struct kernel_siginfo *info, int sig, const struct cred *cred)
#[lsm(hook = "task_kill")]
fn task_kill(ctx: LsmContext) -> i32 {
    after(ctx.arg(4), || hooks::protect::signalled(ctx.arg(0), ctx.arg(2)))
}

// int task_setrlimit(struct task_struct *p, unsigned int resource, struct rlimit *new_rlim)
#[lsm(hook = "task_setrlimit")]
fn task_setrlimit(ctx: LsmContext) -> i32 {
    let resource = u64::from(ctx.arg::<u32>(1));
    after(ctx.arg(3), || hooks::protect::limited(ctx.arg(0), limited::RESOURCE | resource << 32))
}

// int task_setscheduler(struct task_struct *p): also asked for the processors that a task may run on
#[lsm(hook = "task_setscheduler")]
fn task_setscheduler(ctx: LsmContext) -> i32 {
    after(ctx.arg(1), || hooks::protect::limited(ctx.arg(0), limited::SCHEDULING))
}

// int task_setnice(struct task_struct *p, int nice)
#[lsm(hook = "task_setnice")]
fn task_setnice(ctx: LsmContext) -> i32 {
    after(ctx.arg(2), || hooks::protect::limited(ctx.arg(0), limited::NICE))
}

// int task_setioprio(struct task_struct *p, int ioprio)
#[lsm(hook = "task_setioprio")]
fn task_setioprio(ctx: LsmContext) -> i32 {
    after(ctx.arg(2), || hooks::protect::limited(ctx.arg(0), limited::IO_PRIORITY))
}

// int bpf(int cmd, union bpf_attr *attr, unsigned int size[, bool kernel]): later kernels have one argument more, so the
// refusal of an earlier program is not looked for; the kernel does not call us after one.
#[lsm(hook = "bpf")]
fn bpf_call(ctx: LsmContext) -> i32 {
    after(0, || hooks::protect::bpf_called(ctx.arg(0), ctx.arg(1)))
}

// int bpf_map(struct bpf_map *map, fmode_t fmode)
#[lsm(hook = "bpf_map")]
fn bpf_map(ctx: LsmContext) -> i32 {
    after(ctx.arg(2), || hooks::protect::map_opened(ctx.arg(0)))
}

// int inode_unlink(struct inode *dir, struct dentry *dentry)
#[lsm(hook = "inode_unlink")]
fn inode_unlink(ctx: LsmContext) -> i32 {
    after(ctx.arg(2), || hooks::protect::unlinked(ctx.arg(0), ctx.arg(1)))
}

// int inode_rmdir(struct inode *dir, struct dentry *dentry)
#[lsm(hook = "inode_rmdir")]
fn inode_rmdir(ctx: LsmContext) -> i32 {
    after(ctx.arg(2), || hooks::protect::unlinked(ctx.arg(0), ctx.arg(1)))
}

// int inode_rename(struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir, struct dentry *new_dentry)
#[lsm(hook = "inode_rename")]
fn inode_rename(ctx: LsmContext) -> i32 {
    after(ctx.arg(4), || {
        hooks::protect::unlinked(ctx.arg(0), ctx.arg(1))
            || hooks::protect::unlinked(ctx.arg(2), ctx.arg(3))
            || hooks::file::moved(ctx.arg(1))
    })
}

// int inode_link(struct dentry *old_dentry, struct inode *dir, struct dentry *new_dentry)
#[lsm(hook = "inode_link")]
fn inode_link(ctx: LsmContext) -> i32 {
    after(ctx.arg(3), || hooks::file::moved(ctx.arg(0)))
}

// int sb_umount(struct vfsmount *mnt, int flags)
#[lsm(hook = "sb_umount")]
fn sb_umount(ctx: LsmContext) -> i32 {
    after(ctx.arg(2), hooks::protect::unmounted)
}

// Never attached: the sensor runs it with BPF_PROG_TEST_RUN in its own context; arguments (what, descriptor).
#[raw_tracepoint(tracepoint = "sys_enter")]
fn query(ctx: RawTracePointContext) -> i32 {
    hooks::query::answer(ctx.arg(0), ctx.arg(1));
    0
}

// Never attached: the guard runs it with BPF_PROG_TEST_RUN; arguments (its descriptor of the file, the opener's
// thread-group id, its descriptor of the opener's /proc folder). Written out, because the macro drops the answer.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/sys_enter")]
fn guard(ctx: *mut core::ffi::c_void) -> u32 {
    let ctx = RawTracePointContext::new(ctx);
    hooks::guard::asked(ctx.arg(0), ctx.arg::<u64>(1) as u32, ctx.arg(2))
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
