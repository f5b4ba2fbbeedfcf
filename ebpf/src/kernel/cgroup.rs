//! `struct cgroup` and its kernfs node.

use super::{Probed, Read, inside, offset, probe};

/// A cgroup of any hierarchy.
#[derive(Clone, Copy)]
pub struct Cgroup(*const u8);

impl Cgroup {
    #[inline(always)]
    pub fn new(at: *const u8) -> Self {
        Self(at)
    }

    #[inline(always)]
    fn pointer(base: *const u8, offset: super::Offset) -> *const u8 {
        // SAFETY: called with objects of the types that the offsets belong to, or null; cannot fault.
        unsafe { Probed::read(base, offset) }
    }

    /// Whether it belongs to the v2 hierarchy, whose number is 0. v1 hierarchies raise the same events.
    #[inline(always)]
    pub fn is_v2(self) -> bool {
        let root = Self::pointer(self.0, offset::CGROUP_ROOT);
        // SAFETY: as above; the field is an int.
        let hierarchy: i32 = unsafe { Probed::read(root, offset::CGROUP_ROOT_HIERARCHY) };
        !root.is_null() && hierarchy == 0
    }

    /// Its id: the inode number of its folder. 0 if it cannot be read.
    #[inline(always)]
    pub fn id(self) -> u64 {
        // SAFETY: as above; the field is a 64-bit integer.
        unsafe { Probed::read(Self::pointer(self.0, offset::CGROUP_KN), offset::KN_ID) }
    }

    #[inline(always)]
    pub fn parent(self) -> Self {
        Self(Self::pointer(Self::pointer(self.0, offset::CGROUP_PARENT_CSS), offset::CSS_CGROUP))
    }

    /// How far below the root it is, whose level is 0.
    #[inline(always)]
    pub fn level(self) -> u32 {
        // SAFETY: as above; the field is an int.
        unsafe { Probed::read(self.0, offset::CGROUP_LEVEL) }
    }

    /// The one at this level above it, or itself, where `level` is no more than its own. `ancestors` is an array of
    /// `level + 1` pointers (include/linux/cgroup-defs.h, since 6.1).
    #[inline(always)]
    pub fn ancestor(self, level: u32) -> Self {
        let at = inside(self.0, offset::CGROUP_ANCESTORS).wrapping_add(level as usize * size_of::<u64>());
        Self(probe(at))
    }

    /// Address of its folder's name.
    #[inline(always)]
    pub fn name_at(self) -> *const u8 {
        Self::pointer(Self::pointer(self.0, offset::CGROUP_KN), offset::KN_NAME)
    }
}
