//! Applet `orlop`: the verbs, in the machine.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use orlop_control::client::Client;
use orlop_control::{CONTROL_SOCKET, verbs};

/// Does what the words say and gives the exit status.
pub fn run(arguments: &[OsString]) -> u8 {
    let mut out = std::io::stdout().lock();
    if let Some(word) = arguments.first()
        && (word == "--help" || word == "-h" || word == "help")
    {
        // Whoever closed standard output wants no help.
        drop(write!(
            out,
            "orlop: the services of this machine\n\n{}",
            verbs::help()
        ));
        return verbs::EXIT_DONE;
    }
    let verb = match verbs::parse(arguments.iter().cloned()) {
        Ok(verb) => verb,
        Err(error) => {
            crate::report::error("orlop", &error);
            drop(write!(std::io::stderr(), "{}", verbs::help()));
            return verbs::EXIT_USAGE;
        }
    };
    let connect = || Client::connect(Path::new(CONTROL_SOCKET), None);
    let outcome = verbs::run(&verb, connect, &mut out);
    for error in &outcome.errors {
        crate::report::line("orlop", &error.chain());
    }
    outcome.status
}
