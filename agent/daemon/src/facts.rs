//! What the kernel's facts about an executable mean: pure.

use cofferdam_model::{
    BinaryOrigin, BootTime, CgroupId, EventId, Executable, Process, ProcessKey, WorkloadId,
};
use cofferdam_sensor::abi::key::InodeKey;
use cofferdam_sensor::abi::process::{ProcessState, facts, flags};
use cofferdam_sensor::model_inode;

/// Where an executable comes from.
pub fn origin(bits: u32, in_container: bool) -> BinaryOrigin {
    let has = |bit| bits & bit != 0;
    if has(facts::MEMFD) {
        return BinaryOrigin::Memfd;
    }
    if has(facts::UNLINKED) {
        return BinaryOrigin::Deleted;
    }
    if !in_container || has(facts::HOST_MOUNTS) {
        return BinaryOrigin::Host;
    }
    if !has(facts::ROOT_KNOWN) {
        return BinaryOrigin::Unknown;
    }
    match (has(facts::ON_WORKLOAD_ROOT), has(facts::OVERLAY), has(facts::OVERLAY_UPPER)) {
        (true, true, false) => BinaryOrigin::Image,
        (true, true, true) => BinaryOrigin::Written,
        // Without layers nobody can tell what came with the image.
        (true, false, _) => BinaryOrigin::Unknown,
        // A volume, a tmpfs, or something mounted over a path.
        (false, ..) => BinaryOrigin::Written,
    }
}

/// The inode of an executable, if the kernel told one.
pub fn inode(key: InodeKey) -> Option<cofferdam_model::InodeKey> {
    (key != InodeKey::default()).then(|| model_inode(key))
}

/// Identity of the process that a state describes; `None` if its start is not known.
pub fn process_key(state: &ProcessState) -> Option<ProcessKey> {
    (state.start != 0).then_some(ProcessKey { pid: state.tgid, start: BootTime::from_nanos(state.start) })
}

/// The program that a state describes; `None` if it is not known.
pub fn exec_id(state: &ProcessState) -> Option<EventId> {
    (state.exec != 0).then_some(EventId(state.exec))
}

/// A process record. Path and interpreter are evidence that comes beside the state.
pub fn process(
    state: &ProcessState,
    workload: WorkloadId,
    in_container: bool,
    path: Option<String>,
    interpreter: Option<String>,
) -> Option<Process> {
    let adopted = state.flags & flags::ADOPTED != 0;
    let unseen_entry = state.flags & flags::UNSEEN_ENTRY != 0;
    // Which inode a script has is known only where the exec check saw it; without it nothing is known of the origin.
    let unseen_script = state.facts & facts::SCRIPT != 0 && state.binary == InodeKey::default();
    Some(Process {
        exec: exec_id(state)?,
        key: process_key(state)?,
        parent: None,
        parent_exec: None,
        workload,
        cgroup: CgroupId(state.cgroup),
        uid: state.uid,
        executable: Executable {
            path,
            inode: inode(state.binary),
            origin: if unseen_script { BinaryOrigin::Unknown } else { origin(state.facts, in_container) },
            interpreter,
            interpreter_inode: inode(state.interpreter),
        },
        exec_session: (in_container && !unseen_entry).then_some(state.flags & flags::EXEC_SESSION != 0),
        runtime: in_container && state.flags & flags::RUNTIME != 0,
        adopted,
        began: EventId(state.exec).time(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: u32 = facts::ROOT_KNOWN | facts::ON_WORKLOAD_ROOT | facts::ON_ROOT;

    #[test]
    fn a_file_of_a_lower_layer_of_the_recorded_root_comes_from_the_image() {
        assert_eq!(origin(SEEN | facts::OVERLAY, true), BinaryOrigin::Image);
    }

    #[test]
    fn a_file_of_the_upper_layer_was_written() {
        assert_eq!(origin(SEEN | facts::OVERLAY | facts::OVERLAY_UPPER, true), BinaryOrigin::Written);
    }

    #[test]
    fn what_lies_on_another_file_system_than_the_recorded_root_was_written_also_if_it_looks_like_an_image() {
        assert_eq!(origin(facts::ROOT_KNOWN | facts::OVERLAY | facts::ON_ROOT, true), BinaryOrigin::Written);
        assert_eq!(origin(facts::ROOT_KNOWN, true), BinaryOrigin::Written);
    }

    #[test]
    fn a_memfd_and_a_deleted_file_are_told_wherever_they_are() {
        assert_eq!(origin(facts::MEMFD | facts::UNLINKED, true), BinaryOrigin::Memfd);
        assert_eq!(origin(SEEN | facts::OVERLAY | facts::UNLINKED, true), BinaryOrigin::Deleted);
        assert_eq!(origin(facts::UNLINKED | facts::HOST_MOUNTS, false), BinaryOrigin::Deleted);
    }

    #[test]
    fn without_layers_or_without_a_recorded_root_nothing_is_claimed() {
        assert_eq!(origin(SEEN, true), BinaryOrigin::Unknown);
        assert_eq!(origin(facts::OVERLAY | facts::ON_ROOT, true), BinaryOrigin::Unknown);
    }

    #[test]
    fn a_binary_of_the_host_is_the_host_s_also_when_the_runtime_runs_it_in_a_container_s_cgroup() {
        assert_eq!(origin(facts::HOST_MOUNTS | facts::ON_ROOT, true), BinaryOrigin::Host);
        assert_eq!(origin(facts::ON_ROOT, false), BinaryOrigin::Host);
    }
}
