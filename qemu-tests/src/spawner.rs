//! Starts processes that die with this one.
//!
//! The death signal of prctl(2) is bound to the *thread* that started the process, and a test's
//! thread ends before a machine that several tests share does. So one thread that never ends
//! starts them all.

use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};

use anyhow::{Context, Result};

type Order = (Command, Sender<std::io::Result<Child>>);

static SPAWNER: LazyLock<Sender<Order>> = LazyLock::new(|| {
    let (orders, received) = channel::<Order>();
    std::thread::spawn(move || {
        for (mut command, answer) in received {
            let _ = answer.send(command.spawn());
        }
    });
    orders
});

/// Starts `command`, which should begin with [`mortal`]'s words.
pub(crate) fn spawn(command: Command) -> Result<Child> {
    let (answer, answered) = channel();
    SPAWNER
        .send((command, answer))
        .context("reach the spawner")?;
    let child = answered.recv().context("hear from the spawner")?;
    child.context("start setpriv (package util-linux)")
}

/// A command whose program, given as the next argument, is killed when this process dies; and
/// with `orlop run` dies its QEMU.
pub(crate) fn mortal() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]);
    command
}
