//! What is done for the kernel's verifier alone.

use core::sync::atomic::AtomicU64;

/// Always 0, which the verifier cannot know.
#[unsafe(no_mangle)]
static ZERO: AtomicU64 = AtomicU64::new(0);

/// The same number without its history: paths that differ in nothing else are verified once, not each with all that
/// follows. Verification is most of an agent's start.
#[inline(always)]
pub fn forget(number: u64) -> u64 {
    // SAFETY: a reference to a static is valid; volatile, because its value must not be assumed.
    number ^ unsafe { core::ptr::read_volatile(ZERO.as_ptr()) }
}

/// As [`forget`], of an answer that is only needed later.
#[inline(always)]
pub fn forget_which(answer: bool) -> bool {
    forget(u64::from(answer)) & 1 != 0
}

/// Keeps the branch that it is called in one of its own. Two constants that the compiler computes from a bit (by a
/// negation, whose range older kernels do not follow) are a number that the verifier knows nothing of.
#[inline(always)]
pub fn keep_branch() {
    // SAFETY: as above.
    unsafe { core::ptr::read_volatile(ZERO.as_ptr()) };
}
