//! Our own test guests: the kernel they boot, the initramfs that they boot from, and the probe in it.
//!
//! The binary of this crate, `vmwright-guest`, is that probe: it runs as process 1 of the guest, speaks the
//! protocol of the QEMU guest agent and echoes on port 7. The library side runs on the host: [`kernel`] finds a
//! kernel that can boot under QEMU and the modules it needs, [`probe`] builds the probe as one static file, and
//! [`initramfs`] packs both. [`block`] is what the probe writes to a disk, and [`load`] and [`echo`] what it measures
//! with, for both sides.

mod block;
pub mod echo;
mod elf;
pub mod initramfs;
pub mod kernel;
pub mod load;
pub mod probe;

pub use block::{BLOCK, block, generations};
