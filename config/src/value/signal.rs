//! Signals by name and number, as on x86-64 (signal(7)).

use std::fmt;

use crate::nearest::nearest;

/// A signal by number, written in manifests as `"SIGTERM"`, `"TERM"` or `"15"` (signal(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// Names without `SIG`, from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// Second names of some.
const ALIASES: [(&str, u8); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];
/// SIGRTMIN as programs see it: the C library keeps 32 and 33 for itself.
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

impl Signal {
    /// SIGTERM, the default `stop_signal`.
    pub const TERM: Signal = Signal(15);
    /// SIGKILL.
    pub const KILL: Signal = Signal(9);
    /// SIGABRT: what a watchdog sends.
    pub const ABRT: Signal = Signal(6);
    /// SIGCONT.
    pub const CONT: Signal = Signal(18);

    /// The signal's number, 1 to 64.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0 as i32
    }

    /// Reads `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3` or `RTMAX-1`, in capital or small letters.
    ///
    /// # Errors
    /// A sentence fragment that names the nearest signal.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return match text.parse() {
                Ok(number @ 1..=RTMAX) => Ok(Self(number)),
                _ => Err(format!(
                    "there is no signal {}; write 1 to 64",
                    crate::tree::shown(text)
                )),
            };
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let known = (1u8..).zip(NAMES).find(|(_, known)| *known == name);
        let alias = || ALIASES.into_iter().find(|(alias, _)| *alias == name);
        known
            .map(|(number, _)| number)
            .or_else(|| alias().map(|(_, number)| number))
            .or_else(|| real_time(name))
            .map(Self)
            .ok_or_else(|| {
                let near = nearest(name, NAMES).unwrap_or("TERM");
                format!(
                    "there is no signal {}; write \"SIG{near}\"",
                    crate::tree::quoted(text)
                )
            })
    }

    /// The signal's name, such as `SIGTERM` or `SIGRTMIN+3`.
    #[must_use]
    pub fn name(self) -> String {
        match NAMES.get(usize::from(self.0).wrapping_sub(1)) {
            Some(name) => format!("SIG{name}"),
            None if self.0 == RTMIN => "SIGRTMIN".to_owned(),
            None if self.0 == RTMAX => "SIGRTMAX".to_owned(),
            None if self.0 > RTMIN => format!("SIGRTMIN+{}", self.0 - RTMIN),
            None => self.0.to_string(),
        }
    }
}

/// The number of `RTMIN`, `RTMIN+3`, `RTMAX-1`.
fn real_time(name: &str) -> Option<u8> {
    let offset = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u8>().ok(),
        false => None,
    };
    let number = match name {
        "RTMIN" => RTMIN,
        "RTMAX" => RTMAX,
        _ => match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
            (Some(text), _) => RTMIN.checked_add(offset(text)?)?,
            (_, Some(text)) => RTMAX.checked_sub(offset(text)?)?,
            _ => return None,
        },
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_read_back_from_its_name() {
        for number in 1..=RTMAX {
            let signal = Signal(number);
            assert_eq!(Signal::parse(&signal.name()), Ok(signal));
        }
    }

    #[test]
    fn the_ways_to_write_one() {
        for text in ["SIGTERM", "TERM", "15", "sigterm"] {
            assert_eq!(Signal::parse(text), Ok(Signal::TERM));
        }
        assert_eq!(Signal::parse("SIGRTMIN+3").map(Signal::number), Ok(37));
        assert_eq!(Signal::parse("RTMAX-1").map(Signal::number), Ok(63));
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "0",
            "65",
            "SIG",
            "SIGRTMIN+31",
            "SIGRTMAX-31",
            "RTMIN+",
            "-9",
            "999999999999",
        ] {
            assert!(Signal::parse(text).is_err(), "{text}");
        }
        assert!(Signal::parse("SIGTREM").unwrap_err().contains("SIGTERM"));
    }
}
