//! Runs the commands of a tutorial as its reader would, and compares what they print with what is
//! written there.
//!
//! A block of the markdown that is fenced as `console` is a terminal:
//!
//! | line | what |
//! |---|---|
//! | `$ command` | for the workstation's shell; one shell for the whole page. `<<'END'` takes the lines up to `END` along |
//! | `$ orlop run …` | takes the terminal: the boot up to the console's prompt is what it prints |
//! | `console:~# command` | typed at that prompt |
//! | anything else | what the command above it prints |
//!
//! Words behind `console` say how the two are compared: `unordered`, as lines in any order; `varies`, by
//! their first words, which must be among those that are printed; and `…` begins a line that stands for
//! any number of lines. What is never
//! the same twice, such as a time or an address, is compared by its kind ([`same`]). Blocks fenced
//! otherwise are not run.
//!
//! The commands run as written but for two things: the machine is emulated whatever the workstation
//! can, and its ports are reached at free ones, so that tests do not disturb each other.

mod blocks;
mod compare;
mod page;
mod terminal;

pub use compare::same;
pub use page::Page;
