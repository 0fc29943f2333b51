//! Applet `orlop`: the verbs, in the machine.

mod exec;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use orlop_control::CONTROL_SOCKET;
use orlop_control::client::{Client, ClientError};
use orlop_control::verbs::{self, Screen};

use crate::exec::Receiving;

/// Does what the words say and gives the exit status.
pub fn run(arguments: &[OsString]) -> u8 {
    if let Some(word) = arguments.first()
        && (word == "--help" || word == "-h" || word == "help")
    {
        // Whoever closed standard output wants no help.
        drop(write!(
            std::io::stdout(),
            "orlop: the services of this machine\n\n{}",
            verbs::help()
        ));
        return verbs::EXIT_DONE;
    }
    let mut verb = match verbs::parse(arguments.iter().cloned()) {
        Ok(verb) => verb,
        Err(error) => {
            crate::report::error("orlop", &error);
            drop(write!(std::io::stderr(), "{}", verbs::help()));
            return verbs::EXIT_USAGE;
        }
    };
    if let verbs::Verb::Exec { request } = &mut verb {
        request.stdin = !std::io::stdin().is_terminal();
    }
    let mut out = std::io::stdout();
    let outcome = verbs::run(&verb, connect, exec::exec, &mut out, Screen::of_stdout());
    for error in &outcome.errors {
        crate::report::line("orlop", &error.chain());
    }
    outcome.status
}

fn connect() -> Result<Client<Receiving>, ClientError> {
    let path = Path::new(CONTROL_SOCKET);
    let stream = UnixStream::connect(path).map_err(|source| ClientError::Connect {
        path: path.to_owned(),
        source,
    })?;
    Ok(Client::new(Receiving::new(stream)))
}
