//! The multi-call binary: see the library.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use orlop_services::applet::Applet;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    match Applet::select(&words) {
        Some((name, applet, arguments)) => ExitCode::from(applet.run(name, arguments)),
        None => {
            let names = Applet::ALL.map(|(name, _)| name).join(" ");
            drop(writeln!(
                std::io::stderr(),
                "services: call one of: {names}"
            ));
            ExitCode::from(2)
        }
    }
}
