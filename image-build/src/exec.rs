//! `orlop exec` on the workstation: the streams travel as messages ([`ExecMessage`]) over the
//! connection that the call was made over.
//!
//! Two threads: this one passes output on, another one reads standard input, which may never end. No
//! more than [`WINDOW`] bytes a direction are under way, so that a slow reader holds up nobody else.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use orlop_control::client::{Client, Executing};
use orlop_control::verbs::VerbError;
use orlop_control::{Base64, ExecMessage, ExecRequest, Exit, WINDOW};

/// So much input goes in one message.
const PIECE: usize = 16 * 1024;

/// Runs it and gives its end.
///
/// # Errors
/// What the machine says, and what goes wrong with the streams here.
pub fn exec(mut client: Client<UnixStream>, request: &ExecRequest) -> Result<Exit, VerbError> {
    client.exec(request)?;
    let stream = client.stream().try_clone().map_err(VerbError::Streams)?;
    let machine = Arc::new(ToMachine {
        stream: Mutex::new(stream),
        untaken: Mutex::new(0),
        taken: Condvar::new(),
    });
    if request.stdin {
        let machine = machine.clone();
        // It ends with the program, when it waits for input that nobody needs any more; what it cannot
        // send, this thread hears of.
        let give = move || drop(machine.give(io::stdin().lock()));
        let thread = std::thread::Builder::new().name("stdin".to_owned());
        thread.spawn(give).map_err(VerbError::Streams)?;
    }
    loop {
        let (bytes, written) = match client.executing()? {
            Executing::Ended(exit) => return Ok(exit),
            Executing::Message(ExecMessage::Stdout(Base64(bytes))) => {
                let written = pass(&mut io::stdout().lock(), &bytes);
                (bytes.len(), written)
            }
            Executing::Message(ExecMessage::Stderr(Base64(bytes))) => {
                let written = pass(&mut io::stderr().lock(), &bytes);
                (bytes.len(), written)
            }
            Executing::Message(ExecMessage::Taken(bytes)) => {
                machine.taken(bytes);
                continue;
            }
            Executing::Message(ExecMessage::Stdin(_)) => {
                return Err(VerbError::Streams(io::ErrorKind::InvalidData.into()));
            }
        };
        written.map_err(VerbError::Output)?;
        // Who has said all listens no more. Whether it has, or is gone, is what comes next.
        let _not_needed = machine.send(&ExecMessage::Taken(bytes));
    }
}

fn pass(to: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

/// What goes to the machine.
#[derive(Debug)]
struct ToMachine {
    /// One message at a time.
    stream: Mutex<UnixStream>,
    /// Bytes of input that are under way.
    untaken: Mutex<usize>,
    taken: Condvar,
}

impl ToMachine {
    fn send(&self, message: &ExecMessage) -> io::Result<()> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(&message.encode())
    }

    fn taken(&self, bytes: usize) {
        let mut untaken = self.untaken.lock().unwrap_or_else(PoisonError::into_inner);
        *untaken = untaken.saturating_sub(bytes);
        self.taken.notify_one();
    }

    /// Sends all of the input, then its end.
    fn give(&self, mut input: impl Read) -> io::Result<()> {
        let mut buffer = [0; PIECE];
        loop {
            let length = match input.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // As at its end: there is no more of it.
                read => read.unwrap_or(0),
            };
            let bytes = buffer.get(..length).unwrap_or_default().to_vec();
            // Before the machine can say that it has taken them.
            *self.untaken.lock().unwrap_or_else(PoisonError::into_inner) += length;
            self.send(&ExecMessage::Stdin(Base64(bytes)))?;
            if length == 0 {
                return Ok(());
            }
            let untaken = self.untaken.lock().unwrap_or_else(PoisonError::into_inner);
            let full = |untaken: &mut usize| *untaken + PIECE > WINDOW;
            drop(self.taken.wait_while(untaken, full));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_control::varlink::Messages;

    fn next(from: &mut UnixStream, messages: &mut Messages) -> ExecMessage {
        let mut buffer = [0; 4096];
        loop {
            if let Some(message) = messages.next_message().unwrap() {
                return ExecMessage::decode(&message).unwrap();
            }
            let length = from.read(&mut buffer).unwrap();
            messages.push(&buffer[..length]);
        }
    }

    #[test]
    fn input_waits_for_the_machine_to_take_it_and_all_of_it_comes() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let machine = Arc::new(ToMachine {
            stream: Mutex::new(ours),
            untaken: Mutex::new(0),
            taken: Condvar::new(),
        });
        let input: Vec<u8> = (0..=255).cycle().take(3 * WINDOW + 5).collect();
        let giver = {
            let (machine, input) = (machine.clone(), input.clone());
            std::thread::spawn(move || machine.give(input.as_slice()))
        };
        let mut messages = Messages::new(2 * WINDOW);
        let (mut got, mut untaken) = (Vec::new(), 0);
        while let ExecMessage::Stdin(Base64(bytes)) = next(&mut theirs, &mut messages) {
            if bytes.is_empty() {
                break;
            }
            untaken += bytes.len();
            got.extend(bytes);
            assert!(untaken <= WINDOW);
            if untaken == WINDOW {
                machine.taken(std::mem::take(&mut untaken));
            }
        }
        giver.join().unwrap().unwrap();
        assert_eq!(got, input);
    }
}
