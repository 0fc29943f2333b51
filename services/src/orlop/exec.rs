//! `orlop exec` in the machine: between the process's pipes and the caller's own streams.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::read;
use orlop_control::client::{Client, Executing};
use orlop_control::verbs::VerbError;
use orlop_control::{ExecRequest, Exit};

use crate::exec::{Output, Receiving, Streams, TURN};

/// Runs it and gives its end. The caller's output may block; the process is held up then, and
/// nothing else.
pub(super) fn exec(
    mut client: Client<Receiving>,
    request: &ExecRequest,
) -> Result<Exit, VerbError> {
    client.stream().takes_fds = true;
    client.exec(request)?;
    let fds = std::mem::take(&mut client.stream().fds);
    let mut streams = Streams::new(fds).map_err(|errno| VerbError::Streams(errno.into()))?;
    loop {
        let ready = wait(client.stream().stream.as_fd(), &streams)?;
        // What it wrote before its end is in the pipes by then.
        let exit = match ready.end {
            true => Some(ended(&mut client, &mut streams)?),
            false => None,
        };
        if ready.input {
            give(&mut streams)?;
        }
        streams.flush();
        while pass(&mut streams)? && exit.is_some() {}
        if let Some(exit) = exit {
            return Ok(exit);
        }
    }
}

struct Ready {
    end: bool,
    input: bool,
}

fn wait(connection: BorrowedFd<'_>, streams: &Streams) -> Result<Ready, VerbError> {
    let stdin = io::stdin();
    let mut fds = vec![PollFd::new(connection, PollFlags::POLLIN)];
    let wants = streams.takes_input() && streams.waiting() == 0;
    if wants {
        fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
    }
    let outputs = Output::BOTH
        .into_iter()
        .filter_map(|which| streams.output(which));
    fds.extend(outputs.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    fds.extend(streams.full().map(|fd| PollFd::new(fd, PollFlags::POLLOUT)));
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(VerbError::Streams(errno.into())),
    }
    let any = |at: usize| fds.get(at).and_then(PollFd::any).unwrap_or(false);
    Ok(Ready {
        end: any(0),
        input: wants && any(1),
    })
}

fn ended(client: &mut Client<Receiving>, streams: &mut Streams) -> Result<Exit, VerbError> {
    match client.executing()? {
        Executing::Ended(exit) => {
            streams.end();
            Ok(exit)
        }
        Executing::Message(_) => Err(VerbError::Streams(io::ErrorKind::InvalidData.into())),
    }
}

/// From the caller to the process.
fn give(streams: &mut Streams) -> Result<(), VerbError> {
    let mut buffer = [0; TURN];
    match read(io::stdin(), &mut buffer) {
        Ok(length) => streams.push(buffer.get(..length).unwrap_or_default()),
        Err(Errno::EINTR | Errno::EAGAIN) => {}
        Err(errno) => return Err(VerbError::Input(errno.into())),
    }
    Ok(())
}

/// From the process to the caller; whether there was anything.
fn pass(streams: &mut Streams) -> Result<bool, VerbError> {
    let mut buffer = [0; TURN];
    let mut some = false;
    for which in Output::BOTH {
        let bytes = streams.read(which, &mut buffer);
        some |= !bytes.is_empty();
        let written = match which {
            Output::Stdout => write(&mut io::stdout().lock(), bytes),
            Output::Stderr => write(&mut io::stderr().lock(), bytes),
        };
        written.map_err(VerbError::Output)?;
    }
    Ok(some)
}

fn write(to: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}
