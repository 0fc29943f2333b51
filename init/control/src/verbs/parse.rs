//! Words become a verb.

use std::ffi::OsString;

use lexopt::{Arg, Parser, ValueExt};

use crate::{ExecRequest, LogsRequest, Method};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// `ps`.
    Ps {
        /// The reply's JSON instead of a table.
        json: bool,
    },
    /// `logs`.
    Logs {
        /// Of whom, and how much.
        request: LogsRequest,
        /// One JSON object a line.
        json: bool,
    },
    /// `boot`.
    Boot(BootForm),
    /// `start`, `stop`, `restart`: one call for all names.
    Service {
        /// Which of the three.
        method: Method,
        /// At least one.
        names: Vec<String>,
    },
    /// `kill`.
    Kill {
        /// `SIGHUP`, `HUP` or `1`; checked by the machine.
        signal: String,
        /// At least one.
        names: Vec<String>,
    },
    /// `exec`.
    Exec {
        /// What, without `stdin`: whoever runs it knows whether there is any.
        request: ExecRequest,
    },
    /// `poweroff`, `reboot`, `halt`.
    Machine {
        /// Which of the three.
        method: Method,
    },
}

/// How the last boot is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootForm {
    /// A waterfall for a terminal.
    Text,
    /// The times, and the slowest path.
    Json,
    /// A picture.
    Svg,
}

/// What is wrong with the words.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// No verb.
    #[error("a command is missing")]
    NoVerb,
    /// No such verb.
    #[error("there is no command {0:?}")]
    UnknownVerb(String),
    /// A verb for services without one.
    #[error("{0} needs the name of a service")]
    NoName(&'static str),
    /// `exec` without one.
    #[error("exec needs a command behind the name of the service")]
    NoCommand,
    /// `exec -it`.
    #[error(
        "exec has no terminal yet, so neither -i nor -t: without them it passes standard input on when that is a pipe or a file"
    )]
    Terminal,
    /// `exec -e` with something else.
    #[error("-e takes KEY=VALUE, or KEY of a variable that is set here, not {0:?}")]
    Variable(String),
    /// An option that the verb does not have, or one without its value.
    #[error(transparent)]
    Option(#[from] lexopt::Error),
}

/// Reads the words behind the program's name and own options, the verb first.
///
/// # Errors
/// [`UsageError`], for [`super::EXIT_USAGE`].
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Verb, UsageError> {
    let mut parser = Parser::from_args(words);
    let verb = match parser.next()? {
        None => return Err(UsageError::NoVerb),
        Some(Arg::Value(word)) => word.string()?,
        Some(option) => return Err(option.unexpected().into()),
    };
    match verb.as_str() {
        "ps" => ps(&mut parser),
        "logs" => logs(&mut parser),
        "boot" => boot(&mut parser),
        "start" => service(&mut parser, Method::Start, "start"),
        "stop" => service(&mut parser, Method::Stop, "stop"),
        "restart" => service(&mut parser, Method::Restart, "restart"),
        "kill" => kill(&mut parser),
        "exec" => super::exec::parse(&mut parser),
        "poweroff" => machine(&mut parser, Method::PowerOff),
        "reboot" => machine(&mut parser, Method::Reboot),
        "halt" => machine(&mut parser, Method::Halt),
        _ => Err(UsageError::UnknownVerb(verb)),
    }
}

fn ps(parser: &mut Parser) -> Result<Verb, UsageError> {
    let mut json = false;
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("json") => json = true,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Verb::Ps { json })
}

fn logs(parser: &mut Parser) -> Result<Verb, UsageError> {
    let mut request = LogsRequest::default();
    let mut json = false;
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('f') | Arg::Long("follow") => request.follow = true,
            Arg::Short('n') | Arg::Long("lines") => request.lines = Some(parser.value()?.parse()?),
            Arg::Long("json") => json = true,
            Arg::Value(name) if request.name.is_none() => request.name = Some(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Verb::Logs { request, json })
}

