//! Power cuts, as a disk shows them: QEMU writes down what a machine asks of its disk, a [`Cut`] is
//! thrown, and the disk that it leaves behind is booted.
//!
//! ```text
//! Recording   the disk as it was, and QEMU's log of all writes, discards and flushes since
//!    |        ... the machine works; clients outside write down what is acknowledged, and when
//! throw       a random flush, and a random part of the writes between it and the next one
//!    |
//! disk::make  a copy of the disk as it was, with everything before the flush and that part
//! ```
//!
//! # What must be there after a cut
//! QEMU's `blklogwrites` first does a request, then appends it to its log, and only then tells the
//! guest that it is done. So:
//! 1. A service acknowledges a transaction when the flush that made it durable is done for the
//!    guest; by then that flush is in the log.
//! 2. The client reads the log's length *after* it got the acknowledgement. That flush ends at this
//!    position or before; what other requests added in between only makes the position later.
//! 3. A cut holds everything before its flush, which ends at [`Cut::position`]. If the position of an
//!    acknowledgement is not behind it, the transaction's flush is the cut's or an earlier one, and
//!    the transaction must be there. What was acknowledged later may be there or not.
//!
//! A write that comes after the flush and before the next one in the log may be there, be lost, or be
//! torn at sectors of 512 bytes, each for itself. Nothing behind the next flush is: a file system's
//! commit waits for it, and a disk that has the commit without what it waited for is broken, not
//! unplugged. A write that was under way while the flush was counts as before it, which is one of the
//! things that a disk may do.

mod cut;
pub mod disk;
pub mod ext4;
mod recording;
mod write_log;

pub use cut::{Cut, Fate, throw};
pub use recording::Recording;
pub use write_log::{Change, Entry, read};