fn boot(parser: &mut Parser) -> Result<Verb, UsageError> {
    let mut form = BootForm::Text;
    while let Some(arg) = parser.next()? {
        form = match (arg, form) {
            (Arg::Long("json"), BootForm::Text) => BootForm::Json,
            (Arg::Long("svg"), BootForm::Text) => BootForm::Svg,
            (other, _) => return Err(other.unexpected().into()),
        }
    }
    Ok(Verb::Boot(form))
}

fn service(parser: &mut Parser, method: Method, verb: &'static str) -> Result<Verb, UsageError> {
    let mut names = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Value(name) => names.push(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if names.is_empty() {
        return Err(UsageError::NoName(verb));
    }
    Ok(Verb::Service { method, names })
}

fn kill(parser: &mut Parser) -> Result<Verb, UsageError> {
    let mut names = Vec::new();
    let mut signal = "SIGTERM".to_owned();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('s') | Arg::Long("signal") => signal = parser.value()?.string()?,
            Arg::Value(name) => names.push(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if names.is_empty() {
        return Err(UsageError::NoName("kill"));
    }
    Ok(Verb::Kill { signal, names })
}

fn machine(parser: &mut Parser, method: Method) -> Result<Verb, UsageError> {
    match parser.next()? {
        None => Ok(Verb::Machine { method }),
        Some(other) => Err(other.unexpected().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Verb, String> {
        parse(line.split(' ').map(OsString::from)).map_err(|e| e.to_string())
    }

    #[test]
    fn verbs_with_their_options() {
        assert_eq!(words("ps --json"), Ok(Verb::Ps { json: true }));
        let request = LogsRequest {
            name: Some("web".to_owned()),
            follow: true,
            lines: Some(5),
        };
        let logs = Verb::Logs {
            request,
            json: false,
        };
        assert_eq!(words("logs -fn5 web"), Ok(logs.clone()));
        assert_eq!(words("logs web --follow --lines=5"), Ok(logs));
        assert_eq!(words("boot"), Ok(Verb::Boot(BootForm::Text)));
        assert_eq!(words("boot --svg"), Ok(Verb::Boot(BootForm::Svg)));
        let names = vec!["a".to_owned(), "b".to_owned()];
        let method = Method::Restart;
        assert_eq!(words("restart a b"), Ok(Verb::Service { method, names }));
        let kill = Verb::Kill {
            signal: "HUP".to_owned(),
            names: vec!["web".to_owned()],
        };
        assert_eq!(words("kill -s HUP web"), Ok(kill));
        let method = Method::Halt;
        assert_eq!(words("halt"), Ok(Verb::Machine { method }));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("sp", "there is no command \"sp\""),
            ("ps web", "unexpected argument \"web\""),
            ("logs a b", "unexpected argument \"b\""),
            ("logs --tail", "invalid option '--tail'"),
            (
                "logs -n many",
                "cannot parse argument \"many\": invalid digit found in string",
            ),
            ("boot --json --svg", "invalid option '--svg'"),
            ("start", "start needs the name of a service"),
            ("kill -s HUP", "kill needs the name of a service"),
            ("reboot now", "unexpected argument \"now\""),
            ("--json", "invalid option '--json'"),
        ];
        for (line, message) in cases {
            assert_eq!(words(line).unwrap_err(), message);
        }
        assert_eq!(parse([]).unwrap_err().to_string(), "a command is missing");
    }

    #[test]
    fn every_verb_of_the_help_is_parsed() {
        for (usage, _) in crate::verbs::VERBS {
            let verb = usage.split(' ').next().unwrap();
            let error = words(&format!("{verb} --nonsense")).unwrap_err();
            assert!(error.contains("--nonsense"), "{error}");
            assert!(crate::verbs::is_verb(verb));
        }
    }
}
